import Crypto
import Domain
import Foundation
import Lab
import Testing

/// What a peer sends that has a tunnel, its keys and no scruples: any packet, in ESP (RFC 4303) by AES-GCM (RFC 4106) in
/// UDP (RFC 3948).
struct ForgedESP {
    private let spi: [UInt8]
    private let key: SymmetricKey
    private let salt: [UInt8]
    private let socket: NamespaceSocket

    /// Of the tunnel that the gateway made last with the enterprise.
    init(of enterprise: LabEnterprise, in lab: Laboratory) throws {
        // The peer was called: it sends with the responder's key (RFC 7296 §2.17).
        let log = enterprise.gatewayLog
        let section = try #require(log.range(of: "encryption responder key => 36 bytes", options: .backwards))
        let dump = log[section.upperBound...].split(separator: "\n").dropFirst().prefix(3)
        let octets = zip(dump, [16, 16, 4]).flatMap { line, count in
            line.split(separator: ": ").dropFirst().first.map { $0.split(separator: " ").prefix(count) } ?? []
        }.compactMap { UInt8($0, radix: 16) }
        try #require(octets.count == 36, "\(dump)")
        key = SymmetricKey(data: octets[..<32])
        salt = Array(octets[32...])
        let outbound = try #require(log.range(of: "adding outbound ESP SA", options: .backwards))
        let number = try #require(log[outbound.upperBound...].firstMatch(of: /SPI 0x([0-9a-f]+)/))
        spi = Self.octets(try #require(UInt32(number.1, radix: 16)))
        socket = try NamespaceSocket(
            .udp, in: enterprise.namespace, address: try IPv4Address(parsing: enterprise.place.address), port: 14_500)
    }

    /// - Parameter sequence: above all that the tunnel has carried, each once.
    func send(
        _ payload: [UInt8], from source: (IPv4Address, UInt16), to destination: (IPv4Address, UInt16), sequence: UInt32
    ) throws {
        let packet = Self.udp(payload, from: source, to: destination)
        let padding = (4 - (packet.count + 2) % 4) % 4
        // Next header 4: a packet of IPv4.
        let plain = packet + (0..<padding).map { UInt8($0 + 1) } + [UInt8(padding), 4]
        let header = spi + Self.octets(sequence)
        let vector = Self.octets(UInt64(sequence))
        let sealed = try AES.GCM.seal(
            plain, using: key, nonce: try AES.GCM.Nonce(data: salt + vector), authenticating: header)
        socket.send(
            header + vector + Array(sealed.ciphertext) + Array(sealed.tag),
            to: try IPv4Address(parsing: LabLayout.edgeOutside), port: 4500)
    }

    /// IPv4 and UDP, which may go without a checksum (RFC 768).
    private static func udp(
        _ payload: [UInt8], from source: (IPv4Address, UInt16), to destination: (IPv4Address, UInt16)
    ) -> [UInt8] {
        let length = UInt16(8 + payload.count)
        let datagram = octets(source.1) + octets(destination.1) + octets(length) + [0, 0] + payload
        var header: [UInt8] = [0x45, 0] + octets(20 + length) + [0, 1, 0x40, 0, 64, 17, 0, 0]
        header += octets(source.0.bits) + octets(destination.0.bits)
        var sum = stride(from: 0, to: 20, by: 2).reduce(UInt32(0)) { sum, place in
            sum + UInt32(header[place]) << 8 + UInt32(header[place + 1])
        }
        while sum > 0xffff { sum = sum >> 16 + sum & 0xffff }
        header.replaceSubrange(10..<12, with: octets(~UInt16(sum)))
        return header + datagram
    }

    private static func octets(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}

import Domain

import RADIUS

/// Makes packets for tests.
enum Packets {
    static let secret = Secret(bytes: Array("testing123".utf8))

    /// A packet with these attributes and a Length that fits.
    static func packet(_ code: UInt8, _ attributes: [UInt8], authenticator: [UInt8]? = nil) -> [UInt8] {
        let length = 20 + attributes.count
        return [code, 7, UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)]
            + (authenticator ?? Array(1...16)) + attributes
    }

    /// One attribute.
    static func attribute(_ type: UInt8, _ value: [UInt8]) -> [UInt8] { [type, UInt8(value.count + 2)] + value }

    /// One attribute of 3GPP.
    static func threeGPP(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
        attribute(26, [0, 0, 0x28, 0xaf, type, UInt8(value.count + 2)] + value)
    }

    /// The attributes of a packet that is right, in order: type and value.
    static func attributes(of packet: [UInt8]) -> [(type: UInt8, value: [UInt8])] {
        var found: [(type: UInt8, value: [UInt8])] = []
        var offset = 20
        while offset + 2 <= packet.count {
            let end = offset + max(2, Int(packet[offset + 1]))
            guard end <= packet.count else { break }
            found.append((packet[offset], Array(packet[offset + 2..<end])))
            offset = end
        }
        return found
    }

    static func accessRequest(_ bytes: [UInt8]) throws(PacketError) -> AccessRequest {
        try AccessRequest(decoding: bytes.span)
    }

    static func accountingRequest(_ bytes: [UInt8]) throws(PacketError) -> AccountingRequest {
        try AccountingRequest(decoding: bytes.span)
    }
}

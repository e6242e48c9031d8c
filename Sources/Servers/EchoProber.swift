public import Control
import Domain
import Glibc
import NIOCore
import Synchronization

/// Echo requests from one raw socket.
public final class EchoProber: TunnelProbing {
    private let descriptor: Int32
    /// Who does not see what was sent cannot answer it.
    private let cookie: UInt64
    private let identifier: UInt16
    /// A mark is the socket's: one sends at a time.
    private let sending = Mutex(())

    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// ICMP_FILTER and its level, of linux/icmp.h, which has no module.
    private static let (filterLevel, filterOption): (Int32, Int32) = (255, 1)

    /// In the network namespace of the calling thread.
    public init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 1)
        guard descriptor >= 0 else {
            throw Failure(description: "hosts behind VPNs cannot be asked: \(String(cString: strerror(errno)))")
        }
        // Echo replies alone.
        var mask = ~(UInt32(1) << 0)
        setsockopt(descriptor, Self.filterLevel, Self.filterOption, &mask, socklen_t(MemoryLayout<UInt32>.size))
        cookie = UInt64.random(in: .min ... .max)
        identifier = UInt16.random(in: .min ... .max)
    }

    deinit { close(descriptor) }

    public func send(_ probes: [TunnelProbe]) {
        sending.withLock { _ in
            for probe in probes {
                var mark = probe.mark
                setsockopt(descriptor, SOL_SOCKET, SO_MARK, &mark, socklen_t(MemoryLayout<UInt32>.size))
                send(message(probe), from: probe.source, to: probe.destination)
            }
        }
    }

    /// With its source in a control message (ip(7), IP_PKTINFO).
    private func send(_ message: [UInt8], from source: IPv4Address, to destination: IPv4Address) {
        // Four octets are an address.
        guard let target = try? SocketAddress(ipAddress: "\(destination)", port: 0) else { return }
        var message = message
        var control = PacketInformation()
        control.source = source.bits.bigEndian
        message.withUnsafeMutableBytes { octets in
            withUnsafeMutableBytes(of: &control) { control in
                target.withSockAddr { target, size in
                    var vector = iovec(iov_base: octets.baseAddress, iov_len: octets.count)
                    withUnsafeMutablePointer(to: &vector) { vector in
                        var header = msghdr()
                        header.msg_name = UnsafeMutableRawPointer(mutating: target)
                        header.msg_namelen = socklen_t(size)
                        header.msg_iov = vector
                        header.msg_iovlen = 1
                        header.msg_control = control.baseAddress
                        header.msg_controllen = PacketInformation.octets
                        // What is not sent is not answered, and noticed so.
                        _ = sendmsg(descriptor, &header, Int32(MSG_NOSIGNAL))
                    }
                }
            }
        }
    }

    /// cmsghdr and in_pktinfo, as they lie in memory on 64-bit Linux.
    private struct PacketInformation {
        var length = PacketInformation.octets
        var level = Int32(IPPROTO_IP)
        var type: Int32 = 8 /* IP_PKTINFO */
        var interface: Int32 = 0
        var source: UInt32 = 0
        var destination: UInt32 = 0
        var padding: UInt32 = 0

        /// CMSG_LEN of in_pktinfo's 12 octets.
        static let octets = 28
    }

    public func answers() -> [TunnelProbe.Answer] {
        var found: [TunnelProbe.Answer] = []
        var buffer = [UInt8](repeating: 0, count: 256)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return found }
            if let answer = answer(in: buffer[..<count]) { found.append(answer) }
        }
    }

    // MARK: Messages

    /// RFC 792: type, code, checksum, identifier, sequence; then the VPN's number and the cookie.
    private func message(_ probe: TunnelProbe) -> [UInt8] {
        var octets: [UInt8] = [8, 0, 0, 0]
        octets.append(contentsOf: Self.octets(identifier))
        octets.append(contentsOf: Self.octets(probe.sequence))
        octets.append(contentsOf: Self.octets(probe.vpn.rawValue))
        octets.append(contentsOf: Self.octets(cookie))
        let sum = Self.checksum(octets)
        octets[2] = UInt8(sum >> 8)
        octets[3] = UInt8(sum & 0xff)
        return octets
    }

    /// - Parameter packet: with its IP header, as raw sockets give it.
    private func answer(in packet: ArraySlice<UInt8>) -> TunnelProbe.Answer? {
        guard packet.count >= 20, let first = packet.first else { return nil }
        let header = Int(first & 0x0f) * 4
        let message = packet.dropFirst(header)
        guard header >= 20, message.count >= 20, message.first == 0,
            Self.number(message, 4, UInt16.self) == identifier, let sequence = Self.number(message, 6, UInt16.self),
            let vpn = Self.number(message, 8, UInt32.self).flatMap(VPNNumber.init),
            Self.number(message, 12, UInt64.self) == cookie, let source = Self.number(packet, 12, UInt32.self)
        else { return nil }
        return TunnelProbe.Answer(vpn: vpn, sequence: sequence, from: IPv4Address(bits: source))
    }

    private static func octets<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    private static func number<Number: FixedWidthInteger>(
        _ octets: ArraySlice<UInt8>, _ offset: Int, _ type: Number.Type
    ) -> Number? {
        let size = MemoryLayout<Number>.size
        let part = octets.dropFirst(offset).prefix(size)
        guard part.count == size else { return nil }
        return part.reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    /// RFC 1071.
    private static func checksum(_ octets: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for (place, octet) in octets.enumerated() { sum &+= UInt32(octet) << (place % 2 == 0 ? 8 : 0) }
        while sum >> 16 != 0 { sum = sum & 0xffff &+ sum >> 16 }
        return ~UInt16(truncatingIfNeeded: sum)
    }
}

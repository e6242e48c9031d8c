import Domain
import Glibc
import LinuxNet
import Testing

/// A UDP socket in a namespace.
final class KernelUDP {
    private let descriptor: Int32

    init(in namespace: NetworkNamespace, _ source: IPv4Address, port: UInt16 = 0) throws {
        descriptor = try namespace.run { socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0) }
        try #require(descriptor >= 0)
        waitAtMost(descriptor, milliseconds: 1000)
        try #require(withSocketAddress(source, port) { bind(descriptor, $0, $1) } == 0, "bind: \(errno)")
    }

    deinit { close(descriptor) }

    /// Errors of earlier datagrams come to the sender only when it is connected.
    func connect(_ destination: IPv4Address, port: UInt16) {
        _ = withSocketAddress(destination, port) { Glibc.connect(descriptor, $0, $1) }
    }

    func setTimeToLive(_ hops: Int32) {
        var hops = hops
        setsockopt(descriptor, Int32(IPPROTO_IP), IP_TTL, &hops, 4)
        // Without it the error of a hop on the way is not told.
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_IP), IP_RECVERR, &on, 4)
    }

    /// By which its packets are routed.
    func setMark(_ mark: UInt32) {
        var mark = mark
        setsockopt(descriptor, SOL_SOCKET, SO_MARK, &mark, 4)
    }

    /// What is larger than the path takes is refused, not cut into fragments (RFC 1191).
    func setDontFragment() {
        var always: Int32 = 2
        setsockopt(descriptor, Int32(IPPROTO_IP), IP_MTU_DISCOVER, &always, 4)
    }

    /// Of the connected socket, in octets, as far as the host knows it.
    var pathMTU: Int32 {
        var octets: Int32 = 0
        var length: socklen_t = 4
        return getsockopt(descriptor, Int32(IPPROTO_IP), IP_MTU, &octets, &length) == 0 ? octets : -1
    }

    func sendConnected(_ bytes: [UInt8]) -> Int { Glibc.send(descriptor, bytes, bytes.count, 0) }

    func send(_ bytes: [UInt8], to destination: IPv4Address, port: UInt16) {
        _ = withSocketAddress(destination, port) { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }
    }

    struct Datagram: Equatable {
        let bytes: [UInt8]
        let source: IPv4Address
        let port: UInt16
    }

    /// `nil` after the time, or on an error, which is then in `errno`.
    func receive(milliseconds: Int = 1000) -> Datagram? {
        waitAtMost(descriptor, milliseconds: milliseconds)
        var source = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = withUnsafeMutablePointer(to: &source) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &bytes, bytes.count, 0, $0, &length)
            }
        }
        guard count >= 0 else { return nil }
        return Datagram(
            bytes: Array(bytes.prefix(count)), source: IPv4Address(bits: UInt32(bigEndian: source.sin_addr.s_addr)),
            port: UInt16(bigEndian: source.sin_port))
    }
}

/// Sends whole packets, whatever their source.
final class KernelRawSender {
    private let descriptor: Int32
    private let descriptor6: Int32

    init(in namespace: NetworkNamespace) throws {
        (descriptor, descriptor6) = try namespace.run {
            (
                socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_RAW)),
                socket(AF_INET6, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_RAW))
            )
        }
        try #require(descriptor >= 0 && descriptor6 >= 0)
    }

    deinit {
        close(descriptor)
        close(descriptor6)
    }

    func send(_ packet: KernelPacket) {
        switch packet.destination {
        case .v4(let address): send(packet.bytes, to: address)
        case .v6(let address):
            let bytes = packet.bytes
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            withUnsafeMutableBytes(of: &name.sin6_addr) { $0.storeBytes(of: address.bits.bigEndian, as: UInt128.self) }
            _ = withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor6, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
    }

    func send(_ bytes: [UInt8], to destination: IPv4Address) {
        _ = withSocketAddress(destination, 0) { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }
    }
}

/// A TCP connection in a namespace, or a place that takes one.
final class KernelTCP {
    private let descriptor: Int32

    private init(_ descriptor: Int32) throws {
        self.descriptor = descriptor
        try #require(descriptor >= 0, "TCP: \(errno)")
        waitAtMost(descriptor, milliseconds: 1000)
    }

    convenience init(in namespace: NetworkNamespace, _ source: IPv4Address, port: UInt16 = 0) throws {
        try self.init(try namespace.run { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) })
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, 4)
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, 4)
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        try #require(withSocketAddress(source, port) { bind(descriptor, $0, $1) } == 0, "bind: \(errno)")
    }

    deinit { close(descriptor) }

    func listen() { _ = Glibc.listen(descriptor, 16) }

    /// Gives up after a second.
    func connect(_ destination: IPv4Address, port: UInt16) -> Bool {
        withSocketAddress(destination, port) { Glibc.connect(descriptor, $0, $1) } == 0
    }

    /// The next connection, with where it comes from.
    func accept() throws -> (connection: KernelTCP, source: IPv4Address, port: UInt16) {
        var source = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let accepted = withUnsafeMutablePointer(to: &source) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.accept(descriptor, $0, &length) }
        }
        return (
            try KernelTCP(accepted), IPv4Address(bits: UInt32(bigEndian: source.sin_addr.s_addr)),
            UInt16(bigEndian: source.sin_port)
        )
    }

    func send(_ text: String) -> Int {
        let bytes = Array(text.utf8)
        return Glibc.send(descriptor, bytes, bytes.count, 0)
    }

    func receive() -> String? {
        var bytes = [UInt8](repeating: 0, count: 2048)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
}

/// Sees the packets that come in on one interface.
final class KernelCapture {
    private let descriptor: Int32

    /// - Parameter withIPv6: all packets, and not those of IPv4 alone.
    init(in namespace: NetworkNamespace, interface: String, withIPv6: Bool = false) throws {
        let ipv4 = UInt16(withIPv6 ? 0x0003 : 0x0800)
        let (descriptor, index) = try namespace.run {
            (socket(AF_PACKET, Int32(SOCK_DGRAM.rawValue), Int32(ipv4.bigEndian)), if_nametoindex(interface))
        }
        self.descriptor = descriptor
        try #require(descriptor >= 0 && index > 0)
        var size: Int32 = 64 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, 4)
        // sockaddr_ll, which Glibc's module lacks: family, protocol, interface, and 12 octets that do not matter.
        var place = [UInt8](repeating: 0, count: 20)
        place.withUnsafeMutableBytes {
            $0.storeBytes(of: UInt16(AF_PACKET), toByteOffset: 0, as: UInt16.self)
            $0.storeBytes(of: ipv4.bigEndian, toByteOffset: 2, as: UInt16.self)
            $0.storeBytes(of: Int32(index), toByteOffset: 4, as: Int32.self)
        }
        let bound = place.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { bind(descriptor, $0.baseAddress, 20) }
        }
        try #require(bound == 0, "bind: \(errno)")
    }

    deinit { close(descriptor) }

    /// The next packet from the IPv4 header on, `nil` after the time.
    func next(milliseconds: Int = 1000) -> [UInt8]? {
        waitAtMost(descriptor, milliseconds: milliseconds)
        var bytes = [UInt8](repeating: 0, count: 2048)
        while true {
            var place = [UInt8](repeating: 0, count: 20)
            var length: socklen_t = 20
            let count = place.withUnsafeMutableBytes { placeBytes in
                placeBytes.withMemoryRebound(to: sockaddr.self) {
                    recvfrom(descriptor, &bytes, bytes.count, 0, $0.baseAddress, &length)
                }
            }
            guard count >= 0 else { return nil }
            // Octet 10 of sockaddr_ll: 4 is a packet that this host itself sends.
            if place[10] != 4 { return Array(bytes.prefix(count)) }
        }
    }

    /// All packets until one that carries `sequence`, as their sequences; stops after the time without any.
    func sequences(until sequence: UInt32, milliseconds: Int = 1000) -> Set<UInt32> {
        var seen: Set<UInt32> = []
        while let bytes = next(milliseconds: milliseconds) {
            guard let found = KernelPacket.sequence(in: bytes) else { continue }
            seen.insert(found)
            if found == sequence { break }
        }
        return seen
    }
}

/// A packet whose last octets are a number by which it is known again.
struct KernelPacket {
    var source: IPAddress
    var destination: IPAddress
    var `protocol`: UInt8
    /// The identifier for ICMP.
    var sourcePort: UInt16
    var destinationPort: UInt16
    var sequence: UInt32

    init(
        from source: IPAddress, to destination: IPAddress, protocol: UInt8, sourcePort: UInt16 = 0,
        destinationPort: UInt16 = 0, sequence: UInt32
    ) {
        self.source = source
        self.destination = destination
        self.protocol = `protocol`
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.sequence = sequence
    }

    init(
        source: IPv4Address, destination: IPv4Address, protocol: UInt8, sourcePort: UInt16 = 0,
        destinationPort: UInt16 = 0, sequence: UInt32
    ) {
        self.init(
            from: .v4(source), to: .v4(destination), protocol: `protocol`, sourcePort: sourcePort,
            destinationPort: destinationPort, sequence: sequence)
    }

    private static let magic: [UInt8] = [0xc0, 0x4d, 0x0f, 0xf1]

    static func sequence(in bytes: [UInt8]) -> UInt32? {
        guard bytes.count >= 28, Array(bytes.suffix(8).prefix(4)) == magic else { return nil }
        return bytes.suffix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    var bytes: [UInt8] {
        let payload = Self.magic + Self.octets(sequence)
        var body: [UInt8]
        switch `protocol` {
        case 6:
            // SYN, window 1024.
            body = Self.octets(sourcePort) + Self.octets(destinationPort) + Self.octets(sequence) + [0, 0, 0, 0]
            body += [0x50, 2, 4, 0, 0, 0, 0, 0] + payload
            body.replaceSubrange(16..<18, with: checksum(body))
        case 17:
            body = Self.octets(sourcePort) + Self.octets(destinationPort)
            body += Self.octets(UInt16(8 + payload.count)) + [0, 0] + payload
            if isIPv6 { body.replaceSubrange(6..<8, with: checksum(body)) }
        case 58:
            body = [128, 0, 0, 0] + Self.octets(sourcePort) + [0, 1] + payload
            body.replaceSubrange(2..<4, with: checksum(body))
        case 1:
            body = [8, 0, 0, 0] + Self.octets(sourcePort) + [0, 1] + payload
            body.replaceSubrange(2..<4, with: Self.checksum(body))
        default: body = [0, 0, 0x65, 0x58] + payload
        }
        if isIPv6 {
            return [0x60, 0, 0, 0] + Self.octets(UInt16(body.count)) + [`protocol`, 64] + addresses + body
        }
        // The kernel fills in the identification and the header's checksum.
        return [0x45, 0] + Self.octets(UInt16(20 + body.count)) + [0, 0, 0, 0, 64, `protocol`, 0, 0] + addresses + body
    }

    private var isIPv6: Bool { if case .v6 = destination { true } else { false } }

    private var addresses: [UInt8] { Self.octets(source) + Self.octets(destination) }

    private static func octets(_ address: IPAddress) -> [UInt8] {
        switch address {
        case .v4(let address): octets(address.bits)
        case .v6(let address): octets(address.bits)
        }
    }

    /// With the pseudo-header, which adds up to the same for both families.
    private func checksum(_ body: [UInt8]) -> [UInt8] {
        Self.checksum(addresses + [0, `protocol`] + Self.octets(UInt16(body.count)) + body)
    }
    /// A datagram as IPv4 fragments of 1,480 octets at most.
    static func fragments(
        _ payload: [UInt8], from source: IPv4Address, port: UInt16, to destination: IPv4Address,
        port destinationPort: UInt16, number: UInt16
    ) -> [[UInt8]] {
        let datagram = octets(port) + octets(destinationPort) + octets(UInt16(8 + payload.count)) + [0, 0] + payload
        return stride(from: 0, to: datagram.count, by: 1480).map { start in
            let part = Array(datagram[start..<min(start + 1480, datagram.count)])
            let isLast = start + 1480 >= datagram.count
            let flags: UInt16 = UInt16(start / 8) | (isLast ? 0 : 0x2000)
            return [0x45, 0] + octets(UInt16(20 + part.count)) + octets(number) + octets(flags) + [64, 17, 0, 0]
                + octets(source.bits) + octets(destination.bits) + part
        }
    }

    static func octets(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    /// RFC 1071.
    static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return octets(~UInt16(sum))
    }
}

private func waitAtMost(_ descriptor: Int32, milliseconds: Int) {
    var limit = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
}

private func withSocketAddress<Result>(
    _ address: IPv4Address, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = address.bits.bigEndian
    name.sin_port = port.bigEndian
    return withUnsafePointer(to: &name) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}

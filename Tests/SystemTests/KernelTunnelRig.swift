import Domain
import Glibc
import LinuxNet
import PolicyCompiler
import TestSupport
import Testing

/// Stands in for the IKE daemon that encrypts itself: the TUN `ipsec0` of the gateway. What comes out of it would be
/// encrypted, and what is written into it has been decrypted.
final class TunnelDaemon {
    private let descriptor: Int32

    init(_ rig: KernelRig, mtu: Int = 1400) throws {
        descriptor = try rig.gateway.run {
            let descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)
            // ifreq: the name, and IFF_TUN with IFF_NO_PI.
            var request = Array("ipsec0".utf8) + [UInt8](repeating: 0, count: 34)
            (request[16], request[17]) = (0x01, 0x10)
            let isMade = ioctl(descriptor, 0x4004_54ca, &request) == 0
            return isMade ? descriptor : -1
        }
        try #require(descriptor >= 0, "ipsec0: \(errno)")
        _ = try rig.inGateway("ip link set ipsec0 mtu \(mtu) up")
    }

    deinit { close(descriptor) }

    func write(_ packet: [UInt8]) {
        let count = Glibc.write(descriptor, packet, packet.count)
        #expect(count == packet.count, "writing to ipsec0: \(errno)")
    }

    /// The next packet of IPv4, `nil` after the time. All of its checksums are right.
    func read(milliseconds: Int32 = 1000) -> TunnelPacket? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while true {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, milliseconds) > 0 else { return nil }
            let count = Glibc.read(descriptor, &bytes, bytes.count)
            guard count >= 20, bytes[0] >> 4 == 4 else { continue }
            let packet = TunnelPacket(reading: Array(bytes[..<count]))
            #expect(packet.hasRightChecksums, "\(packet)")
            return packet
        }
    }
}

/// An IPv4 packet, made by hand.
struct TunnelPacket: Equatable {
    var source: IPv4Address
    var destination: IPv4Address
    var `protocol`: UInt8
    /// Of ports and what is behind them, or of an ICMP message, with the checksum.
    var body: [UInt8]
    /// Flags and offset.
    var fragment: UInt16 = 0
    var identification: UInt16 = 0
    /// Words of IP options.
    var options: [UInt8] = []

    static func udp(
        _ source: String, _ port: UInt16, to destination: String, _ destinationPort: UInt16, _ payload: [UInt8],
        hasChecksum: Bool = true
    ) -> Self {
        var packet = TunnelPacket(
            source: address(source), destination: address(destination), protocol: 17,
            body: octets(port) + octets(destinationPort) + octets(UInt16(8 + payload.count)) + [0, 0] + payload)
        if hasChecksum { packet.body.replaceSubrange(6..<8, with: packet.checksum) }
        return packet
    }

    /// With the option of a maximum segment size (RFC 9293 §3.2).
    static func tcp(
        _ source: String, _ port: UInt16, to destination: String, _ destinationPort: UInt16, flags: UInt8,
        segment: UInt16,
        sequence: UInt32 = 1, acknowledged: UInt32 = 0
    ) -> Self {
        var packet = TunnelPacket(
            source: address(source), destination: address(destination), protocol: 6,
            body: octets(port) + octets(destinationPort) + octets(sequence) + octets(acknowledged)
                + [0x60, flags, 0x10, 0, 0, 0, 0, 0, 2, 4] + octets(segment))
        packet.body.replaceSubrange(16..<18, with: packet.checksum)
        return packet
    }

    /// "Port unreachable", or another type, about a packet.
    static func error(
        about packet: TunnelPacket, from source: String, to destination: String, type: UInt8 = 3, code: UInt8 = 3,
        octets count: Int = 28
    ) -> Self {
        var body: [UInt8] = [type, code, 0, 0, 0, 0, 0, 0] + packet.bytes.prefix(count)
        body.replaceSubrange(2..<4, with: KernelPacket.checksum(body))
        return TunnelPacket(source: address(source), destination: address(destination), protocol: 1, body: body)
    }

    init(
        source: IPv4Address, destination: IPv4Address, protocol: UInt8, body: [UInt8], fragment: UInt16 = 0
    ) {
        self.source = source
        self.destination = destination
        self.protocol = `protocol`
        self.body = body
        self.fragment = fragment
    }

    init(reading bytes: [UInt8]) {
        let word = { (at: Int) in UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) }
        let header = Int(bytes[0] & 15) * 4
        source = IPv4Address(bits: UInt32(word(12)) << 16 | UInt32(word(14)))
        destination = IPv4Address(bits: UInt32(word(16)) << 16 | UInt32(word(18)))
        `protocol` = bytes[9]
        body = Array(bytes.dropFirst(header))
        fragment = word(6)
        identification = word(4)
        options = Array(bytes[20..<max(20, min(header, bytes.count))])
        isHeaderRight = KernelPacket.checksum(Array(bytes.prefix(header))) == [0, 0]
    }

    private var isHeaderRight = true

    var bytes: [UInt8] {
        var header: [UInt8] = [UInt8(0x45 + options.count / 4), 0]
        header += Self.octets(UInt16(20 + options.count + body.count)) + Self.octets(identification)
        header += Self.octets(fragment) + [64, `protocol`, 0, 0] + addresses + options
        header.replaceSubrange(10..<12, with: KernelPacket.checksum(header))
        return header + body
    }

    var ports: (source: UInt16, destination: UInt16) {
        (UInt16(body[0]) << 8 | UInt16(body[1]), UInt16(body[2]) << 8 | UInt16(body[3]))
    }

    /// Of UDP.
    var payload: [UInt8] { Array(body.dropFirst(8)) }

    /// The maximum segment size of a SYN, when that is its first option.
    var segment: UInt16? {
        body.count >= 24 && body[20] == 2 ? UInt16(body[22]) << 8 | UInt16(body[23]) : nil
    }

    /// What an ICMP error is about.
    var inside: TunnelPacket? {
        `protocol` == 1 && body.count >= 28 ? TunnelPacket(reading: Array(body.dropFirst(8))) : nil
    }

    /// Those of fragments are not looked at.
    var hasRightChecksums: Bool {
        guard isHeaderRight else { return false }
        guard fragment & 0x3fff == 0 else { return true }
        switch `protocol` {
        case 1: return KernelPacket.checksum(body) == [0, 0] && inside?.isHeaderRight != false
        case 6: return checksum == [0, 0]
        case 17: return body[6] == 0 && body[7] == 0 || checksum == [0, 0]
        default: return true
        }
    }

    private var addresses: [UInt8] { Self.octets(source.bits) + Self.octets(destination.bits) }

    /// With the pseudo-header.
    private var checksum: [UInt8] {
        KernelPacket.checksum(addresses + [0, `protocol`] + Self.octets(UInt16(body.count)) + body)
    }

    private static func octets(_ value: some FixedWidthInteger) -> [UInt8] { KernelPacket.octets(value) }

    static func == (a: Self, b: Self) -> Bool { a.bytes == b.bytes }
}

extension KernelRig {
    /// A tunnel to networks, each written as a person does: `10.0.0.0/24=192.168.7.0/24`.
    static func tunnel(
        _ number: UInt32, of blocks: [String] = ["100.64.0.0/29"], to networks: [String] = ["10.0.0.0/24"],
        groups: Set<GroupNumber>? = nil, destinations: [String] = [], ports: [String] = [], isUp: Bool = true
    ) -> VPNEntry {
        let networks = networks.map { text in
            do { return try Tunnel.RemoteNetwork(parsing: text) } catch { preconditionFailure("\(error)") }
        }
        let ports = ports.map { text in
            do { return try PartnerPorts(parsing: text) } catch { preconditionFailure("\(error)") }
        }
        return VPNEntry(
            interface: vpnNumber(number).tunnelInterface, networks: Set(networks.map(\.seenAs)),
            tunnel: TunnelEntry(
                blocks: blocks.map { prefix($0) }, networks: networks, groups: groups,
                destinations: destinations.map { prefix($0) }, ports: ports), isUp: isUp)
    }
}

extension Ruleset {
    /// Devices reach these through the VPN, and all that is behind it reaches them.
    static func tunnels(_ ways: [(destination: String, vpn: UInt32)], isOpen: Bool = true) -> Ruleset {
        let vpns = Set(ways.map(\.vpn)).sorted()
        let shape = BoxShape(protocols: 0...255, ports: 0...65_535)
        return Ruleset(
            layers: [
                ways.enumerated().map { index, way in
                    Entry(destination: prefix(way.destination), protocols: 0...255, ports: 0...65_535, rule: index)
                }
            ],
            access: isOpen
                ? vpns.enumerated().map { index, vpn in
                    Access(
                        vpn: vpnNumber(vpn),
                        entries: [
                            AccessEntry(
                                source: .any, group: nil, shape: shape, rule: ways.count + index, isAllowed: true)
                        ])
                } : [],
            actions: ways.map { Action(.vpns([vpnNumber($0.vpn)])) }
                + (isOpen ? vpns.map { Action(.access(vpnNumber($0))) } : []))
    }
}

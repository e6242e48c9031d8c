public import Domain
import PolicyCompiler

/// How this gateway is connected, and the numbers it uses in the kernel.
public struct GatewayLayout: Hashable, Sendable {
    /// The interface towards the P-GW.
    public let sgiInterface: InterfaceName
    /// The P-GW's address there: the next hop towards devices.
    public let sgiPeer: IPv4Address
    /// The interface towards the internet.
    public let wanInterface: InterfaceName
    /// The next hop towards the internet.
    public let wanNextHop: IPv4Address
    /// The operator's infrastructure: no device reaches these, whatever its policy says.
    public let protectedPrefixes: Set<IPv4Prefix>
    /// The public addresses of NAT 1. No device reaches one, its own neither: two devices that send to each other's
    /// ports at the same time would meet behind the gateway (RFC 4787 REQ-9 asks for that; here it is refused).
    public var publicPrefixes: Set<IPv4Prefix> = []
    /// Where RADIUS listens, UDP.
    public var radiusPorts: Set<UInt16> = [1812, 1813]
    public var limits = GatewayLimits()
    /// The number of the first policy's chain that a process makes; `nil` for a random one, so that flows which an
    /// earlier process's chains have judged do not have it.
    public var firstChain: UInt32?
    /// The routing table for packets to the internet.
    public var internetTable: UInt32 = 4001
    /// The routing table for what the gateway itself sends to devices.
    public var devicesTable: UInt32 = 4002
    /// The routing table for packets from outside.
    public var answersTable: UInt32 = 4003
    /// The preference of the first of five consecutive routing rules; must come before the main table's (32766).
    public var firstRulePreference: UInt32 = 100

    public init(
        sgiInterface: InterfaceName, sgiPeer: IPv4Address, wanInterface: InterfaceName, wanNextHop: IPv4Address,
        protectedPrefixes: Set<IPv4Prefix> = []
    ) {
        self.sgiInterface = sgiInterface
        self.sgiPeer = sgiPeer
        self.wanInterface = wanInterface
        self.wanNextHop = wanNextHop
        self.protectedPrefixes = protectedPrefixes
    }
}

/// How much of the gateway one tenant's block or one NAS can take from the others.
public struct GatewayLimits: Hashable, Sendable {
    /// Connections that the devices of one /24 may open in a second, and how many more at once. A /24 is one tenant's
    /// unless blocks are smaller.
    public var newConnectionsPerBlock: UInt32 = 2000
    public var newConnectionsBurst: UInt32 = 10_000
    /// RADIUS packets that one NAS may send in a second.
    public var radiusPacketsPerNAS: UInt32 = 100_000

    public init() {}
}

/// The marks of packets that have been judged. Upper half: the lower is for ``PolicyMark``.
enum RouteMark {
    static let internet: UInt32 = 0x8000_0001
    static let devices: UInt32 = 0x8000_0002

    /// The mark of a way whose route never changes.
    static func fixed(_ way: RuleAction) -> UInt32? { way == .internet ? internet : nil }
}

/// The name of a network interface. 1 to 15 letters, digits, dots, hyphens and underscores, so that it can stand in a
/// text for nft and in a path under /proc/sys (which writes a dot in a name as a slash; paths here are file paths).
public struct InterfaceName: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(parsing text: some StringProtocol) throws(ParseError) {
        let isAllowed = { (byte: UInt8) in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
                || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
        }
        let bytes = Array(text.utf8)
        guard (1...15).contains(bytes.count), bytes.allSatisfy(isAllowed), text != ".", text != ".." else {
            throw ParseError(
                kind: "an interface name", text: text,
                expected: "write 1 to 15 letters, digits, dots, hyphens and underscores")
        }
        description = String(text)
    }
}

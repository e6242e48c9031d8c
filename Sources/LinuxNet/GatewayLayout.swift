public import Domain
public import PolicyCompiler

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
    /// The routing table of the VPN with number zero; the others' follow.
    public var firstVPNTable: UInt32 = 5000
    /// The preference of the first routing rule. Some 12,300 numbers from here on are Cordon's; they must come before the
    /// main table's (32766).
    public var firstRulePreference: UInt32 = 100
    /// The P-GW's address on ``sgiInterface`` and the next hop towards the internet, where the gateway forwards IPv6.
    public var sgiPeer6: IPv6Address?
    public var wanNextHop6: IPv6Address?
    /// The same as ``protectedPrefixes``.
    public var protectedPrefixes6: Set<IPv6Prefix> = []

    /// The resolver that devices get; `nil`: none, and their packets to port 53 are judged like others.
    public var resolver: Resolver?

    /// Addresses of the gateway where its resolver answers devices, on port 53, UDP and TCP. What devices send to port 53
    /// of other addresses is redirected there, whatever their policies say.
    public struct Resolver: Hashable, Sendable {
        public let address: IPv4Address
        public let address6: IPv6Address?
        /// Where redirected packets come in, on the same addresses. Those that are sent to the resolver itself are not
        /// tracked: a tracked question would take a place in conntrack for minutes.
        public let redirectedPort: UInt16

        public init(address: IPv4Address, address6: IPv6Address? = nil, redirectedPort: UInt16 = 1053) {
            self.address = address
            self.address6 = address6
            self.redirectedPort = redirectedPort
        }
    }

    /// The operator's time server, towards the internet. Without one of IPv6, no packet of that goes to one.
    public var timeServer: IPv4Address?
    public var timeServer6: IPv6Address?

    /// Whether there may be IPsec tunnels: then the gateway can be called by IKE from the internet.
    public var hasTunnels = false
    /// Who encrypts; `nil`: the kernel where it can.
    public var tunnelPath: TunnelPath?
    /// Of tunnels, in octets. With it, ESP in UDP (some 100 octets at most) is within Ethernet's 1,500.
    public var tunnelMTU: UInt32 = 1400

    /// How many devices may be counted for at once, and limited; ninety octets of memory for each, and 128 more for
    /// each that there is.
    public var usageCapacity: UInt32 = 1 << 20

    /// Whether IPv6 is forwarded.
    public var hasIPv6: Bool { sgiPeer6 != nil && wanNextHop6 != nil }

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

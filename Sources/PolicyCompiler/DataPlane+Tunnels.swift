public import Domain

/// What passes a tunnel: its traffic selectors, and what its tenant lets a partner do.
public struct TunnelEntry: Hashable, Sendable {
    /// The tenant's blocks, in their order.
    public let blocks: [IPv4Prefix]
    /// What is behind the peer, and what devices see it as, in their order.
    public let networks: [Tunnel.RemoteNetwork]
    /// Only devices of these use it; `nil`: all.
    public let groups: Set<GroupNumber>?
    /// As devices see them; empty: all that is behind the peer.
    public let destinations: [IPv4Prefix]
    /// At the side that is called; empty: every protocol.
    public let ports: [PartnerPorts]

    public init(
        blocks: [IPv4Prefix], networks: [Tunnel.RemoteNetwork], groups: Set<GroupNumber>? = nil,
        destinations: [IPv4Prefix] = [], ports: [PartnerPorts] = []
    ) {
        self.blocks = blocks
        self.networks = networks
        self.groups = groups
        self.destinations = destinations
        self.ports = ports
    }

    /// The gateway's own in the tunnel, for questions to a tenant's resolver, probes, and ICMP errors: the first of each
    /// block, which no device gets (``AddressPool/addressesPerBlock``), so that it is within the traffic selectors. An IKE
    /// daemon that encrypts itself takes a block only when the gateway has an address there.
    public var gatewayAddresses: Set<IPv4Address> { Set(blocks.map(\.first)) }
}

/// Who encrypts (ESP, RFC 4303).
public enum TunnelPath: String, Sendable, CaseIterable {
    /// The kernel, with one XFRM interface a VPN.
    case kernel
    /// The IKE daemon, over one TUN for all VPNs.
    case userSpace = "user-space"
}

/// What has passed a VPN since its interface was made.
public struct TunnelCounters: Hashable, Sendable {
    public var packetsToPeer: UInt64 = 0
    public var octetsToPeer: UInt64 = 0
    public var packetsFromPeer: UInt64 = 0
    public var octetsFromPeer: UInt64 = 0
    /// From the peer, dropped: for a device that is not its tenant's, from an address that is not behind the peer, or
    /// not let in by a rule or a limit.
    public var refusedPackets: UInt64 = 0

    public init() {}
}

/// A tenant's way to its own network, or to a partner's.
public struct VPN: Hashable, Sendable {
    public typealias ID = Identifier<VPN>
    public let id: ID
    public let tenant: Tenant.ID
    public let name: Name
    /// Its place at the gateway.
    public let number: VPNNumber
    public let way: Way
    public let createdAt: Timestamp

    public enum Way: Hashable, Sendable {
        /// The operator's: an interface of the gateway's host.
        case line(Line)
        /// IPsec, which the gateway makes by itself.
        case tunnel(Tunnel)
    }

    /// Where a line leads.
    public struct Line: Hashable, Sendable {
        public let interface: InterfaceName
        /// `nil` where the interface leads to one peer only.
        public let nextHop: IPv4Address?
        public let nextHop6: IPv6Address?
        /// What is behind it, in their order. Devices reach these through it, and packets to devices come from these only.
        public let networks: [IPv4Prefix]
        public let networks6: [IPv6Prefix]

        /// Of one VPN, of both families together.
        public static let maximumNetworks = 256

        public init(
            interface: InterfaceName, nextHop: IPv4Address? = nil, nextHop6: IPv6Address? = nil,
            networks: [IPv4Prefix], networks6: [IPv6Prefix] = []
        ) {
            self.interface = interface
            self.nextHop = nextHop
            self.nextHop6 = nextHop6
            self.networks = Set(networks).sorted()
            self.networks6 = Set(networks6).sorted()
        }
    }

    public init(id: ID, tenant: Tenant.ID, name: Name, number: VPNNumber, way: Way, createdAt: Timestamp) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.number = number
        self.way = way
        self.createdAt = createdAt
    }

    /// Where its packets leave and come in: a line's own, or the one that the gateway makes for a tunnel.
    public var interface: InterfaceName {
        switch way {
        case .line(let line): line.interface
        case .tunnel: number.tunnelInterface
        }
    }

    /// What devices see behind it.
    public var networks: [IPv4Prefix] {
        switch way {
        case .line(let line): line.networks
        case .tunnel(let tunnel): tunnel.networks.map(\.seenAs)
        }
    }

    public var networks6: [IPv6Prefix] {
        switch way {
        case .line(let line): line.networks6
        case .tunnel: []
        }
    }

    public var line: Line? {
        if case .line(let line) = way { line } else { nil }
    }

    public var tunnel: Tunnel? {
        if case .tunnel(let tunnel) = way { tunnel } else { nil }
    }
}

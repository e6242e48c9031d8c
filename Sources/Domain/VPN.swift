/// A tenant's way to its own network. So far the line behind it is the operator's: an interface of the gateway's host.
public struct VPN: Hashable, Sendable {
    public typealias ID = Identifier<VPN>
    public let id: ID
    public let tenant: Tenant.ID
    public let name: Name
    /// Its place at the gateway.
    public let number: VPNNumber
    public let line: Line
    public let createdAt: Timestamp

    /// Where it leads.
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

    public init(id: ID, tenant: Tenant.ID, name: Name, number: VPNNumber, line: Line, createdAt: Timestamp) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.number = number
        self.line = line
        self.createdAt = createdAt
    }
}

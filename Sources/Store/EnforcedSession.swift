public import Domain

/// A session with what the kernel needs to know about it.
public struct EnforcedSession: Hashable, Sendable {
    public let session: Session.ID
    public let sim: SIM.ID
    public let tenant: Tenant.ID
    /// `nil`: it has IPv6 alone.
    public let address: IPv4Address?
    public let prefixes: SessionPrefixes?
    public let natIndex: Int64
    public let policy: Policy.ID?
    public let group: SIMGroup.ID?
    public init(
        session: Session.ID, sim: SIM.ID, tenant: Tenant.ID, address: IPv4Address?, natIndex: Int64, policy: Policy.ID?,
        group: SIMGroup.ID? = nil, prefixes: SessionPrefixes? = nil
    ) {
        self.prefixes = prefixes
        self.session = session
        self.sim = sim
        self.tenant = tenant
        self.address = address
        self.natIndex = natIndex
        self.policy = policy
        self.group = group
    }
}

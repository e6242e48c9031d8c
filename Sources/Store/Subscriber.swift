public import Domain

/// A SIM as an admission sees it.
public struct Subscriber: Hashable, Sendable {
    public let id: SIM.ID
    public let imsi: IMSI
    public let tenant: Tenant.ID
    public let state: SIM.State
    /// The group's policy, else the tenant's default, else none.
    public let policy: Policy.ID?
    public let group: SIMGroup.ID?
    /// Of a SIM in a manufacturing test.
    public let test: SIM.TestAllowance?

    public init(
        id: SIM.ID, imsi: IMSI, tenant: Tenant.ID, state: SIM.State, policy: Policy.ID?, group: SIMGroup.ID? = nil,
        test: SIM.TestAllowance? = nil
    ) {
        self.test = test
        self.group = group
        self.id = id
        self.imsi = imsi
        self.tenant = tenant
        self.state = state
        self.policy = policy
    }
}

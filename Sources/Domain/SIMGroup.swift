/// SIMs of a tenant that share a policy.
public struct SIMGroup: Hashable, Sendable {
    public typealias ID = Identifier<SIMGroup>
    public let id: ID
    public let tenant: Tenant.ID
    public let name: Name
    /// Without one the tenant's default policy holds.
    public var policy: Policy.ID?

    public init(id: ID, tenant: Tenant.ID, name: Name, policy: Policy.ID?) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.policy = policy
    }
}

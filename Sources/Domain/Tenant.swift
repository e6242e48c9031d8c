/// One enterprise customer of the operator. It sees and changes only its own.
public struct Tenant: Hashable, Sendable {
    public typealias ID = Identifier<Tenant>
    public let id: ID
    public let name: Name
    /// What a SIM without a group gets; without one such a SIM may reach nothing.
    public var defaultPolicy: Policy.ID?
    public let createdAt: Timestamp

    public init(id: ID, name: Name, defaultPolicy: Policy.ID?, createdAt: Timestamp) {
        self.id = id
        self.name = name
        self.defaultPolicy = defaultPolicy
        self.createdAt = createdAt
    }
}

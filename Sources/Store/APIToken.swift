public import Domain

/// Who may use the API. The secret itself is not kept, only its digest.
public struct APIToken: Hashable, Sendable {
    public let name: Name
    public let role: Role
    public let createdAt: Timestamp

    public enum Role: Hashable, Sendable {
        /// Sees and changes everything.
        case `operator`
        /// Sees and changes only this tenant's things.
        case tenant(Tenant.ID)
    }

    public init(name: Name, role: Role, createdAt: Timestamp) {
        self.name = name
        self.role = role
        self.createdAt = createdAt
    }
}

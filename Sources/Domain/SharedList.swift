/// A list of destinations that a tenant's policies share: a rule names it as `list:NAME`.
public struct SharedList: Hashable, Sendable {
    public let tenant: Tenant.ID
    public let name: Name
    /// Each once, in the order in which they were given. May be empty.
    public let items: [ListItem]
    public let author: String
    public let updatedAt: Timestamp

    /// Of one list.
    public static let maximumItems = 4096
    /// Of one tenant.
    public static let maximumCount = 64

    public init(tenant: Tenant.ID, name: Name, items: [ListItem], author: String, updatedAt: Timestamp) {
        self.tenant = tenant
        self.name = name
        self.items = items
        self.author = author
        self.updatedAt = updatedAt
    }
}

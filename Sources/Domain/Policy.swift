/// A tenant's policy: a name, and the version of its document that is in force.
public struct Policy: Hashable, Sendable {
    public typealias ID = Identifier<Policy>
    public let id: ID
    public let tenant: Tenant.ID
    public let name: Name
    /// The number of the version in force, 1 for the first.
    public var version: Int64
    /// The document in force, as its author wrote it.
    public var document: String
    public var author: String
    public var comment: String
    public var appliedAt: Timestamp

    public init(
        id: ID, tenant: Tenant.ID, name: Name, version: Int64, document: String, author: String, comment: String,
        appliedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.version = version
        self.document = document
        self.author = author
        self.comment = comment
        self.appliedAt = appliedAt
    }

    /// The number that stands for this policy on packets and in the kernel's maps.
    public var mark: PolicyMark? { PolicyMark(policy: id) }
}

/// The number that a device's address maps to in the kernel, and that maps to the chain of its policy there.
/// Zero is no device; one is "block everything"; a stored policy's number follows from its row.
public struct PolicyMark: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32
    /// What a device without any policy gets.
    public static let blockAll = PolicyMark(unchecked: 1)

    /// `nil` for a row above 2^31: route marks live in the upper half.
    public init?(policy: Policy.ID) {
        guard policy.rawValue >= 1, policy.rawValue < 1 << 31 - 16 else { return nil }
        self.init(unchecked: UInt32(policy.rawValue) + 16)
    }

    public init?(rawValue: UInt32) {
        guard rawValue >= 1, rawValue < 1 << 31 else { return nil }
        self.init(unchecked: rawValue)
    }

    /// `nil` for what is no stored policy's.
    public var policy: Policy.ID? { rawValue > 16 ? Policy.ID(Int64(rawValue) - 16) : nil }

    private init(unchecked rawValue: UInt32) { self.rawValue = rawValue }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}

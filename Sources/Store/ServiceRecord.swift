public import Domain

/// A service of the operator's.
public struct ServiceRecord: Hashable, Sendable {
    public let name: Name
    /// Which packets are meant, as text: `tcp 8883, udp 5684`.
    public let definition: String
    public let author: String
    public let updatedAt: Timestamp
    public init(name: Name, definition: String, author: String, updatedAt: Timestamp) {
        self.name = name
        self.definition = definition
        self.author = author
        self.updatedAt = updatedAt
    }
}

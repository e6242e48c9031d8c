/// The operator's service that says whether a SIM is approved. Its secret is kept apart.
public struct ApprovalHook: Hashable, Sendable {
    public let address: HTTPSAddress
    /// How long an answer is waited for.
    public let timeout: TimeSpan
    /// How long an answer is good for.
    public let cache: TimeSpan
    public let author: String
    public let updatedAt: Timestamp

    public static let timeouts = TimeSpan(milliseconds: 100)...TimeSpan(milliseconds: 30_000)
    public static let caches = TimeSpan(milliseconds: 1000)...TimeSpan(milliseconds: 30 * 86_400_000)

    public init(address: HTTPSAddress, timeout: TimeSpan, cache: TimeSpan, author: String, updatedAt: Timestamp) {
        self.address = address
        self.timeout = timeout
        self.cache = cache
        self.author = author
        self.updatedAt = updatedAt
    }
}

/// How long events are kept, and how many. The newest of all always is.
public struct EventRetention: Hashable, Sendable {
    public var days = 30
    /// Of one tenant, or of the operator's own.
    public var perTenant = 1_000_000
    /// Each takes some 300 octets of the disk.
    public var inAll = 10_000_000

    public init() {}
}

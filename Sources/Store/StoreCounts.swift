public struct StoreCounts: Hashable, Sendable {
    public let tenants: Int
    public let sims: Int
    public let activeSessions: Int
    public let policies: Int
    public init(tenants: Int, sims: Int, activeSessions: Int, policies: Int) {
        self.tenants = tenants
        self.sims = sims
        self.activeSessions = activeSessions
        self.policies = policies
    }
}

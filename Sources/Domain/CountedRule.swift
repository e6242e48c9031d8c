/// A rule whose usage is counted: that of a tenant's policy, by their names, whatever versions of the policy come and go.
public struct CountedRule: Hashable, Sendable {
    /// Never another's, not even when the rule is deleted.
    public typealias ID = Identifier<CountedRule>
    public let id: ID
    public let tenant: Tenant.ID
    public let policy: Name
    public let rule: Name

    public init(id: ID, tenant: Tenant.ID, policy: Name, rule: Name) {
        self.id = id
        self.tenant = tenant
        self.policy = policy
        self.rule = rule
    }
}

/// What one rule let pass in one time.
public struct RuleUsageBucket: Hashable, Sendable {
    public let start: Timestamp
    public let rule: CountedRule.ID
    public let counts: UsageCounts

    public init(start: Timestamp, rule: CountedRule.ID, counts: UsageCounts) {
        self.start = start
        self.rule = rule
        self.counts = counts
    }
}

public import Domain

/// What the kernel's counter of a rule said.
public struct RuleUsageSample: Hashable, Sendable {
    public let rule: CountedRule.ID
    /// With ``rule`` the counter's name.
    public let counter: UInt64
    /// Since the counter began.
    public let counts: UsageCounts

    public init(rule: CountedRule.ID, counter: UInt64, counts: UsageCounts) {
        self.rule = rule
        self.counter = counter
        self.counts = counts
    }
}

/// What came of adding samples of rules.
public struct RuleUsageAddition: Hashable, Sendable {
    /// How many samples said more than what was known.
    public var additions = 0
    /// Rules that are not known.
    public var unknown: Set<CountedRule.ID> = []

    public init() {}
}

/// What a ``StoreReader`` reads of rules' usage.
public protocol RuleUsageReader {
    /// Rules whose usage is or was counted, in the order of their numbers.
    /// - Parameter tenant: `nil`: of all tenants.
    func countedRules(of tenant: Tenant.ID?) throws(StoreError) -> [CountedRule]
    /// Of each of the buckets that has something, in their order, then by rule. A look-up for each bucket.
    func ruleUsage(
        of tenant: Tenant.ID, _ level: UsageLevel, buckets: Range<Int64>
    ) throws(StoreError) -> [RuleUsageBucket]
}

/// What a ``StoreTransaction`` writes of rules' usage.
public protocol RuleUsageTransaction: RuleUsageReader {
    /// The numbers of these rules of a policy: those that they have, whatever versions there were in between, or new ones.
    ///
    /// A number that was given in a transaction that came to nothing is not given again: the kernel may have counted there.
    func countRules(
        _ rules: [Name], of policy: Name, of tenant: Tenant.ID, at time: Timestamp
    ) throws(StoreError) -> [Name: CountedRule.ID]
    /// Adds what counters say more than they did to every level, and remembers what they say, as
    /// ``UsageTransaction/addUsage(_:from:at:)`` does. What another counter of the rule says is all more.
    func addRuleUsage(
        _ samples: [RuleUsageSample], from: Timestamp?, at time: Timestamp
    ) throws(StoreError) -> RuleUsageAddition
    /// Removes the oldest buckets that ended by a time, so many rows at most.
    /// - Returns: how many rows.
    func forgetRuleUsage(_ level: UsageLevel, before time: Timestamp, limit: Int) throws(StoreError) -> Int
    /// Removes rules that have had nothing since a time, and of which no version was applied since.
    /// - Parameter used: those that a policy in force has: they stay.
    func deleteCountedRules(before time: Timestamp, except used: Set<CountedRule.ID>) throws(StoreError)
}

public import Domain
import PolicyCompiler
import Store

extension ControlPlane {
    public struct RuleUsage: Hashable, Sendable {
        public let from: Timestamp
        public let to: Timestamp
        /// As they were called then.
        public let policy: Name
        public let rule: Name
        public let counts: UsageCounts
    }

    /// Lines of an answer at most.
    private static let ruleUsageLines = 100_000

    /// What the tenant's rules with `usage` let pass, a line for each.
    /// - Parameters:
    ///   - policy: only of this one, which may be deleted since; `nil`: of all.
    ///   - from: `nil`: as of ``usage(of:from:to:step:byWay:by:)``, and so is `to`.
    public func ruleUsage(
        of tenant: Name, policy: Name?, from: Timestamp?, to: Timestamp?, step: UsageStep, by principal: Principal
    ) async throws(ControlError) -> UsageReport<RuleUsage> {
        let range = try usageRange(from: from, to: to, step: step)
        return try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            let rules = try store.countedRules(of: owner.id).filter { policy == nil || $0.policy == policy }
            if let policy, rules.isEmpty { _ = try store.ownPolicy(policy, of: owner.id) }
            let known = Dictionary(rules.map { ($0.id, $0) }) { first, _ in first }
            var sums = UsageSums<CountedRule.ID>(store, limit: Self.ruleUsageLines) { piece in
                try store.ruleUsage(of: owner.id, piece.level, buckets: piece.buckets).compactMap {
                    known[$0.rule] == nil ? nil : ($0.start, $0.rule, $0.counts)
                }
            }
            // No rule, no sums.
            if !rules.isEmpty { try sums.read(range, step) }
            let items = sums.lines.flatMap { line in
                line.counts.compactMap { id, counts in
                    known[id].map {
                        RuleUsage(
                            from: line.from, to: line.to, policy: $0.policy, rule: $0.rule, counts: counts)
                    }
                }.sorted { ($0.policy, $0.rule) < ($1.policy, $1.rule) }
            }
            return UsageReport(
                from: UsageLevel.fiveMinutes.start(of: range.lowerBound),
                to: UsageLevel.fiveMinutes.start(of: range.upperBound), step: step, isComplete: sums.isComplete,
                readAt: try store.lastUsageRound(), items: items, total: sums.total)
        }
    }

    /// Reads rules' counters, stores what they say more, and has the kernel forget those of rules that are no more.
    func readRuleUsage(_ rounds: inout UsageRounds, _ round: inout UsageRound, isWhole: Bool) async throws {
        let time = now()
        let readings = try dataPlane.ruleUsage()
        round.counters += readings.count
        var rest = readings.filter { isWhole || !$0.isInUse || rounds.saidOfRules[$0.rule] != $0 }[...]
        if isWhole {
            let seen = Set(readings.map(\.rule))
            rounds.saidOfRules = rounds.saidOfRules.filter { seen.contains($0.key) }
        }
        while !rest.isEmpty {
            let began = ContinuousClock.now
            let batch = rest.prefix(Self.usageAtOnce)
            rest = rest.dropFirst(batch.count)
            let samples = batch.map { RuleUsageSample(rule: $0.rule, counter: $0.counter, counts: $0.counts) }
            let addition = try await store.write { store in
                try store.addRuleUsage(samples, from: try store.lastUsageRound(), at: time)
            }
            round.unowned += addition.unknown.count
            for reading in batch { rounds.saidOfRules[reading.rule] = reading }
            // Only what is stored. One of which nobody knows was given to the kernel in a transaction that came to nothing.
            for gone in try dataPlane.forgetRuleUsage(batch.filter { !$0.isInUse }) {
                rounds.saidOfRules[gone.rule] = nil
            }
            // As long as it had the writer, others have it.
            try await Task.sleep(for: max(.milliseconds(1), ContinuousClock.now - began))
        }
    }
}

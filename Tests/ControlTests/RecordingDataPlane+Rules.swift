import Domain
import PolicyCompiler

/// What the kernel's programs do with the counters of rules (Sources/BPF/usage.c).
extension RecordingDataPlane.State {
    /// The numbers of the rules that its rulesets count, by policy and rule.
    var countedRules: [PolicyMark: [Int: CountedRule.ID]] {
        rulesets.mapValues { ruleset in
            ruleset.ways.reduce(into: [:]) { all, way in
                if let rate = way.rate, let counted = rate.counted { all[rate.rule] = counted }
            }
        }
    }

    var rulesInUse: Set<CountedRule.ID> { Set(countedRules.values.flatMap(\.values)) }

    fileprivate mutating func count(_ octets: UInt64, isDown: Bool, policy: PolicyMark, rule: Int, born: UInt64) -> Bool
    {
        guard let number = countedRules[policy]?[rule] else { return false }
        var counter = ruleUsage[number] ?? (born, UsageCounts())
        counter.counts =
            counter.counts
            + (isDown
                ? UsageCounts(octetsDown: octets, packetsDown: 1) : UsageCounts(octetsUp: octets, packetsUp: 1))
        ruleUsage[number] = counter
        return true
    }
}

extension RecordingDataPlane {
    /// A packet of a flow of the rule.
    /// - Parameter born: the number of its counter, when that is new.
    /// - Returns: whether the rule is counted.
    func count(_ octets: UInt64, isDown: Bool, policy: PolicyMark, rule: Int, born: UInt64) -> Bool {
        var isCounted = false
        change { isCounted = $0.count(octets, isDown: isDown, policy: policy, rule: rule, born: born) }
        return isCounted
    }

    func ruleUsage() throws(DataPlaneError) -> [RuleUsageReading] {
        let state = now
        return state.ruleUsage.map {
            RuleUsageReading(
                rule: $0, counter: $1.counter, counts: $1.counts, isInUse: state.rulesInUse.contains($0))
        }
    }

    func forgetRuleUsage(_ readings: [RuleUsageReading]) throws(DataPlaneError) -> [RuleUsageReading] {
        var gone: [RuleUsageReading] = []
        change { state in
            let found = readings.filter { reading in
                guard !reading.isInUse, !state.rulesInUse.contains(reading.rule) else { return false }
                guard let known = state.ruleUsage[reading.rule] else { return true }
                return known == (reading.counter, reading.counts)
            }
            for reading in found { state.ruleUsage[reading.rule] = nil }
            gone = found
        }
        return gone
    }
}

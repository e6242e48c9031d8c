import Domain
import Store
import Testing

@Suite("Store contract: usage of rules")
struct RuleUsageContract {
    private static func counts(_ up: UInt64, _ down: UInt64 = 0) -> UsageCounts {
        UsageCounts(octetsUp: up, packetsUp: up == 0 ? 0 : 1, octetsDown: down, packetsDown: down == 0 ? 0 : 1)
    }

    private static func all(
        of tenant: Tenant.ID, _ level: UsageLevel, around time: Timestamp = noon, _ store: any StoreTransaction
    ) throws -> [RuleUsageBucket] {
        let bucket = level.bucket(of: time)
        return try store.ruleUsage(of: tenant, level, buckets: bucket - 30..<bucket + 30)
    }

    private static func numbers(
        _ rules: [String], of policy: String = "meters", _ tenant: Tenant, at time: Timestamp = noon,
        _ store: any StoreTransaction
    ) throws -> [CountedRule.ID] {
        let names = try rules.map { try Name.test($0) }
        let numbers = try store.countRules(names, of: .test(policy), of: tenant.id, at: time)
        return names.compactMap { numbers[$0] }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a rule keeps its number by its names, and each has its own`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let (acme, globex) = (
                try store.insertTenant(name: .test("acme"), at: noon),
                try store.insertTenant(name: .test("globex"), at: noon)
            )
            let first = try Self.numbers(["a", "b"], acme, store)
            #expect(try Self.numbers(["b", "a"], acme, at: noon.plus(seconds: 5), store) == first.reversed())
            let others =
                try Self.numbers(["a"], of: "cameras", acme, store) + Self.numbers(["a"], globex, store)
                + Self.numbers(["c"], acme, store)
            #expect(Set(first + others).count == 5)
            let rules = try store.countedRules(of: nil)
            #expect(rules.map(\.id) == (first + others).sorted())
            #expect(
                try store.countedRules(of: globex.id)
                    == [CountedRule(id: others[1], tenant: globex.id, policy: .test("meters"), rule: .test("a"))])
        }
    }

    /// The kernel may have counted by it.
    @Test(arguments: StoreUnderTest.allCases)
    func `a number that was rolled back is not given again`(_ kind: StoreUnderTest) async throws {
        struct Undone: Error {}
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            var given: [CountedRule.ID] = []
            _ = try? store.savepoint {
                given = try Self.numbers(["a"], tenant, store)
                throw Undone()
            }
            #expect(given.count == 1)
            #expect(try store.countedRules(of: nil).isEmpty)
            let next = try Self.numbers(["b"], tenant, at: Timestamp(milliseconds: noon.milliseconds + 1), store)
            #expect(next.first.map { $0 > given[0] } == true)
            // Not after it is deleted either, whatever the clock says.
            try store.deleteCountedRules(before: noon.plus(seconds: 1), except: [])
            #expect(try store.countedRules(of: nil).isEmpty)
            let last = try Self.numbers(["b"], tenant, at: noon.plus(seconds: -100), store)
            #expect(last.first.map { $0 > next[0] } == true)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `what a counter says more is in every sum once`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let rules = try Self.numbers(["a", "b"], tenant, store)
            let sample = { (rule: Int, counter: UInt64, counts: UsageCounts) in
                RuleUsageSample(rule: rules[rule], counter: counter, counts: counts)
            }
            let first = try store.addRuleUsage(
                [sample(0, 7, Self.counts(100, 200)), sample(1, 8, Self.counts(7))], from: nil,
                at: noon.plus(seconds: 100))
            #expect(first.additions == 2 && first.unknown.isEmpty)
            // The same again, and less.
            let same = try store.addRuleUsage(
                [sample(0, 7, Self.counts(100, 200)), sample(0, 7, Self.counts(90, 200))], from: nil,
                at: noon.plus(seconds: 200))
            #expect(same.additions == 0)
            // More; and another counter, as after the host has started anew, says all of it more.
            _ = try store.addRuleUsage(
                [sample(0, 7, Self.counts(130, 260)), sample(1, 4, Self.counts(5))], from: noon.plus(seconds: 300),
                at: noon.plus(seconds: 400))
            let lost = try store.addRuleUsage(
                [RuleUsageSample(rule: CountedRule.ID(3), counter: 1, counts: Self.counts(9))], from: nil,
                at: noon.plus(seconds: 400))
            #expect(lost.additions == 0 && lost.unknown == [CountedRule.ID(3)])
            for level in UsageLevel.allCases {
                let found = try Self.all(of: tenant.id, level, store)
                let sum = { (rule: Int) in
                    found.filter { $0.rule == rules[rule] }.reduce(UsageCounts()) { $0 + $1.counts }
                }
                #expect(sum(0) == UsageCounts(octetsUp: 130, packetsUp: 1, octetsDown: 260, packetsDown: 1))
                #expect(sum(1) == UsageCounts(octetsUp: 12, packetsUp: 2))
            }
            let fives = try Self.all(of: tenant.id, .fiveMinutes, store)
            #expect(fives.map(\.rule) == rules + rules)
            #expect(fives.map(\.start) == [noon, noon, noon.plus(seconds: 300), noon.plus(seconds: 300)])
            let other = try store.insertTenant(name: .test("globex"), at: noon)
            #expect(try Self.all(of: other.id, .day, store).isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `sums go when they are old, and rules when they had nothing for as long`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let rules = try Self.numbers(["a", "b", "c", "d"], tenant, store)
            let later = noon.plus(seconds: 600)
            let seconds = { (seconds: Int64) in noon.plus(seconds: seconds) }
            for (rule, time, sum) in [(0, seconds(10), 10), (1, seconds(10), 10), (1, seconds(610), 30)]
                as [(Int, Timestamp, UInt64)]
            {
                _ = try store.addRuleUsage(
                    [RuleUsageSample(rule: rules[rule], counter: 1, counts: Self.counts(sum))], from: time, at: time)
            }
            #expect(try Self.all(of: tenant.id, .fiveMinutes, store).count == 3)
            #expect(try store.forgetRuleUsage(.fiveMinutes, before: later, limit: 1) == 1)
            #expect(try store.forgetRuleUsage(.fiveMinutes, before: later, limit: 9) == 1)
            #expect(try Self.all(of: tenant.id, .fiveMinutes, store).map(\.counts) == [UsageCounts(octetsUp: 20)])
            #expect(try Self.all(of: tenant.id, .day, store).count == 2)
            // One has had something since, one was applied since, one is used.
            _ = try Self.numbers(["c"], tenant, at: later, store)
            try store.deleteCountedRules(before: noon.plus(seconds: 300), except: [rules[3]])
            #expect(try store.countedRules(of: tenant.id).map(\.id) == Array(rules[1...]))
        }
    }
}

import Control
import Domain
import PolicyCompiler
import Store
import TestSupport
import Testing

/// What rules with `usage: true` let pass, from the kernel's counters to answers.
@Suite struct RuleUsageTests {
    private static let start: Int64 = 1_795_694_400_000

    /// A bench of which nobody but the test reads usage.
    private static func run(
        storedIn wrap: (any Store) -> any Store = { $0 },
        _ body: @escaping @Sendable (Bench, TestClock) async throws -> Void
    ) async throws {
        let clock = TestClock(start)
        try await Bench.run(
            now: { clock.now }, settings: { $0.usage.period = .seconds(1_000_000) }, isLimiting: true, storedIn: wrap
        ) { bench in
            // The keeper's first reading is over then.
            try await Bench.wait { try await bench.store.read { store in try store.lastUsageRound() } != nil }
            try await body(bench, clock)
        }
    }

    private static func name(_ text: String) throws -> Name { try Name(parsing: text) }

    /// A policy with three rules, some of them counted.
    private static func document(_ policy: String, counting counted: Set<Int>, isReversed: Bool = false) -> String {
        let rules = (0..<3).map { number in
            let usage = counted.contains(number) ? ", usage: true" : ""
            return "  - {name: r\(number), to: [192.0.2.\(number)], route: internet\(usage)}"
        }
        return (["policy: \(policy)", "rules:"] + (isReversed ? rules.reversed() : rules)).joined(separator: "\n")
            + "\n"
    }

    private static func apply(_ document: String, _ bench: Bench, to tenant: String = "acme") async throws {
        _ = try await bench.control.applyPolicy(document, file: "p", comment: "", to: name(tenant), by: .system)
    }

    private static func mark(_ policy: String, _ bench: Bench, of tenant: String = "acme") async throws -> PolicyMark? {
        let (policy, tenant) = (try name(policy), try name(tenant))
        return try await bench.store.read { store in
            try store.tenant(named: tenant).flatMap { try store.policy(named: policy, of: $0.id)?.mark }
        }
    }

    /// What was read of each rule, with its policy before it.
    private static func shown(
        _ bench: Bench, _ clock: TestClock, step: ControlPlane.UsageStep = .total, of tenant: String = "acme"
    ) async throws -> [String: UsageCounts] {
        let report = try await bench.control.ruleUsage(
            of: name(tenant), policy: nil, from: Timestamp(milliseconds: start), to: clock.now, step: step, by: .system)
        #expect(report.items.reduce(UsageCounts()) { $0 + $1.counts } == report.total && report.isComplete)
        return report.items.reduce(into: [:]) { sums, item in
            let rule = "\(item.policy)/\(item.rule)"
            sums[rule] = (sums[rule] ?? UsageCounts()) + item.counts
        }
    }

    @Test func `a version, a rule that comes back, a policy made anew: the sums of a name go on`() async throws {
        try await Self.run { bench, clock in
            _ = try await bench.tenant("acme")
            var rounds = UsageRounds()
            try await Self.apply(Self.document("p", counting: [0, 2]), bench)
            let first = try #require(try await Self.mark("p", bench))
            clock.advance(minutes: 3)
            #expect(bench.kernel.count(100, isDown: false, policy: first, rule: 0, born: 1))
            #expect(!bench.kernel.count(100, isDown: false, policy: first, rule: 1, born: 1))
            #expect(bench.kernel.count(300, isDown: true, policy: first, rule: 2, born: 1))
            _ = try await bench.control.readUsage(&rounds)
            #expect(
                try await Self.shown(bench, clock) == [
                    "p/r0": UsageCounts(octetsUp: 100, packetsUp: 1),
                    "p/r2": UsageCounts(octetsDown: 300, packetsDown: 1),
                ])
            // Other numbers of the same rules; one is not counted any more.
            try await Self.apply(Self.document("p", counting: [0], isReversed: true), bench)
            #expect(bench.kernel.count(50, isDown: false, policy: first, rule: 2, born: 1))
            #expect(!bench.kernel.count(50, isDown: false, policy: first, rule: 0, born: 1))
            clock.advance(minutes: 3)
            _ = try await bench.control.readUsage(&rounds)
            #expect(try await Self.shown(bench, clock)["p/r0"]?.octetsUp == 150)
            // Its counter is stored, and forgotten; when it is counted again another begins.
            #expect(bench.kernel.now.ruleUsage.count == 1)
            try await bench.control.deletePolicy(try Self.name("p"), of: Self.name("acme"), by: .system)
            _ = try await bench.control.readUsage(&rounds)
            #expect(bench.kernel.now.ruleUsage.isEmpty)
            try await Self.apply(Self.document("p", counting: [0, 1, 2]), bench)
            let second = try #require(try await Self.mark("p", bench))
            #expect(second != first)
            for rule in 0..<3 { #expect(bench.kernel.count(7, isDown: false, policy: second, rule: rule, born: 2)) }
            clock.advance(minutes: 3)
            _ = try await bench.control.readUsage(&rounds)
            let shown = try await Self.shown(bench, clock)
            #expect(shown.mapValues(\.octetsUp) == ["p/r0": 157, "p/r1": 7, "p/r2": 7])
            #expect(shown["p/r2"]?.octetsDown == 300)
        }
    }

    @Test func `a plan gives no numbers, and a rule keeps its own`() async throws {
        try await Self.run { bench, clock in
            _ = try await bench.tenant("acme")
            let acme = try Self.name("acme")
            _ = try await bench.control.planPolicy(
                Self.document("p", counting: [0]), file: "p", for: acme, by: .system)
            #expect(try await bench.store.read { store in try store.countedRules(of: nil) }.isEmpty)
            try await Self.apply(Self.document("p", counting: [0]), bench)
            let before = bench.kernel.now.rulesInUse
            #expect(before.count == 1)
            try await Self.apply(Self.document("p", counting: [0, 1]), bench)
            #expect(bench.kernel.now.rulesInUse.isSuperset(of: before) && bench.kernel.now.rulesInUse.count == 2)
            #expect(clock.now == Timestamp(milliseconds: Self.start))
        }
    }

    @Test func `an onboarding counts as a policy that is applied`() async throws {
        try await Self.run { bench, _ in
            let text = """
                tenant: acme
                policies:
                  - policy: p
                    rules:
                      - {name: r0, to: [192.0.2.0], route: internet, usage: true}
                """
            _ = try await bench.control.onboard(text, file: "acme.yaml", by: .system)
            let rules = try await bench.store.read { store in try store.countedRules(of: nil) }
            #expect(rules.map(\.rule.description) == ["r0"] && bench.kernel.now.rulesInUse == Set(rules.map(\.id)))
        }
    }

    @Test func `others' rules cannot be asked for, nor a policy that never was`() async throws {
        try await Self.run { bench, _ in
            let acme = try await bench.tenant("acme")
            let globex = try await bench.tenant("globex")
            for tenant in ["acme", "globex"] {
                try await Self.apply(Self.document("p", counting: [0]), bench, to: tenant)
            }
            let (one, other) = (
                try #require(try await Self.mark("p", bench)),
                try #require(try await Self.mark("p", bench, of: "globex"))
            )
            #expect(bench.kernel.count(1, isDown: false, policy: one, rule: 0, born: 1))
            #expect(bench.kernel.count(20, isDown: false, policy: other, rule: 0, born: 2))
            var rounds = UsageRounds()
            _ = try await bench.control.readUsage(&rounds)
            let tenant = Principal(name: "globex", role: .tenant(globex.id))
            let own = try await bench.control.ruleUsage(
                of: globex.name, policy: Self.name("p"), from: nil, to: nil, step: .day, by: tenant)
            #expect(own.items.map(\.counts.octetsUp) == [20] && own.total.octetsUp == 20)
            for (owner, policy) in [(acme.name, "p"), (globex.name, "q")] {
                let error = await #expect(throws: ControlError.self) {
                    _ = try await bench.control.ruleUsage(
                        of: owner, policy: Self.name(policy), from: nil, to: nil, step: .day, by: tenant)
                }
                #expect(error?.code == .notFound)
            }
        }
    }

    @Test func `sums of rules are kept as long as others, and rules that are in force for ever`() async throws {
        try await Self.run { bench, clock in
            _ = try await bench.tenant("acme")
            try await Self.apply(Self.document("p", counting: [0]), bench)
            try await Self.apply(Self.document("q", counting: [1]), bench)
            let mark = try #require(try await Self.mark("p", bench))
            #expect(bench.kernel.count(5, isDown: false, policy: mark, rule: 0, born: 1))
            var rounds = UsageRounds()
            _ = try await bench.control.readUsage(&rounds)
            try await bench.control.deletePolicy(try Self.name("q"), of: Self.name("acme"), by: .system)
            clock.advance(minutes: 60 * 24 * 3)
            try await bench.control.forgetUsage()
            let levels = try await bench.store.read { store in
                let tenant = try store.countedRules(of: nil)[0].tenant
                return try UsageLevel.allCases.filter { level in
                    let bucket = level.bucket(of: Timestamp(milliseconds: Self.start))
                    return try !store.ruleUsage(of: tenant, level, buckets: bucket - 1..<bucket + 1).isEmpty
                }
            }
            #expect(levels == [.hour, .day])
            clock.advance(minutes: 60 * 24 * 401)
            try await bench.control.forgetUsage()
            let left = try await bench.store.read { store in try store.countedRules(of: nil) }
            #expect(left.map(\.policy.description) == ["p"])
        }
    }

    /// Versions, deletions, readings and hosts that start anew, and a process that is killed at any write.
    @Test func `whatever happens and wherever the process is killed, no octet is lost or counted twice`() async throws {
        for seed in 0..<6 * seedFactor {
            try await Self.run(storedIn: { UsageTests.DyingStore($0) }) { bench, clock in
                let store = try #require(bench.store as? UsageTests.DyingStore)
                try await Self.check(seed, bench, clock, store)
            }
        }
    }

    private static func check(
        _ seed: UInt64, _ bench: Bench, _ clock: TestClock, _ store: UsageTests.DyingStore
    ) async throws {
        var random = Generator(seed: seed)
        var rounds = UsageRounds()
        var expected: [String: UsageCounts] = [:]
        var born: UInt64 = 1
        _ = try await bench.tenant("acme")
        let policies = ["p", "q"]
        for _ in 0..<120 {
            clock.advance(minutes: Int64.random(in: 0...4, using: &random))
            if random.oneIn(4) {
                store.die(after: .random(in: 0...3, using: &random), done: Bool.random(using: &random))
            }
            let policy = random.pick("p", "q")
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1:
                let counted = Set((0..<3).filter { _ in Bool.random(using: &random) })
                try? await apply(document(policy, counting: counted), bench)
            case 2: try? await bench.control.deletePolicy(try name(policy), of: name("acme"), by: .system)
            case 3: rounds = UsageRounds()
            case 4:
                // The host starts anew when all has been read; later counters are others.
                store.live()
                _ = try await bench.control.readUsage(&rounds)
                bench.kernel.change { $0.ruleUsage = [:] }
            case 5, 6:
                do { _ = try await bench.control.readUsage(&rounds) } catch is UsageTests.DyingStore.Death {
                    rounds = UsageRounds()
                }
            default:
                let rule = Int.random(in: 0..<3, using: &random)
                let (octets, isDown) = (UInt64.random(in: 20...1500, using: &random), Bool.random(using: &random))
                // As the process knows it, which the kernel has too.
                guard let mark = try await mark(policy, bench) else { continue }
                born += 1
                let number = born
                guard bench.kernel.count(octets, isDown: isDown, policy: mark, rule: rule, born: number) else {
                    continue
                }
                let more =
                    isDown
                    ? UsageCounts(octetsDown: octets, packetsDown: 1) : UsageCounts(octetsUp: octets, packetsUp: 1)
                expected["\(policy)/r\(rule)"] =
                    (expected["\(policy)/r\(rule)"] ?? UsageCounts()) + more
            }
            store.live()
        }
        for policy in policies { try await apply(document(policy, counting: [0]), bench) }
        rounds = UsageRounds()
        for _ in 0..<2 { _ = try await bench.control.readUsage(&rounds) }
        clock.advance(minutes: 5)
        for step in ControlPlane.UsageStep.allCases {
            #expect(try await shown(bench, clock, step: step) == expected, "seed \(seed), \(step)")
        }
        // What is left in the kernel is of rules that are counted.
        let state = bench.kernel.now
        #expect(Set(state.ruleUsage.keys).isSubset(of: state.rulesInUse), "seed \(seed)")
    }
}

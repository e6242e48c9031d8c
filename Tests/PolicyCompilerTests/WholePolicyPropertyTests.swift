import Domain
import PolicyCompiler
import TestSupport
import Testing

/// What holds for every document, whatever is in it.
@Suite struct WholePolicyPropertyTests {
    @Test func `a document of right pieces is right`() throws {
        var (rules, kinds) = (0, Set<String>())
        try forAll(2000) { random in
            for rule in try Self.policy(RandomPolicy.wholeDocument(using: &random).yaml).rules {
                rules += 1
                try #require(!(rule.ipv4.isEmpty && rule.ipv6.isEmpty && rule.hosts.isEmpty && rule.groups.isEmpty))
                try #require(!rule.matches.isEmpty)
                try #require(Set(rule.matches.map(\.protocol)).count == rule.matches.count)
                if rule.direction != .fromDevice { kinds.insert("to-device") }
                if !rule.groups.isEmpty { kinds.insert("groups") }
                if !rule.hosts.isEmpty { kinds.insert("hosts") }
                if !rule.ipv6.isEmpty { kinds.insert("ipv6") }
                if rule.schedule != nil { kinds.insert("schedule") }
                if rule.bandwidth != nil { kinds.insert("bandwidth") }
                if rule.isUsageCounted { kinds.insert("usage") }
            }
        }
        #expect(rules > 8000 && kinds.count == 7, "\(rules) rules, \(kinds)")
    }

    @Test func `JSON and YAML of one document are one policy`() throws {
        try forAll(1000) { random in
            let document = RandomPolicy.wholeDocument(using: &random)
            let json = document.json(using: &random)
            let (a, b) = (try Self.policy(document.yaml), try Self.policy(json))
            try #require(a.name == b.name && a.mode == b.mode && a.dns == b.dns && a.rules == b.rules, "\(json)")
            try #require(Set(a.warnings.map(\.message)) == Set(b.warnings.map(\.message)))
        }
    }

    @Test func `a list and what it holds mean the same`() throws {
        try forAll(1000) { random in
            var document = RandomPolicy.wholeDocument(using: &random)
            let policy = try Self.policy(document.yaml)
            let items = Dictionary(uniqueKeysWithValues: document.lists.map { ("list:\($0.name)", $0.items) })
            for index in document.rules.indices {
                document.rules[index].to = document.rules[index].to.flatMap { items[$0] ?? [$0] }
                document.rules[index].from = document.rules[index].from.flatMap { items[$0] ?? [$0] }
            }
            document.lists = []
            let flat = try Self.policy(document.yaml)
            try Self.requireSame(policy, flat, using: &random)
        }
    }

    @Test func `rules that are reported as never matching can be left out`() throws {
        var left = 0
        try forAll(1500) { random in
            var document = RandomPolicy.wholeDocument(using: &random)
            let policy = try Self.policy(document.yaml)
            let idle = policy.rules.indices.filter { index in
                policy.warnings.contains {
                    $0.field == "rules[\(index)]" && $0.message.hasSuffix("take all its packets")
                }
            }
            for index in idle.reversed() { document.rules.remove(at: index) }
            left += idle.count
            let rest = try Self.policy(document.yaml)
            try Self.requireSame(policy, rest, using: &random)
        }
        #expect(left > 500, "\(left) rules in 1500 documents")
    }

    @Test func `explain gives the decision, and a reason for each rule before the one that decides`() throws {
        var verdicts: [RuleAction: Int] = [:]
        try forAll(1000) { random in
            let policy = try Self.policy(RandomPolicy.wholeDocument(using: &random).yaml)
            let situation = RandomPolicy.situation(at: Int.random(in: 0..<Schedule.minutesPerWeek, using: &random))
            for _ in 0..<30 {
                let packet = RandomPolicy.wholeQuery(for: policy, using: &random)
                let (decision, explanation) = (
                    policy.verdict(for: packet, in: situation), policy.explain(packet, in: situation)
                )
                try #require(explanation.decision == decision)
                try #require(
                    explanation.passed.map(\.rule)
                        == policy.rules[..<(decision.index ?? policy.rules.count)].map(\.name))
                try #require(explanation.passed.allSatisfy { !$0.reason.isEmpty })
                try #require(decision.rule == decision.index.map { policy.rules[$0].name })
                try #require(decision.enforced == decision.index.map { policy.rules[$0].action } ?? .block)
                if decision.wouldBlock {
                    try #require(policy.mode == .monitor && decision.verdict == .route([.internet]))
                    try #require(packet.direction == .fromDevice && situation.groups(packet.destination).isEmpty)
                }
                if decision.rule != nil { verdicts[decision.enforced, default: 0] += 1 }
            }
        }
        #expect(verdicts.count == 5 && verdicts.values.allSatisfy { $0 > 200 }, "\(verdicts)")
    }

    @Test func `nothing reaches a device that no rule lets in`() throws {
        try forAll(1000) { random in
            var document = RandomPolicy.wholeDocument(using: &random)
            document.rules.removeAll { $0.outcome == .action("allow") }
            let policy = try Self.policy(document.yaml)
            for _ in 0..<20 {
                let packet = RandomPolicy.wholeQuery(for: policy, using: &random)
                guard packet.direction != .fromDevice else { continue }
                try #require(policy.verdict(for: packet, in: RandomPolicy.situation(at: 0)).verdict == .block)
            }
        }
    }

    // MARK: -

    private static func requireSame(
        _ a: ValidatedPolicy, _ b: ValidatedPolicy, using random: inout Generator
    ) throws {
        let situation = RandomPolicy.situation(at: Int.random(in: 0..<Schedule.minutesPerWeek, using: &random))
        for _ in 0..<40 {
            let packet = RandomPolicy.wholeQuery(for: a, using: &random)
            let (one, other) = (a.verdict(for: packet, in: situation), b.verdict(for: packet, in: situation))
            try #require(one.verdict == other.verdict && one.rule == other.rule, "\(packet)")
        }
    }

    private static func policy(_ text: String) throws(PolicyError) -> ValidatedPolicy {
        try PolicyDocument(parsing: text, file: "random").validated(in: RandomPolicy.scope)
    }
}

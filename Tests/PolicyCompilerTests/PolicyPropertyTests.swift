import Domain
import PolicyCompiler
import TestSupport
import Testing

@Suite struct PolicyPropertyTests {
    @Test func `JSON and YAML of one document are one policy`() throws {
        try forAll(1000) { random in
            let document = RandomPolicy.pieces(using: &random)
            let json = document.json(using: &random)
            let (a, b) = (try Self.policy(document.yaml), try Self.policy(json))
            try #require(a.name == b.name && a.rules == b.rules, "\(json)")
            try #require(compile(a) == compile(b))
            try #require(a.warnings.map(\.message) == b.warnings.map(\.message))
        }
    }

    @Test func `the same document gives the same text every time`() throws {
        try forAll(500) { random in
            let text = RandomPolicy.document(using: &random)
            let (a, b) = (compile(try Self.policy(text)), compile(try Self.policy(text)))
            try #require(a.nft(chain: 7, marks: [:]) == b.nft(chain: 7, marks: [:]))
            try #require(a.form == b.form)
        }
    }

    @Test func `names mean nothing`() throws {
        try forAll(500) { random in
            var document = RandomPolicy.pieces(using: &random)
            let ruleset = compile(try Self.policy(document.yaml))
            document.name = "other"
            for index in document.rules.indices { document.rules[index].name = "r\(1000 - index)" }
            try #require(compile(try Self.policy(document.yaml)) == ruleset)
        }
    }

    @Test func `a prefix and its two halves mean the same`() throws {
        try forAll(500) { random in
            var document = RandomPolicy.pieces(using: &random)
            let ruleset = compile(try Self.policy(document.yaml))
            for index in document.rules.indices {
                document.rules[index].to = try document.rules[index].to.flatMap(Self.halves)
            }
            // `any` is all of IPv6 too, its halves are of IPv4.
            try #require(compile(try Self.policy(document.yaml)).layers == ruleset.layers)
        }
    }

    @Test func `swapping two rules that share no packet changes nothing`() throws {
        var swaps = 0
        try forAll(1000) { random in
            var document = RandomPolicy.pieces(using: &random)
            let rules = try Self.policy(document.yaml).rules
            let separate = rules.indices.dropFirst().filter { index in
                !rules[index - 1].ipv4.contains(where: rules[index].mayShareAPacket)
            }
            guard let index = separate.randomElement(using: &random) else { return }
            let before = compile(try Self.policy(document.yaml))
            document.rules.swapAt(index - 1, index)
            let after = compile(try Self.policy(document.yaml))
            for packet in RandomPolicy.queries(for: try Self.policy(document.yaml), using: &random, count: 50) {
                try #require(before.way(for: packet) == after.way(for: packet), "\(packet)")
            }
            swaps += 1
        }
        #expect(swaps > 100, "\(swaps) of 1000 documents had such rules")
    }

    @Test func `rules that are reported as never matching can be left out`() throws {
        var left = 0
        try forAll(1000) { random in
            var document = RandomPolicy.pieces(using: &random)
            let policy = try Self.policy(document.yaml)
            let idle = try policy.warnings.map { warning in
                try #require(policy.rules.indices.first { warning.field == "rules[\($0)]" })
            }
            for index in idle.reversed() { document.rules.remove(at: index) }
            left += idle.count
            // The numbers of the rules differ, what the kernel does not.
            let without = compile(try Self.policy(document.yaml))
            try #require(without.nft(chain: 1, marks: [:]) == compile(policy).nft(chain: 1, marks: [:]))
        }
        #expect(left > 100, "\(left) rules in 1000 documents")
    }

    /// The rule that explain names is held against the compiler, which knows nothing of explaining: alone in a policy,
    /// and with a route, it lets the packet out, and each rule that explain passes does not.
    @Test func `explain agrees with the ruleset and names the rule that decides`() throws {
        var named = 0
        try forAll(500) { random in
            let document = RandomPolicy.pieces(using: &random)
            let policy = try Self.policy(document.yaml)
            let ruleset = compile(policy)
            let alone = try document.rules.map { rule in
                var alone = RandomDocument()
                alone.rules = [rule]
                alone.rules[0].isBlocking = false
                return compile(try Self.policy(alone.yaml))
            }
            for packet in RandomPolicy.queries(for: policy, using: &random, count: 40) {
                let explanation = policy.explain(packet)
                try #require(explanation.packet == packet && explanation.policy == policy.name)
                try #require(explanation.decision == policy.verdict(for: packet))
                try #require(policy.way(for: packet) == ruleset.way(for: packet))
                try #require((explanation.route == nil) == (explanation.decision.verdict == .block))
                let first = alone.firstIndex { $0.way(for: packet) == .internet }
                try #require(explanation.decision.rule == first.map { policy.rules[$0].name }, "\(packet)")
                try #require(explanation.passed.map(\.rule) == policy.rules[..<(first ?? alone.count)].map(\.name))
                try #require(explanation.passed.allSatisfy { !$0.reason.isEmpty })
                if first != nil { named += 1 }
            }
        }
        #expect(named > 5000, "\(named) of 20000 packets met a rule")
    }

    // MARK: -

    private static func policy(_ text: String) throws(PolicyError) -> ValidatedPolicy {
        try PolicyDocument(parsing: text, file: "random").validated()
    }

    private static func halves(_ text: String) throws -> [String] {
        guard text != "any" else { return ["0.0.0.0/1", "128.0.0.0/1"] }
        let whole = try IPv4Prefix(parsing: text)
        guard whole.length < 32 else { return [text] }
        return [whole.first, whole.last].map { IPv4Prefix(containing: $0, length: whole.length + 1).description }
    }
}

extension ValidatedPolicy.Rule {
    fileprivate func mayShareAPacket(to prefix: IPv4Prefix) -> Bool { ipv4.contains { $0.overlaps(prefix) } }
}

import Domain
import PolicyCompiler
import TestSupport
import Testing

@Suite struct CompileTests {
    @Test(arguments: GoldenCase.all)
    func `compiles to the recorded chain`(_ golden: GoldenCase) throws {
        try golden.expect(compile(golden.policy()).nft(chain: 1, marks: [.internet: 0x8000_0001]), in: "ruleset.nft")
    }

    @Test func `every recorded case is found`() {
        #expect(GoldenCase.all.count == GoldenCase.expectedCount)
    }

    @Test func `a layer's key has the parts that it or one before it needs`() throws {
        let golden = try #require(GoldenCase.all.first { $0.name == "key-widens" })
        let layers = try compile(golden.policy()).layers
        // Enough boxes for maps.
        let many = (0..<Ruleset.maximumRules).map { number in
            Ruleset.Entry(
                destination: IPv4Prefix(containing: IPv4Address(bits: UInt32(number)), length: 32),
                protocols: 0...255, ports: 0...65_535, rule: 0)
        }
        let large = Ruleset(layers: layers + [many], verdicts: [.internet, .block])
        let lookups = large.form.lookups
        #expect(lookups.map(\.key) == [.port, .port, .port])
        #expect(lookups.map(\.entries) == large.layers)
    }

    @Test func `a policy without rules is the ruleset that blocks everything`() throws {
        let policy = try PolicyDocument(parsing: "policy: p\nrules: []", file: "p").validated()
        #expect(compile(policy) == .blockAll)
        #expect(Ruleset.blockAll.actions.map(\.way) == [nil])
    }

    @Test func `block rules stay, with nothing to guard too: each has a counter`() throws {
        let text = """
            policy: p
            rules:
              - {name: a, to: 10.0.0.0/8, action: block}
              - {name: b, to: 192.0.2.0/24, protocol: udp, route: internet}
              - {name: c, to: any, action: block}
            """
        let ruleset = try compile(PolicyDocument(parsing: text, file: "p").validated())
        #expect(ruleset.layers.map(\.count) == [2, 1])
        #expect(ruleset.actions.map(\.way) == [nil, .internet, nil, nil])
    }

    @Test func `interpreter, compiler and reference agree on every packet of a small universe`() throws {
        try forAll(600) { random in
            let policy = try RandomPolicy.policy(using: &random)
            let ruleset = compile(policy)
            for packet in Self.universe {
                let (compiled, reference) = (
                    ruleset.way(for: packet), policy.way(for: packet)
                )
                guard compiled == reference else { throw Disagreement(packet, reference: reference, got: compiled) }
            }
            for packet in RandomPolicy.queries(for: policy, using: &random, count: 200) {
                let (compiled, reference) = (
                    ruleset.way(for: packet), policy.way(for: packet)
                )
                guard compiled == reference else { throw Disagreement(packet, reference: reference, got: compiled) }
            }
        }
    }

    @Test func `random policies are worth testing with`() throws {
        var (layers, allowed, blocked, blockedByRule) = (0, 0, 0, 0)
        try forAll(300) { random in
            let policy = try RandomPolicy.policy(using: &random)
            layers = max(layers, compile(policy).layers.count)
            for packet in RandomPolicy.queries(for: policy, using: &random, count: 20) {
                let decision = policy.verdict(for: packet)
                if decision.verdict == .route([.internet]) { allowed += 1 } else { blocked += 1 }
                if decision.verdict == .block, decision.rule != nil { blockedByRule += 1 }
            }
        }
        #expect(layers >= 5)
        #expect(min(allowed, blocked) * 4 > allowed + blocked, "\(allowed) allowed, \(blocked) blocked")
        #expect(blockedByRule * 10 > blocked, "\(blockedByRule) of \(blocked) blocked by a rule")
    }

    @Test func `the boxes of a layer never overlap and are in order`() throws {
        try forAll(600) { random in
            for layer in compile(try RandomPolicy.policy(using: &random)).layers {
                try #require(!layer.isEmpty)
                for (index, a) in layer.enumerated() {
                    for b in layer[(index + 1)...] {
                        let overlap =
                            a.destination.overlaps(b.destination) && a.protocols.overlaps(b.protocols)
                            && a.ports.overlaps(b.ports)
                        try #require(!overlap && a.destination <= b.destination, "\(a) and \(b)")
                    }
                }
            }
        }
    }

    @Test func `the order inside a rule's lists means nothing`() throws {
        try forAll(500) { random in
            let text = RandomPolicy.document(using: &random)
            let shuffled = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
                guard let open = line.firstIndex(of: "["), let close = line.firstIndex(of: "]") else {
                    return String(line)
                }
                let items = line[line.index(after: open)..<close].split(separator: ", ").map(String.init)
                let doubled = (items + items.prefix(items == ["any"] ? 0 : 1)).shuffled(using: &random)
                return "\(line[...open])\(doubled.joined(separator: ", "))]"
            }.joined(separator: "\n")
            let (a, b) = (
                try PolicyDocument(parsing: text, file: "a").validated(),
                try PolicyDocument(parsing: shuffled, file: "b").validated()
            )
            try #require(compile(a) == compile(b))
        }
    }

    @Test func `a layer too long to scan is searched with the same result`() throws {
        try forAll(20) { random in
            let rules = (0..<3).map { number in
                let prefixes = (0..<200).map { _ in
                    IPv4Prefix(
                        containing: IPv4Address(bits: 0xC633_0000 | UInt32.random(in: 0...0xffff, using: &random)),
                        length: UInt8.random(in: 25...32, using: &random)
                    ).description
                }
                return "  - {name: r\(number), to: [\(prefixes.joined(separator: ", "))], protocol: \(6 + number), "
                    + "route: internet}"
            }
            let text = "policy: p\nrules:\n" + rules.joined(separator: "\n")
            let policy = try PolicyDocument(parsing: text, file: "p").validated()
            let ruleset = compile(policy)
            try #require(ruleset.layers.contains { $0.count > 64 })
            for packet in RandomPolicy.queries(for: policy, using: &random, count: 200) {
                try #require(
                    ruleset.way(for: packet) == policy.way(for: packet), "\(packet)")
            }
        }
    }

    @Test func `ten thousand boxes compile in seconds even without optimisation`() throws {
        // Optimised: 15 ms here, and 1.3 s for the worst that the limits admit (65,536 boxes of 16,384 shapes).
        let rules = (0..<255).map { rule in
            let to = (0..<13).map { "10.\($0).\(rule).0/\(24 + (rule + $0) % 8)" }.joined(separator: ", ")
            return "  - {name: r\(rule), to: [\(to)], protocol: tcp, ports: [443, 8883, 8000-8100], "
                + "\(rule % 3 == 0 ? "action: block" : "route: internet")}"
        }
        let text = "policy: p\nrules:\n" + rules.joined(separator: "\n") + "\n  - {name: z, to: any, route: internet}"
        let policy = try PolicyDocument(parsing: text, file: "p").validated()
        var ruleset = Ruleset.blockAll
        let time = ContinuousClock().measure { ruleset = compile(policy) }
        #expect(ruleset.layers.map(\.count) == [255 * 13 * 3, 1])
        #expect(time < .seconds(10), "\(time)")
    }

    // MARK: -

    /// Every packet that can tell apart what ``RandomPolicy`` writes, but for addresses outside its usual /24.
    private static let universe: [PacketQuery] = (UInt32(0)...31).flatMap { host in
        let address = IPv4Address(bits: 0xC633_6400 + host * 8 + host % 8)
        let ports: [UInt16] = [1, 2, 5, 17, 39, 40, 41, 60, 61, 65_499, 65_500, 65_535]
        let withPorts = ports.flatMap { port in
            [6, 17].map { PacketQuery(destination: address, protocol: $0, port: port) }
        }
        return withPorts + [0, 1, 6, 47, 255].map { PacketQuery(destination: address, protocol: $0, port: nil) }
    }

    private struct Disagreement: Error, CustomStringConvertible {
        let description: String
        init(_ packet: PacketQuery, reference: Ruleset.Way?, got: Ruleset.Way?) {
            description =
                "\(packet): the reference says \(String(describing: reference)), the ruleset \(String(describing: got))"
        }
    }
}

extension RandomPolicy {
    static func policy(using random: inout Generator) throws -> ValidatedPolicy {
        try PolicyDocument(parsing: document(using: &random), file: "random.yaml").validated()
    }
}

import Domain
import PolicyCompiler
import Testing

@Suite struct PolicyDifferenceTests {
    private func policy(_ rules: [String], head: String = "") throws -> ValidatedPolicy {
        let text = "policy: p\n\(head)rules:\n" + rules.map { "  - {\($0)}\n" }.joined()
        return try PolicyDocument(parsing: rules.isEmpty ? "policy: p\n\(head)rules: []" : text, file: "p").validated()
    }

    private func lines(_ old: ValidatedPolicy?, _ new: ValidatedPolicy) -> [String] {
        PolicyDifference(from: old, to: new).rules.map { "\($0.kind.rawValue) \($0.rule)" }
    }

    private static let a = "name: a, to: [192.0.2.1], protocol: tcp, ports: [443, 8000-8100], route: internet"
    private static let b = "name: b, to: [192.0.2.2], action: block"
    private static let c = "name: c, to: [192.0.2.3], services: [ntp], route: internet, log: true"

    @Test func `a new policy adds all its rules, and the same one changes nothing`() throws {
        let policy = try policy([Self.a, Self.b])
        #expect(lines(nil, policy) == ["added a", "added b"])
        #expect(PolicyDifference(from: policy, to: policy).isEmpty)
    }

    @Test func `rules are known by their names`() throws {
        let changed = Self.b.replacing("192.0.2.2", with: "192.0.2.9")
        #expect(
            lines(try policy([Self.a, Self.b]), try policy([Self.a, changed, Self.c])) == ["changed b", "added c"])
        #expect(lines(try policy([Self.a, Self.b, Self.c]), try policy([Self.c])) == ["removed a", "removed b"])
    }

    @Test func `as few rules as can be have moved`() throws {
        #expect(lines(try policy([Self.a, Self.b, Self.c]), try policy([Self.c, Self.a, Self.b])) == ["moved c"])
        #expect(lines(try policy([Self.a, Self.b, Self.c]), try policy([Self.b, Self.c, Self.a])) == ["moved a"])
        // One that is new does not move those behind it.
        #expect(lines(try policy([Self.b, Self.c]), try policy([Self.a, Self.b, Self.c])) == ["added a"])
    }

    @Test func `what a rule says is one line`() throws {
        let difference = PolicyDifference(from: nil, to: try policy([Self.a, Self.b, Self.c]))
        #expect(
            difference.rules.map(\.after) == [
                "to 192.0.2.1, tcp 443 8000-8100: internet", "to 192.0.2.2: block",
                "to 192.0.2.3, ntp: internet, logged",
            ])
        let scheduled = Self.a + ", schedule: {days: [mon-fri], from: \"01:00\", to: \"05:00\"}"
        let change = PolicyDifference(from: try policy([Self.a]), to: try policy([scheduled])).rules.first
        #expect(change?.before == "to 192.0.2.1, tcp 443 8000-8100: internet")
        #expect(change?.after == "to 192.0.2.1, tcp 443 8000-8100: internet, mon-fri 01:00-05:00 UTC")
    }

    @Test func `whether usage is counted is part of a rule`() throws {
        let change = PolicyDifference(
            from: try policy([Self.a]), to: try policy([Self.a + ", usage: true"])
        ).rules.first
        #expect(change?.kind == .changed && change?.after == "to 192.0.2.1, tcp 443 8000-8100: internet, counted")
        #expect(PolicyDifference(from: try policy([Self.a]), to: try policy([Self.a + ", usage: false"])).isEmpty)
    }

    @Test func `settings beside the rules are compared too`() throws {
        let difference = PolicyDifference(
            from: try policy([Self.a]), to: try policy([Self.a], head: "mode: monitor\ndns: {default: allow}\n"))
        #expect(difference.rules.isEmpty)
        #expect(difference.settings.map(\.name) == ["mode", "dns"])
        #expect(difference.settings.map(\.after) == ["monitor", "default allow, answer nxdomain"])
    }
}

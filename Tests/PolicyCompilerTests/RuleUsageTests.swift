import Domain
import PolicyCompiler
import TestSupport
import Testing

/// Rules with `usage: true`.
@Suite struct RuleUsageTests {
    private static let text = """
        policy: p
        rules:
          - {name: telemetry, to: [192.0.2.0/24], route: internet, usage: true}
          - {name: web, to: [192.0.3.0/24], route: internet}
          - {name: clock, to: any, services: [ntp], route: internet, usage: true, bandwidth: {up: 64kbit/s}}
        """

    private func name(_ text: String) throws -> Name { try Name(parsing: text) }

    private func rates(_ policy: ValidatedPolicy) -> [Ruleset.RuleRate] { compile(policy).ways.compactMap(\.rate) }

    @Test func `each rule that is counted has its number, and no other has one`() throws {
        var scope = PolicyScope.empty
        let (telemetry, other) = (CountedRule.ID(70), CountedRule.ID(71))
        scope.countedRules = try [
            name("p"): [name("telemetry"): telemetry, name("web"): other], name("q"): [name("clock"): other],
        ]
        let document = try PolicyDocument(parsing: Self.text, file: "p")
        let policy = try document.validated(in: scope)
        #expect(try policy.countedRules == [name("telemetry"): telemetry])
        #expect(rates(policy).map(\.rule) == [0, 2] && rates(policy).map(\.counted) == [telemetry, nil])
        #expect(rates(policy)[0].up == nil && rates(policy)[0].down == nil && rates(policy)[1].up != nil)
        let counted = try policy.counting([name("telemetry"): telemetry, name("clock"): CountedRule.ID(72)])
        #expect(rates(counted).map(\.counted) == [telemetry, CountedRule.ID(72)])
        #expect(rates(counted)[1].up == rates(policy)[1].up)
        // Where packets go is the same.
        let plain = try PolicyDocument(
            parsing: Self.text.replacing(", usage: true", with: ""), file: "p"
        ).validated()
        #expect(compile(plain).layers == compile(counted).layers)
        #expect(compile(plain).actions.map { $0.way?.route } == compile(counted).actions.map { $0.way?.route })
    }

    @Test func `a gateway that cannot count says so`() throws {
        var scope = PolicyScope.empty
        scope.isLimiting = false
        let document = try PolicyDocument(
            parsing: "policy: p\nrules:\n  - {name: a, to: any, route: internet, usage: true}\n", file: "p")
        do throws(PolicyError) {
            _ = try document.validated(in: scope)
            Issue.record("it was taken")
        } catch {
            #expect(
                error.diagnostics.map(\.description) == [
                    "p:3:48: rules[0].usage: this gateway's data plane does not count usage, as its log says at its "
                        + "start: leave usage out"
                ])
        }
    }
}

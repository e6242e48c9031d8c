import Domain
import PolicyCompiler
import TestSupport
import Testing

@Suite struct ExplanationTests {
    private let policy: ValidatedPolicy

    init() throws {
        let text = """
            policy: meters
            rules:
              - {name: dns, to: 192.0.2.53, protocol: udp, ports: [53], route: internet}
              - {name: no-admin, to: 198.51.100.0/24, protocol: tcp, ports: [22, 23, 80, 8000-8100, 9000], action: block}
              - name: telemetry
                to: [198.51.100.0/24, 192.0.2.10, 192.0.2.11, 192.0.2.12, 192.0.2.13]
                protocol: tcp
                route: internet
              - {name: gre, to: 198.51.100.1, protocol: 47, route: internet}
            """
        policy = try PolicyDocument(parsing: text, file: "meters.yaml").validated()
    }

    private func packet(_ address: String, _ number: UInt8, _ port: UInt16?) throws -> PacketQuery {
        PacketQuery(destination: try IPv4Address(parsing: address), protocol: number, port: port)
    }

    @Test func `the first rule that matches decides`() throws {
        let decision = { (packet: PacketQuery) in policy.verdict(for: packet) }
        #expect(
            try decision(packet("198.51.100.7", 6, 22))
                == Decision(verdict: .block, enforced: .block, rule: Name(parsing: "no-admin"), index: 1))
        #expect(
            try decision(packet("198.51.100.7", 6, 24))
                == Decision(
                    verdict: .route([.internet]), enforced: .route([.internet]), rule: Name(parsing: "telemetry"),
                    index: 2))
        #expect(
            try decision(packet("198.51.100.1", 47, nil))
                == Decision(
                    verdict: .route([.internet]), enforced: .route([.internet]), rule: Name(parsing: "gre"), index: 3))
        #expect(
            try decision(packet("198.51.101.0", 6, 24))
                == Decision(verdict: .block, enforced: .block, rule: nil, index: nil))
    }

    @Test func `an allowed packet is explained with the rules that it passed`() throws {
        let explanation = policy.explain(try packet("198.51.100.7", 6, 443))
        #expect(explanation.route == "internet")
        #expect(
            "\(explanation)" == """
                198.51.100.7:443/tcp goes to the internet by rule "telemetry" of policy "meters"
                  rule "dns" does not match: 198.51.100.7 is not in 192.0.2.53
                  rule "no-admin" does not match: port 443 is not in 22, 23, 80 and 2 more
                """)
    }

    @Test func `a packet that no rule matches is explained by the default`() throws {
        let explanation = policy.explain(try packet("198.51.100.7", 1, nil))
        #expect(explanation.decision == Decision(verdict: .block, enforced: .block, rule: nil, index: nil))
        #expect(explanation.route == nil)
        #expect(
            "\(explanation)" == """
                198.51.100.7/icmp is blocked by the default of policy "meters", since no rule matches
                  rule "dns" does not match: 198.51.100.7 is not in 192.0.2.53
                  rule "no-admin" does not match: the protocol is icmp, not tcp
                  rule "telemetry" does not match: the protocol is icmp, not tcp
                  rule "gre" does not match: 198.51.100.7 is not in 198.51.100.1
                """)
    }

    @Test func `a rule with ports matches no packet without a port`() throws {
        let explanation = policy.explain(try packet("192.0.2.53", 17, nil))
        #expect(explanation.passed.first?.reason == "the packet has no port, the rule is for 53")
        #expect(compile(policy).way(for: try packet("192.0.2.53", 17, nil)) == nil)
        #expect(compile(policy).way(for: try packet("198.51.100.7", 6, nil)) == .internet)
    }
}

import Domain
import PolicyCompiler
import Testing

/// Rules that a policy gets where the gateway's resolver answers devices.
@Suite struct BuiltInRuleTests {
    private static let all = "{name: all, to: any, route: internet}"
    private static let named = "{name: named, to: [1.1.1.1], protocol: tcp, ports: [443], route: internet}"

    private static func policy(_ rules: String..., guarded: Bool = true) throws -> ValidatedPolicy {
        var scope = PolicyScope()
        scope.resolverGuard = guarded ? .standard : nil
        let list = rules.map { "  - \($0)\n" }.joined()
        return try PolicyDocument(parsing: "policy: p\nrules:\n\(list)", file: "p").validated(in: scope)
    }

    private static func decides(_ policy: ValidatedPolicy, _ address: String, _ port: UInt16) throws -> String? {
        let packet = PacketQuery(destination: try IPAddress(parsing: address), protocol: 6, port: port)
        return policy.verdict(for: packet).rule?.description
    }

    @Test func `they stand before the first rule to everywhere`() throws {
        let policy = try Self.policy(Self.named, Self.all)
        #expect(policy.rules.map(\.name.description) == ["named", "dns-over-tls", "public-resolvers", "all"])
        #expect(try Self.decides(policy, "192.0.2.1", 853) == "dns-over-tls")
        #expect(try Self.decides(policy, "8.8.8.8", 443) == "public-resolvers")
        #expect(try Self.decides(policy, "2001:4860:4860::8888", 443) == "public-resolvers")
        #expect(try Self.decides(policy, "1.1.1.1", 443) == "named")
        #expect(try Self.decides(policy, "192.0.2.1", 443) == "all")
    }

    @Test func `not where nothing is to everywhere, nor without a resolver, nor twice`() throws {
        #expect(try Self.policy(Self.named).rules.count == 1)
        #expect(try Self.policy("{name: none, to: any, action: block}").rules.count == 1)
        #expect(try Self.policy(Self.all, guarded: false).rules.count == 1)
        let own = "{name: dns-over-tls, to: 192.0.2.1, protocol: tcp, ports: [853], route: internet}"
        #expect(
            try Self.policy(own, Self.all).rules.map(\.name.description) == ["dns-over-tls", "public-resolvers", "all"])
    }

    @Test func `the list is read whole`() {
        #expect(ResolverGuard.standard.ipv4.count == 25)
        #expect(ResolverGuard.standard.ipv6.count == 15)
        #expect(ResolverGuard.standard.names.count == 15)
    }

    @Test(
        arguments: [
            ("{name: t, to: any, services: ntp, route: time-server}", true, nil),
            ("{name: t, to: any, protocol: udp, ports: [123], route: [time-server]}", true, nil),
            ("{name: t, to: any, services: ntp, route: time-server}", false, "the operator has no time server"),
            ("{name: t, to: any, services: https, route: time-server}", true, "time-server takes NTP only"),
            ("{name: t, to: any, protocol: udp, route: time-server}", true, "time-server takes NTP only"),
            ("{name: t, to: any, services: ntp, route: [time-server, internet]}", true, "stands alone"),
        ] as [(String, Bool, String?)])
    func `a rule sends NTP to the operator's server where there is one`(rule: String, hasOne: Bool, wrong: String?)
        throws
    {
        var scope = PolicyScope()
        scope.hasTimeServer = hasOne
        let document = try PolicyDocument(parsing: "policy: p\nrules:\n  - \(rule)\n", file: "p")
        guard let wrong else {
            #expect(try document.validated(in: scope).rules.first?.action == .route([.timeServer]))
            return
        }
        let error = #expect(throws: PolicyError.self) { try document.validated(in: scope) }
        #expect(error.map { "\($0)" }?.contains(wrong) == true)
    }
}

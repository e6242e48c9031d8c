import Domain
import PolicyCompiler
import TestSupport
import Testing

@Suite struct OnboardingDocumentTests {
    static let whole = """
        # An enterprise.
        tenant: acme
        apn: {name: acme.iot, kind: private}
        addresses: 500
        limits: {vpns: 4}
        lists:
          - {name: plant, items: [10.0.0.16, mqtt.acme.example, 10.0.0.16]}
        groups:
          - {name: meters, policy: telemetry}
          - name: spare
        policies:
          - policy: telemetry
            rules:
              - {name: broker, to: [10.0.0.10], services: [mqtts], route: [vpn:hq, vpn:backup]}
          - file: {name: other.yaml, text: "policy: other\\nrules: []\\n"}
        default-policy: telemetry
        vpns:
          - {name: hq, peer: vpn.acme.example, remote-networks: 10.0.0.0/24, probe: "", peer-id: fw.acme.example}
          - name: maintenance
            peer: any
            remote-networks: [10.8.0.0/24=192.168.8.0/24]
            local-network: group:meters
            profile: compatible
            auth: certificate
            gateway-id: name
            initiate: never
            force-encapsulation: true
            pair-selectors: false
            partner: {name: fixit, destinations: [192.168.8.0/28], ports: [tcp/22], valid-until: 2099-01-01T00:00:00Z}
        sims:
          - {imsi: "001010000000001", iccid: "8949000000000000001", msisdn: "491700000001", group: meters, name: pump 1}
          - file: {name: sims.csv, text: "imsi,iccid\\n"}
        users:
          - {name: acme-admin}

        """

    private static func document(_ text: String) throws(PolicyError) -> OnboardingDocument {
        try OnboardingDocument(parsing: text, file: "acme.yaml")
    }

    @Test func `a whole document is read`() throws {
        let document = try Self.document(Self.whole)
        #expect(document.tenant.value.description == "acme")
        #expect(document.accessPoint?.value.kind == .private && document.space?.value == .addresses(500))
        #expect(document.vpnLimit?.value == 4 && document.lists.first?.value.items.count == 2)
        #expect(document.groups.map(\.value.policy?.description) == ["telemetry", nil])
        #expect(document.policies.map(\.name.description) == ["telemetry", "other"])
        #expect(document.sims.first?.value.label == "pump 1" && document.simFiles.first?.value.name == "sims.csv")
        #expect(document.users.map(\.value.description) == ["acme-admin"])
        let (hq, maintenance) = (document.vpns[0].value, document.vpns[1].value)
        let new = hq.tunnel(changing: nil)
        #expect(
            new.initiation == .always && new.probe == nil
                && "\(new.peerIdentity.map { "\($0)" } ?? "")" == "fw.acme.example")
        // What is not said stays.
        let before = Tunnel(
            peer: .anywhere, networks: new.networks, profile: .compatible, initiation: .onDemand, pairsSelectors: true,
            probe: try IPv4Address(parsing: "10.0.0.1"))
        let changed = hq.tunnel(changing: before)
        #expect(changed.profile == .compatible && changed.initiation == .onDemand && changed.pairsSelectors)
        #expect(changed.probe == nil && changed.peer == new.peer)
        let partner = maintenance.tunnel(changing: nil).partner
        #expect(partner?.ports.map(\.description) == ["tcp/22"] && partner?.validUntil != nil)
    }

    @Test func `JSON is read as YAML is`() throws {
        let document = try Self.document(#"{"tenant": "acme", "apn": "iot.example", "users": [{"name": "root"}]}"#)
        #expect(document.accessPoint?.value.kind == nil && document.users.count == 1)
    }

    /// A document, and what is said about it.
    struct WrongCase: CustomTestStringConvertible {
        let text: String
        let messages: [String]
        var testDescription: String { text }
        init(_ text: String, _ messages: String...) { (self.text, self.messages) = (text, messages) }
    }

    static let wrong = [
        WrongCase("", "1:1: the document is empty"),
        WrongCase("- a\n", "1:1: expected keys and values, found a list"),
        WrongCase("users: []\n", "1:1: \"tenant\" is missing: write tenant: acme"),
        WrongCase("tenant: Acme\n", "1:9: tenant: \"Acme\" is not a name"),
        WrongCase(
            "tenant: acme\nuser: []\n",
            "2:1: user: unknown key \"user\" (did you mean \"users\"?): known here are tenant"),
        WrongCase("tenant: acme\ntenant: acme\n", "1:1: \"tenant\" is written more than once"),
        WrongCase("tenant: acme\napn: a..b\n", "2:6: apn: \"a..b\" is not an APN"),
        WrongCase(
            "tenant: acme\napn: {name: a.b, kind: privat}\n",
            "2:24: apn.kind: \"privat\" is not a kind of APN (did you mean"),
        WrongCase("tenant: acme\napn: {kind: private}\n", "2:6: apn: \"name\" is missing"),
        WrongCase("tenant: acme\naddresses: many\n", "2:12: addresses: \"many\" is not a number from 1 to 1000000"),
        WrongCase("tenant: acme\naddresses: 5\nblocks: 2\n", "3:9: blocks: addresses and blocks say the same"),
        WrongCase("tenant: acme\nlimits: {vpn: 4}\n", "2:10: limits.vpn: unknown key \"vpn\" (did you mean \"vpns\"?)"),
        WrongCase("tenant: acme\ngroups: meters\n", "2:9: groups: expected a list, found text"),
        WrongCase(
            "tenant: acme\ngroups:\n  - {name: a}\n  - {name: a}\n",
            "4:12: groups[1].name: \"a\" is the name of groups[0]"),
        WrongCase(
            "tenant: acme\npolicies: [{policy: p}, {policy: p}]\n", "2:34: policies[1].policy: \"p\" is the name of"),
        WrongCase("tenant: acme\npolicies: [{rules: []}]\n", "2:12: policies[0]: \"policy\" is missing"),
        WrongCase(
            "tenant: acme\npolicies: [{file: p.yaml}]\n", "2:19: policies[0].file: the text of \"p.yaml\" was not sent"),
        WrongCase("tenant: acme\npolicies: [{file: {name: p.yaml}}]\n", "2:19: policies[0].file: \"text\" is missing"),
        WrongCase(
            "tenant: acme\npolicies: [{rules: [], file: {name: p, text: x}}]\n",
            "2:13: policies[0].rules: unknown key \"rules\": known here are file"),
        WrongCase(
            "tenant: acme\nvpns: [{name: hq}]\n", "2:8: vpns[0]: \"peer\" is missing",
            "2:8: vpns[0]: \"remote-networks\""),
        WrongCase(
            "tenant: acme\nvpns: [{name: hq, peer: a.example, remote_networks: [10.0.0.0/24]}]\n",
            "2:36: vpns[0].remote_networks: unknown key \"remote_networks\" (did you mean \"remote-networks\"?)"),
        WrongCase(
            "tenant: acme\nvpns: [{name: hq, peer: a.example, remote-networks: [10.0.0.1/24], auth: key}]\n",
            "2:54: vpns[0].remote-networks[0]: \"10.0.0.1/24\" is not", "2:74: vpns[0].auth: \"key\" is not a way"),
        WrongCase(
            "tenant: acme\nsims: [{imsi: x, iccid: y}]\n", "2:15: sims[0].imsi: \"x\"", "2:25: sims[0].iccid: \"y\""),
        WrongCase("tenant: acme\nsims: {fil: x}\n", "2:7: sims: expected a list of SIMs, found a mapping"),
        WrongCase("tenant: acme\nusers: [{name: root, role: operator}]\n", "2:22: users[0].role: unknown key \"role\""),
        WrongCase("tenant: &a acme\n", "YAML anchors"),
    ]

    @Test(arguments: wrong)
    func `what is wrong is told with its place`(_ wrong: WrongCase) {
        let error = #expect(throws: PolicyError.self) { try Self.document(wrong.text) }
        let found = (error?.diagnostics ?? []).map { "\($0)" }
        #expect(found.allSatisfy { $0.hasPrefix("acme.yaml:") || $0.hasPrefix("p:") })
        for message in wrong.messages {
            #expect(
                found.contains { $0.dropFirst("acme.yaml:".count).hasPrefix(message) || $0.contains(message) },
                "\(message): \(found)")
        }
    }

    @Test func `a policy that is written in a document is the one that is stored`() throws {
        try forAll(1500) { random in
            let isWhole = random.oneIn(2)
            let text = isWhole ? RandomPolicy.wholeDocument(using: &random).yaml : RandomPolicy.document(using: &random)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            let indented = lines.map { $0.isEmpty ? "" : "    \($0)" }.joined(separator: "\n")
            let part = try #require(try Self.document("tenant: acme\npolicies:\n  -\n\(indented)\n").policies.first)
            let stored = try PolicyDocument(parsing: part.text, file: "stored").validated(in: RandomPolicy.scope)
            let written = try PolicyDocument(parsing: text, file: "stored").validated(in: RandomPolicy.scope)
            let inside = try part.validated(in: RandomPolicy.scope)
            try #require(stored.name == written.name && stored.rules == written.rules)
            try #require(stored.dns == written.dns && stored.mode == written.mode)
            try #require(inside.rules == written.rules && inside.dns == written.dns)
            // Written anew from what was written anew, it is the same.
            let again =
                lines.isEmpty ? "" : part.text.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
            try #require(
                try Self.document("tenant: acme\npolicies:\n  -\n\(again)\n").policies.first?.text == part.text)
        }
    }

    @Test func `texts of every kind are written so that they are read again`() throws {
        let texts = [
            "", " ", "a: b", "#", "a #b", "- a", "\"", "'", "\\", "\\n", "a\nb", "\t", "é", "😀", "\u{85}", "\u{2028}",
            "*", "&a",
            "!x", "~", "null", "yes", "1:30", "2001:db8::1", "[a]", "{a}", "a,b", "a:", ":a", "---", "...", "%a", "@a",
            "`a",
        ]
        for text in texts {
            let quoted = text.unicodeScalars.map {
                "\\U" + String(repeating: "0", count: 8 - String($0.value, radix: 16).count)
                    + String($0.value, radix: 16)
            }
            let document = "tenant: acme\npolicies: [{policy: p, x: [\"\(quoted.joined())\", y], rules: []}]\n"
            let part = try #require(try Self.document(document).policies.first, "\(document)")
            let again = part.text.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
            let second = try #require(try Self.document("tenant: acme\npolicies:\n  -\n\(again)\n").policies.first)
            #expect(second.text == part.text, "\(text.debugDescription): \(part.text)")
        }
    }

    @Test func `ten thousand mutated documents are read, or refused with a place inside the document`() throws {
        var (accepted, refused) = (0, 0)
        try forAll(10_000) { random in
            let text = Mutation.document(mutating: Self.whole, using: &random)
            let document: OnboardingDocument
            do throws(PolicyError) {
                document = try Self.document(text)
            } catch {
                refused += 1
                return try error.diagnostics.forEach { try Self.requirePlace(of: $0, inside: text) }
            }
            accepted += 1
            for part in document.policies {
                let judged = Result { () throws(PolicyError) in try part.validated(in: RandomPolicy.scope) }
                if case .failure(let error) = judged { try #require(!error.diagnostics.isEmpty) }
            }
            for site in document.vpns { _ = site.value.tunnel(changing: nil) }
        }
        #expect(accepted > 500 && refused > 500, "\(accepted) read, \(refused) refused")
    }

    /// One line, of `text`, and one of its columns or the end of the line; those of files are another text's.
    private static func requirePlace(of diagnostic: Diagnostic, inside text: String) throws {
        guard diagnostic.file == "acme.yaml" else { return }
        let lines = Mutation.lines(of: text)
        let isOneLine = !"\(diagnostic)".contains { $0.isNewline }
        try #require(isOneLine && (1...lines.count).contains(diagnostic.line), "\(diagnostic)")
        let columns = lines[diagnostic.line - 1].count
        try #require((1...(columns + 1)).contains(diagnostic.column), "\(diagnostic)")
    }
}

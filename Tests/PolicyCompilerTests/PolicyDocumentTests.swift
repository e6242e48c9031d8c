import Domain
import PolicyCompiler
import TestSupport
import Testing

@Suite struct PolicyDocumentTests {
    @Test(arguments: DiagnosticCase.all)
    func `says what is wrong, where, and what would be right`(_ wrong: DiagnosticCase) {
        #expect(Self.diagnostics(wrong.text).map { "\($0)" } == wrong.messages.map { "meters.yaml:\($0)" })
    }

    @Test func `every wrong document is in the table`() {
        #expect(DiagnosticCase.all.count == 87)
    }

    @Test func `an error is one line for each thing that is wrong`() {
        #expect(throws: PolicyError.self) { try Self.policy("rules: 1\ndefault: 2") }
        let error = Self.diagnostics("rules: 1\ndefault: 2")
        #expect(error.map(\.line) == [1, 1, 2])
        #expect(error.map(\.column) == [1, 8, 10])
        #expect(error.map(\.field) == ["", "rules", "default"])
    }

    @Test func `scalars are their text, whatever YAML 1.1 makes of them`() throws {
        let policy = try Self.policy(
            """
            policy: no
            rules:
              - {name: yes, to: 192.0.2.1, protocol: 1, action: block}
              - {name: 1e3, to: 192.0.2.2, protocol: 17, ports: 123, route: internet}
              - {name: null, to: '192.0.2.3', protocol: "tcp", ports: ["443"], route: internet}
            """)
        #expect(policy.name.description == "no")
        #expect(policy.rules.map(\.name.description) == ["yes", "1e3", "null"])
        #expect(policy.rules.flatMap(\.matches).map(\.protocol) == [1, 17, 6])
        #expect(policy.rules.flatMap(\.matches).map(\.ports) == [[], [123...123], [443...443]])
    }

    @Test func `JSON and YAML are the same document`() throws {
        let yaml = """
            policy: p
            rules:
            - name: a
              to:
              - 10.0.0.0/8
              protocol: udp
              ports:
              - 53
              - 1000-2000
              action: block
            """
        let json = #"""
            {"rules": [{"action": "block", "ports": [53, "1000-2000"], "protocol": "udp", "to": ["10.0.0.0\/8"],
            	"name": "\u0061"}], "policy": "p"}
            """#
        #expect(try Self.policy(yaml) == Self.policy(json))
    }

    @Test func `a byte order mark, Windows line ends and a document start are no harm`() throws {
        let policy = try Self.policy("\u{FEFF}---\r\npolicy: p # ü\r\nrules: []\r\n...\r\n")
        #expect(policy.name.description == "p")
        #expect(policy.rules.isEmpty)
    }

    @Test func `the default may be left out and a single destination or port needs no list`() throws {
        let rule = try #require(
            try Self.policy(
                "policy: p\nrules: [{name: a, to: 192.0.2.1, protocol: tcp, ports: 443, route: internet}]"
            ).rules.first)
        #expect(rule.ipv4.map(\.description) == ["192.0.2.1"])
        #expect(rule.matches == [ProtocolPorts(protocol: 6, ports: [443...443])])
        #expect(rule.action == .route([.internet]))
    }

    @Test func `a rule behind one that takes all its packets is a warning`() throws {
        let policy = try Self.policy(
            """
            policy: p
            rules:
              - {name: a, to: 10.0.0.0/8, route: internet}
              - {name: b, to: [10.1.0.0/16, 10.2.0.0/16], protocol: tcp, ports: [443], action: block}
              - {name: c, to: [10.1.0.0/16, 192.0.2.1], action: block}
            """)
        #expect(
            policy.warnings.map { "\($0)" } == [
                "meters.yaml:4:5: rules[1]: rule \"b\" never matches: earlier rules take all its packets"
            ])
    }

    // MARK: Limits

    @Test func `limits are kept, and one more is an error that names the limit`() throws {
        let rule = { (number: Int) in "  - {name: r\(number), to: 192.0.2.1, route: internet}" }
        let rules = { (count: Int) in "policy: p\nrules:\n" + (0..<count).map(rule).joined(separator: "\n") }
        #expect(try Self.policy(rules(256)).rules.count == 256)
        #expect(Self.messages(rules(257)) == ["257 rules; at most 256 are allowed"])

        let to = { (count: Int) in
            let list = (0..<count).map { "10.0.\($0 / 256).\($0 % 256)" }.joined(separator: ", ")
            return "policy: p\nrules: [{name: a, to: [\(list)], route: internet}]"
        }
        #expect(try Self.policy(to(4096)).rules.first?.ipv4.count == 4096)
        #expect(Self.messages(to(4097)) == ["4097 items; at most 4096 are allowed"])

        let ports = { (count: Int) in
            let list = (0..<count).map { "\(1 + 2 * $0)" }.joined(separator: ", ")
            return "policy: p\nrules: [{name: a, to: any, protocol: tcp, ports: [\(list)], route: internet}]"
        }
        #expect(try Self.policy(ports(64)).rules.first?.matches.first?.ports.count == 64)
        #expect(Self.messages(ports(65)) == ["65 items; at most 64 are allowed"])

        let padding = { (octets: Int) in
            let text = "policy: p\nrules: []\n#"
            return text + String(repeating: "x", count: octets - text.utf8.count)
        }
        #expect(try Self.policy(padding(262_144)).rules.isEmpty)
        #expect(Self.messages(padding(262_145)) == ["the document has 262145 octets; at most 262144 are allowed"])
    }

    @Test func `a policy of more boxes than the kernel's sets may hold is an error`() throws {
        let policy = { (rules: Int) in
            let ports = (0..<64).map { "\(1 + 2 * $0)" }.joined(separator: ", ")
            let list = (0..<1024).map { "10.0.\($0 / 128).\($0 % 128 * 2)" }.joined(separator: ", ")
            let rules = (0..<rules).map {
                "  - {name: r\($0), to: [\(list)], protocol: tcp, ports: [\(ports)], route: internet}"
            }
            return "policy: p\nrules:\n" + rules.joined(separator: "\n")
        }
        #expect(try Self.policy(policy(1)).rules.count == 1)
        #expect(
            Self.messages(policy(2)) == [
                "the rules make 131072 combinations of destinations and port ranges; at most 65536 are allowed"
            ])
    }

    @Test func `a document with very many errors lists a hundred and counts the rest`() {
        let list = (0..<1000).map { "x\($0)" }.joined(separator: ", ")
        let diagnostics = Self.diagnostics("policy: p\nrules: [{name: a, to: [\(list)], route: internet}]")
        #expect(diagnostics.count == 101)
        #expect(diagnostics.last?.message == "900 more errors from here on")
    }

    // MARK: Hostile documents

    @Test func `aliases that would expand without end are refused at once`() {
        var bomb = "a0: &a0 [x, x]\n"
        for level in 1...60 { bomb += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        bomb += "? *a60\n: 1\n"
        #expect(!Self.diagnostics(bomb).isEmpty)
        var chain = "- &a0 x\n"
        for level in 1...8000 { chain += "- &a\(level) [*a\(level - 1)]\n" }
        #expect(!Self.diagnostics(chain).isEmpty)
    }

    @Test(arguments: [
        "[", "{", "- ", "? ", "a: {", "[{", "{[", "!", "&a ", "\"", "'", "|\n ", "- - ? ", "{a: ", ",", "%",
    ])
    func `however often a piece of YAML is repeated, an answer comes`(piece: String) {
        for count in [1, 10, 900, 1100, PolicyDocument.maximumOctets / piece.utf8.count] {
            #expect(!Self.diagnostics(String(repeating: piece, count: count)).isEmpty)
        }
    }

    @Test func `a long key over a long list is not repeated in full for each item`() {
        let key = String(repeating: "k", count: 100_000)
        let items = Array(repeating: "*x", count: 40_000).joined(separator: ", ")
        let diagnostics = Self.diagnostics("policy: p\n? \(key)\n: [\(items)]")
        #expect(diagnostics.count == 101)
        #expect(diagnostics.first?.field == String(repeating: "k", count: 37) + "...[0]")
    }

    @Test func `what is quoted is cut to eighty scalars, however they combine`() {
        for scalar in ["x", "\u{301}", "\u{1F468}\u{200D}"] {
            let text = "a" + String(repeating: scalar, count: 20_000)
            for document in ["policy: \(text)\nrules: []", "policy: p\n\(text.prefix(1))\u{301}: 1\nrules: \(text)"] {
                let diagnostics = Self.diagnostics(document)
                #expect(!diagnostics.isEmpty)
                #expect(diagnostics.allSatisfy { "\($0)".unicodeScalars.count < 1000 })
            }
        }
    }

    // MARK: -

    private static func policy(_ text: String) throws(PolicyError) -> ValidatedPolicy {
        try PolicyDocument(parsing: text, file: "meters.yaml").validated(in: RandomPolicy.scope)
    }

    private static func diagnostics(_ text: String) -> [Diagnostic] {
        do throws(PolicyError) {
            _ = try policy(text)
            return []
        } catch {
            return error.diagnostics
        }
    }

    private static func messages(_ text: String) -> [String] { diagnostics(text).map(\.message) }
}

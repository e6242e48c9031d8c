import Domain
import PolicyCompiler
import TestSupport
import Testing

/// Documents that are right, and what is said about them all the same.
@Suite struct WarningTests {
    struct Case: CustomTestStringConvertible {
        let name: String
        /// What stands behind `policy: p`.
        let text: String
        let warnings: [String]
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        .init(
            name: "names only",
            text: """
                rules:
                  - {name: a, to: [mqtt.acme.example, "*.acme.example"], route: internet}
                  - {name: b, to: [mqtt.x.example, 192.0.2.1], route: internet}
                """,
            warnings: [
                "3:5: rules[0]: rule \"a\" matches nothing until the gateway's resolver has given a device an "
                    + "address for mqtt.acme.example, *.acme.example"
            ]),
        .init(
            name: "names that the policy itself refuses",
            text: """
                dns: {deny: ["*.acme.example"]}
                rules:
                  - {name: a, to: [mqtt.acme.example, acme.example, 192.0.2.1], route: internet}
                  - {name: b, to: [x.acme.example, 192.0.2.2], action: block}
                """,
            warnings: [
                "4:5: rules[0]: rule \"a\" cannot reach mqtt.acme.example: dns.deny refuses the name, so no device "
                    + "learns an address for it"
            ]),
        .init(
            name: "allowed names that are denied",
            text: """
                dns:
                  allow: [a.acme.example, "*.acme.example", acme.example, "*.b.acme.example"]
                  deny: ["*.acme.example", a.acme.example]
                rules: []
                """,
            warnings: [
                "3:11: dns.allow[0]: a.acme.example is refused all the same: dns.deny has *.acme.example, and deny "
                    + "wins over allow",
                "3:27: dns.allow[1]: *.acme.example is refused all the same: dns.deny has *.acme.example, and deny "
                    + "wins over allow",
                "3:59: dns.allow[3]: *.b.acme.example is refused all the same: dns.deny has *.acme.example, and deny "
                    + "wins over allow",
            ]),
        .init(
            name: "lists that nobody uses",
            text: """
                lists:
                  - {name: a, items: [192.0.2.1]}
                  - {name: b, items: [10.0.0.0/8]}
                rules: [{name: a, direction: to-device, via: vpn:hq, from: list:b, action: allow}]
                """,
            warnings: ["3:5: lists[0]: no rule uses list \"a\""]),
        .init(
            name: "schedules that are always open",
            text: """
                rules:
                  - {name: a, to: 192.0.2.1, route: internet, schedule: {days: mon-sun}}
                  - {name: b, to: 192.0.2.2, route: internet, schedule: {days: mon-sat}}
                """,
            warnings: ["3:5: rules[0]: rule \"a\" has a schedule that is always open: leave it out"]),
        .init(
            name: "ICMP of the other family",
            text: """
                rules:
                  - {name: a, to: "2001:db8::/32", protocol: icmp, route: internet}
                  - {name: b, to: 192.0.2.0/24, protocol: icmpv6, route: internet}
                  - {name: c, to: 192.0.2.0/24, services: ping, route: internet}
                """,
            warnings: [
                "3:5: rules[0]: rule \"a\" never matches: icmp is IPv4's, and its destinations are IPv6: write icmpv6",
                "4:5: rules[1]: rule \"b\" never matches: icmpv6 is IPv6's, and its destinations are IPv4: write icmp",
            ]),
        .init(
            name: "shadowed in every way",
            text: """
                rules:
                  - {name: v6, to: "2001:db8::/32", protocol: udp, ports: 1-100, route: internet}
                  - {name: in-v6, to: "2001:db8:1::/48", protocol: udp, ports: [5, 6], action: block}
                  - {name: names, to: ["*.a.example", 192.0.2.1], route: internet}
                  - {name: in-names, to: [x.y.a.example, "*.b.a.example"], protocol: tcp, action: block}
                  - {name: not-in-names, to: a.example, action: block}
                  - {name: groups, to: group:meters, action: allow}
                  - {name: in-groups, to: group:meters, protocol: tcp, action: block}
                  - {name: other-group, to: group:gateways, action: block}
                  - {name: all, to: any, protocol: tcp, route: internet}
                  - {name: in-all, to: [b.example, 10.0.0.0/8, "::/0"], services: mqtts, action: block}
                  - {name: in-all-too, to: group:gateways, services: ssh, action: allow}
                """,
            warnings: [
                "4:5: rules[1]: rule \"in-v6\" never matches: earlier rules take all its packets",
                "6:5: rules[3]: rule \"in-names\" never matches: earlier rules take all its packets",
                "7:5: rules[4]: rule \"not-in-names\" matches nothing until the gateway's resolver has given a "
                    + "device an address for a.example",
                "9:5: rules[6]: rule \"in-groups\" never matches: earlier rules take all its packets",
                "12:5: rules[9]: rule \"in-all\" never matches: earlier rules take all its packets",
                "13:5: rules[10]: rule \"in-all-too\" never matches: earlier rules take all its packets",
            ]),
        .init(
            name: "shadowed only at the same times",
            text: """
                rules:
                  - {name: a, to: 10.0.0.0/8, route: internet, schedule: {days: mon}}
                  - {name: b, to: 10.1.0.0/16, action: block}
                  - {name: c, to: 10.2.0.0/16, action: block, schedule: {days: tue}}
                  - {name: d, to: 10.3.0.0/16, action: block, schedule: {days: mon}}
                  - {name: e, to: 10.1.2.0/24, action: block, schedule: {days: tue}}
                """,
            warnings: [
                "6:5: rules[3]: rule \"d\" never matches: earlier rules take all its packets",
                "7:5: rules[4]: rule \"e\" never matches: earlier rules take all its packets",
            ]),
        .init(
            name: "shadowed on the way to devices",
            text: """
                rules:
                  - {name: a, direction: to-device, via: vpn:hq, from: 10.0.0.0/8, action: allow}
                  - {name: b, direction: to-device, via: vpn:hq, from: 10.1.0.0/16, to: group:meters, action: block}
                  - {name: c, direction: to-device, via: vpn:backup, from: 10.1.0.0/16, action: block}
                  - {name: d, to: 10.1.0.0/16, action: block}
                  - {name: e, direction: to-device, via: vpn:backup, to: group:meters, action: block}
                  - {name: f, direction: to-device, via: vpn:backup, from: 10.0.0.0/8, action: allow}
                """,
            warnings: ["4:5: rules[1]: rule \"b\" never matches: earlier rules take all its packets"]),
        .init(
            name: "shadowed in part only, or by several rules together",
            text: """
                rules:
                  - {name: a, to: 10.0.0.0/9, protocol: tcp, ports: 1-100, route: internet}
                  - {name: b, to: 10.128.0.0/9, protocol: tcp, ports: 1-100, route: internet}
                  - {name: c, to: 10.0.0.0/8, protocol: tcp, ports: 50, action: block}
                  - {name: d, to: [10.1.0.0/16, 10.200.0.0/16], protocol: tcp, ports: [7, 50-60], action: block}
                  - {name: e, to: 10.1.0.0/16, protocol: tcp, ports: 50-101, action: block}
                """,
            warnings: ["6:5: rules[3]: rule \"d\" never matches: earlier rules take all its packets"]),
    ]

    @Test(arguments: cases)
    func `says what looks like a mistake`(_ doubtful: Case) throws {
        let policy = try PolicyDocument(parsing: "policy: p\n\(doubtful.text)", file: "p.yaml")
            .validated(in: RandomPolicy.scope)
        #expect(policy.warnings.map { "\($0)" } == doubtful.warnings.map { "p.yaml:\($0)" })
    }

    @Test func `a rule for shared lists that hold nothing never matches, and says so`() throws {
        var scope = RandomPolicy.scope
        scope.lists = [try Name(parsing: "empty"): []]
        let text = """
            policy: p
            rules:
              - {name: a, to: list:empty, action: block}
              - {name: b, direction: to-device, via: vpn:hq, from: list:empty, action: allow}
              - {name: c, to: [list:empty, 192.0.2.1], route: internet}
            """
        let policy = try PolicyDocument(parsing: text, file: "p.yaml").validated(in: scope)
        #expect(
            policy.warnings.map { "\($0)" } == [
                "p.yaml:3:5: rules[0]: rule \"a\" never matches: its lists are empty",
                "p.yaml:4:5: rules[1]: rule \"b\" never matches: its lists are empty",
            ])
    }

    @Test func `every case is in the table`() {
        #expect(Self.cases.count == 10)
    }

    @Test func `the largest policy is looked through in seconds`() throws {
        // 256 rules of 256 pieces each, none of which covers another.
        let rules = (0..<256).map { rule in
            let to = (0..<4).map { "10.\($0).\(rule).0/24" }.joined(separator: ", ")
            let ports = (0..<64).map { "\(1 + 2 * $0 + 128 * (rule % 2))" }.joined(separator: ", ")
            return "  - {name: r\(rule), to: [\(to)], protocol: tcp, ports: [\(ports)], action: block}"
        }
        let document = try PolicyDocument(parsing: "policy: p\nrules:\n" + rules.joined(separator: "\n"), file: "p")
        let started = ContinuousClock.now
        #expect(try document.validated().warnings.isEmpty)
        let time = ContinuousClock.now - started
        #expect(time < .seconds(10), "\(time)")
    }
}

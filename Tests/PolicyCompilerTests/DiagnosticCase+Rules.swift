extension DiagnosticCase {
    /// What is wrong with rules.
    static let ofRules: [DiagnosticCase] = [
        .init(
            name: "rule text",
            text: """
                policy: p
                rules: [telemetry]
                """,
            messages: [
                "2:9: rules[0]: expected keys and values, found text: write name: ..."
            ]),
        .init(
            name: "rule empty",
            text: """
                policy: p
                rules:
                  - {}
                """,
            messages: [
                "3:5: rules[0]: \"name\" is missing: write name: telemetry",
                "3:5: rules[0]: \"to\" is missing: write to: [198.51.100.0/24]",
                "3:5: rules[0]: the rule does not say what happens: write either route: internet or action: "
                    + "block",
            ]),
        .init(
            name: "names",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, action: block}
                  - {name: a, to: any, action: block}
                """,
            messages: [
                "4:12: rules[1].name: \"a\" is the name of rules[0] already: give each rule a name of its own"
            ]),
        .init(
            name: "both",
            text: """
                policy: p
                rules:
                  - name: a
                    to: any
                    route: internet
                    action: block
                """,
            messages: [
                "6:13: rules[0]: route and action contradict each other: write one of the two"
            ]),
        .init(
            name: "neither",
            text: """
                policy: p
                rules:
                  - name: a
                    to: any
                """,
            messages: [
                "3:5: rules[0]: the rule does not say what happens: write either route: internet or action: "
                    + "block"
            ]),
        .init(
            name: "to",
            text: """
                policy: p
                rules:
                  - name: a
                    to: [any, 10.0.0.1/8, 300.1.1.1, mqtt, "mqtt.*.example", 2001:db8::1/32, list:ofice, vpn:hq, 10.0.0.0/33, "", 10.0.0.0 /8]
                    route: internet
                """,
            messages: [
                "4:10: rules[0].to[0]: any takes in everything else of the list: write [any] alone",
                "4:15: rules[0].to[1]: \"10.0.0.1/8\" is not an IPv4 prefix: bits after the first 8 must be "
                    + "zero; write 10.0.0.0/8",
                "4:27: rules[0].to[2]: \"300.1.1.1\" is not an IPv4 address: write four numbers from 0 to 255 "
                    + "with dots between them",
                "4:38: rules[0].to[3]: \"mqtt\" is not a host name: write the whole name with its domain, as "
                    + "in mqtt.acme.example",
                "4:44: rules[0].to[4]: \"mqtt.*.example\" is not a host name: * may only stand for whole "
                    + "labels in front, as in *.acme.example",
                "4:62: rules[0].to[5]: \"2001:db8::1/32\" is not an IPv6 prefix: bits after the first 32 must "
                    + "be zero; write 2001:db8::/32",
                "4:78: rules[0].to[6]: there is no list \"ofice\" (did you mean \"office\"?): known here are "
                    + "office, plant",
                "4:90: rules[0].to[7]: \"vpn:hq\": a VPN is a way, not a place: write route: vpn:hq",
                "4:98: rules[0].to[8]: \"10.0.0.0/33\" is not an IPv4 prefix: the length after the slash is a "
                    + "number from 0 to 32",
                "4:111: rules[0].to[9]: expected one value, found nothing: write addresses such as 192.0.2.10, "
                    + "prefixes such as 198.51.100.0/24, names such as mqtt.acme.example, list:NAME, group:NAME, or "
                    + "[any]",
                "4:115: rules[0].to[10]: \"10.0.0.0 \" is not an IPv4 address: write four numbers from 0 to "
                    + "255 with dots between them",
            ]),
        .init(
            name: "to empty",
            text: """
                policy: p
                rules:
                  - {name: a, to: [], route: internet}
                """,
            messages: [
                "3:19: rules[0].to: the list is empty, so the rule could never match: write addresses such as "
                    + "192.0.2.10, prefixes such as 198.51.100.0/24, names such as mqtt.acme.example, list:NAME, "
                    + "group:NAME, or [any]"
            ]),
        .init(
            name: "to nested",
            text: """
                policy: p
                rules:
                  - {name: a, to: [[10.0.0.1]], route: internet}
                """,
            messages: [
                "3:20: rules[0].to[0]: expected one value, found a list: write addresses such as 192.0.2.10, "
                    + "prefixes such as 198.51.100.0/24, names such as mqtt.acme.example, list:NAME, group:NAME, or "
                    + "[any]"
            ]),
        .init(
            name: "to mapping",
            text: """
                policy: p
                rules:
                  - {name: a, to: {b: c}, route: internet}
                """,
            messages: [
                "3:19: rules[0].to: expected a list, found a mapping: write addresses such as 192.0.2.10, "
                    + "prefixes such as 198.51.100.0/24, names such as mqtt.acme.example, list:NAME, group:NAME, or "
                    + "[any]"
            ]),
        .init(
            name: "protocol",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, protocol: tpc, route: internet}
                  - {name: b, to: any, protocol: 256, route: internet}
                  - {name: c, to: any, protocol: TCP, route: internet}
                  - {name: d, to: any, protocol: [tcp, udp], route: internet}
                  - {name: e, to: any, protocol: 06, route: internet}
                  - {name: f, to: any, protocol: sctp, route: internet}
                """,
            messages: [
                "3:34: rules[0].protocol: \"tpc\" is not a protocol (did you mean \"tcp\"?): write any, tcp, "
                    + "udp, icmp, icmpv6 or a number from 0 to 255",
                "4:34: rules[1].protocol: \"256\" is not a protocol: write any, tcp, udp, icmp, icmpv6 or a "
                    + "number from 0 to 255",
                "5:34: rules[2].protocol: \"TCP\" is not a protocol (did you mean \"tcp\"?): write any, tcp, "
                    + "udp, icmp, icmpv6 or a number from 0 to 255",
                "6:34: rules[3].protocol: expected one value, found a list: write any, tcp, udp, icmp, icmpv6 "
                    + "or a number from 0 to 255",
                "7:34: rules[4].protocol: \"06\" is not a protocol: write any, tcp, udp, icmp, icmpv6 or a "
                    + "number from 0 to 255",
                "8:34: rules[5].protocol: \"sctp\" is not known by name: write its number, 132",
            ]),
        .init(
            name: "ports",
            text: """
                policy: p
                rules:
                  - name: a
                    to: any
                    protocol: tcp
                    ports: [0, 65536, 443.0, 100-50, 1-, -5, https, 0x50, 080, 1-2-3]
                    route: internet
                """,
            messages: [
                "6:13: rules[0].ports[0]: \"0\" is not a port: write numbers from 1 to 65535 or ranges such as "
                    + "8000-8100",
                "6:16: rules[0].ports[1]: \"65536\" is not a port: write numbers from 1 to 65535 or ranges "
                    + "such as 8000-8100",
                "6:23: rules[0].ports[2]: \"443.0\" is not a port: write numbers from 1 to 65535 or ranges "
                    + "such as 8000-8100",
                "6:30: rules[0].ports[3]: \"100-50\" ends before it starts: write 50-100",
                "6:38: rules[0].ports[4]: \"1-\" is not a port: write numbers from 1 to 65535 or ranges such "
                    + "as 8000-8100",
                "6:42: rules[0].ports[5]: \"-5\" is not a port: write numbers from 1 to 65535 or ranges such "
                    + "as 8000-8100",
                "6:46: rules[0].ports[6]: \"https\" is not a port: write services: [https] instead of protocol "
                    + "and ports",
                "6:53: rules[0].ports[7]: \"0x50\" is not a port: write numbers from 1 to 65535 or ranges such "
                    + "as 8000-8100",
                "6:59: rules[0].ports[8]: \"080\" is not a port: write numbers from 1 to 65535 or ranges such "
                    + "as 8000-8100",
                "6:64: rules[0].ports[9]: \"1-2-3\" is not a port: write numbers from 1 to 65535 or ranges "
                    + "such as 8000-8100",
            ]),
        .init(
            name: "ports without protocol",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, ports: 80, route: internet}
                  - {name: b, to: any, protocol: icmp, ports: [80], route: internet}
                """,
            messages: [
                "3:31: rules[0].ports: ports need protocol: tcp or protocol: udp in the same rule",
                "4:47: rules[1].ports: ports need protocol: tcp or protocol: udp in the same rule",
            ]),
        .init(
            name: "route",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, route: vpn:qh}
                  - {name: b, to: any, route: [vpn:hq, internet]}
                  - {name: c, to: any, route: intrenet}
                  - {name: d, to: any, action: allow}
                  - {name: e, to: any, action: drop}
                """,
            messages: [
                "3:31: rules[0].route: there is no VPN \"qh\" (did you mean \"hq\"?): known here are backup, "
                    + "hq, partner",
                "4:40: rules[1].route[1]: internet may not stand in a list with VPNs: a packet whose VPNs are "
                    + "all down is blocked, and never falls through to the internet",
                "5:31: rules[2].route: \"intrenet\" is not a route (did you mean \"internet\"?): write "
                    + "internet, vpn:NAME, or a list of VPNs in the order of preference",
                "6:32: rules[3].action: \"allow\" does not say which way: write route: internet or route: "
                    + "vpn:NAME instead",
                "7:32: rules[4].action: \"drop\" is not an action: write allow or block",
            ]),
        .init(
            name: "rule keys",
            text: """
                policy: p
                rules:
                  - name: a
                    to: any
                    services: [https]
                    port: 80
                    dirction: to-device
                    route: internet
                """,
            messages: [
                "6:5: rules[0].port: unknown key \"port\" (did you mean \"ports\"?): known here are name, "
                    + "direction, via, from, to, protocol, ports, services, route, action, bandwidth, schedule, "
                    + "log, usage",
                "7:5: rules[0].dirction: unknown key \"dirction\" (did you mean \"direction\"?): known here "
                    + "are name, direction, via, from, to, protocol, ports, services, route, action, bandwidth, "
                    + "schedule, log, usage",
            ]),
    ]
}

extension DiagnosticCase {
    /// What is wrong with where packets come from and go to.
    static let ofPlaces: [DiagnosticCase] = [
        .init(
            name: "lists that are none",
            text: """
                policy: p
                lists: head-office
                rules: []
                """,
            messages: [
                "2:8: lists: expected a list of lists, found text: write - {name: head-office, items: "
                    + "[10.0.0.0/24]}"
            ]),
        .init(
            name: "list of wrong things",
            text: """
                policy: p
                lists:
                  - {name: a, items: [any, list:office, group:meters, 10.0.0.1/8, mqtt, "https://a.example/", a.example:443]}
                  - {name: b, items: []}
                  - {name: a, items: [10.0.0.0/8]}
                  - {items: [10.0.0.0/8], item: 1}
                  - {name: c}
                rules: []
                """,
            messages: [
                "3:23: lists[0].items[0]: any may not stand in a list: write to: [any] in the rule",
                "3:28: lists[0].items[1]: \"list:office\": a list holds addresses, prefixes and names only: "
                    + "write list:NAME in the rule, beside the list",
                "3:41: lists[0].items[2]: \"group:meters\": a list holds addresses, prefixes and names only: "
                    + "write group:NAME in the rule, beside the list",
                "3:55: lists[0].items[3]: \"10.0.0.1/8\" is not an IPv4 prefix: bits after the first 8 must be "
                    + "zero; write 10.0.0.0/8",
                "3:67: lists[0].items[4]: \"mqtt\" is not a host name: write the whole name with its domain, "
                    + "as in mqtt.acme.example",
                "3:73: lists[0].items[5]: \"https://a.example/\" is not an address or a host name: write the "
                    + "name alone, without a scheme or a path, and the port under ports",
                "3:95: lists[0].items[6]: \"a.example:443\" is not an address or a host name: write the name "
                    + "alone, without a scheme or a path, and the port under ports",
                "4:22: lists[1].items: the list is empty, so a rule that names it could never match: write "
                    + "addresses such as 192.0.2.10, prefixes such as 198.51.100.0/24, or names such as "
                    + "mqtt.acme.example",
                "5:12: lists[2].name: \"a\" is the name of lists[0] already: give each list a name of its own",
                "6:5: lists[3]: \"name\" is missing: write name: head-office",
                "6:27: lists[3].item: unknown key \"item\" (did you mean \"items\"?): known here are name, "
                    + "items",
                "7:5: lists[4]: \"items\" is missing: write items: [10.0.0.0/24]",
            ]),
        .init(
            name: "IPv6 destinations",
            text: """
                policy: p
                rules:
                  - name: a
                    to: ["2001:db8::/129", "2001:db8:::1", "fe80::1%eth0", "::ffff:192.0.2.1", "2001:db8::1/64", "12345::"]
                    action: block
                """,
            messages: [
                "4:10: rules[0].to[0]: \"2001:db8::/129\" is not an IPv6 prefix: the length after the slash is "
                    + "a number from 0 to 128",
                "4:28: rules[0].to[1]: \"2001:db8:::1\" is not an IPv6 address: write eight groups of up to "
                    + "four hex digits with colons between them, and :: once for groups of zeros",
                "4:44: rules[0].to[2]: \"fe80::1%eth0\" is not an IPv6 address: write eight groups of up to "
                    + "four hex digits with colons between them, and :: once for groups of zeros",
                "4:60: rules[0].to[3]: \"::ffff:192.0.2.1\" is not a destination: IPv4-mapped addresses stand "
                    + "on no wire; write the IPv4 address itself",
                "4:80: rules[0].to[4]: \"2001:db8::1/64\" is not an IPv6 prefix: bits after the first 64 must "
                    + "be zero; write 2001:db8::/64",
                "4:98: rules[0].to[5]: \"12345::\" is not an IPv6 address: write eight groups of up to four "
                    + "hex digits with colons between them, and :: once for groups of zeros",
            ]),
        .init(
            name: "host names",
            text: """
                policy: p
                rules:
                  - name: a
                    to: ["*", "*.", "a.*", "*a.example", "-a.example", "a..example", "zähler.example", "a.example/x", "1.2.3.4.5"]
                    action: block
                """,
            messages: [
                "4:10: rules[0].to[0]: \"*\" is not a host name: * may only stand for whole labels in front, "
                    + "as in *.acme.example",
                "4:15: rules[0].to[1]: \"*.\" is not a host name: write labels of letters, digits, hyphens and "
                    + "underscores with dots between them, 253 characters at most, and other scripts as xn--",
                "4:21: rules[0].to[2]: \"a.*\" is not a host name: * may only stand for whole labels in front, "
                    + "as in *.acme.example",
                "4:28: rules[0].to[3]: \"*a.example\" is not a host name: * may only stand for whole labels in "
                    + "front, as in *.acme.example",
                "4:42: rules[0].to[4]: \"-a.example\" is not a host name: write labels of letters, digits, "
                    + "hyphens and underscores with dots between them, 253 characters at most, and other scripts as "
                    + "xn--",
                "4:56: rules[0].to[5]: \"a..example\" is not a host name: write labels of letters, digits, "
                    + "hyphens and underscores with dots between them, 253 characters at most, and other scripts as "
                    + "xn--",
                "4:70: rules[0].to[6]: \"zähler.example\" is not a host name: write labels of letters, digits, "
                    + "hyphens and underscores with dots between them, 253 characters at most, and other scripts as "
                    + "xn--",
                "4:88: rules[0].to[7]: \"a.example/x\" is not an address or a host name: write the name alone, "
                    + "without a scheme or a path, and the port under ports",
                "4:103: rules[0].to[8]: \"1.2.3.4.5\" is not an IPv4 address: write four numbers from 0 to 255 "
                    + "with dots between them",
            ]),
        .init(
            name: "mistyped kinds of destination",
            text: """
                policy: p
                rules:
                  - {name: a, to: [lst:office, gruop:meters, "list:", "group:Meters", list:plnt, group:metres], action: block}
                """,
            messages: [
                "3:20: rules[0].to[0]: \"lst:office\" is not a destination (did you mean \"list:office\"?)",
                "3:32: rules[0].to[1]: \"gruop:meters\" is not a destination (did you mean \"group:meters\"?)",
                "3:46: rules[0].to[2]: \"\" is not a name: write 1 to 63 lower-case letters, digits and "
                    + "hyphens, a letter or digit at both ends",
                "3:55: rules[0].to[3]: \"Meters\" is not a name: write 1 to 63 lower-case letters, digits and "
                    + "hyphens, a letter or digit at both ends",
                "3:71: rules[0].to[4]: there is no list \"plnt\" (did you mean \"plant\"?): known here are "
                    + "office, plant",
                "3:82: rules[0].to[5]: there is no group \"metres\" (did you mean \"meters\"?): known here are "
                    + "gateways, meters",
            ]),
        .init(
            name: "groups beside other destinations",
            text: """
                policy: p
                rules:
                  - {name: a, to: [group:meters, 10.0.0.0/8, list:office], action: allow}
                """,
            messages: [
                "3:34: rules[0].to[1]: \"10.0.0.0/8\" and groups may not stand in one rule, for groups need "
                    + "action: allow: write two rules"
            ]),
        .init(
            name: "route between devices",
            text: """
                policy: p
                rules:
                  - {name: a, to: [group:meters], route: internet}
                  - {name: b, to: [group:meters]}
                """,
            messages: [
                "3:42: rules[0].route: devices reach each other without a route: write action: allow instead",
                "4:5: rules[1]: the rule does not say what happens: write action: allow or action: block",
            ]),
        .init(
            name: "allow without a route",
            text: """
                policy: p
                rules:
                  - {name: a, to: [10.0.0.0/8], action: allow}
                """,
            messages: [
                "3:41: rules[0].action: \"allow\" does not say which way: write route: internet or route: "
                    + "vpn:NAME instead"
            ]),
        .init(
            name: "source of packets from devices",
            text: """
                policy: p
                rules:
                  - {name: a, to: [10.0.0.0/8], from: 10.0.0.0/8, via: vpn:hq, route: internet}
                """,
            messages: [
                "3:39: rules[0].from: from is for packets to devices: write direction: to-device, or leave it "
                    + "out",
                "3:56: rules[0].via: via is for packets to devices: write direction: to-device, or leave it out",
            ]),
        .init(
            name: "packets to devices",
            text: """
                policy: p
                rules:
                  - {name: a, direction: to-device, action: allow}
                  - {name: b, direction: to-device, via: internet, action: allow}
                  - {name: c, direction: to-device, via: hq, action: allow}
                  - {name: d, direction: to-device, via: vpn:hp, action: allow}
                  - {name: e, direction: to-device, via: vpn:hq, route: internet}
                  - {name: f, direction: to-device, via: vpn:hq, to: [10.0.0.0/8, a.example, list:office], action: allow}
                  - {name: g, direction: to-device, via: vpn:hq}
                  - {name: h, direction: to-devices, via: vpn:hq, action: allow}
                """,
            messages: [
                "3:5: rules[0]: \"via\" is missing: write via: vpn:NAME, the VPN that the packets come through",
                "4:42: rules[1].via: \"internet\" is not a VPN: nothing reaches devices from the internet: "
                    + "write vpn:NAME",
                "5:42: rules[2].via: \"hq\" is not a VPN: write vpn:NAME",
                "6:42: rules[3].via: there is no VPN \"hp\" (did you mean \"hq\"?): known here are backup, hq, "
                    + "partner",
                "7:57: rules[4].route: a rule for packets to devices has no route: write action: allow instead",
                "8:55: rules[5].to[0]: \"10.0.0.0/8\": a rule for packets to devices may name groups only, and "
                    + "means all devices of the policy when it names none: write group:NAME, or leave to out",
                "8:67: rules[5].to[1]: \"a.example\": a rule for packets to devices may name groups only, and "
                    + "means all devices of the policy when it names none: write group:NAME, or leave to out",
                "8:78: rules[5].to[2]: \"list:office\": a rule for packets to devices may name groups only, "
                    + "and means all devices of the policy when it names none: write group:NAME, or leave to out",
                "9:5: rules[6]: the rule does not say what happens: write action: allow or action: block",
                "10:26: rules[7].direction: \"to-devices\" is not a direction (did you mean \"to-device\"?): "
                    + "write from-device or to-device",
            ]),
        .init(
            name: "sources",
            text: """
                policy: p
                rules:
                  - {name: a, direction: to-device, via: vpn:hq, from: [a.example, list:office], action: allow}
                  - {name: b, direction: to-device, via: vpn:hq, from: [list:office], action: allow}
                  - {name: c, direction: to-device, via: vpn:hq, from: [group:meters, any, 10.0.0.1/28], action: allow}
                  - {name: d, direction: to-device, via: vpn:hq, from: [], action: allow}
                """,
            messages: [
                "3:57: rules[0].from[0]: \"a.example\" is a name, and the source of a packet has none: write "
                    + "addresses or prefixes",
                "4:57: rules[1].from[0]: \"mqtt.acme.example\" is a name, and the source of a packet has none: "
                    + "write addresses or prefixes",
                "5:57: rules[2].from[0]: \"group:meters\": a group cannot stand here: write addresses",
                "5:71: rules[2].from[1]: any takes in everything else of the list: write [any] alone",
                "5:76: rules[2].from[2]: \"10.0.0.1/28\" is not an IPv4 prefix: bits after the first 28 must "
                    + "be zero; write 10.0.0.0/28",
                "6:56: rules[3].from: the list is empty, so the rule could never match: write addresses such "
                    + "as 10.0.0.5, prefixes such as 10.0.0.0/28, list:NAME, or [any]",
            ]),
    ]
}

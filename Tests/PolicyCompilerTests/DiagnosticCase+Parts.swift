extension DiagnosticCase {
    /// What is wrong with the mode, the names that devices may look up, services, routes, times and logging.
    static let ofParts: [DiagnosticCase] = [
        .init(
            name: "mode",
            text: """
                policy: p
                mode: monitr
                rules: []
                """,
            messages: [
                "2:7: mode: \"monitr\" is not a mode (did you mean \"monitor\"?): write enforce or monitor"
            ]),
        .init(
            name: "dns",
            text: """
                policy: p
                dns:
                  default: deny
                  allow: [any, pool.ntp.org, "*"]
                  deny: {}
                  blocklists: [malwar, 7, "a b"]
                  answer: nxdomian
                  deney: [a.example]
                rules: []
                """,
            messages: [
                "3:12: dns.default: \"deny\" is not a default: write block or allow",
                "4:11: dns.allow[0]: \"any\" is not a host name: write the whole name with its domain, as in "
                    + "mqtt.acme.example",
                "4:30: dns.allow[2]: \"*\" is not a host name: * may only stand for whole labels in front, as "
                    + "in *.acme.example",
                "5:9: dns.deny: expected a list, found a mapping: write names such as pool.ntp.org or "
                    + "\"*.acme.example\"",
                "6:16: dns.blocklists[0]: there is no blocklist \"malwar\" (did you mean \"malware\"?): known "
                    + "here are ads, malware",
                "6:24: dns.blocklists[1]: there is no blocklist \"7\": known here are ads, malware",
                "6:27: dns.blocklists[2]: \"a b\" is not a name: write 1 to 63 lower-case letters, digits and "
                    + "hyphens, a letter or digit at both ends",
                "7:11: dns.answer: \"nxdomian\" is not an answer (did you mean \"nxdomain\"?): write nxdomain, "
                    + "nodata, refused or an address",
                "8:3: dns.deney: unknown key \"deney\" (did you mean \"deny\"?): known here are default, "
                    + "allow, deny, blocklists, answer",
            ]),
        .init(
            name: "dns answers",
            text: """
                policy: p
                dns: {answer: 192.0.2.256, deny: 10.0.0.1}
                rules: []
                """,
            messages: [
                "2:15: dns.answer: \"192.0.2.256\" is not an IPv4 address: write four numbers from 0 to 255 "
                    + "with dots between them",
                "2:34: dns.deny: \"10.0.0.1\" is not a host name: write labels of letters, digits, hyphens and "
                    + "underscores with dots between them, 253 characters at most, and other scripts as xn--",
            ]),
        .init(
            name: "dns is no mapping",
            text: """
                policy: p
                dns: block
                rules: []
                """,
            messages: [
                "2:6: dns: expected keys and values, found text: write default: ..."
            ]),
        .init(
            name: "services",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, services: [mqqts, HTTPS, no-such-service], action: block}
                  - {name: b, to: any, services: [https], protocol: tcp, ports: [443], action: block}
                  - {name: c, to: any, services: [], action: block}
                """,
            messages: [
                "3:35: rules[0].services[0]: there is no service \"mqqts\" (did you mean \"mqtts\"?)",
                "3:42: rules[0].services[1]: \"HTTPS\" is not a name: write 1 to 63 lower-case letters, digits "
                    + "and hyphens, a letter or digit at both ends",
                "3:49: rules[0].services[2]: there is no service \"no-such-service\"",
                "4:53: rules[1].protocol: services say which protocols and ports: leave protocol out, or write "
                    + "protocol and ports alone",
                "4:65: rules[1].ports: services say which protocols and ports: leave ports out, or write "
                    + "protocol and ports alone",
                "5:34: rules[2].services: the list is empty, so the rule could never match: write services "
                    + "such as https, mqtts",
            ]),
        .init(
            name: "route lists",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, route: [vpn:hq, vpn:hq]}
                  - {name: b, to: any, route: [internet, vpn:hq]}
                  - {name: c, to: any, route: [internet, internet]}
                  - {name: d, to: any, route: [vpn:hq, vpn:bakcup, block, vnp:hq]}
                  - {name: e, to: any, route: [a, b, c, d, e, f, g, h, i]}
                  - {name: f, to: any, route: [[vpn:hq]]}
                """,
            messages: [
                "3:40: rules[0].route[1]: \"vpn:hq\" stands in the list already: write it once",
                "4:42: rules[1].route[1]: internet may not stand in a list with VPNs: a packet whose VPNs are "
                    + "all down is blocked, and never falls through to the internet",
                "5:42: rules[2].route[1]: \"internet\" stands in the list already: write it once",
                "6:40: rules[3].route[1]: there is no VPN \"bakcup\" (did you mean \"backup\"?): known here "
                    + "are backup, hq, partner",
                "6:52: rules[3].route[2]: \"block\" is not a route: write action: block instead",
                "6:59: rules[3].route[3]: \"vnp:hq\" is not a route (did you mean \"vpn:hq\"?): write "
                    + "internet, vpn:NAME, or a list of VPNs in the order of preference",
                "7:31: rules[4].route: 9 items; at most 8 are allowed",
                "8:32: rules[5].route[0]: expected one value, found a list: write internet, vpn:NAME, or a "
                    + "list of VPNs in the order of preference",
            ]),
        .init(
            name: "bandwidth",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, route: internet, bandwidth: 64kbit/s}
                  - {name: b, to: any, route: internet, bandwidth: {burst: 64KB}}
                  - {name: c, to: any, route: internet, bandwidth: {up: 7kbit/s, down: fast, burst: 3, over: 1}}
                  - {name: d, to: any, action: block, bandwidth: {up: 64kbit/s}}
                """,
            messages: [
                "3:52: rules[0].bandwidth: expected keys and values, found text: write up: ...",
                "4:52: rules[1].bandwidth: no rate is said: write up:, down: or both, such as down: 64kbit/s",
                "5:57: rules[2].bandwidth.up: \"7kbit/s\" is not a rate: write one from 8kbit/s to 1Gbit/s, such as "
                    + "64kbit/s or 2Mbit/s",
                "5:72: rules[2].bandwidth.down: \"fast\" is not a rate: write one from 8kbit/s to 1Gbit/s, such as "
                    + "64kbit/s or 2Mbit/s",
                "5:85: rules[2].bandwidth.burst: \"3\" is not a volume: write a number with its unit, such as 50MB "
                    + "or 2GB",
                "5:88: rules[2].bandwidth.over: unknown key \"over\": known here are up, down, burst",
                "6:50: rules[3].bandwidth: bandwidth is of rules with a route to the internet or to VPNs: leave it "
                    + "out, or limit the SIM (cordon session-policy set)",
            ]),
        .init(
            name: "usage",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, route: internet, usage: yes}
                  - {name: b, to: any, action: block, usage: true}
                  - {name: c, to: ["group:meters"], action: allow, usage: true}
                  - {name: d, to: any, action: block, usage: false}
                """,
            messages: [
                "3:48: rules[0].usage: \"yes\" is not a choice: write true or false",
                "4:46: rules[1].usage: what a rule blocks is not counted as usage: leave usage out (cordon policy hits)",
                "5:59: rules[2].usage: usage is of rules with a route, or with direction: to-device: leave it out; what "
                    + "goes between devices is in the usage of each of the two, as group",
            ]),
        .init(
            name: "schedule",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, action: block, schedule: mon-fri}
                  - {name: b, to: any, action: block, schedule: {zone: UTC}}
                  - {name: c, to: any, action: block, schedule: {days: [monday, mon-fri-sun, Mon, weekend, mon-], hours: 1}}
                  - {name: d, to: any, action: block, schedule: {from: "1:00", to: "24:01"}}
                  - {name: e, to: any, action: block, schedule: {from: "24:00", to: "12:60"}}
                  - {name: f, to: any, action: block, schedule: {from: "01:00", to: "01:00"}}
                  - {name: g, to: any, action: block, schedule: {days: []}}
                  - {name: h, to: any, action: block, schedule: {from: "00:00", to: "00:00"}}
                """,
            messages: [
                "3:49: rules[0].schedule: expected keys and values, found text: write days: ...",
                "4:49: rules[1].schedule: the schedule does not say when: write days: [mon-fri], or from: "
                    + "\"01:00\" and to",
                "5:57: rules[2].schedule.days[0]: \"monday\" is not a day: write days such as sat, or ranges "
                    + "such as mon-fri",
                "5:65: rules[2].schedule.days[1]: \"mon-fri-sun\" is not a day: write days such as sat, or "
                    + "ranges such as mon-fri",
                "5:78: rules[2].schedule.days[2]: \"Mon\" is not a day (did you mean \"mon\"?): write days "
                    + "such as sat, or ranges such as mon-fri",
                "5:83: rules[2].schedule.days[3]: \"weekend\" is not a day: write days such as sat, or ranges "
                    + "such as mon-fri",
                "5:92: rules[2].schedule.days[4]: \"mon-\" is not a day (did you mean \"mon\"?): write days "
                    + "such as sat, or ranges such as mon-fri",
                "5:99: rules[2].schedule.hours: unknown key \"hours\": known here are days, from, to, zone",
                "6:56: rules[3].schedule.from: \"1:00\" is not a time: write a time from 00:00 to 23:59, such "
                    + "as \"01:00\"",
                "6:68: rules[3].schedule.to: \"24:01\" is not a time: write a time from 00:01 to 24:00, such "
                    + "as \"05:00\"",
                "7:56: rules[4].schedule.from: \"24:00\" is not a time: write a time from 00:00 to 23:59, such "
                    + "as \"01:00\"",
                "7:69: rules[4].schedule.to: \"12:60\" is not a time: write a time from 00:01 to 24:00, such "
                    + "as \"05:00\"",
                "8:69: rules[5].schedule: from and to are equal: write to: \"24:00\" for the end of the day, "
                    + "or leave both out for all of it",
                "9:56: rules[6].schedule.days: the list is empty, so the rule could never match: write days "
                    + "such as sat, or ranges such as mon-fri",
                "10:69: rules[7].schedule: from and to are equal: write to: \"24:00\" for the end of the day, "
                    + "or leave both out for all of it",
            ]),
        .init(
            name: "time zones",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, action: block, schedule: {days: mon, zone: Europe/Zürich}}
                  - {name: b, to: any, action: block, schedule: {days: mon, zone: ../../etc/passwd}}
                  - {name: c, to: any, action: block, schedule: {days: mon, zone: CET}}
                """,
            messages: [
                "3:67: rules[0].schedule.zone: \"Europe/Zürich\" is not a time zone: write a name of the IANA "
                    + "database, such as Europe/Zurich, or UTC",
                "4:67: rules[1].schedule.zone: \"../../etc/passwd\" is not a time zone: write a name of the "
                    + "IANA database, such as Europe/Zurich, or UTC",
                "5:67: rules[2].schedule.zone: \"CET\" is not a time zone: write a name of the IANA database, "
                    + "such as Europe/Zurich, or UTC",
            ]),
        .init(
            name: "log",
            text: """
                policy: p
                rules:
                  - {name: a, to: any, action: block, log: yes}
                  - {name: b, to: any, action: block, log: [true]}
                """,
            messages: [
                "3:44: rules[0].log: \"yes\" is not a choice: write true or false",
                "4:44: rules[1].log: expected one value, found a list: write true or false",
            ]),
    ]
}

import Domain
import PolicyCompiler
import TestSupport
import Testing

/// What each part of a document becomes.
@Suite struct WholeDocumentTests {
    /// The document that the documentation shows, with everything in it.
    private static let yaml = """
        policy: meters
        mode: monitor
        default: block
        lists:
          - name: head-office
            items: [10.0.0.0/24, mqtt.acme.example, "2001:db8::/64"]
        dns:
          default: block
          allow: ["*.acme.example", pool.ntp.org]
          deny: ["*.ads.example"]
          blocklists: [malware]
          answer: 192.0.2.80
        rules:
          - name: telemetry
            to: [list:head-office]
            services: [mqtts, coaps]
            route: [vpn:hq, vpn:backup]
            usage: true
          - name: firmware
            to: ["*.fw.vendor.example"]
            services: [https]
            route: internet
            bandwidth: {up: 64kbit/s, down: 2Mbit/s, burst: 64KB}
            schedule: {days: [mon-fri], from: "01:00", to: "05:00", zone: Europe/Zurich}
          - name: remote-access
            direction: to-device
            via: vpn:hq
            from: [10.0.0.0/28]
            protocol: tcp
            ports: [22]
            action: allow
            usage: true
          - name: neighbours
            to: [group:gateways]
            protocol: udp
            ports: [5683]
            action: allow
          - name: everything-else
            to: [any]
            action: block
            log: true
        """

    private static let json = #"""
        {"policy": "meters", "mode": "monitor", "default": "block",
         "lists": [{"name": "head-office", "items": ["10.0.0.0/24", "mqtt.acme.example", "2001:db8::/64"]}],
         "dns": {"default": "block", "allow": ["*.acme.example", "pool.ntp.org"], "deny": ["*.ads.example"],
                 "blocklists": ["malware"], "answer": "192.0.2.80"},
         "rules": [
          {"name": "telemetry", "to": ["list:head-office"], "services": ["mqtts", "coaps"],
           "route": ["vpn:hq", "vpn:backup"], "usage": true},
          {"name": "firmware", "to": ["*.fw.vendor.example"], "services": ["https"], "route": "internet",
           "bandwidth": {"up": "64kbit/s", "down": "2Mbit/s", "burst": "64KB"},
           "schedule": {"days": ["mon-fri"], "from": "01:00", "to": "05:00", "zone": "Europe/Zurich"}},
          {"name": "remote-access", "direction": "to-device", "via": "vpn:hq", "from": ["10.0.0.0/28"],
           "protocol": "tcp", "ports": [22], "action": "allow", "usage": true},
          {"name": "neighbours", "to": ["group:gateways"], "protocol": "udp", "ports": [5683], "action": "allow"},
          {"name": "everything-else", "to": ["any"], "action": "block", "log": true}]}
        """#

    @Test func `every part of a document is in the policy`() throws {
        let policy = try Self.policy(Self.yaml)
        #expect("\(policy.name)" == "meters" && policy.mode == .monitor)
        #expect(policy.dns.default == .block)
        #expect(try policy.dns.answer == .address(IPAddress(parsing: "192.0.2.80")))
        #expect(policy.dns.allow.map(\.description) == ["*.acme.example", "pool.ntp.org"])
        #expect(policy.dns.deny.map(\.description) == ["*.ads.example"])
        #expect(policy.dns.blocklists.map(\.description) == ["malware"])
        try #require(policy.rules.count == 5)

        let telemetry = policy.rules[0]
        #expect(telemetry.direction == .fromDevice && telemetry.to == ["list:head-office"])
        #expect(telemetry.ipv4.map(\.description) == ["10.0.0.0/24"])
        #expect(telemetry.ipv6.map(\.description) == ["2001:db8::/64"])
        #expect(telemetry.hosts.map(\.description) == ["mqtt.acme.example"] && telemetry.groups.isEmpty)
        #expect(telemetry.services.map(\.description) == ["mqtts", "coaps"])
        #expect(
            telemetry.matches == [
                ProtocolPorts(protocol: 6, ports: [8883...8883, 5684...5684]),
                ProtocolPorts(protocol: 17, ports: [5684...5684]),
            ])
        #expect(try telemetry.action == .route([.vpn(Name(parsing: "hq")), .vpn(Name(parsing: "backup"))]))
        #expect(telemetry.schedule == nil && !telemetry.log)
        #expect(policy.rulesWithUsage.map(\.description) == ["telemetry", "remote-access"])

        let rates = Bandwidth(
            up: BitRate(bitsPerSecond: 64_000), down: BitRate(bitsPerSecond: 2_000_000), burst: 64_000)
        #expect(policy.rules[1].bandwidth == rates && telemetry.bandwidth == nil)
        #expect(policy.rules[1].schedule?.description == "mon-fri 01:00-05:00 Europe/Zurich")

        let access = policy.rules[2]
        guard case .toDevice(let via, let sources) = access.direction else {
            Issue.record("\(access.direction)")
            return
        }
        #expect("\(via)" == "hq" && sources.ipv4.map(\.description) == ["10.0.0.0/28"] && sources.ipv6.isEmpty)
        #expect(access.to == ["any"] && access.ipv4 == [.any] && access.ipv6 == [.any] && access.action == .allow)

        #expect(policy.rules[3].groups.map(\.description) == ["gateways"] && policy.rules[3].ipv4.isEmpty)
        #expect(policy.rules[4].ipv4 == [.any] && policy.rules[4].ipv6 == [.any] && policy.rules[4].log)
        #expect(policy.rules[4].action == .block && policy.rules[4].matches == [.any])
    }

    @Test func `JSON and YAML of the whole document are one policy`() throws {
        let (yaml, json) = (try Self.policy(Self.yaml), try Self.policy(Self.json))
        #expect(yaml.mode == json.mode && yaml.dns == json.dns && yaml.rules == json.rules)
        #expect(yaml.warnings.map(\.message) == json.warnings.map(\.message))
    }

    @Test func `what is not said has a default`() throws {
        let policy = try Self.policy(
            """
            policy: p
            rules:
              - {name: a, direction: to-device, via: vpn:hq, action: block}
              - {name: b, to: any, schedule: {days: sat}, action: block}
              - {name: c, to: any, schedule: {from: "22:00", to: "00:00"}, action: block}
            """)
        #expect(policy.mode == .enforce && policy.dns == .standard && policy.dns.default == .block)
        guard case .toDevice(_, let sources) = policy.rules[0].direction else {
            Issue.record("\(policy.rules[0].direction)")
            return
        }
        #expect(sources.ipv4 == [.any] && sources.ipv6 == [.any])
        #expect(
            policy.rules.compactMap(\.schedule).map(\.description) == [
                "sat 00:00-24:00 UTC", "mon-sun 22:00-24:00 UTC",
            ])
    }

    @Test func `a list of the document goes before a shared one, and each place is there once`() throws {
        let text = """
            policy: p
            lists: [{name: office, items: [192.0.2.1, 192.0.2.1, MQTT.acme.example.]}]
            rules: [{name: a, to: [list:office, list:plant, 192.0.2.1, mqtt.acme.example], route: internet}]
            """
        let rule = try #require(try Self.policy(text).rules.first)
        #expect(rule.ipv4.map(\.description) == ["192.0.2.1", "198.51.100.64/27"])
        #expect(rule.hosts.map(\.description) == ["mqtt.acme.example"])
        #expect(rule.ipv6.map(\.description) == ["2001:db8:0:2::/64"])
    }

    @Test func `the operator's services replace and extend the standard ones`() throws {
        var scope = RandomPolicy.scope
        let own = ProtocolPorts(protocol: 6, ports: [18_883...18_883])
        scope.services = ServiceCatalogue.standard.adding(
            ServiceCatalogue([
                try Name(parsing: "mqtts"): [own],
                try Name(parsing: "meter-bus"): [own, ProtocolPorts(protocol: 47, ports: []), own],
                try Name(parsing: "everything"): [own, .any],
                try Name(parsing: "nothing"): [],
            ]))
        let text = { (service: String) in
            "policy: p\nrules: [{name: a, to: any, services: [\(service)], route: internet}]"
        }
        let matches = { (service: String) in
            try PolicyDocument(parsing: text(service), file: "p").validated(in: scope).rules.flatMap(\.matches)
        }
        #expect(try matches("mqtts") == [own])
        #expect(try matches("meter-bus, mqtts") == [own, ProtocolPorts(protocol: 47, ports: [])])
        #expect(try matches("meter-bus, everything") == [.any])
        #expect(try matches("https").map(\.protocol) == [6, 17])
        #expect(throws: PolicyError.self) { try matches("nothing") }
    }

    @Test func `every standard service is of packets, and has the ports that people expect`() throws {
        let catalogue = ServiceCatalogue.standard
        #expect(catalogue.services.values.allSatisfy { !$0.isEmpty })
        for (name, port) in ["https": 443, "mqtts": 8883, "coaps": 5684, "ntp": 123, "modbus": 502, "dns": 53] {
            let ports = try #require(catalogue[Name(parsing: name)]).flatMap(\.ports)
            #expect(ports.allSatisfy { $0 == UInt16(port)...UInt16(port) }, "\(name)")
        }
    }

    @Test func `without a scope there is nothing to name but services and UTC`() throws {
        let text = { (rest: String) in "policy: p\nrules: [{name: a, \(rest)}]" }
        let validate = { (rest: String) in try PolicyDocument(parsing: text(rest), file: "p").validated() }
        #expect(try validate("to: any, services: https, schedule: {days: mon}, route: internet").rules.count == 1)
        for rest in [
            "to: any, route: vpn:hq", "to: group:meters, action: allow", "to: list:office, action: block",
            "to: any, schedule: {days: mon, zone: Europe/Zurich}, action: block",
        ] {
            #expect(throws: PolicyError.self) { try validate(rest) }
        }
    }

    @Test func `limits hold for what lists stand for`() throws {
        let addresses = { (network: Int, count: Int) in
            (0..<count).map { "10.\(network).\($0 / 256).\($0 % 256)" }.joined(separator: ", ")
        }
        let text = { (second: Int) in
            """
            policy: p
            lists:
              - {name: a, items: [\(addresses(0, 4000))]}
              - {name: b, items: [\(addresses(1, second))]}
            rules: [{name: a, to: [list:a, list:b, list:a], route: internet}]
            """
        }
        #expect(try Self.policy(text(96)).rules.first?.ipv4.count == 4096)
        #expect(
            Self.messages(text(97)) == [
                "4097 destinations, with what the lists hold; at most 4096 are allowed"
            ])
        let lists = { (count: Int) in
            let lists = (0..<count).map { "{name: l\($0), items: [10.0.0.1]}" }
            return "policy: p\nlists: [\(lists.joined(separator: ", "))]\nrules: []"
        }
        #expect(try Self.policy(lists(64)).warnings.count == 64)
        #expect(Self.messages(lists(65)) == ["65 lists; at most 64 are allowed"])
    }

    private static func policy(_ text: String) throws(PolicyError) -> ValidatedPolicy {
        try PolicyDocument(parsing: text, file: "p").validated(in: RandomPolicy.scope)
    }

    private static func messages(_ text: String) -> [String] {
        do throws(PolicyError) {
            _ = try policy(text)
            return []
        } catch {
            return error.diagnostics.map(\.message)
        }
    }
}

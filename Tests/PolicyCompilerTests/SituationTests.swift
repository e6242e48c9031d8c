import Domain
import PolicyCompiler
import TestSupport
import Testing

/// Verdicts that depend on who has which address, on names, and on the time.
@Suite struct SituationTests {
    private let situation: PolicySituation
    /// Monday 00:00.
    private static let midnight = 0

    init() throws {
        let (meters, gateways) = (try Name(parsing: "meters"), try Name(parsing: "gateways"))
        let (mqtt, firmware) = (try DomainName(parsing: "mqtt.acme.example"), try DomainName(parsing: "a.fw.example"))
        let meter = try IPAddress(parsing: "100.64.0.9")
        let gateway = try IPAddress(parsing: "2001:db8:64::9")
        let broker = try IPAddress(parsing: "198.51.100.7")
        situation = PolicySituation(
            groups: { $0 == meter ? [meters] : $0 == gateway ? [gateways, meters] : [] },
            names: { $0 == broker ? [mqtt, firmware] : [] },
            addresses: { $0.matches(mqtt) || $0.matches(firmware) ? [broker] : [] },
            minuteOfWeek: { $0 == "UTC" ? Self.midnight : nil })
    }

    private func at(_ minute: Int?) -> PolicySituation {
        var situation = situation
        situation.minuteOfWeek = { _ in minute }
        return situation
    }

    private func policy(_ rules: String..., mode: String = "enforce") throws -> ValidatedPolicy {
        let text = "policy: p\nmode: \(mode)\nrules:\n" + rules.map { "  - {\($0)}" }.joined(separator: "\n")
        return try PolicyDocument(parsing: text, file: "p.yaml").validated(in: RandomPolicy.scope)
    }

    private func packet(
        _ address: String, _ number: UInt8 = 6, _ port: UInt16? = 443, from source: String? = nil, via: String = "hq"
    ) throws -> PacketQuery {
        let direction: PacketQuery.Direction =
            if let source {
                .toDevice(source: try IPAddress(parsing: source), via: try Name(parsing: via))
            } else {
                .fromDevice
            }
        return PacketQuery(
            destination: try IPAddress(parsing: address), protocol: number, port: port, direction: direction)
    }

    /// Why the only rule does not match; `nil` when it does.
    private func reason(
        _ rule: String, _ packet: PacketQuery, in situation: PolicySituation? = nil
    ) throws -> String? {
        try policy("name: r, \(rule)").explain(packet, in: situation ?? self.situation).passed.first?.reason
    }

    @Test func `a name means the addresses that were learned for it, and no others`() throws {
        let rule = "to: [mqtt.acme.example], route: internet"
        #expect(try reason(rule, packet("198.51.100.7")) == nil)
        #expect(try reason(rule, packet("198.51.100.8")) == "198.51.100.8 is not in mqtt.acme.example")
        #expect(
            try reason(rule, packet("198.51.100.7"), in: .unknown) == "no address is known yet for mqtt.acme.example")
        #expect(try reason("to: ['*.fw.example'], route: internet", packet("198.51.100.7")) == nil)
        #expect(try reason("to: ['*.acme.example'], route: internet", packet("198.51.100.7")) == nil)
        #expect(
            try reason("to: ['*.b.example', 192.0.2.1], route: internet", packet("198.51.100.7"))
                == "198.51.100.7 is not in *.b.example, 192.0.2.1, and no address is known yet for *.b.example")
    }

    @Test func `a list is named, not counted up`() throws {
        #expect(
            try reason("to: [list:office, 192.0.2.1], route: internet", packet("10.0.0.1"))
                == "10.0.0.1 is not in list:office, 192.0.2.1")
    }

    @Test func `a group means the addresses of its devices`() throws {
        let rule = "to: [group:gateways], action: allow"
        #expect(try reason(rule, packet("2001:db8:64::9")) == nil)
        #expect(try reason(rule, packet("100.64.0.9")) == "100.64.0.9 is a device of group meters, not of gateways")
        #expect(try reason(rule, packet("192.0.2.1")) == "192.0.2.1 is no device of group gateways")
        #expect(try policy("name: r, \(rule)").verdict(for: packet("2001:db8:64::9"), in: situation).verdict == .allow)
    }

    @Test func `a rule judges packets of its own direction, VPN and sources`() throws {
        let rule = "direction: to-device, via: vpn:hq, from: [10.0.0.0/28], protocol: tcp, ports: 22, action: allow"
        #expect(try reason(rule, packet("100.64.0.9", 6, 22, from: "10.0.0.15")) == nil)
        #expect(
            try reason(rule, packet("100.64.0.9", 6, 22, from: "10.0.0.16"))
                == "it comes from 10.0.0.16, not from 10.0.0.0/28")
        #expect(
            try reason(rule, packet("100.64.0.9", 6, 22, from: "2001:db8::1"))
                == "it comes from 2001:db8::1, not from 10.0.0.0/28")
        #expect(
            try reason(rule, packet("100.64.0.9", 6, 22, from: "10.0.0.1", via: "backup"))
                == "the packet comes through vpn:backup, not vpn:hq")
        #expect(try reason(rule, packet("100.64.0.9", 6, 22)) == "the rule is for packets to devices")
        #expect(try reason(rule, packet("100.64.0.9", 6, 23, from: "10.0.0.1")) == "port 23 is not in 22")
        #expect(
            try reason("to: any, route: internet", packet("100.64.0.9", from: "10.0.0.1"))
                == "the rule is for packets from devices")
        #expect(
            try reason(
                "direction: to-device, via: vpn:hq, to: group:meters, action: allow",
                packet("100.64.0.8", from: "10.0.0.1")) == "100.64.0.8 is no device of group meters")
    }

    @Test func `a rule with several protocols says what each allows`() throws {
        let rule = "to: any, services: [mqtts, coaps], route: internet"
        #expect(try reason(rule, packet("192.0.2.1", 6, 8883)) == nil)
        #expect(try reason(rule, packet("192.0.2.1", 17, 5684)) == nil)
        #expect(try reason(rule, packet("192.0.2.1", 17, 8883)) == "port 8883 is not in 5684")
        #expect(try reason(rule, packet("192.0.2.1", 6, 80)) == "port 80 is not in 8883, 5684")
        #expect(try reason(rule, packet("192.0.2.1", 1, nil)) == "the protocol is icmp, not tcp or udp")
    }

    @Test func `IPv6 is judged as IPv4 is`() throws {
        let rule = "to: ['2001:db8::/32'], protocol: icmpv6, route: internet"
        #expect(try reason(rule, packet("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 58, nil)) == nil)
        #expect(try reason(rule, packet("2001:db9::", 58, nil)) == "2001:db9:: is not in 2001:db8::/32")
        #expect(try reason(rule, packet("32.1.13.184", 58, nil)) == "32.1.13.184 is not in 2001:db8::/32")
        #expect(try reason("to: any, route: internet", packet("::1")) == nil)
    }

    @Test func `a schedule over midnight holds on the morning after`() throws {
        let rule = "to: any, route: internet, schedule: {days: fri, from: '22:00', to: '06:00', zone: Europe/Zurich}"
        let minute = { (day: Int, hour: Int) in day * 1440 + hour * 60 }
        let outside = "the time is outside fri 22:00-06:00 Europe/Zurich"
        #expect(try reason(rule, packet("192.0.2.1"), in: at(minute(4, 21))) == outside)
        #expect(try reason(rule, packet("192.0.2.1"), in: at(minute(4, 22))) == nil)
        #expect(try reason(rule, packet("192.0.2.1"), in: at(minute(5, 5))) == nil)
        #expect(try reason(rule, packet("192.0.2.1"), in: at(minute(5, 6))) == outside)
        #expect(try reason(rule, packet("192.0.2.1"), in: at(minute(4, 5))) == outside)
        #expect(
            try reason(rule, packet("192.0.2.1"), in: at(nil))
                == "the time in Europe/Zurich is not known, and the rule holds fri 22:00-06:00 Europe/Zurich only")
    }

    @Test func `a policy that monitors lets out what it would block, and nothing in`() throws {
        let policy = try policy(
            "name: no-web, to: any, services: https, action: block", "name: dns, to: any, services: dns, route: vpn:hq",
            mode: "monitor")
        let decision = { (packet: PacketQuery) in policy.verdict(for: packet, in: situation) }
        let internet = RuleAction.route([.internet])
        #expect(
            try decision(packet("192.0.2.1"))
                == Decision(verdict: internet, enforced: .block, rule: Name(parsing: "no-web"), index: 0))
        #expect(
            try decision(packet("192.0.2.1", 6, 80))
                == Decision(verdict: internet, enforced: .block, rule: nil, index: nil))
        #expect(try !decision(packet("192.0.2.1", 6, 53)).wouldBlock)
        // To a device, from another or from a VPN.
        #expect(try decision(packet("100.64.0.9")).verdict == .block)
        #expect(try decision(packet("100.64.0.9", from: "10.0.0.1")).verdict == .block)
    }

    @Test func `an explanation is a sentence for each kind of verdict`() throws {
        let policy = try policy(
            "name: broker, to: mqtt.acme.example, services: mqtts, route: ['vpn:hq', 'vpn:backup']",
            "name: one, to: 192.0.2.1, route: vpn:hq", "name: ssh, direction: to-device, via: vpn:hq, action: allow")
        let text = { (packet: PacketQuery) in
            policy.explain(packet, in: situation).description.split(separator: "\n").first.map(String.init)
        }
        #expect(
            try text(packet("198.51.100.7", 6, 8883))
                == "198.51.100.7:8883/tcp (mqtt.acme.example, a.fw.example) goes to the first that is up of vpn:hq, "
                + "vpn:backup by rule \"broker\" of policy \"p\"")
        #expect(try text(packet("192.0.2.1")) == "192.0.2.1:443/tcp goes to vpn:hq by rule \"one\" of policy \"p\"")
        #expect(
            try text(packet("2001:db8:64::9", 6, 22, from: "10.0.0.1"))
                == "10.0.0.1 through vpn:hq to [2001:db8:64::9]:22/tcp is let through to the device by rule \"ssh\" "
                + "of policy \"p\"")
        let routes = try ["198.51.100.7", "192.0.2.1", "192.0.2.9"].map {
            policy.explain(try packet($0, 6, 8883), in: situation).route
        }
        #expect(routes == ["vpn:hq, vpn:backup", "vpn:hq", nil])
        let trial = try self.policy("name: r, to: 192.0.2.0/24, action: block", mode: "monitor")
        #expect(
            trial.explain(try packet("192.0.2.1"), in: situation).description
                == "192.0.2.1:443/tcp goes to the internet while the policy monitors; it would be blocked by rule \"r\" "
                + "of policy \"p\"")
    }
}

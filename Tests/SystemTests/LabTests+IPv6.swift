import Domain
import Lab
import Testing

/// Sessions with IPv6: real RADIUS, a real kernel, the command line.
extension LabTests {
    /// What a device does over IPv6.
    private struct Device {
        let lab: Laboratory
        let address: IPv6Address
        private var ran: String { lab.layout.name(of: .ran) }

        private func says(_ command: String) -> String? { try? output(of: "ip netns exec \(ran) \(command)") }

        /// The address that the web server saw, when there was an answer.
        func fetch(_ server: String, port: Int = 443) -> String? {
            let text = says("curl -s -f -m 2 --interface \(address) 'http://[\(server)]:\(port)/whoami'")
            return text?.split(separator: " ").first.map(String.init)
        }

        func resolve(_ name: String) -> String? {
            says("dig +short +time=2 +tries=1 -b \(address) @\(LabLayout.gatewaySGi6) \(name) AAAA")
        }
    }

    @Test func `a device with both families has its policy on both, and nothing comes in by either`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let gateway = PacketGateway(lab: lab)
        let sim = demonstration.fleet.acme[35].sim
        try await lab.cli.run(
            ["policy", "apply", "-", "--tenant", "acme"],
            input: """
                policy: both
                rules:
                  - {name: web6, to: ["\(LabLayout.web6)"], protocol: tcp, ports: [443], route: internet}
                  - {name: web, to: ["\(LabLayout.web)"], protocol: tcp, ports: [443], route: internet}
                  - {name: ping, to: ["\(LabLayout.web6)"], protocol: icmpv6, route: internet}
                  - {name: telemetry, to: [telemetry.example.com], protocol: tcp, ports: [8883], route: internet}

                """)
        try await lab.cli.run(["group", "create", "both", "--tenant", "acme", "--policy", "both"])
        try await lab.cli.run(["sim", "set-group", sim.imsi, "--group", "both"])
        let attached = try #require(try await gateway.attachIPv6(sim))
        #expect(attached.address == demonstration.fleet.acme[35].address)
        #expect(try IPv6Prefix(parsing: LabLayout.pool6).contains(attached.prefix) && attached.prefix.length == 64)
        let device = Device(lab: lab, address: attached.address6)

        // Its own address is what the internet sees: there is no NAT.
        #expect(device.fetch(LabLayout.web6) == "\(attached.address6)")
        #expect(device.fetch(LabLayout.web6, port: 80) == nil)
        #expect(device.fetch(LabLayout.forbiddenWeb6) == nil)
        let ran = lab.layout.name(of: .ran)
        #expect(
            try output(of: "ip netns exec \(ran) ping -6 -c 1 -W 2 -I \(attached.address6) \(LabLayout.web6)")
                .contains("1 received"))
        let seen = try output(
            of: "ip netns exec \(ran) curl -s -f -m 2 --interface \(try #require(attached.address)) "
                + "http://\(LabLayout.web):443/whoami")
        #expect(seen.hasPrefix(LabLayout.edgeOutside))
        // The gateway's resolver answers over IPv6.
        #expect(device.resolve("telemetry.example.com") == "2001:db8::10")

        // A source of nobody's session, and packets that nobody asked for.
        let stranger = IPv6Address(bits: attached.prefix.address.bits + (UInt128(9) << 64) + 1)
        try output(of: "ip -n \(ran) -6 addr add \(stranger)/128 dev lo nodad")
        let spoofed = try await demonstration.counter("spoofed")
        #expect(Device(lab: lab, address: stranger).fetch(LabLayout.web6) == nil)
        #expect(try await demonstration.counter("spoofed") > spoofed)
        try output(of: "ip -n \(ran) -6 addr del \(stranger)/128 dev lo")
        let unsolicited = try await demonstration.counter("unsolicited")
        let inet = lab.layout.name(of: .inet)
        #expect(
            (try? output(of: "ip netns exec \(inet) ping -6 -c 1 -W 1 -I \(LabLayout.web6) \(attached.address6)"))
                == nil)
        #expect(try await demonstration.counter("unsolicited") > unsolicited)

        let list = try await lab.cli.run(["session", "list", "--tenant", "acme"])
        #expect(list.contains("\(attached.prefix)"))
        #expect(try await lab.cli.run(["sim", "show", sim.imsi]).contains("\(attached.prefix)"))
        #expect(try await lab.cli.run(["tenant", "show", "acme"]).contains("2001:db8:6400::/48"))

        // A killed daemon comes back to the same.
        try await lab.restartGateway()
        #expect(device.fetch(LabLayout.web6) == "\(attached.address6)")
        try await lab.cli.run(["sim", "suspend", sim.imsi])
        #expect(device.fetch(LabLayout.web6) == nil)
        try await lab.cli.run(["sim", "resume", sim.imsi])
        let again = try #require(try await gateway.attachIPv6(sim))
        #expect(again == attached)
        #expect(device.fetch(LabLayout.web6) == "\(attached.address6)")
        try await gateway.detach(again)
        #expect(device.fetch(LabLayout.web6) == nil)

        // As it was.
        try await lab.cli.run(["sim", "set-group", sim.imsi, "--group", sim.group])
        try await lab.cli.run(["group", "delete", "both", "--tenant", "acme"])
        try await lab.cli.run(["policy", "delete", "both", "--tenant", "acme"])
        #expect(try await gateway.attach([sim]).map(\.address) == [demonstration.fleet.acme[35].address])
    }

    @Test func `a device may have IPv6 alone`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let gateway = PacketGateway(lab: lab)
        let sim = demonstration.fleet.acme[36].sim
        try await lab.cli.run(
            ["policy", "apply", "-", "--tenant", "acme"],
            input: "policy: alone\nrules: [{name: web6, to: [\"\(LabLayout.web6)\"], route: internet}]\n")
        try await lab.cli.run(["group", "create", "alone", "--tenant", "acme", "--policy", "alone"])
        try await lab.cli.run(["sim", "set-group", sim.imsi, "--group", "alone"])
        let attached = try #require(try await gateway.attachIPv6(sim, besideIPv4: false))
        #expect(attached.address == nil)
        let device = Device(lab: lab, address: attached.address6)
        #expect(device.fetch(LabLayout.web6) == "\(attached.address6)")
        // The IPv4 address that the SIM had before is no session's.
        let ran = lab.layout.name(of: .ran)
        let before = demonstration.fleet.acme[36].address
        #expect(
            (try? output(
                of: "ip netns exec \(ran) curl -s -f -m 1 --interface \(before) http://\(LabLayout.web):443/whoami"))
                == nil)
        try await gateway.detach(attached)
        try await lab.cli.run(["sim", "set-group", sim.imsi, "--group", sim.group])
        try await lab.cli.run(["group", "delete", "alone", "--tenant", "acme"])
        try await lab.cli.run(["policy", "delete", "alone", "--tenant", "acme"])
        #expect(try await gateway.attach([sim]).map(\.address) == [before])
    }
}

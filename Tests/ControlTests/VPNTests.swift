import Control
import Domain
import PolicyCompiler
import Store
import Testing

/// Lines as VPNs: what is told to the kernel, and what a tenant can do.
@Suite struct VPNTests {
    private static let document = """
        policy: meters
        rules:
          - {name: office, to: [10.0.0.0/24], route: [vpn:hq, vpn:backup]}
          - {name: remote, direction: to-device, via: vpn:hq, from: [10.0.0.0/28], protocol: tcp, ports: [22], action: allow}
          - {name: neighbours, to: [group:gateways], protocol: udp, ports: [5683], action: allow}
        """
    private static let (hq, backup, acme) = (name("hq"), name("backup"), name("acme"))

    private static func name(_ text: String) -> Name {
        do { return try Name(parsing: text) } catch { preconditionFailure("\(error)") }
    }

    private static func interface(_ text: String) -> InterfaceName {
        do { return try InterfaceName(parsing: text) } catch { preconditionFailure("\(error)") }
    }

    private static func line(_ name: String, _ network: String = "10.0.0.0/24") throws -> VPN.Line {
        VPN.Line(interface: interface(name), networks: [try IPv4Prefix(parsing: network)])
    }

    private static func failure<Value>(_ body: () async throws -> Value) async -> ControlError? {
        do { _ = try await body() } catch { return error as? ControlError }
        return nil
    }

    @Test func `a policy takes its VPNs and groups by their names, and they stay while it does`() async throws {
        try await Bench.run { bench in
            let (control, kernel) = (bench.control, bench.kernel)
            kernel.change { $0.upInterfaces = [Self.interface("line1")] }
            let tenant = try await bench.tenant("acme", sims: 1)
            let apply = {
                try await control.applyPolicy(Self.document, file: "p", comment: "", to: Self.acme, by: .system)
            }
            #expect(await Self.failure(apply)?.problems.count == 4)
            _ = try await control.createGroup(Self.name("gateways"), of: Self.acme, policy: nil, by: .system)
            let first = try await control.createVPN(Self.hq, of: Self.acme, line: Self.line("line1"), by: .system)
            let second = try await control.createVPN(Self.backup, of: Self.acme, line: Self.line("line2"), by: .system)
            #expect(first.isUp && !second.isUp)
            #expect(kernel.now.vpns.mapValues(\.isUp) == [first.vpn.number: true, second.vpn.number: false])
            let applied = try await apply()
            let ruleset = try #require(applied.policy.mark.flatMap { kernel.now.rulesets[$0] })
            #expect(
                ruleset.ways.contains(.vpns([first.vpn.number, second.vpn.number]))
                    && ruleset.ways.contains(.access(first.vpn.number)) && ruleset.namedGroups.count == 1)
            for refused in [
                await Self.failure { try await control.deleteVPN(Self.hq, of: Self.acme, by: .system) },
                await Self.failure { try await control.deleteGroup(Self.name("gateways"), of: Self.acme, by: .system) },
            ] { #expect(refused?.code == .conflict && refused?.detail.contains("meters") == true) }
            // The device's group goes to the kernel with it.
            _ = try await control.setGroup(Self.name("gateways"), ofSIM: try Bench.imsi(0), by: .system)
            guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not admitted")
                return
            }
            #expect(kernel.now.devices[address]?.group == ruleset.namedGroups.first)
            try await control.deletePolicy(Self.name("meters"), of: Self.acme, by: .system)
            try await control.deleteVPN(Self.hq, of: Self.acme, by: .system)
            #expect(kernel.now.vpns.keys.map(\.rawValue) == [1])
            // Another start knows them.
            kernel.change { $0.vpns = [:] }
            try await control.start()
            #expect(kernel.now.vpns.count == 1)
            _ = tenant
        }
    }

    @Test func `a line that goes down is told at once, one that comes back after a while`() async throws {
        let clock = TestClock(0)
        try await Bench.run(now: { clock.now }) { bench in
            let (control, kernel) = (bench.control, bench.kernel)
            kernel.change { $0.upInterfaces = [Self.interface("line1"), Self.interface("line2")] }
            _ = try await bench.tenant("acme", sims: 1)
            for (name, interface) in [(Self.hq, "line1"), (Self.backup, "line2")] {
                _ = try await control.createVPN(name, of: Self.acme, line: Self.line(interface), by: .system)
            }
            _ = try await control.applyPolicy(
                "policy: p\nrules:\n  - {name: a, to: [10.0.0.0/24], route: [vpn:hq, vpn:backup]}", file: "p",
                comment: "", to: Self.acme, by: .system)
            _ = try await control.setDefaultPolicy(Self.name("p"), of: Self.acme, by: .system)
            let up = { kernel.now.vpns.sorted { $0.key < $1.key }.map(\.value.isUp) }
            let explained = {
                try await control.explain(
                    PacketQuery(destination: try IPv4Address(parsing: "10.0.0.5"), protocol: 6, port: 80),
                    sim: try Bench.imsi(0), by: .system
                ).vpns.map(\.isUp)
            }
            #expect(up() == [true, true])
            kernel.change { $0.upInterfaces = [Self.interface("line2")] }
            try await control.lookAtVPNs()
            #expect(up() == [false, true])
            #expect(try await explained() == [false, true])
            #expect(try await control.vpn(Self.hq, of: Self.acme, by: .system).isUp == false)
            kernel.change { $0.upInterfaces = [Self.interface("line1"), Self.interface("line2")] }
            try await control.lookAtVPNs()
            #expect(up() == [false, true])
            clock.advance(minutes: 1)
            try await control.lookAtVPNs()
            #expect(up() == [true, true])
        }
    }

    @Test func `what the kernel did not take of a line is given to it again`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            bench.kernel.change { $0.vpnRefusals = 1 }
            let refused = await Self.failure {
                try await bench.control.createVPN(Self.hq, of: Self.acme, line: Self.line("line1"), by: .system)
            }
            #expect(refused != nil)
            try await bench.control.lookAtVPNs()
            #expect(bench.kernel.now.vpns.count == 1)
        }
    }

    @Test func `a version whose numbers last is swept away without a session too, and again when that fails`()
        async throws
    {
        try await Bench.run { bench in
            let (control, kernel) = (bench.control, bench.kernel)
            _ = try await bench.tenant("acme")
            _ = try await control.createVPN(Self.hq, of: Self.acme, line: Self.line("line1"), by: .system)
            let document = { (port: Int) in
                "policy: p\nrules:\n  - {name: a, direction: to-device, via: vpn:hq, protocol: tcp, ports: [\(port)], action: allow}"
            }
            let apply = { (port: Int) in
                try await control.applyPolicy(document(port), file: "p", comment: "", to: Self.acme, by: .system)
            }
            _ = try await apply(22)
            let before = kernel.now.sweeps
            _ = try await apply(23)
            #expect(kernel.now.sweeps == before + 1)
            kernel.change { $0.sweepRefusals = 1 }
            #expect(await Self.failure { try await apply(24) }?.code == .unavailable)
            try await control.keepSchedules()
            #expect(kernel.now.sweepRefusals == 0 && kernel.now.sweeps >= before + 3)
        }
    }

    @Test func `what cannot be a line is refused, and another tenant sees none of it`() async throws {
        try await Bench.run(settings: { $0.gatewayInterfaces = [Self.interface("sgi0")] }) { bench in
            let control = bench.control
            let acme = try await bench.tenant("acme")
            let globex = try await bench.tenant("globex")
            let create = { (line: VPN.Line, principal: Principal) in
                await Self.failure { try await control.createVPN(Self.hq, of: Self.acme, line: line, by: principal) }
            }
            let own = Principal(name: "acme", role: .tenant(acme.id))
            let stranger = Principal(name: "globex", role: .tenant(globex.id))
            #expect(await create(try Self.line("sgi0"), .system)?.code == .invalid)
            #expect(await create(try Self.line("lo"), .system)?.code == .invalid)
            #expect(
                await create(try Self.line("line1", "100.64.3.0/24"), .system)?.detail.contains("100.64.0.0/16") == true
            )
            #expect(await create(VPN.Line(interface: Self.interface("line1"), networks: []), .system)?.code == .invalid)
            #expect(await create(try Self.line("line1"), own)?.code == .forbidden)
            #expect(await create(try Self.line("line1", "0.0.0.0/0"), .system) == nil)
            #expect(try await control.vpns(of: Self.acme, by: own).map(\.vpn.name) == [Self.hq])
            #expect(await Self.failure { try await control.vpns(of: Self.acme, by: stranger) }?.code == .notFound)
            #expect(
                await Self.failure { try await control.vpn(Self.hq, of: Self.acme, by: stranger) }?.code == .notFound)
            // A document of another's does not find it.
            let document = "policy: p\nrules:\n  - {name: a, to: any, route: vpn:hq}"
            let refused = await Self.failure {
                try await control.applyPolicy(document, file: "p", comment: "", to: globex.name, by: stranger)
            }
            #expect(refused?.problems.first?.message.contains("no VPN \"hq\"") == true)
        }
    }

    @Test func `explain tells of packets to devices, of groups and of names`() async throws {
        try await Bench.run { bench in
            let control = bench.control
            _ = try await bench.tenant("acme", sims: 2)
            _ = try await control.createGroup(Self.name("gateways"), of: Self.acme, policy: nil, by: .system)
            for (name, interface) in [(Self.hq, "line1"), (Self.backup, "line2")] {
                _ = try await control.createVPN(name, of: Self.acme, line: Self.line(interface), by: .system)
            }
            let more =
                Self.document
                + "\n  - {name: cloud, to: [\"*.acme.example\"], protocol: tcp, ports: [8883], route: internet}"
            _ = try await control.applyPolicy(more, file: "p", comment: "", to: Self.acme, by: .system)
            _ = try await control.setDefaultPolicy(Self.name("meters"), of: Self.acme, by: .system)
            let (meter, gateway) = (try Bench.imsi(0), try Bench.imsi(1))
            _ = try await control.setGroup(Self.name("gateways"), ofSIM: gateway, by: .system)
            let explain = { (source: String, port: UInt16) in
                try await control.explain(
                    from: try IPAddress(parsing: source), through: Self.hq, protocol: 6, port: port, sim: meter,
                    by: .system
                ).explanation?.decision.rule?.description
            }
            #expect(await Self.failure { try await explain("10.0.0.1", 22) }?.code == .conflict)
            _ = try await bench.attach(meter)
            #expect(try await explain("10.0.0.1", 22) == "remote")
            #expect(try await explain("10.0.0.1", 23) == nil)
            #expect(try await explain("10.0.1.1", 22) == nil)
            guard case .accept(let address, _) = try await bench.attach(gateway) else {
                Issue.record("not admitted")
                return
            }
            let toGateway = try await control.explain(
                PacketQuery(destination: address, protocol: 17, port: 5683), sim: meter, by: .system)
            #expect(toGateway.explanation?.decision.rule == Self.name("neighbours"))
            let toName = try await control.explain(
                PacketQuery(name: try DomainName(parsing: "mqtt.acme.example"), protocol: 6, port: 8883), sim: meter,
                by: .system)
            #expect(toName.explanation?.decision.rule == Self.name("cloud"))
            #expect(toName.explanation?.description.contains("mqtt.acme.example:8883/tcp") == true)
        }
    }
}

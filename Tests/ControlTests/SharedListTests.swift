import Control
import Domain
import PolicyCompiler
import Store
import Testing

@Suite struct SharedListTests {
    private static let acme = named("acme")
    private static let globex = named("globex")
    private static let office = named("office")
    private static let document = "policy: p\nrules:\n  - {name: a, to: [list:office], route: internet}\n"

    private static func named(_ text: String) -> Name {
        do { return try Name(parsing: text) } catch { preconditionFailure("\(error)") }
    }

    private static func put(
        _ items: [String], as name: Name = office, of tenant: Name = acme, in bench: Bench,
        by principal: Principal = .system
    ) async throws(ControlError) -> ControlPlane.SharedChange {
        try await bench.control.putList(name, try SharedListItems(items), of: tenant, by: principal)
    }

    private static func apply(
        _ document: String = document, to tenant: Name = acme, in bench: Bench
    ) async throws(ControlError) -> Policy {
        try await bench.control.applyPolicy(document, file: "p", comment: "", to: tenant, by: .system).policy
    }

    private static func error(_ body: () async throws -> some Any) async -> ControlError? {
        do { _ = try await body() } catch { return error as? ControlError }
        return nil
    }

    private static func ruleset(of policy: Policy, in bench: Bench) throws -> Ruleset {
        let mark = try #require(policy.mark)
        return try #require(bench.kernel.now.rulesets[mark])
    }

    private static func destinations(of policy: Policy, in bench: Bench) throws -> [String] {
        let ruleset = try ruleset(of: policy, in: bench)
        return ruleset.layers.flatMap { $0 }.map(\.destination.description).sorted()
    }

    private static func flow(from source: IPv4Address, to destination: String, port: UInt16 = 443) throws -> Flow {
        Flow(
            source: source, destination: try IPv4Address(parsing: destination), protocol: 6, sourcePort: 1,
            destinationPort: port)
    }

    @Test func `a change of a list reaches the policies that name it, and cuts what they do not allow any more`()
        async throws
    {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let first = try await Self.put(["192.0.2.0/24"], in: bench)
            #expect(first.policies.isEmpty && first.report.flowsCut == 0)
            let policy = try await Self.apply(in: bench)
            let unconcerned = try await Self.apply(
                "policy: q\nrules:\n  - {name: a, to: [203.0.113.1], route: internet}\n", in: bench)
            #expect(try Self.destinations(of: policy, in: bench) == ["192.0.2.0/24"])
            _ = try await bench.control.setDefaultPolicy(policy.name, of: Self.acme, by: .system)
            guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not admitted")
                return
            }
            let kept = try Self.flow(from: address, to: "192.0.2.1")
            let lost = try Self.flow(from: address, to: "192.0.2.9")
            bench.kernel.change { $0.flows = [kept, lost] }

            let change = try await Self.put(["192.0.2.1", "198.51.100.0/24", "192.0.2.1"], in: bench)
            #expect(change.policies.map(\.description) == ["acme/p"])
            #expect(change.report.sessions == 1 && change.report.flowsCut == 1)
            #expect(bench.kernel.now.flows == [kept])
            #expect(try Self.destinations(of: policy, in: bench) == ["192.0.2.1", "198.51.100.0/24"])
            #expect(try Self.destinations(of: unconcerned, in: bench) == ["203.0.113.1"])
            // The document is what it was: no new version.
            #expect(try await bench.control.policy(policy.name, of: Self.acme, by: .system).version == 1)
            let list = try await bench.control.list(Self.office, of: Self.acme, by: .system)
            #expect(list.items.map(\.description) == ["192.0.2.1", "198.51.100.0/24"] && list.author == "cordond")
            let explained = try await bench.control.explain(
                PacketQuery(destination: lost.destination, protocol: 6, port: 443), sim: try Bench.imsi(0), by: .system)
            #expect(explained.explanation?.decision.verdict == .block)
            let audit = try await bench.store.read { try $0.audit(before: nil, limit: 1) }
            #expect(audit.map(\.action) == ["list.put"] && audit.map(\.target) == ["acme/office"])
        }
    }

    @Test func `a list that would make a policy too large changes nothing, and says which policy`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            _ = try await Self.put(["192.0.2.1"], in: bench)
            // 64 ranges of ports for each of 4,096 destinations are more than a policy may have.
            let ports = (0..<64).map { "\(1000 + 2 * $0)" }.joined(separator: ", ")
            let policy = try await Self.apply(
                "policy: p\nrules:\n  - {name: a, to: [list:office], protocol: tcp, ports: [\(ports)], route: internet}\n",
                in: bench)
            let before = bench.kernel.now.rulesets
            // Apart from each other, so that they make no prefixes.
            let many = (0..<4096).map { "10.0.\($0 / 64).\($0 % 64 * 4)" }
            let error = await Self.error { try await Self.put(many, in: bench) }
            #expect(error?.code == .conflict)
            #expect(error?.detail.contains("would not be valid any more: p;") == true)
            #expect(error?.problems.first?.message.contains("combinations") == true)
            #expect(bench.kernel.now.rulesets == before)
            #expect(
                try await bench.control.list(Self.office, of: Self.acme, by: .system).items.map(\.description)
                    == ["192.0.2.1"])
            // What else changes comes to the old list still.
            _ = try await Self.put(["192.0.2.2"], in: bench)
            #expect(Set(try Self.destinations(of: policy, in: bench)) == ["192.0.2.2"])
        }
    }

    @Test func `a list of the document goes before the tenant's`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            _ = try await Self.put(["192.0.2.1"], in: bench)
            let own = try await Self.apply(
                "policy: own\nlists: [{name: office, items: [203.0.113.7]}]\n"
                    + "rules:\n  - {name: a, to: [list:office], route: internet}\n", in: bench)
            #expect(try await Self.put(["192.0.2.2"], in: bench).policies.isEmpty)
            #expect(try Self.destinations(of: own, in: bench) == ["203.0.113.7"])
            try await bench.control.deleteList(Self.office, of: Self.acme, by: .system)
        }
    }

    @Test func `two tenants may have lists of one name, and neither sees the other's`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            let other = try await bench.tenant("globex")
            _ = try await Self.put(["192.0.2.1"], in: bench)
            _ = try await Self.put(["198.51.100.1"], of: Self.globex, in: bench)
            _ = try await Self.put(["203.0.113.1"], as: Self.named("secret"), in: bench)
            let ours = try await Self.apply(in: bench)
            let theirs = try await Self.apply(to: Self.globex, in: bench)
            #expect(try await Self.put(["192.0.2.2"], in: bench).policies.map(\.description) == ["acme/p"])
            #expect(try Self.destinations(of: ours, in: bench) == ["192.0.2.2"])
            #expect(try Self.destinations(of: theirs, in: bench) == ["198.51.100.1"])

            let naming = Self.document.replacing("office", with: "secret")
            let refused = await Self.error { try await Self.apply(naming, to: Self.globex, in: bench) }
            #expect(refused?.code == .invalid)
            let unheard = await Self.error {
                try await Self.apply(naming.replacing("secret", with: "nowhere"), to: Self.globex, in: bench)
            }
            #expect(
                refused?.problems.first?.message.replacing("secret", with: "nowhere")
                    == unheard?.problems.first?.message)
            let stranger = Principal(name: "globex", role: .tenant(other.id))
            let control = bench.control
            let codes = [
                await Self.error { try await control.lists(of: Self.acme, by: stranger) }?.code,
                await Self.error { try await control.list(Self.office, of: Self.acme, by: stranger) }?.code,
                await Self.error { try await Self.put([], in: bench, by: stranger) }?.code,
                await Self.error { try await control.deleteList(Self.office, of: Self.acme, by: stranger) }?.code,
                await Self.error {
                    try await control.validatePolicy(Self.document, file: "p", for: Self.acme, by: stranger)
                }?.code,
            ]
            #expect(codes == Array(repeating: .notFound, count: codes.count))
            #expect(try await control.lists(of: Self.globex, by: stranger).map(\.name) == [Self.office])
            let named = try await control.validatePolicy(Self.document, file: "p", for: Self.globex, by: stranger)
            #expect(named.name == theirs.name)
            // Without a tenant there are no shared lists.
            #expect(
                await Self.error { try await control.validatePolicy(Self.document, file: "p", by: .system) }?.code
                    == .invalid)
            try await Self.put([], of: Self.globex, in: bench, by: stranger).expectPolicies(["globex/p"])
            #expect(try Self.destinations(of: theirs, in: bench).isEmpty)
        }
    }

    @Test func `a list that a policy names stays`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            _ = try await Self.put(["192.0.2.1"], in: bench)
            let policy = try await Self.apply(in: bench)
            let error = await Self.error {
                try await bench.control.deleteList(Self.office, of: Self.acme, by: .system)
            }
            #expect(error?.code == .conflict)
            #expect(error?.detail == "policies in force name list office: p; take it out of them first")
            #expect(try Self.destinations(of: policy, in: bench) == ["192.0.2.1"])
            try await bench.control.deletePolicy(policy.name, of: Self.acme, by: .system)
            try await bench.control.deleteList(Self.office, of: Self.acme, by: .system)
            #expect(try await bench.control.lists(of: Self.acme, by: .system).isEmpty)
            let again = await Self.error {
                try await bench.control.deleteList(Self.office, of: Self.acme, by: .system)
            }
            #expect(again?.code == .notFound)
        }
    }

    @Test func `a start compiles policies with the lists and the services that there are`() async throws {
        try await Bench.run { bench in
            for tenant in ["acme", "globex"] { _ = try await bench.tenant(tenant) }
            _ = try await Self.put(["192.0.2.1"], in: bench)
            _ = try await Self.put(["198.51.100.1"], of: Self.globex, in: bench)
            _ = try await bench.control.putService(
                Self.named("telemetry"), try ServiceDefinition(parsing: "tcp 7000"), by: .system)
            let document = Self.document.replacing("route", with: "services: [telemetry], route")
            let policies = [
                try await Self.apply(document, in: bench), try await Self.apply(document, to: Self.globex, in: bench),
            ]
            let before = bench.kernel.now.rulesets
            #expect(
                try Self.ruleset(of: policies[0], in: bench) != Self.ruleset(of: policies[1], in: bench))
            bench.kernel.change { $0.rulesets = [:] }
            try await bench.control.start()
            #expect(bench.kernel.now.rulesets == before)
            // The policies are found by what they name after a start too.
            #expect(try await Self.put(["192.0.2.2"], in: bench).policies.map(\.description) == ["acme/p"])
        }
    }

    @Test func `a policy that is applied while its list changes has the new list`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            _ = try await Self.put(["192.0.2.1"], in: bench)
            for round in 0..<20 {
                let item = "198.51.100.\(round)"
                async let change = Self.put([item], in: bench)
                async let applied = Self.apply(in: bench)
                let (policy, _) = (try await applied, try await change)
                #expect(try Self.destinations(of: policy, in: bench) == [item])
            }
        }
    }

    @Test func `a rule that opens later opens with the list as it is then`() async throws {
        // Monday, 2026-11-23T00:59:30Z.
        let clock = TestClock(1_795_395_570_000)
        try await Bench.run(now: { clock.now }) { bench in
            _ = try await bench.tenant("acme")
            _ = try await Self.put(["192.0.2.1"], in: bench)
            let policy = try await Self.apply(
                Self.document.replacing("route", with: "schedule: {from: \"01:00\", to: \"05:00\"}, route"), in: bench)
            #expect(try await Self.put(["192.0.2.2"], in: bench).policies.map(\.description) == ["acme/p"])
            #expect(try Self.destinations(of: policy, in: bench).isEmpty)
            clock.advance(minutes: 1)
            try await bench.control.keepSchedules()
            #expect(try Self.destinations(of: policy, in: bench) == ["192.0.2.2"])
            _ = try await Self.put(["192.0.2.3"], in: bench)
            #expect(try Self.destinations(of: policy, in: bench) == ["192.0.2.3"])
        }
    }

    @Test func `a list that the kernel did not take comes to it with the next try`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            _ = try await Self.put(["192.0.2.1"], in: bench)
            let policy = try await Self.apply(in: bench)
            bench.kernel.change { $0.refusals = 1 }
            #expect(await Self.error { try await Self.put(["192.0.2.2"], in: bench) }?.code == .unavailable)
            #expect(try Self.destinations(of: policy, in: bench) == ["192.0.2.1"])
            // Nor has the store what the kernel has not.
            let list = try await bench.control.list(Self.office, of: Self.acme, by: .system)
            #expect(list.items.map(\.description) == ["192.0.2.1"])
            _ = try await Self.put(["192.0.2.2"], in: bench)
            #expect(try Self.destinations(of: policy, in: bench) == ["192.0.2.2"])
        }
    }

    @Test func `the limits of lists hold`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            for number in 0..<64 { _ = try await Self.put([], as: Self.named("l\(number)"), in: bench) }
            #expect(await Self.error { try await Self.put([], in: bench) }?.code == .conflict)
            _ = try await Self.put(["192.0.2.1"], as: Self.named("l0"), in: bench)
        }
    }

    @Test func `items are read with comments, and mistakes are told with their lines`() async throws {
        let good = try SharedListItems(lines: "# ours\r\n192.0.2.1  # the office\n\n  *.acme.example\t\n192.0.2.1")
        #expect(good.items.map(\.description) == ["192.0.2.1", "*.acme.example"])
        let lines = await Self.error { try SharedListItems(lines: "192.0.2.1\n# x\n192.0.2.999\nhttps://a.example\n") }
        #expect(lines?.code == .invalid && lines?.problems.map(\.line) == [3, 4])
        #expect(lines?.problems.first?.message.contains("192.0.2.999") == true)
        let texts = await Self.error { try SharedListItems(["192.0.2.1", "any.", ""]) }
        #expect(texts?.problems.map(\.field).last == "items[2]")
        let many = await Self.error { try SharedListItems(lines: String(repeating: "192.0.2.1\n", count: 4097)) }
        #expect(many?.detail == "the list has 4097 items; at most 4096 are allowed")
    }

    // MARK: Services

    private static let telemetry = named("telemetry")
    private static let withService =
        "policy: p\nrules:\n  - {name: a, to: [192.0.2.1], services: [telemetry], route: internet}\n"

    private static func ports(of policy: Policy, in bench: Bench) throws -> [UInt16] {
        let ruleset = try ruleset(of: policy, in: bench)
        return try (1...9).map { UInt16(7000 + $0) }.filter { port in
            ruleset.way(to: try IPAddress(parsing: "192.0.2.1"), protocol: 6, port: port) == .internet
        }
    }

    @Test func `a change of a service reaches the policies of all tenants that name it`() async throws {
        try await Bench.run { bench in
            let tenant = try await bench.tenant("acme")
            _ = try await bench.tenant("globex")
            let control = bench.control
            let put = { @Sendable (text: String) async throws in
                try await control.putService(Self.telemetry, try ServiceDefinition(parsing: text), by: .system)
            }
            #expect(await Self.error { try await Self.apply(Self.withService, in: bench) }?.code == .invalid)
            _ = try await put("tcp 7001")
            let ours = try await Self.apply(Self.withService, in: bench)
            let theirs = try await Self.apply(Self.withService, to: Self.globex, in: bench)
            #expect(try Self.ports(of: ours, in: bench) == [7001])
            let change = try await put("tcp 7002-7003, udp 5684")
            #expect(change.policies.map(\.description) == ["acme/p", "globex/p"])
            #expect(try Self.ports(of: ours, in: bench) == [7002, 7003])
            #expect(try Self.ports(of: theirs, in: bench) == [7002, 7003])

            let member = Principal(name: "acme", role: .tenant(tenant.id))
            #expect(
                await Self.error { try await control.deleteService(Self.telemetry, by: member) }?.code == .forbidden)
            let byMember = await Self.error {
                try await control.putService(Self.telemetry, try ServiceDefinition(parsing: "icmp"), by: member)
            }
            #expect(byMember?.code == .forbidden)
            let seen = try await control.services(by: member).first { $0.name == Self.telemetry }
            #expect(seen?.definition.description == "tcp 7002-7003, udp 5684")
            let refused = await Self.error { try await control.deleteService(Self.telemetry, by: .system) }
            #expect(refused?.code == .conflict && refused?.detail.contains("acme/p, globex/p") == true)
            for name in [Self.acme, Self.globex] {
                try await control.deletePolicy(ours.name, of: name, by: .system)
            }
            _ = try await control.deleteService(Self.telemetry, by: .system)
            #expect(
                await Self.error { try await control.deleteService(Self.telemetry, by: .system) }?.code == .notFound)
            let audit = try await bench.store.read { try $0.audit(before: nil, limit: 1) }
            #expect(audit.map(\.action) == ["service.delete"] && audit.map(\.target) == ["telemetry"])
        }
    }

    @Test func `a service that Cordon brings along can be changed, and comes back`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            let https = Self.named("https")
            let policy = try await Self.apply(Self.withService.replacing("telemetry", with: "https"), in: bench)
            let before = bench.kernel.now.rulesets
            let stays = await Self.error { try await bench.control.deleteService(https, by: .system) }
            #expect(stays?.code == .conflict)
            _ = try await bench.control.putService(https, try ServiceDefinition(parsing: "tcp 7005"), by: .system)
            #expect(try Self.ports(of: policy, in: bench) == [7005])
            let back = try await bench.control.deleteService(https, by: .system)
            #expect(back.policies.map(\.description) == ["acme/p"])
            #expect(bench.kernel.now.rulesets == before)
        }
    }
}

extension ControlPlane.SharedChange {
    fileprivate func expectPolicies(_ places: [String]) { #expect(policies.map(\.description) == places) }
}

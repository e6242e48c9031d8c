import Control
import DNS
import Domain
import PolicyCompiler
import Store
import Synchronization
import Testing

/// What the resolver learns, from the answer to the kernel and the store, and to its end.
@Suite struct NameTests {
    private static let document = """
        policy: meters
        dns: {deny: [ads.acme.example], answer: refused}
        rules:
          - {name: mqtt, to: ["*.acme.example"], protocol: tcp, ports: [8883], route: internet}
        """
    private static let acme = name("acme")

    private static func name(_ text: String) -> Name {
        do { return try Name(parsing: text) } catch { preconditionFailure("\(error)") }
    }

    private static func host(_ text: String) -> DomainName {
        do { return try DomainName(parsing: text) } catch { preconditionFailure("\(error)") }
    }

    private static func address(_ text: String) -> IPAddress {
        do { return try IPAddress(parsing: text) } catch { preconditionFailure("\(error)") }
    }

    /// A device of acme with the policy, and what the resolver knows of it.
    private static func device(_ bench: Bench) async throws -> (address: IPAddress, mark: PolicyMark) {
        _ = try await bench.tenant("acme", sims: 1)
        let applied = try await bench.control.applyPolicy(document, file: "p", comment: "", to: acme, by: .system)
        _ = try await bench.control.setDefaultPolicy(name("meters"), of: acme, by: .system)
        guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(0)) else { throw Bench.Missing() }
        return (.v4(address), try #require(applied.policy.mark))
    }

    private static func lesson(
        _ mark: PolicyMark, _ names: [String], _ addresses: [String], for seconds: UInt32 = 60, device: IPAddress
    ) -> NameLesson {
        NameLesson(
            policy: mark, names: names.map(host), addresses: addresses.map(Self.address), timeToLive: seconds,
            device: device)
    }

    private static func learn(_ lesson: NameLesson, _ bench: Bench) async -> NameLessonResult {
        await withCheckedContinuation { continuation in
            bench.control.nameService.learn(lesson) { continuation.resume(returning: $0) }
            bench.control.nameService.giveLessons()
        }
    }

    @Test func `a device with a session is known by its address, with what its policy allows`() async throws {
        try await Bench.run { bench in
            let names = bench.control.nameService
            #expect(names.client(at: Self.address("100.64.0.1")) == nil)
            let (device, mark) = try await Self.device(bench)
            let client = try #require(names.client(at: device))
            #expect(client.policy == mark && client.blockAnswer == .refused && client.upstreams.isEmpty)
            let verdict = { (text: String) in client.filter.verdict(on: WireName(Self.host(text))) }
            #expect(verdict("mqtt.acme.example") == .allowed)
            #expect(verdict("ads.acme.example") == .refused(.denied))
            #expect(verdict("www.example") == .refused(.notAllowed))
            _ = try await bench.control.setDefaultPolicy(nil, of: Self.acme, by: .system)
            let without = try #require(names.client(at: device))
            #expect(without.filter.verdict(on: WireName(Self.host("mqtt.acme.example"))) == .refused(.notAllowed))
        }
    }

    @Test func `an answer is told when the kernel has its addresses, and once more at no cost`() async throws {
        try await Bench.run { bench in
            let (device, mark) = try await Self.device(bench)
            let lesson = Self.lesson(
                mark, ["mqtt.acme.example", "lb.cdn.example"], ["192.0.2.1", "2001:db8::1"], device: device)
            #expect(await Self.learn(lesson, bench) == .inForce)
            let names = lesson.names
            #expect(
                bench.kernel.now.names[mark] == [
                    Self.address("192.0.2.1"): names, Self.address("2001:db8::1"): names,
                ])
            let batches = bench.kernel.now.nameBatches
            #expect(await Self.learn(lesson, bench) == .inForce)
            #expect(bench.kernel.now.nameBatches == batches)
            // Of a name that no rule has, nobody waits, and nothing is kept.
            let isDone = Atomic(false)
            bench.control.nameService.learn(Self.lesson(mark, ["pool.ntp.org"], ["192.0.2.9"], device: device)) { _ in
                isDone.store(true, ordering: .relaxed)
            }
            let wasDone = isDone.load(ordering: .relaxed)
            #expect(wasDone && bench.kernel.now.names[mark]?.count == 2)
            let learned = try await bench.control.learnedAddresses(of: Self.name("meters"), Self.acme, by: .system)
            #expect(learned.map(\.name.description).sorted().first == "lb.cdn.example")
            let sim = try Bench.imsi(0)
            let own = try #require(learned.first { $0.name == Self.host("mqtt.acme.example") })
            #expect(own.rules == [Self.name("mqtt")] && own.imsi == sim)
            let explained = try await bench.control.explain(
                PacketQuery(destination: Self.address("192.0.2.1"), protocol: 6, port: 8883), sim: try Bench.imsi(0),
                by: .system)
            #expect(explained.explanation?.decision.rule == Self.name("mqtt"))
            #expect(explained.explanation.map { "\($0)" }?.contains("mqtt.acme.example") == true)
            #expect(explained.learned.map(\.name.description) == ["lb.cdn.example", "mqtt.acme.example"])
            #expect(explained.learned.allSatisfy { $0.imsi == sim })
            let denied = try await bench.control.explain(
                PacketQuery(name: Self.host("ads.acme.example"), protocol: 6, port: 8883), sim: sim, by: .system)
            #expect(denied.learned.isEmpty && denied.refusal == "denied by the policy")
        }
    }

    @Test func `what the kernel refuses is told as late, and given again`() async throws {
        try await Bench.run { bench in
            let (device, mark) = try await Self.device(bench)
            // At once, and by the keeper.
            bench.kernel.change { $0.nameRefusals = 2 }
            #expect(
                await Self.learn(Self.lesson(mark, ["a.acme.example"], ["192.0.2.1"], device: device), bench) == .late)
            #expect(
                await Self.learn(Self.lesson(mark, ["a.acme.example"], ["192.0.2.1"], device: device), bench)
                    == .inForce)
            #expect(bench.kernel.now.names[mark]?.count == 1)
        }
    }

    @Test func `while the kernel is busy, whoever keeps names gives them`() async throws {
        try await Bench.run { bench in
            let (device, mark) = try await Self.device(bench)
            bench.kernel.change { $0.isBusy = true }
            #expect(
                await Self.learn(Self.lesson(mark, ["a.acme.example"], ["192.0.2.1"], device: device), bench)
                    == .inForce)
            #expect(bench.kernel.now.names[mark]?.count == 1)
        }
    }

    @Test func `what is over ends unless a flow uses it, and flows to it are not cut`() async throws {
        try await Bench.run(settings: { $0.names.leastSeconds = 0 }) { bench in
            let (device, mark) = try await Self.device(bench)
            for (name, address) in [("used.acme.example", "192.0.2.1"), ("idle.acme.example", "192.0.2.2")] {
                #expect(
                    await Self.learn(Self.lesson(mark, [name], [address], for: 0, device: device), bench) == .inForce)
            }
            #expect(
                await Self.learn(
                    Self.lesson(mark, ["long.acme.example"], ["192.0.2.3"], for: 90, device: device), bench)
                    == .inForce)
            let flow = Flow(
                source: device, destination: Self.address("192.0.2.1"), protocol: 6, sourcePort: 5000,
                destinationPort: 8883)
            bench.kernel.change { $0.flows = [flow] }
            try bench.control.endNames()
            try await eventually { bench.kernel.now.names[mark]?.count == 2 }
            #expect(bench.kernel.now.names[mark]?[Self.address("192.0.2.2")] == nil)
            // A new version judges the flow by the name that it has still.
            let plan = try await bench.control.planPolicy(
                Self.document.replacing("8883", with: "8880-8889"), file: "p", for: Self.acme, by: .system)
            #expect(plan.flowsCut == 0)
            bench.kernel.change { $0.flows = [] }
            try bench.control.endNames()
            try await eventually { bench.kernel.now.names[mark]?.count == 1 }
        }
    }

    @Test func `names outlive the process, and go with their policy`() async throws {
        try await Bench.run { bench in
            let (device, mark) = try await Self.device(bench)
            _ = await Self.learn(Self.lesson(mark, ["a.acme.example"], ["192.0.2.1"], device: device), bench)
            try await eventually { try await bench.store.read { try $0.allNames() }.count == 1 }
            bench.kernel.change { $0.names = [:] }
            try await bench.control.start()
            #expect(bench.kernel.now.names[mark]?[Self.address("192.0.2.1")] == [Self.host("a.acme.example")])
            _ = try await bench.control.setDefaultPolicy(nil, of: Self.acme, by: .system)
            try await bench.control.deletePolicy(Self.name("meters"), of: Self.acme, by: .system)
            try await eventually { try await bench.store.read { try $0.allNames() }.isEmpty }
        }
    }

    @Test func `of what the store has too much a start makes an end`() async throws {
        try await Bench.run { bench in
            let (device, mark) = try await Self.device(bench)
            _ = await Self.learn(Self.lesson(mark, ["a.acme.example"], ["192.0.2.1"], device: device), bench)
            try await eventually { try await bench.store.read { try $0.allNames() }.count == 1 }
            let known = try #require(try await bench.store.read { try $0.allNames() }.first)
            try await bench.store.write { store in
                // As a process leaves it that ended between an end and its record: the same once more.
                try store.putNames([
                    LearnedName(
                        number: known.number + 1, policy: known.policy, address: known.address, name: known.name,
                        until: known.until),
                    LearnedName(
                        number: known.number + 2, policy: known.policy, address: Self.address("192.0.2.2"),
                        name: known.name, until: known.until),
                ])
            }
            try await bench.control.start()
            #expect(bench.kernel.now.names[mark]?.count == 2)
            try await eventually {
                try await bench.store.read { try $0.allNames() }.map(\.number) == [known.number, known.number + 2]
            }
            // Numbers go on behind those of the store.
            _ = await Self.learn(Self.lesson(mark, ["b.acme.example"], ["192.0.2.3"], device: device), bench)
            try await eventually {
                try await bench.store.read { try $0.allNames() }.map(\.number)
                    == [known.number, known.number + 2, known.number + 3]
            }
        }
    }

    @Test func `a name has only so many addresses, and a policy only so many names`() async throws {
        try await Bench.run(settings: {
            $0.names.addressesPerName = 20
            $0.names.factsPerPolicy = 50
        }) { bench in
            let (device, mark) = try await Self.device(bench)
            for number in 0..<100 {
                _ = await Self.learn(
                    Self.lesson(mark, ["many.acme.example"], ["192.0.2.\(number)"], device: device), bench)
                _ = await Self.learn(
                    Self.lesson(mark, ["h\(number).acme.example"], ["198.51.100.\(number)"], device: device), bench)
            }
            try await eventually {
                let known = bench.kernel.now.names[mark] ?? [:]
                return known.count <= 50 && known.values.count { $0 == [Self.host("many.acme.example")] } <= 20
                    && known[Self.address("192.0.2.99")] != nil
            }
        }
    }

    @Test func `names that are refused are counted by group, and monitor mode counts what it would refuse`()
        async throws
    {
        try await Bench.run { bench in
            let (device, _) = try await Self.device(bench)
            let names = bench.control.nameService
            let note = { (name: String, isRefused: Bool) throws in
                let client = try #require(names.client(at: device))
                names.note(
                    QueryRecord(
                        device: device, tenant: client.tenant, policy: client.policy, group: client.group,
                        name: WireName(Self.host(name)), type: 1,
                        outcome: isRefused ? .refused(.notAllowed) : .resolved, responseCode: 0, microseconds: 1))
            }
            try await bench.control.setTenantDNS(
                TenantDNS(log: .refused, sampling: 1, upstreams: []), of: Self.acme, by: .system)
            for _ in 0..<3 { try note("www.example", true) }
            try note("mqtt.acme.example", false)
            let seen = try await bench.control.refusedNames(of: Self.acme, limit: 10, by: .system)
            #expect(seen.map(\.name) == ["www.example"] && seen.first?.count == 3)
            let log = try await bench.control.queryLog(of: Self.acme, after: 1, limit: 10, by: .system)
            #expect(log.map(\.number) == [2, 3])
            let (_, counters) = try await bench.control.tenantDNS(of: Self.acme, by: .system)
            #expect(counters.questions == 4 && counters.refused == 3 && counters.answered == 1)
            // Monitored: everything is answered.
            _ = try await bench.control.applyPolicy(
                "mode: monitor\n" + Self.document, file: "p", comment: "", to: Self.acme, by: .system)
            let client = try #require(names.client(at: device))
            #expect(client.filter.verdict(on: WireName(Self.host("other.example"))) == .allowed)
            try note("other.example", false)
            let after = try await bench.control.refusedNames(of: Self.acme, limit: 10, by: .system)
            #expect(after.map(\.name).sorted() == ["other.example", "www.example"])
        }
    }

    @Test func `a tenant's resolvers are behind its own VPNs`() async throws {
        try await Bench.run { bench in
            let (device, _) = try await Self.device(bench)
            let control = bench.control
            let line = VPN.Line(
                interface: try InterfaceName(parsing: "line1"), networks: [try IPv4Prefix(parsing: "10.0.0.0/24")])
            let hq = try await control.createVPN(Self.name("hq"), of: Self.acme, line: line, by: .system)
            let tenant = Principal(name: "t", role: .tenant(hq.vpn.tenant))
            let set = { (upstream: String, principal: Principal) async -> ControlError? in
                do {
                    try await control.setTenantDNS(
                        TenantDNS(log: .off, sampling: 1, upstreams: [TenantDNS.Upstream(parsing: upstream)]),
                        of: Self.acme, by: principal)
                    return nil
                } catch { return error as? ControlError }
            }
            #expect(await set("127.0.0.1", tenant)?.code == .invalid)
            #expect(await set("10.0.1.53 vpn:hq", tenant)?.code == .invalid)
            #expect(await set("10.0.0.53 vpn:other", tenant)?.code == .notFound)
            #expect(await set("10.0.0.53@5353 vpn:hq", tenant) == nil)
            let upstream = try #require(control.nameService.client(at: device)?.upstreams.first)
            #expect(
                upstream.port == 5353 && upstream.isPrivate && upstream.routeMark == 1 << 31 | hq.vpn.number.rawValue)
            await #expect(throws: ControlError.self) {
                try await control.deleteVPN(Self.name("hq"), of: Self.acme, by: .system)
            }
        }
    }

    /// Waits for what another task does.
    private func eventually(_ isSo: () async throws -> Bool) async throws {
        for _ in 0..<6000 {
            if try await isSo() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("it did not come to be")
    }
}

import Control
import Domain
import PolicyCompiler
import Store
import Testing

@Suite struct PolicyVersionTests {
    private static func document(_ destination: String) -> String {
        "policy: p\nrules:\n  - {name: a, to: [\(destination)], route: internet}\n"
    }

    private static func apply(
        _ destination: String, in bench: Bench, expecting: ControlPlane.Expectation = .anything
    ) async throws(ControlError) -> Int64 {
        try await bench.control.applyPolicy(
            document(destination), file: "p", comment: "", to: acme, expecting: expecting, by: .system
        ).policy.version
    }

    private static let acme: Name = {
        do { return try Name(parsing: "acme") } catch { preconditionFailure("\(error)") }
    }()
    private static let p: Name = {
        do { return try Name(parsing: "p") } catch { preconditionFailure("\(error)") }
    }()

    private static func code(_ body: () async throws -> some Any) async -> ControlError.Code? {
        do { _ = try await body() } catch { return (error as? ControlError)?.code }
        return nil
    }

    @Test func `a change for another version changes nothing`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            #expect(
                await Self.code { try await Self.apply("192.0.2.1", in: bench, expecting: .version(1)) } == .changed)
            #expect(await Self.code { try await Self.apply("192.0.2.1", in: bench, expecting: .present) } == .changed)
            #expect(try await Self.apply("192.0.2.1", in: bench, expecting: .absent) == 1)
            #expect(await Self.code { try await Self.apply("192.0.2.2", in: bench, expecting: .absent) } == .changed)
            #expect(try await Self.apply("192.0.2.2", in: bench, expecting: .version(1)) == 2)
            #expect(
                await Self.code { try await Self.apply("192.0.2.3", in: bench, expecting: .version(1)) } == .changed)
            let versions = try await bench.control.policyVersions(Self.p, of: Self.acme, by: .system)
            #expect(versions.map(\.version) == [2, 1])
            let mark = try #require(versions.first?.mark)
            #expect(bench.kernel.now.rulesets[mark]?.layers.first?.first?.destination.description == "192.0.2.2")
        }
    }

    @Test func `what the kernel does not take is not stored`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            _ = try await Self.apply("192.0.2.1", in: bench)
            let before = bench.kernel.now.rulesets
            bench.kernel.change { $0.refusals = 1 }
            #expect(await Self.code { try await Self.apply("192.0.2.2", in: bench) } == .unavailable)
            bench.kernel.change { $0.refusals = 1 }
            let new = await Self.code {
                try await bench.control.applyPolicy(
                    Self.document("192.0.2.2").replacing("policy: p", with: "policy: q"), file: "q", comment: "",
                    to: Self.acme, by: .system)
            }
            #expect(new == .unavailable)
            #expect(bench.kernel.now.rulesets == before)
            #expect(try await bench.control.policies(of: Self.acme, by: .system).map(\.version) == [1])
            #expect(try await Self.apply("192.0.2.3", in: bench, expecting: .version(1)) == 2)
        }
    }

    @Test func `what the store cannot keep is taken back from the kernel`() async throws {
        try await Bench.run(storedIn: FullStore.init) { bench in
            _ = try await bench.tenant("acme")
            _ = try await Self.apply("192.0.2.1", in: bench)
            let before = bench.kernel.now.rulesets
            let store = try #require(bench.store as? FullStore)
            for name in ["p", "q"] {
                store.set(full: true)
                let code = await Self.code {
                    try await bench.control.applyPolicy(
                        Self.document("192.0.2.2").replacing("policy: p", with: "policy: \(name)"), file: name,
                        comment: "", to: Self.acme, by: .system)
                }
                #expect(code == .unavailable)
                store.set(full: false)
                #expect(bench.kernel.now.rulesets == before)
            }
            #expect(try await bench.control.policies(of: Self.acme, by: .system).map(\.version) == [1])
        }
    }

    @Test func `of many changes for the same version one is made`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            _ = try await Self.apply("192.0.2.1", in: bench)
            let made = await withTaskGroup(of: Bool.self) { group in
                for number in 10..<20 {
                    group.addTask {
                        await Self.code {
                            try await Self.apply("192.0.2.\(number)", in: bench, expecting: .version(1))
                        } == nil
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(made == 1)
            #expect(try await bench.control.policy(Self.p, of: Self.acme, by: .system).version == 2)
        }
    }

    @Test func `an earlier version comes back as a new one`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            for last in 1...3 { _ = try await Self.apply("192.0.2.\(last)", in: bench) }
            let back = try await bench.control.rollBackPolicy(Self.p, of: Self.acme, to: nil, comment: "", by: .system)
            #expect(back.policy.version == 4)
            #expect(back.policy.document == Self.document("192.0.2.2"))
            #expect(back.policy.comment == "back to version 2")
            let first = try await bench.control.rollBackPolicy(
                Self.p, of: Self.acme, to: 1, comment: "it was right", by: .system)
            #expect(first.policy.document == Self.document("192.0.2.1"))
            #expect(first.policy.comment == "back to version 1: it was right")
            let missing = await Self.code {
                try await bench.control.rollBackPolicy(Self.p, of: Self.acme, to: 77, comment: "", by: .system)
            }
            #expect(missing == .notFound)
            let difference = try await bench.control.difference(
                of: Self.p, of: Self.acme, from: 2, to: nil, by: .system)
            #expect(difference.rules.map(\.kind) == [.changed])
            let audit = try await bench.store.read { try $0.audit(before: nil, limit: 2) }
            #expect(audit.map(\.action) == ["policy.rollback", "policy.rollback"])
            #expect(audit.first?.detail == "version 4 to 5")
        }
    }

    @Test func `a plan says what would be, and changes nothing`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let new = try await bench.control.planPolicy(
                Self.document("192.0.2.1"), file: "p", for: Self.acme, by: .system)
            #expect(new.version == nil && new.difference.rules.map(\.kind) == [.added] && new.sessions == 0)
            _ = try await Self.apply("192.0.2.0/24", in: bench)
            _ = try await bench.control.setDefaultPolicy(Self.p, of: Self.acme, by: .system)
            guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not admitted")
                return
            }
            let flows = try ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map { destination in
                Flow(
                    source: address, destination: try IPv4Address(parsing: destination), protocol: 6, sourcePort: 1,
                    destinationPort: 443)
            }
            bench.kernel.change { $0.flows = flows }
            let plan = try await bench.control.planPolicy(
                Self.document("192.0.2.1"), file: "p", for: Self.acme, by: .system)
            #expect(plan.version == 1 && plan.sessions == 1 && plan.flowsCut == 2)
            #expect(plan.flows.map(\.flow) == Array(flows.dropFirst()))
            #expect(plan.flows.map(\.rule?.description) == ["a", "a"] && plan.flows.allSatisfy { $0.newRule == nil })
            #expect(bench.kernel.now.flows == flows)
            #expect(try await bench.control.policy(Self.p, of: Self.acme, by: .system).version == 1)
            let applied = try await bench.control.applyPolicy(
                Self.document("192.0.2.1"), file: "p", comment: "", to: Self.acme, by: .system)
            #expect(applied.report.flowsCut == plan.flowsCut)
        }
    }

    @Test func `what rules are used for comes from the kernel, and is the tenant's own`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme")
            let other = try await bench.tenant("globex")
            let applied = try await bench.control.applyPolicy(
                Self.document("192.0.2.1").replacing("policy: p", with: "policy: p\nmode: monitor"), file: "p",
                comment: "", to: Self.acme, by: .system)
            let mark = try #require(applied.policy.mark)
            let device = try IPv4Address(parsing: "100.64.0.1")
            let observation = Observation(
                device: .v4(device), destination: try IPAddress(parsing: "198.51.100.1"), protocol: 6, port: 80,
                policy: mark, rule: 1, hits: RuleHits(packets: 3, octets: 180))
            let foreign = Observation(
                device: .v4(device), destination: observation.destination, protocol: 6, port: 80, policy: .blockAll,
                rule: 0,
                hits: observation.hits)
            bench.kernel.change { state in
                state.hits[mark] = [RuleHits(packets: 7, octets: 420), RuleHits(packets: 0, octets: 0)]
                state.observations = [foreign, observation]
            }
            let use = try await bench.control.policyUse(Self.p, of: Self.acme, by: .system)
            #expect(use.rules.map(\.hits.packets) == [7, 0])
            #expect(use.rules.map(\.rule?.description) == ["a", nil])
            #expect(use.rules[0].lastHit != nil && use.rules[1].lastHit == nil)
            // What was counted before a start has no time; what is counted after it has.
            try await bench.control.start()
            let older = try await bench.control.policyUse(Self.p, of: Self.acme, by: .system)
            #expect(older.rules.map(\.hits.packets) == [7, 0] && older.rules.allSatisfy { $0.lastHit == nil })
            bench.kernel.change { $0.hits[mark]?[0].packets = 8 }
            let newer = try await bench.control.policyUse(Self.p, of: Self.acme, by: .system)
            #expect(newer.rules[0].lastHit != nil)
            let noted = try await bench.control.notedPackets(Self.p, of: Self.acme, limit: 10, by: .system)
            #expect(noted.map(\.device) == [IPAddress.v4(device)])
            #expect(noted.first?.rule == nil && noted.first?.wouldBlock == true && noted.first?.imsi == nil)
            let stranger = Principal(name: "globex", role: .tenant(other.id))
            let codes = [
                await Self.code { try await bench.control.policyUse(Self.p, of: Self.acme, by: stranger) },
                await Self.code { try await bench.control.notedPackets(Self.p, of: Self.acme, limit: 1, by: stranger) },
                await Self.code {
                    try await bench.control.planPolicy(
                        Self.document("192.0.2.1"), file: "p", for: Self.acme, by: stranger)
                },
                await Self.code {
                    try await bench.control.rollBackPolicy(Self.p, of: Self.acme, to: 1, comment: "", by: stranger)
                },
            ]
            #expect(codes == [.notFound, .notFound, .notFound, .notFound])
        }
    }
}

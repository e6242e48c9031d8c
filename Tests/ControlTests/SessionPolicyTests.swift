import Control
import Domain
import PolicyCompiler
import Store
import Synchronization
import Testing

@Suite struct SessionPolicyTests {
    /// Monday, 2026-11-23T01:00:00Z.
    static let start: Int64 = 1_795_395_600_000

    /// A tenant with a usual policy, one for quarantine, and SIMs.
    struct Scene: Sendable {
        let bench: Bench
        let acme: Name
        let usual: PolicyMark
        let service: PolicyMark

        init(_ bench: Bench, sims: Int = 2) async throws {
            self.bench = bench
            acme = try await bench.tenant("acme", sims: sims).name
            usual = try await Self.policy("usual", to: "192.0.2.1", bench, acme)
            service = try await Self.policy("service-only", to: "192.0.2.9", bench, acme)
            _ = try await bench.control.setDefaultPolicy(try Name(parsing: "usual"), of: acme, by: .system)
        }

        private static func policy(
            _ name: String, to address: String, _ bench: Bench, _ tenant: Name
        ) async throws -> PolicyMark {
            let document = "policy: \(name)\nrules: [{name: r, to: [\(address)], route: internet}]"
            let applied = try await bench.control.applyPolicy(
                document, file: "p", comment: "", to: tenant, by: .system)
            return try #require(applied.policy.mark)
        }

        /// Attaches, and gives the address.
        func on(_ number: Int = 0, imei: String? = "35123456000001", network: String? = nil) async throws -> IPv4Address
        {
            let verdict = try await bench.attach(Bench.imsi(number), equipment: try Self.equipment(imei, network))
            guard case .accept(let address, _) = verdict else {
                throw Rejected(verdict: verdict)
            }
            return address
        }

        func report(_ number: Int = 0, imei: String? = nil, network: String? = nil) async throws {
            let isTaken = try await bench.account(
                .interim, imsi: Bench.imsi(number), equipment: try Self.equipment(imei, network))
            #expect(isTaken)
        }

        static func equipment(_ imei: String?, _ network: String?) throws -> Equipment {
            Equipment(
                imei: try imei.map { try IMEI(parsing: $0) }, visitedNetwork: try network.map { try PLMN(parsing: $0) },
                nsapi: 5)
        }

        func mark(_ address: IPv4Address) -> PolicyMark? { bench.kernel.now.devices[address]?.policy }

        @discardableResult
        func set(
            _ document: String, at target: ControlPlane.SessionPolicyTarget? = nil, by principal: Principal = .system
        ) async throws -> ControlPlane.AppliedSessionPolicy {
            try await bench.control.setSessionPolicy(
                document, file: "s.yaml", at: target ?? .tenant(acme), by: principal)
        }

        func restriction(_ number: Int = 0) async throws -> SessionRestriction? {
            let imsi = try Bench.imsi(number)
            return try await bench.store.read { store in
                guard let sim = try store.sim(imsi: imsi), let session = try store.activeSessions(of: sim.id).first
                else {
                    return nil
                }
                return try store.restriction(of: session.id)
            }
        }
    }

    struct Rejected: Error {
        let verdict: AttachVerdict
    }

    private static let lockDocument = """
        imei-lock: {mode: locked, on-violation: ACTION}
        quarantine: {policy: service-only}
        """
    private static func lock(_ action: ViolationAction) -> String {
        lockDocument.replacing("ACTION", with: action.rawValue)
    }

    @Test(arguments: ViolationAction.allCases)
    func `a swapped IMEI has its action at an attach, and in a report without one`(_ action: ViolationAction)
        async throws
    {
        try await Bench.run { bench in
            let scene = try await Scene(bench)
            try await scene.set(Self.lock(action))
            bench.nas.answer { _ in DisconnectOutcome(result: .contextNotFound, attempts: 1) }
            let address = try await scene.on()
            #expect(scene.mark(address) == scene.usual)
            #expect(try await scene.restriction() == nil)

            try await scene.report(imei: "35999999000001")
            let expected: PolicyMark? =
                switch action {
                case .report: scene.usual
                case .quarantine: scene.service
                case .block: .blockAll
                case .reject: nil
                }
            // In force before the report is answered.
            #expect(scene.mark(address) == expected)
            if action == .reject {
                try await Bench.wait { try await scene.restriction() == nil }
                // Its NAS has ended it.
                #expect(try await scene.restriction() == nil)
            } else {
                let found = try #require(try await scene.restriction())
                #expect(found.action == action && found.violations.map(\.reason) == [.imeiChanged])
            }

            let verdict = try await bench.attach(
                Bench.imsi(0), equipment: try Scene.equipment("35999999000001", nil))
            if action == .reject {
                #expect(verdict == .reject(.imeiNotAllowed))
            } else {
                guard case .accept(let again, _) = verdict else { throw Rejected(verdict: verdict) }
                #expect(again == address && scene.mark(address) == expected)
            }
            let right = try await scene.on()
            #expect(scene.mark(right) == scene.usual)
            #expect(try await scene.restriction() == nil)
        }
    }

    @Test func `an edit is in force for sessions that are on, and cuts their flows`() async throws {
        try await Bench.run { bench in
            let scene = try await Scene(bench)
            let address = try await scene.on(imei: nil)
            let other = try await scene.on(1)
            let flow = Flow(
                source: address, destination: try IPv4Address(parsing: "192.0.2.1"), protocol: 6, sourcePort: 1,
                destinationPort: 443)
            bench.kernel.change { $0.flows = [flow] }
            let plan = try await bench.control.planSessionPolicy(
                Self.lock(.quarantine), file: "s", at: .tenant(scene.acme), by: .system)
            #expect(plan.version == nil && plan.sessions == 2 && plan.changes == [.quarantine: 1])
            #expect(plan.listed.map(\.imsi) == [try Bench.imsi(0)])
            #expect(plan.listed.first?.violations.map(\.reason) == [.imeiMissing])
            #expect(scene.mark(address) == scene.usual)

            let applied = try await scene.set(Self.lock(.quarantine))
            #expect(applied.isNew && applied.report.sessions == 2)
            #expect(scene.mark(address) == scene.service && scene.mark(other) == scene.usual)
            #expect(bench.kernel.now.flows.isEmpty)
            let since = try await scene.restriction()?.since

            // Blocked by the operator, whatever the tenant says.
            try await scene.set("imei-lock: {mode: learn, on-missing: block}", at: .tenantCeiling(scene.acme))
            #expect(scene.mark(address) == .blockAll)
            let reasons = try #require(try await scene.restriction())
            #expect(reasons.violations.map(\.level) == [.tenantCeiling, .tenant])
            #expect(try #require(since) <= reasons.since)
            _ = try await bench.control.clearSessionPolicy(at: .tenantCeiling(scene.acme), by: .system)
            #expect(scene.mark(address) == scene.service)

            // The nearest of the tenant's own.
            try await scene.set("imei-lock: {mode: off}", at: .sim(try Bench.imsi(0)))
            #expect(scene.mark(address) == scene.usual)
            _ = try await bench.control.clearSessionPolicy(at: .sim(try Bench.imsi(0)), by: .system)
            #expect(scene.mark(address) == scene.service)
            let group = try Name(parsing: "g")
            _ = try await bench.control.createGroup(group, of: scene.acme, policy: nil, by: .system)
            try await scene.set("imei-lock: {mode: off}", at: .group(group, of: scene.acme))
            _ = try await bench.control.setGroup(group, ofSIM: Bench.imsi(0), by: .system)
            #expect(scene.mark(address) == scene.usual)
            _ = try await bench.control.setGroup(nil, ofSIM: Bench.imsi(0), by: .system)
            #expect(scene.mark(address) == scene.service)
        }
    }

    @Test func `versions are expected, places are each principal's, and what is wrong changes nothing`() async throws {
        try await Bench.run { bench in
            let scene = try await Scene(bench)
            let id = try await bench.control.tenant(scene.acme, by: .system).id
            let acme = Principal(name: "acme", role: .tenant(id))
            let globex = Principal(name: "globex", role: .tenant(try await bench.tenant("globex").id))
            let version = try await scene.set("imei-lock: {mode: learn}", by: acme).record.version
            let code = { (body: () async throws -> Void) async -> ControlError.Code? in
                do {
                    try await body()
                    return nil
                } catch { return (error as? ControlError)?.code }
            }
            let put = { (expected: ControlPlane.Expectation) in
                await code {
                    _ = try await bench.control.setSessionPolicy(
                        "imei-lock: {mode: locked}", file: "s", at: .tenant(scene.acme), expecting: expected, by: acme)
                }
            }
            #expect(await put(.absent) == .changed)
            #expect(await put(.version(version + 1)) == .changed)
            #expect(await put(.version(version)) == nil)
            #expect(await code { try await scene.set("imei-lock: {mode: off}", at: .ceiling, by: acme) } == .forbidden)
            #expect(
                await code { try await scene.set("imei-lock: {mode: off}", at: .tenantCeiling(scene.acme), by: acme) }
                    == .forbidden)
            #expect(await code { try await scene.set("imei-lock: {mode: off}", by: globex) } == .notFound)
            #expect(
                await code { try await scene.set("imei-lock: {mode: off}", at: .sim(Bench.imsi(0)), by: globex) }
                    == .notFound)
            for wrong in [
                "imei-lock: {mode: locked, on-violation: kill}", "quarantine: {policy: none-such}",
                "data-limit: {volume: 5MB, per: day}", "bandwidth: {up: 64kbit/s}", "approval: {by: hook}",
            ] {
                #expect(await code { try await scene.set(wrong) } == .invalid, "\(wrong)")
            }
            try await scene.set("quarantine: {policy: service-only}")
            let name = try Name(parsing: "service-only")
            #expect(
                await code { try await bench.control.deletePolicy(name, of: scene.acme, by: .system) } == .conflict)
            _ = try await bench.control.clearSessionPolicy(at: .tenant(scene.acme), by: acme)
            #expect(await code { try await bench.control.deletePolicy(name, of: scene.acme, by: .system) } == nil)
            #expect(
                await code { _ = try await bench.control.sessionPolicy(at: .tenant(scene.acme), by: acme) } == .notFound
            )
        }
    }

    @Test func `a device that leaves its country is quarantined after three reports, and back after three`()
        async throws
    {
        try await Bench.run { bench in
            let scene = try await Scene(bench)
            try await scene.set(
                """
                location-lock: {allow: {countries: [CH]}, after-reports: 3, on-violation: quarantine}
                quarantine: {policy: service-only}
                """)
            let address = try await scene.on(network: "22801")
            var marks: [PolicyMark?] = []
            for network in ["26201", "26201", "22801", "26201", "26201", "26201", "22801", "22801", "22801"] {
                try await scene.report(network: network)
                marks.append(scene.mark(address))
            }
            let (u, s) = (scene.usual, scene.service)
            #expect(marks == [u, u, u, u, u, s, s, s, u])
        }
    }

    @Test func `hours begin and end at their minute without a report`() async throws {
        let clock = TestClock(Self.start)
        try await Bench.run(now: { clock.now }) { bench in
            let scene = try await Scene(bench)
            try await scene.set(
                """
                hours:
                  zone: UTC
                  windows: [{from: "06:00", to: "20:00"}]
                  grace: 15m
                  on-violation: block
                """)
            let address = try await scene.on()
            #expect(scene.mark(address) == .blockAll)
            for (minutes, isOpen) in [(299, false), (1, true), (839, true), (1, true), (14, true), (1, false)] {
                clock.advance(minutes: Int64(minutes))
                // The keeper may be first; then it is waited for.
                try await bench.control.keepSessions()
                let wanted: PolicyMark = isOpen ? scene.usual : .blockAll
                try await Bench.wait { scene.mark(address) == wanted }
                #expect(scene.mark(address) == wanted, "\(minutes)")
            }
            // Who comes outside of the hours has no grace.
            let other = try await scene.on(1)
            #expect(scene.mark(other) == .blockAll)
        }
    }

    @Test func `a clock that is set back judges again what it had judged`() async throws {
        let clock = TestClock(Self.start)
        try await Bench.run(now: { clock.now }) { bench in
            let scene = try await Scene(bench)
            try await scene.set("hours: {zone: UTC, windows: [{from: \"00:00\", to: \"02:00\"}], on-violation: block}")
            let address = try await scene.on()
            #expect(scene.mark(address) == scene.usual)
            clock.advance(minutes: 61)
            try await Bench.wait { scene.mark(address) == .blockAll }
            #expect(scene.mark(address) == .blockAll)
            clock.advance(minutes: -30)
            try await Bench.wait { scene.mark(address) == scene.usual }
            #expect(scene.mark(address) == scene.usual)
        }
    }

    @Test func `restrictions are there after a restart, and what a crash left half done is finished`() async throws {
        try await Bench.run { bench in
            let scene = try await Scene(bench)
            try await scene.set(Self.lock(.quarantine))
            let first = try await scene.on(imei: nil)
            let second = try await scene.on(1)
            // As if the process had ended between the document and the judging of sessions.
            try await bench.store.write { store in
                let tenant = try #require(try store.tenants().first)
                _ = try store.putSessionPolicy(
                    "imei-lock: {mode: list, imeis: [35000000000000], on-violation: block}",
                    at: .tenantCeiling(tenant.id),
                    author: "ops", time: Timestamp(milliseconds: 0))
            }
            let kernel = RecordingDataPlane()
            let plan = try #require(Bench.plan)
            let again = ControlPlane(
                store: bench.store, dataPlane: kernel, disconnecting: bench.nas,
                settings: ControlSettings(natPlan: plan),
                logger: Bench.quietLogger, now: bench.control.now)
            try await again.start()
            #expect(kernel.now.devices[first]?.policy == scene.service)
            #expect(kernel.now.devices[second]?.policy == scene.usual)
            try await Bench.running(again) {
                try await Bench.wait { kernel.now.devices[second]?.policy == .blockAll }
                #expect(kernel.now.devices[second]?.policy == .blockAll)
            }
        }
    }
}

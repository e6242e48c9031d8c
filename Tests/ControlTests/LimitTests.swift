import Control
import Domain
import PolicyCompiler
import Store
import Testing

/// Volumes of data and rates, from a document to what the data plane holds, with packets that it lets pass as the kernel
/// does.
@Suite struct LimitTests {
    typealias Scene = SessionPolicyTests.Scene

    static func run(_ body: @escaping @Sendable (Bench, TestClock) async throws -> Void) async throws {
        let clock = TestClock(SessionPolicyTests.start)
        try await Bench.run(now: { clock.now }, isLimiting: true) { bench in try await body(bench, clock) }
    }

    static func limit(_ bench: Bench, _ address: IPv4Address) -> DeviceLimit? {
        let state = bench.kernel.now
        return state.devices[address]?.limit.flatMap { state.limits[$0] }
    }

    static func used(_ bench: Bench, _ number: Int = 0) async throws -> [SessionPolicyLevel: UInt64] {
        let view = try await bench.control.effectivePolicy(of: Bench.imsi(number), by: .system)
        return Dictionary(view.volumes.map { ($0.level, $0.used) }) { first, _ in first }
    }

    static func events(_ bench: Bench, _ codes: Set<Event.Code>) async throws -> [Event] {
        try await bench.store.read { store in
            try store.events(EventFilter(.all, codes: codes), after: 0, limit: 1000).events
        }
    }

    // MARK: Table

    static let group = "g"

    /// Where a document is, in the order of the levels.
    private static func target(_ level: SessionPolicyLevel, _ scene: Scene) throws -> ControlPlane.SessionPolicyTarget {
        switch level {
        case .ceiling: .ceiling
        case .tenantCeiling: .tenantCeiling(scene.acme)
        case .tenant: .tenant(scene.acme)
        case .group: .group(try Name(parsing: group), of: scene.acme)
        case .sim: .sim(try Bench.imsi(0))
        }
    }

    private static let actions: [(name: String, words: String, mark: @Sendable (Scene) -> PolicyMark)] = [
        ("block", "block", { _ in .blockAll }), ("quarantine", "quarantine", { $0.service }),
        ("slow", "slow, slow-rate: 64kbit/s", { $0.usual }),
    ]

    /// Every level and action, at every time: when the volume ends, at an attach, when it is raised, lowered, and when the
    /// next period begins.
    @Test(arguments: SessionPolicyLevel.allCases, [0, 1, 2])
    func `a volume has its action when it ends, and none when it is raised or begins anew`(
        _ level: SessionPolicyLevel, _ action: Int
    ) async throws {
        try await Self.run { bench, clock in
            let scene = try await Scene(bench)
            let (name, words, mark) = Self.actions[action]
            let restricted = mark(scene)
            _ = try await bench.control.createGroup(Name(parsing: Self.group), of: scene.acme, policy: nil, by: .system)
            _ = try await bench.control.setGroup(Name(parsing: Self.group), ofSIM: Bench.imsi(0), by: .system)
            let quarantine = "quarantine: {policy: service-only}\n"
            if level != .tenant { try await scene.set(quarantine) }
            let target = try Self.target(level, scene)
            let document = { (volume: String) in
                "data-limit: {volume: \(volume), per: day, warn-at: [50], on-reached: \(words)}\n"
                    + (level == .tenant ? quarantine : "")
            }
            try await scene.set(document("10KB"), at: target)
            let address = try await scene.on()
            let other = try await scene.on(1)
            #expect(Self.limit(bench, address)?.quotas.count == 1)
            #expect(Self.limit(bench, address)?.slow?.rate == (name == "slow" ? BitRate(bitsPerSecond: 64_000) : nil))
            #expect((Self.limit(bench, other) != nil) == (level <= .tenant))

            // A threshold.
            #expect(bench.kernel.pass(6000, of: address))
            try await Bench.wait { try await !Self.events(bench, [.limitWarned]).isEmpty }
            let warning = try #require(try await Self.events(bench, [.limitWarned]).first)
            #expect(warning.news.words == "50 % of 10KB a day are used")
            #expect(try warning.news.imsi == Bench.imsi(0))
            #expect(scene.mark(address) == scene.usual)

            // The end.
            #expect(bench.kernel.pass(5000, of: address) == (name == "slow"))
            try await Bench.wait { try await scene.restriction() != nil && scene.mark(address) == restricted }
            #expect(scene.mark(address) == restricted)
            let found = try #require(try await scene.restriction())
            #expect(found.violations.map(\.reason) == [.dataLimitReached] && found.violations.map(\.level) == [level])
            #expect(try await Self.events(bench, [.limitReached]).count == 1)
            #expect(try await Self.used(bench) == [level: name == "slow" ? 11_000 : 6000])
            // What quarantine lets pass is not of the volume.
            try await Bench.wait { bench.kernel.pass(100, of: address) != (name == "block") }
            #expect(bench.kernel.pass(100, of: address) == (name != "block"))
            let after = try #require(try await Self.used(bench)[level])
            #expect(name == "slow" ? after > 11_000 : after == 6000)
            if level <= .tenant { #expect(bench.kernel.pass(100, of: other)) }

            // At an attach, with the same answer.
            #expect(try await scene.on() == address)
            #expect(scene.mark(address) == restricted)
            #expect(try await scene.restriction()?.violations.map(\.reason) == [.dataLimitReached])

            // Raised, and lowered.
            _ = try await scene.set(document("20KB"), at: target)
            #expect(scene.mark(address) == scene.usual)
            #expect(try await scene.restriction() == nil)
            #expect(bench.kernel.pass(100, of: address))
            #expect(try await Self.used(bench)[level] == after + 100)
            try await scene.set(document("5KB"), at: target)
            #expect(scene.mark(address) == restricted)
            #expect(try await Self.events(bench, [.limitReached]).count == 2)

            // The next day.
            clock.advance(minutes: 24 * 60)
            try await Bench.wait { try await scene.restriction() == nil && scene.mark(address) == scene.usual }
            #expect(scene.mark(address) == scene.usual)
            #expect(try await Self.used(bench) == [level: 0])
            #expect(bench.kernel.pass(2000, of: address))
            #expect(try await Self.used(bench) == [level: 2000])
        }
    }

    // MARK: Volumes that many share

    @Test func `a pool is used by all that share it, and by nobody else`() async throws {
        try await Self.run { bench, _ in
            let scene = try await Scene(bench, sims: 4)
            let name = try Name(parsing: Self.group)
            _ = try await bench.control.createGroup(name, of: scene.acme, policy: nil, by: .system)
            for number in [0, 1] { _ = try await bench.control.setGroup(name, ofSIM: Bench.imsi(number), by: .system) }
            try await scene.set("data-limit: {volume: 10KB, per: month, pooled: group}")
            try await scene.set("data-limit: {volume: 18KB, per: week, pooled: tenant}", at: .ceiling)
            let addresses = try await [scene.on(0), scene.on(1), scene.on(2), scene.on(3)]
            #expect(bench.kernel.pass(4000, of: addresses[0]))
            #expect(bench.kernel.pass(5000, of: addresses[1]))
            // One that is in no group has such a volume to itself.
            #expect(bench.kernel.pass(3000, of: addresses[2]))
            for number in [0, 1] { #expect(try await Self.used(bench, number) == [.ceiling: 12_000, .tenant: 9000]) }
            #expect(try await Self.used(bench, 2) == [.ceiling: 12_000, .tenant: 3000])
            // The group's ends for both of its SIMs, and nothing of what it refused is counted by the tenant's.
            #expect(!bench.kernel.pass(2000, of: addresses[0]))
            try await Bench.wait {
                scene.mark(addresses[0]) == .blockAll && scene.mark(addresses[1]) == .blockAll
            }
            #expect(scene.mark(addresses[1]) == .blockAll && scene.mark(addresses[2]) == scene.usual)
            #expect(try await Self.used(bench, 3)[.ceiling] == 12_000)
            let event = try #require(try await Self.events(bench, [.limitReached]).first)
            #expect("\(event.news.subject)" == "group/g" && event.news.imsi == nil)
            // The tenant's for all.
            #expect(!bench.kernel.pass(7000, of: addresses[3]))
            try await Bench.wait { scene.mark(addresses[2]) == .blockAll && scene.mark(addresses[3]) == .blockAll }
            #expect(addresses.allSatisfy { scene.mark($0) == .blockAll })

            // A SIM that leaves the group leaves what it used there.
            _ = try await bench.control.clearSessionPolicy(at: .ceiling, by: .system)
            #expect(scene.mark(addresses[3]) == scene.usual && scene.mark(addresses[0]) == .blockAll)
            _ = try await bench.control.setGroup(nil, ofSIM: Bench.imsi(0), by: .system)
            #expect(scene.mark(addresses[0]) == scene.usual)
            #expect(try await Self.used(bench) == [.tenant: 0])
            #expect(try await Self.used(bench, 1) == [.tenant: 9000])
        }
    }

    @Test func `documents for a group or a SIM have no say in more, and a gateway that cannot limit says so`()
        async throws
    {
        try await Self.run { bench, _ in
            let scene = try await Scene(bench)
            let name = try Name(parsing: Self.group)
            _ = try await bench.control.createGroup(name, of: scene.acme, policy: nil, by: .system)
            let places: [(ControlPlane.SessionPolicyTarget, Set<String>)] = [
                (.sim(try Bench.imsi(0)), ["sim"]), (.group(name, of: scene.acme), ["sim", "group"]),
                (.tenant(scene.acme), ["sim", "group", "tenant"]), (.ceiling, ["sim", "group", "tenant"]),
            ]
            for (place, allowed) in places {
                for pool in ["sim", "group", "tenant"] {
                    let document = "data-limit: {volume: 1MB, per: day, pooled: \(pool)}"
                    if allowed.contains(pool) {
                        try await scene.set(document, at: place)
                    } else {
                        await #expect(throws: ControlError.self) { try await scene.set(document, at: place) }
                    }
                }
            }
        }
        try await Bench.run { bench in
            let scene = try await Scene(bench)
            let error = await #expect(throws: ControlError.self) { try await scene.set("bandwidth: {up: 64kbit/s}") }
            #expect(error?.problems.first?.message.contains("does not enforce bandwidth, as its log says") == true)
        }
    }

    // MARK: Rates

    @Test func `rates are the lowest of all that hold, come and go with edits, and cost others nothing`() async throws {
        try await Self.run { bench, _ in
            let scene = try await Scene(bench)
            let address = try await scene.on()
            #expect(bench.kernel.now.devices[address]?.limit == nil && bench.kernel.now.limits.isEmpty)
            try await scene.set("bandwidth: {up: 2Mbit/s, down: 8Mbit/s, burst: 1MB}")
            try await scene.set("bandwidth: {up: 1Mbit/s}", at: .ceiling)
            let (up, down) = (try BitRate(parsing: "1Mbit/s"), try BitRate(parsing: "8Mbit/s"))
            #expect(
                Self.limit(bench, address)
                    == DeviceLimit(up: RateLimit(up, burst: 1_000_000), down: RateLimit(down, burst: 1_000_000)))
            let number = bench.kernel.now.devices[address]?.limit
            // One that slows joins them.
            try await scene.set(
                "data-limit: {volume: 1KB, per: day, on-reached: slow, slow-rate: 16kbit/s}",
                at: .tenantCeiling(scene.acme)
            )
            #expect(Self.limit(bench, address)?.slow?.rate.bitsPerSecond == 16_000)
            #expect(Self.limit(bench, address)?.up?.rate == up && bench.kernel.now.devices[address]?.limit == number)
            #expect(bench.kernel.pass(2000, of: address))
            try await Bench.wait { try await scene.restriction() != nil }
            #expect(try await scene.restriction()?.action == .report && scene.mark(address) == scene.usual)
            for target in [.ceiling, .tenantCeiling(scene.acme), .tenant(scene.acme)]
                as [ControlPlane.SessionPolicyTarget]
            {
                _ = try await bench.control.clearSessionPolicy(at: target, by: .system)
            }
            #expect(bench.kernel.now.devices[address]?.limit == nil && bench.kernel.now.limits.isEmpty)
            #expect(try await scene.restriction() == nil)
        }
    }

    @Test func `a rule's rate is compiled where the data plane limits, and refused elsewhere`() async throws {
        let document = """
            policy: usual
            rules:
              - {name: firmware, to: [192.0.2.1], route: internet, bandwidth: {down: 64kbit/s, burst: 100KB}}
              - {name: rest, to: [192.0.2.2], route: internet}
            """
        try await Self.run { bench, _ in
            let scene = try await Scene(bench)
            let applied = try await bench.control.applyPolicy(
                document, file: "p", comment: "", to: scene.acme, by: .system)
            let mark = try #require(applied.policy.mark)
            let rate = Ruleset.RuleRate(
                rule: 0, up: nil, down: RateLimit(try BitRate(parsing: "64kbit/s"), burst: 100_000))
            #expect(bench.kernel.now.rulesets[mark]?.actions.map(\.way) == [.limited(.internet, rate), .internet, nil])
        }
        try await Bench.run { bench in
            let scene = try await Scene(bench)
            let error = await #expect(throws: ControlError.self) {
                try await bench.control.applyPolicy(document, file: "p", comment: "", to: scene.acme, by: .system)
            }
            #expect(error?.problems.first?.message.contains("does not limit rates") == true)
        }
    }

    // MARK: Stored

    private static func accounts(_ bench: Bench) async throws -> [VolumeAccount] {
        try await bench.store.read { try $0.volumeAccounts() }
    }

    @Test func `a volume is stored when some of it is used, and not before`() async throws {
        try await Self.run { bench, clock in
            let scene = try await Scene(bench, sims: 2)
            try await scene.set("data-limit: {volume: 10KB, per: day}")
            let (idle, busy) = (try await scene.on(0), try await scene.on(1))
            #expect(try await Self.accounts(bench).isEmpty)
            #expect(Self.limit(bench, idle)?.quotas.count == 1)
            #expect(bench.kernel.pass(1000, of: busy))
            try await bench.control.storeAllUse()
            let stored = try await Self.accounts(bench)
            #expect(stored.map(\.used) == [1000])
            let span = try #require(stored.first).span
            #expect(span.start <= clock.now && span.end.map { clock.now < $0 } == true)
            #expect(try await Self.used(bench, 0) == [.tenant: 0])
            #expect(try await Self.used(bench, 1) == [.tenant: 1000])
            // A period of which nothing was used leaves nothing behind either, nor does another volume.
            clock.advance(minutes: 24 * 60)
            try await bench.control.keepLimits()
            try await scene.set("data-limit: {volume: 20KB, per: day}")
            let next = try await Self.accounts(bench)
            #expect(next.map(\.used) == [0] && next.map(\.number) == stored.map(\.number))
            #expect(try #require(next.first).period > #require(stored.first).period)
            #expect(bench.kernel.pass(20_000, of: idle) && !bench.kernel.pass(1, of: idle))
            try await Bench.wait { scene.mark(idle) == .blockAll }
            #expect(try await Self.accounts(bench).map(\.used).sorted() == [0, 20_000])
            // A SIM that goes takes its volumes with it, stored or not.
            #expect(try await bench.account(.stop, imsi: Bench.imsi(0), isLast: true, address: idle))
            try await bench.control.deleteSIM(Bench.imsi(0), by: .system)
            #expect(try await Self.accounts(bench).count == 1)
            #expect(bench.kernel.now.quotas.count == 1)
        }
    }

    // MARK: By hand

    @Test func `a prepaid volume is topped up and reset by who may, and that is written down`() async throws {
        try await Self.run { bench, clock in
            let scene = try await Scene(bench)
            let imsi = try Bench.imsi(0)
            let acme = Principal(
                name: "acme", role: .tenant(try await bench.control.tenant(scene.acme, by: .system).id))
            let globex = Principal(name: "globex", role: .tenant(try await bench.tenant("globex").id))
            let more = DataVolume(octets: 5000)
            let code = { (level: SessionPolicyLevel?, principal: Principal) async -> ControlError.Code? in
                do throws(ControlError) {
                    _ = try await bench.control.topUp(imsi, more, level: level, by: principal)
                    return nil
                } catch { return error.code }
            }
            #expect(await code(nil, acme) == .notFound)
            try await scene.set("data-limit: {volume: 10KB, per: prepaid}")
            let address = try await scene.on()
            #expect(bench.kernel.pass(9000, of: address) && !bench.kernel.pass(2000, of: address))
            try await Bench.wait { scene.mark(address) == .blockAll }
            clock.advance(minutes: 60 * 24 * 400)
            try await bench.control.keepLimits()
            #expect(scene.mark(address) == .blockAll)

            let change = try await bench.control.topUp(imsi, more, level: nil, by: acme)
            #expect(change.volume.octets == 15_000 && change.volume.remaining == 6000 && change.volume.added == 5000)
            #expect(change.report.sessions == 1 && scene.mark(address) == scene.usual)
            #expect(bench.kernel.pass(6000, of: address) && !bench.kernel.pass(1, of: address))
            try await Bench.wait { scene.mark(address) == .blockAll }
            let reset = try await bench.control.resetVolume(of: imsi, level: .tenant, by: acme)
            #expect(reset.volume.octets == 10_000 && reset.volume.used == 0 && scene.mark(address) == scene.usual)
            #expect(bench.kernel.pass(10_000, of: address))

            #expect(await code(nil, globex) == .notFound)
            #expect(await code(.ceiling, acme) == .notFound)
            try await scene.set("data-limit: {volume: 1MB, per: day}", at: .tenantCeiling(scene.acme))
            #expect(await code(nil, acme) == .invalid)
            #expect(await code(.tenantCeiling, acme) == .forbidden)
            #expect(await code(.tenantCeiling, .system) == nil)
            let actions = try await bench.store.read { store in
                try store.audit(before: nil, limit: 100).filter { $0.action.hasPrefix("sim.limit") }
                    .map { "\($0.actor) \($0.action) \($0.detail)" }
            }
            #expect(
                actions.reversed() == [
                    "acme sim.limit-top-up tenant by 5KB", "acme sim.limit-reset tenant",
                    "cordond sim.limit-top-up tenant-ceiling by 5KB",
                ])
        }
    }
}

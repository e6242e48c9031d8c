import Control
import Domain
import PolicyCompiler
import Store
import Synchronization
import TestSupport
import Testing

@Suite struct UsageTests {
    /// A store whose process is killed at a write: before it is done, or after it is and before anybody knows.
    final class DyingStore: Store {
        struct Death: Error {}

        private struct Plan {
            var writes: Int
            var isDone: Bool
        }

        private let store: any Store
        private let plan = Mutex<Plan?>(nil)

        init(_ store: any Store) { self.store = store }

        /// - Parameter writes: those that come before.
        func die(after writes: Int, done isDone: Bool) { plan.withLock { $0 = Plan(writes: writes, isDone: isDone) } }
        func live() { plan.withLock { $0 = nil } }

        /// `nil`: not this time.
        private func isDone() -> Bool? {
            plan.withLock { plan in
                guard let known = plan else { return nil }
                plan = known.writes == 0 ? nil : Plan(writes: known.writes - 1, isDone: known.isDone)
                return known.writes == 0 ? known.isDone : nil
            }
        }

        func read<Value: Sendable>(
            _ body: @Sendable @escaping (any StoreReader) throws -> Value
        ) async throws -> Value { try await store.read(body) }

        func queueWrite<Value: Sendable>(
            _ body: @Sendable @escaping (any StoreTransaction) throws -> Value,
            orElse other: (@Sendable (any StoreTransaction) throws -> Value)?,
            completion: @Sendable @escaping (Result<Value, any Error>) -> Void
        ) {
            let isDone = isDone()
            store.queueWrite(
                { transaction in
                    let value = try body(transaction)
                    if isDone == false { throw Death() }
                    return value
                }, orElse: other
            ) { result in
                completion(result.flatMap { isDone == true ? .failure(Death()) : .success($0) })
            }
        }

        func close() async throws { try await store.close() }
    }

    private static let start: Int64 = 1_795_694_400_000

    /// A bench of which nobody but the test reads usage.
    private static func run(
        keeping: @escaping @Sendable (inout UsageSettings) -> Void = { _ in },
        storedIn wrap: (any Store) -> any Store = { $0 },
        _ body: @escaping @Sendable (Bench, TestClock) async throws -> Void
    ) async throws {
        let clock = TestClock(start)
        try await Bench.run(
            now: { clock.now },
            settings: { settings in
                settings.usage.period = .seconds(1_000_000)
                keeping(&settings.usage)
            }, storedIn: wrap
        ) { bench in
            // The keeper's first reading is over then.
            try await Bench.wait { try await bench.store.read { store in try store.lastUsageRound() } != nil }
            try await body(bench, clock)
        }
    }

    private static func session(_ bench: Bench, _ number: Int) async throws -> Session? {
        let imsi = try Bench.imsi(number)
        return try await bench.store.read { store in
            try store.sim(imsi: imsi).flatMap { try store.activeSessions(of: $0.id).first }
        }
    }

    private static func reading(
        _ session: Session, counter: UInt64, way: UsageWay = .internet, up: UInt64, down: UInt64 = 0
    ) -> UsageReading {
        UsageReading(
            counter: counter, way: way, device: .v4(session.address), session: session.id,
            counts: UsageCounts(octetsUp: up, packetsUp: up / 100 + 1, octetsDown: down, packetsDown: down / 100))
    }

    // MARK: Exactness

    /// The kernel, its counters and what has passed.
    private struct Model {
        var counters: [UInt64: [UsageWay: UsageReading]] = [:]
        /// By SIM.
        var active: [Int: (session: Session, counter: UInt64)] = [:]
        var expected: [Int: UsageCounts] = [:]
        var lastCounter: UInt64 = 1000

        /// As the kernel gives them; some twice, with less in the first.
        func readings(_ random: inout Generator) -> [UsageReading] {
            var all: [UsageReading] = []
            for reading in counters.values.flatMap(\.values) {
                if random.oneIn(8) {
                    let less = UsageCounts(
                        octetsUp: reading.counts.octetsUp / 2, packetsUp: reading.counts.packetsUp,
                        octetsDown: reading.counts.octetsDown, packetsDown: 0)
                    all.append(
                        UsageReading(
                            counter: reading.counter, way: reading.way, device: reading.device,
                            session: reading.session, counts: less))
                }
                all.append(reading)
                if random.oneIn(8) { all.append(reading) }
            }
            return all.shuffled(using: &random)
        }
    }

    @Test func `whatever happens and wherever the process is killed, no octet is lost or counted twice`() async throws {
        for seed in 0..<6 * seedFactor {
            try await Self.run(storedIn: { DyingStore($0) }) { bench, clock in
                let store = try #require(bench.store as? DyingStore)
                try await Self.check(seed, bench, clock, store)
            }
        }
    }

    private static func check(_ seed: UInt64, _ bench: Bench, _ clock: TestClock, _ store: DyingStore) async throws {
        var random = Generator(seed: seed)
        var model = Model()
        var rounds = UsageRounds()
        _ = try await bench.tenant("acme", sims: 5)
        var tokens: [Int: SessionToken] = [:]
        for _ in 0..<120 {
            clock.advance(minutes: Int64.random(in: 0...4, using: &random))
            let number = Int.random(in: 0..<5, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0, 1:
                // Anew, whether there was a session or not.
                guard case .accept(_, let token) = try await bench.attach(try Bench.imsi(number)) else {
                    Issue.record("not accepted, seed \(seed)")
                    return
                }
                tokens[number] = token
                let session = try #require(try await Self.session(bench, number))
                model.lastCounter += 1
                model.active[number] = (session, model.lastCounter)
            case 2:
                guard let token = tokens[number], model.active[number] != nil else { continue }
                #expect(try await bench.account(.stop, token: token, isLast: true))
                model.active[number] = nil
            case 3..<7:
                guard let (session, counter) = model.active[number] else { continue }
                let way = random.pick(UsageWay.internet, .internet, .gateway, .group)
                let more = UsageCounts(
                    octetsUp: .random(in: 0...3000, using: &random), packetsUp: .random(in: 1...3, using: &random),
                    octetsDown: .random(in: 0...3000, using: &random), packetsDown: 1)
                let before = model.counters[counter]?[way]?.counts ?? UsageCounts()
                model.counters[counter, default: [:]][way] = UsageReading(
                    counter: counter, way: way, device: .v4(session.address), session: session.id,
                    counts: before + more)
                model.expected[number] = (model.expected[number] ?? UsageCounts()) + more
            case 7: rounds = UsageRounds(share: random.pick(1, 3, 1000))
            default:
                if random.oneIn(2) {
                    store.die(after: .random(in: 0...4, using: &random), done: Bool.random(using: &random))
                }
                if try await !Self.read(&rounds, &model, &random, bench) { rounds = UsageRounds() }
                store.live()
            }
        }
        rounds = UsageRounds()
        for _ in 0..<2 { #expect(try await Self.read(&rounds, &model, &random, bench)) }
        try await Self.compare(model, with: bench, clock, seed)
    }

    /// - Returns: whether the process has lived.
    private static func read(
        _ rounds: inout UsageRounds, _ model: inout Model, _ random: inout Generator, _ bench: Bench
    ) async throws -> Bool {
        let readings = model.readings(&random)
        bench.kernel.change { $0.usage = readings }
        defer {
            let left = Set(bench.kernel.now.usage.map { "\($0.counter) \($0.way)" })
            for (counter, ways) in model.counters {
                for way in ways.keys where !left.contains("\(counter) \(way)") { model.counters[counter]?[way] = nil }
            }
        }
        do {
            _ = try await bench.control.readUsage(&rounds)
            return true
        } catch is DyingStore.Death { return false }
    }

    private static func compare(
        _ model: Model, with bench: Bench, _ clock: TestClock, _ seed: UInt64
    ) async throws {
        let (from, to) = (Timestamp(milliseconds: start), clock.now)
        var all = UsageCounts()
        for number in 0..<5 {
            let expected = model.expected[number] ?? UsageCounts()
            all = all + expected
            for step in ControlPlane.UsageStep.allCases {
                let report = try await bench.control.usage(
                    of: .sim(try Bench.imsi(number)), from: from, to: to, step: step, byWay: true, by: .system)
                #expect(report.total == expected && report.isComplete, "seed \(seed), SIM \(number), \(step)")
                #expect(report.items.reduce(UsageCounts()) { $0 + $1.counts } == expected)
            }
        }
        for step in ControlPlane.UsageStep.allCases {
            let report = try await bench.control.usage(
                of: .tenant(try Name(parsing: "acme")), from: from, to: to, step: step, byWay: false, by: .system)
            #expect(report.total == all, "seed \(seed), \(step)")
        }
        var (position, sum): (Int64?, UsageCounts) = (nil, UsageCounts())
        while true {
            let page = try await bench.control.usageRecords(of: nil, after: position, limit: 7, by: .system)
            sum = page.items.reduce(sum) { $0 + $1.record.counts }
            position = page.position
            guard page.hasMore else { break }
        }
        #expect(sum == all, "seed \(seed)")
        // What is left in the kernel is of sessions that go on.
        let present = Set(model.active.values.map(\.counter))
        #expect(model.counters.filter { !$0.value.isEmpty && !present.contains($0.key) }.isEmpty, "seed \(seed)")
        // Counters that a killed process has forgotten in the kernel alone go when they are old.
        clock.advance(minutes: 90)
        var rounds = UsageRounds()
        _ = try await bench.control.readUsage(&rounds)
        let remembered = try await bench.store.read { store in try store.usageCounters(after: nil, limit: 999) }
        #expect(remembered.allSatisfy { present.contains($0.key.counter) }, "seed \(seed)")
    }

    // MARK: What is asked

    @Test func `usage is shown by step and way, and to those whose it is`() async throws {
        try await Self.run { bench, clock in
            let acme = try await bench.tenant("acme", sims: 2)
            let globex = try await bench.tenant("globex", sims: 1, prefix: "99971")
            let group = try await bench.control.createGroup(
                Name(parsing: "meters"), of: acme.name, policy: nil, by: .system)
            _ = try await bench.attach(try Bench.imsi(0))
            let session = try #require(try await Self.session(bench, 0))
            var rounds = UsageRounds()
            clock.advance(minutes: 1)
            bench.kernel.change { $0.usage = [Self.reading(session, counter: 5, up: 1000, down: 50)] }
            #expect(try await bench.control.readUsage(&rounds).records == 1)
            #expect(try await bench.control.readUsage(&rounds).records == 0)
            clock.advance(minutes: 70)
            bench.kernel.change {
                $0.usage = [
                    Self.reading(session, counter: 5, up: 1100, down: 50),
                    Self.reading(session, counter: 5, way: .gateway, up: 7),
                ]
            }
            #expect(try await bench.control.readUsage(&rounds).octets == 107)

            let imsi = ControlPlane.UsageQuestion.sim(try Bench.imsi(0))
            let tenant = Principal(name: "acme", role: .tenant(acme.id))
            let other = Principal(name: "globex", role: .tenant(globex.id))
            let days = try await bench.control.usage(
                of: imsi, from: nil, to: nil, step: .day, byWay: false, by: tenant)
            #expect(days.items.map(\.counts.octetsUp) == [1107] && days.items.first?.way == nil)
            #expect(days.readAt == clock.now && days.isComplete && "\(days.from)".hasPrefix("2026-11-01T00:00"))
            let hours = try await bench.control.usage(
                of: .tenant(acme.name), from: nil, to: nil, step: .hour, byWay: true, by: tenant)
            #expect(hours.items.map(\.way) == ["internet", "gateway"])
            #expect(hours.total.octetsUp == 1107 && hours.total.octetsDown == 50)
            let fives = try await bench.control.usage(
                of: imsi, from: clock.now, to: nil, step: .fiveMinutes, byWay: false, by: .system)
            #expect(fives.items.isEmpty)
            let inGroup = try await bench.control.usage(
                of: .group(group.name, of: acme.name), from: nil, to: nil, step: .total, byWay: false, by: tenant)
            #expect(inGroup.items.isEmpty && inGroup.total == UsageCounts())

            let sims = try await bench.control.usageOfSIMs(
                of: acme.name, group: nil, from: nil, to: nil, after: nil, limit: 9, by: tenant)
            #expect(sims.items.map(\.counts.octetsUp) == [1107, 0])
            #expect(try await bench.control.countedUsage(of: session.id, by: tenant).octetsUp == 1107)

            let asks: [@Sendable () async throws -> Void] = [
                {
                    _ = try await bench.control.usage(of: imsi, from: nil, to: nil, step: .day, byWay: false, by: other)
                },
                {
                    _ = try await bench.control.usage(
                        of: .tenant(acme.name), from: nil, to: nil, step: .day, byWay: false, by: other)
                },
                {
                    _ = try await bench.control.usage(
                        of: .group(group.name, of: acme.name), from: nil, to: nil, step: .day, byWay: false, by: other)
                },
                {
                    _ = try await bench.control.usageOfSIMs(
                        of: acme.name, group: nil, from: nil, to: nil, after: nil, limit: 9, by: other)
                },
                { _ = try await bench.control.usageRecords(of: acme.name, after: nil, limit: 9, by: other) },
                { _ = try await bench.control.countedUsage(of: session.id, by: other) },
            ]
            for ask in asks {
                let error = await #expect(throws: ControlError.self) { try await ask() }
                #expect(error?.code == .notFound)
            }
            #expect(try await bench.control.usageRecords(of: nil, after: nil, limit: 9, by: other).items.isEmpty)
            #expect(try await bench.control.usageRecords(of: nil, after: nil, limit: 9, by: tenant).items.count == 3)
        }
    }

    @Test func `times without sense are refused`() async throws {
        try await Self.run { bench, clock in
            let acme = try await bench.tenant("acme")
            let at = { (minutes: Int64) in Timestamp(milliseconds: Self.start + minutes * 60_000) }
            for (from, to, step) in [
                (at(5), at(5), .day), (at(5), at(4), .total), (at(100_000), nil, .hour),
                (Timestamp(milliseconds: 0), nil, .fiveMinutes),
            ] as [(Timestamp, Timestamp?, ControlPlane.UsageStep)] {
                let error = await #expect(throws: ControlError.self) {
                    _ = try await bench.control.usage(
                        of: .tenant(acme.name), from: from, to: to, step: step, byWay: false, by: .system)
                }
                #expect(error?.code == .invalid)
            }
            #expect(clock.now == at(0))
        }
    }

    @Test func `months are those of the calendar, and a total may begin anywhere`() async throws {
        try await Self.run { bench, clock in
            let acme = try await bench.tenant("acme", sims: 1)
            _ = try await bench.attach(try Bench.imsi(0))
            let session = try #require(try await Self.session(bench, 0))
            var rounds = UsageRounds()
            // 70 days with an octet in each six hours.
            for number in 1...280 {
                clock.advance(minutes: 360)
                bench.kernel.change { $0.usage = [Self.reading(session, counter: 5, up: UInt64(number))] }
                _ = try await bench.control.readUsage(&rounds)
            }
            let all = { (from: String, to: String, step: ControlPlane.UsageStep) in
                try await bench.control.usage(
                    of: .tenant(acme.name), from: try Timestamp(parsing: from), to: try Timestamp(parsing: to),
                    step: step, byWay: false, by: .system)
            }
            let months = try await all("2026-11-15T00:00:00Z", "2027-03-01T00:00:00Z", .month)
            #expect(months.items.map { "\($0.from)".prefix(10) }.count == 4)
            #expect(months.total.octetsUp == 280)
            let december = try await all("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", .total)
            #expect(december.total.octetsUp == months.items[1].counts.octetsUp && december.total.octetsUp == 124)
            // The month of a place an hour ahead.
            let other = try await all("2026-12-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00", .total)
            #expect(other.total.octetsUp == 124 && "\(other.from)".hasPrefix("2026-11-30T23:00"))
        }
    }

    // MARK: Retention

    @Test func `sums and records go when they are old, and what is missing is said`() async throws {
        try await Self.run(keeping: { settings in
            settings.days = [.fiveMinutes: 1, .hour: 3, .day: 10]
            (settings.recordDays, settings.records) = (100, 4)
        }) { bench, clock in
            let acme = try await bench.tenant("acme", sims: 1)
            _ = try await bench.attach(try Bench.imsi(0))
            let session = try #require(try await Self.session(bench, 0))
            var rounds = UsageRounds()
            for day in 1...6 {
                clock.advance(minutes: 1440)
                bench.kernel.change { $0.usage = [Self.reading(session, counter: 5, up: UInt64(day))] }
                _ = try await bench.control.readUsage(&rounds)
                try await bench.control.forgetUsage()
            }
            let from = Timestamp(milliseconds: Self.start)
            for (step, total, isComplete) in [
                (.fiveMinutes, 1, false), (.hour, 3, false), (.day, 6, true), (.total, 6, false),
            ] as [(ControlPlane.UsageStep, UInt64, Bool)] {
                let report = try await bench.control.usage(
                    of: .tenant(acme.name), from: from, to: nil, step: step, byWay: false, by: .system)
                #expect(report.total.octetsUp <= 6 && report.isComplete == isComplete, "\(step)")
                if step != .total { #expect(report.total.octetsUp == total, "\(step)") }
            }
            let page = try await bench.control.usageRecords(of: nil, after: nil, limit: 9, by: .system)
            #expect(page.items.map(\.record.number) == [3, 4, 5, 6] && page.position == 6)
            let error = await #expect(throws: ControlError.self) {
                _ = try await bench.control.usageRecords(of: nil, after: 1, limit: 9, by: .system)
            }
            #expect(error?.code == .gone)
            #expect(try await bench.control.usageRecords(of: nil, after: 2, limit: 9, by: .system).items.count == 4)
        }
    }

    @Test func `what a session's NAS reports is compared with what was counted`() async throws {
        try await Self.run { bench, clock in
            _ = try await bench.tenant("acme", sims: 2)
            var rounds = UsageRounds()
            for (number, reported) in [(0, 1_000_000), (1, 1_500_000)] as [(Int, UInt64)] {
                guard case .accept(_, let token) = try await bench.attach(try Bench.imsi(number)) else {
                    Issue.record("not accepted")
                    return
                }
                let session = try #require(try await Self.session(bench, number))
                bench.kernel.change { $0.usage = [Self.reading(session, counter: 5, up: 990_000)] }
                clock.advance(minutes: 1)
                #expect(
                    try await bench.account(
                        .stop, token: token, isLast: true, usage: SessionUsage(octetsUp: reported)))
                let round = try await bench.control.readUsage(&rounds)
                #expect(round.ended.count == 1 && round.ended[session.id]?.isDiffering == (number == 1))
                #expect(bench.kernel.now.usage.isEmpty)
                #expect(try await bench.control.countedUsage(of: session.id, by: .system).octetsUp == 990_000)
            }
        }
    }
    @Test
    func `sessions that a NAS counts otherwise are told: the first at once, the next together, each tenant's to it`()
        async throws
    {
        try await Self.run { bench, clock in
            let acme = try await bench.tenant("acme", sims: 5)
            var rounds = UsageRounds()
            for (number, minutes) in [(0, 1), (1, 1), (2, 1), (3, 7)] as [(Int, Int64)] {
                guard case .accept(_, let token) = try await bench.attach(try Bench.imsi(number)) else {
                    Issue.record("not accepted")
                    return
                }
                let session = try #require(try await Self.session(bench, number))
                bench.kernel.change { $0.usage = [Self.reading(session, counter: UInt64(number + 1), up: 100_000)] }
                clock.advance(minutes: minutes)
                // One of them is as it should be.
                let reported: UInt64 = number == 2 ? 100_100 : 900_000
                #expect(
                    try await bench.account(
                        .stop, token: token, isLast: true, usage: SessionUsage(octetsUp: reported)))
                _ = try await bench.control.readUsage(&rounds)
            }
            let told = { () async throws -> [Event.News] in
                try await bench.store.read { store in
                    try store.events(EventFilter(.tenant(acme.id), codes: [.usageDiffers]), after: 0, limit: 100).events
                }.map(\.news)
            }
            var news = try await told()
            #expect(news.map(\.imsi) == [try Bench.imsi(0)])
            #expect(
                news.first?.words.hasSuffix(
                    "has ended, the network reports 900000 octets, and 100000 were counted here") == true)
            #expect(news.first?.details.contains(Event.Detail("reported_up", 900_000)) == true)
            clock.advance(minutes: 2)
            _ = try await bench.control.readUsage(&rounds)
            news = try await told()
            #expect(news.count == 2 && news.last?.subject == Event.Subject(.tenant, acme.name))
            #expect(
                news.last?.words
                    == "of 2 more sessions, which have ended, the network reports 1800000 octets, and 200000 were counted here"
            )
            // Nothing came in the next window, and nothing is told of it.
            for _ in 0..<2 {
                clock.advance(minutes: 11)
                _ = try await bench.control.readUsage(&rounds)
            }
            #expect(try await told().count == 2)
        }
    }
}

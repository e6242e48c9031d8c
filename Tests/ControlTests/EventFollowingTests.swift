import Control
import Domain
import Store
import Synchronization
import Testing

/// Events in pages and as a stream, by whom they may be seen, and for how long they are there.
@Suite struct EventFollowingTests {
    private typealias Question = ControlPlane.EventQuestion

    /// What a stream has told so far.
    private final class Heard: Sendable {
        private let steps = Mutex<[EventFollowing.Step]>([])
        func take(_ step: EventFollowing.Step) { steps.withLock { $0.append(step) } }
        var numbers: [Event.Number] {
            steps.withLock {
                $0.compactMap { if case .event(let view) = $0 { view.event.number } else { nil } }
            }
        }
        var gaps: [[Event.Number]] {
            steps.withLock {
                $0.compactMap { if case .gap(let after, let last) = $0 { [after, last] } else { nil } }
            }
        }
    }

    /// Runs `body` beside a stream, which is over when that is.
    private static func following(
        _ bench: Bench, _ question: ControlPlane.EventQuestion = .init(), after: Event.Number? = nil,
        by principal: Principal = .system, _ body: (Heard) async throws -> Void
    ) async throws {
        let following = try await bench.control.followEvents(question, after: after, by: principal)
        let heard = Heard()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await following.run { heard.take($0) } } catch is CancellationError {}
            }
            try await body(heard)
            group.cancelAll()
        }
    }

    private static func tell(_ count: Int, of tenant: Tenant.ID?, _ bench: Bench, at time: Timestamp? = nil)
        async throws
    {
        let news = Event.News(
            .vpnUp, of: tenant, about: Event.Subject(.vpn, "hq"), at: time ?? bench.control.now(), words: "up")
        try await bench.store.write { store in for _ in 0..<count { try store.appendEvent(news) } }
    }

    @Test func `a follower hears what was there, then what comes, and of its own tenant only`() async throws {
        try await Bench.run { bench in
            let (acme, globex) = (
                try await bench.tenant("acme", sims: 2), try await bench.tenant("globex", sims: 1, prefix: "99971")
            )
            _ = try await bench.attach(try Bench.imsi(0))
            let own = Principal(name: "t", role: .tenant(acme.id))
            try await Self.following(bench, after: 0, by: own) { heard in
                try await Bench.wait { heard.numbers == [1] }
                _ = try await bench.attach(try Bench.imsi(0, "99971"))
                _ = try await bench.attach(try Bench.imsi(9))
                _ = try await bench.attach(try Bench.imsi(1))
                try await Bench.wait { heard.numbers.count > 1 }
                #expect(heard.numbers == [1, 4])
                #expect(heard.gaps.isEmpty)
            }
            try await Self.following(bench, Question(codes: [.simUnknown]), after: 0) { heard in
                try await Bench.wait { heard.numbers == [3] }
                #expect(heard.numbers == [3])
            }
            // From now on.
            try await Self.following(bench, Question(tenant: globex.name)) { heard in
                _ = try await bench.attach(try Bench.imsi(0, "99971"))
                try await Bench.wait { heard.numbers == [5] }
                #expect(heard.numbers == [5])
            }
            await #expect(throws: ControlError.self) {
                try await bench.control.followEvents(Question(tenant: globex.name), after: 0, by: own)
            }
            let stranger = await #expect(throws: ControlError.self) {
                try await bench.control.events(
                    Question(tenant: globex.name), .newestFirst(before: nil), limit: 9, by: own)
            }
            #expect(stranger?.code == .notFound)
            let list = try await bench.control.events(
                Question(imsi: try Bench.imsi(0, "99971")), .oldestFirst(after: 0), limit: 9, by: own)
            #expect(list.events.isEmpty && list.position == 5)
            let all = try await bench.control.events(Question(), .newestFirst(before: nil), limit: 9, by: .system)
            #expect(all.events.map(\.event.number) == [5, 4, 3, 2, 1])
            #expect(all.events.map { $0.tenant?.description } == ["globex", "acme", nil, "globex", "acme"])
            let future = await #expect(throws: ControlError.self) {
                try await bench.control.followEvents(Question(), after: 6, by: .system)
            }
            #expect(future?.code == .invalid)
        }
    }

    @Test func `many events come in order, whole, to a slow reader as to a fast one`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme", sims: 50)
            try await Self.following(bench, after: 0) { fast in
                let slow = Heard()
                let following = try await bench.control.followEvents(Question(), after: 0, by: .system)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        do {
                            try await following.run { step in
                                slow.take(step)
                                if slow.numbers.count % 100 == 1 { try await Task.sleep(for: .milliseconds(20)) }
                            }
                        } catch is CancellationError {}
                    }
                    for number in 0..<50 {
                        try await Self.tell(20, of: acme.id, bench)
                        _ = try await bench.attach(try Bench.imsi(number))
                    }
                    try await Bench.wait { slow.numbers.count >= 1050 && fast.numbers.count >= 1050 }
                    group.cancelAll()
                }
                #expect(fast.numbers == Array(1...1050) && slow.numbers == Array(1...1050))
            }
        }
    }

    @Test func `as many follow as may, and a place is free again when one has gone`() async throws {
        try await Bench.run(settings: { settings in
            (settings.eventFollowers.perTenant, settings.eventFollowers.inAll) = (2, 4)
            settings.eventFollowers.keptForOperator = 1
        }) { bench in
            let principals = try await ["a", "b"].asyncMap {
                Principal(name: $0, role: .tenant(try await bench.tenant($0).id))
            }
            let join = { (principal: Principal) in
                try await bench.control.followEvents(Question(), after: nil, by: principal)
            }
            var places = [try await join(principals[0]), try await join(principals[0])]
            var error = await #expect(throws: ControlError.self) { try await join(principals[0]) }
            #expect(error?.code == .tooMany)
            places.append(try await join(principals[1]))
            // The last is the operator's.
            error = await #expect(throws: ControlError.self) { try await join(principals[1]) }
            #expect(error?.code == .tooMany)
            places.append(try await join(.system))
            error = await #expect(throws: ControlError.self) { try await join(.system) }
            #expect(error?.code == .tooMany && bench.control.eventFollowers == 4)
            places = []
            try await Bench.wait { bench.control.eventFollowers == 0 }
            _ = try await join(principals[0])
            _ = places
        }
    }

    @Test func `a stream ends when its token is deleted`() async throws {
        try await Bench.run { bench in
            let name = try Name(parsing: "reader")
            let secret = try await bench.control.createToken(name, tenant: nil, by: .system).secret
            let principal = try #require(try await bench.control.principal(secret: secret))
            let following = try await bench.control.followEvents(Question(), after: nil, by: principal)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await following.run { _ in } }
                try await bench.control.beat()
                #expect(bench.control.eventFollowers == 1)
                try await bench.control.deleteToken(name, by: .system)
                try await bench.control.beat()
                try await group.waitForAll()
            }
            #expect(bench.control.eventFollowers == 0)
        }
    }

    @Test func `events go by age and by number, and whoever has missed some is told`() async throws {
        let clock = TestClock(1_800_000_000_000)
        try await Bench.run(
            now: { clock.now },
            settings: { settings in
                (settings.eventRetention.days, settings.eventRetention.perTenant) = (2, 30)
                settings.eventRetention.inAll = 50
            }
        ) { bench in
            let (acme, globex) = (try await bench.tenant("acme"), try await bench.tenant("globex"))
            let numbers = { try await bench.told().map(\.number) }
            var forgetting = EventForgetting()
            try await Self.tell(10, of: acme.id, bench)
            #expect(try await bench.control.forgetEvents(&forgetting) == 0)
            clock.advance(minutes: 2 * 1440 + 1)
            try await Self.tell(10, of: acme.id, bench)
            #expect(try await bench.control.forgetEvents(&forgetting) == 10)
            #expect(try await numbers() == Array(11...20) && forgetting.count == 10)
            // Two of each tenant in turn, so that both have too many.
            for _ in 0..<20 {
                try await Self.tell(2, of: acme.id, bench)
                try await Self.tell(2, of: globex.id, bench)
            }
            #expect(try await bench.control.forgetEvents(&forgetting) == 40)
            let left = try await bench.told()
            #expect(left.count == 50 && forgetting.count == 50 && left.last?.number == 100)
            #expect(left.count { $0.news.tenant == globex.id } <= 30)
            #expect(try await bench.control.forgetEvents(&forgetting) == 0)

            let own = Principal(name: "t", role: .tenant(acme.id))
            let gone = await #expect(throws: ControlError.self) {
                try await bench.control.events(Question(), .oldestFirst(after: 12), limit: 9, by: own)
            }
            #expect(gone?.code == .gone)
            #expect(
                try await bench.control.events(Question(), .oldestFirst(after: 0), limit: 9, by: own).events.count == 9)
            let forgotten = try await bench.store.read { try $0.forgottenEvents(.tenant(acme.id)) }
            try await Self.following(bench, after: 12, by: own) { heard in
                try await Bench.wait { !heard.numbers.isEmpty }
                #expect(heard.gaps == [[12, forgotten]])
                #expect(heard.numbers.first.map { $0 > forgotten } == true)
            }
        }
    }
}

extension Array {
    fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async throws -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await body(element)) }
        return values
    }
}

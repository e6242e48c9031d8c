import Domain
import Store
import Testing

@Suite("Store contract: the log of NAT 1")
struct NATLogContract {
    private static let start = NATLogPosition(
        plan: 1, previousPlan: nil, walked: Session.ID(0), walkEnd: Session.ID(0), begun: Session.ID(0), ended: 0)

    private static func plan(_ prefix: String = "198.19.0.0/28") throws -> NATPlan {
        try NATPlan(publicPrefixes: [.test(prefix)])
    }

    private static func end(_ session: Session, _ store: any StoreTransaction, seconds: Int64 = 9) throws {
        var ended = session
        ended.endedAt = noon.plus(seconds: seconds)
        try store.updateSession(ended)
    }

    private static func lease(_ session: Session) -> SessionLease {
        SessionLease(
            session: session.id, address: session.address, natIndex: session.natIndex, startedAt: session.startedAt)
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `collectors and plans come back as they were put in`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            #expect(try store.natPlans().isEmpty && store.natCollectors().isEmpty)
            let scene = try Scene(store)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            let first = try store.appendNATPlan(Self.plan(), at: noon)
            #expect(first.lastSession == session.id && first.lastEnd == 0 && first.beganAt == noon)
            let second = try store.appendNATPlan(Self.plan("203.0.113.0/24"), at: noon.plus(seconds: 1))
            #expect(try store.natPlans() == [first, second])
            #expect(try store.natPlans().map(\.plan) == [Self.plan(), Self.plan("203.0.113.0/24")])

            var position = Self.start
            position.plan = first.id
            try store.putNATCollector("udp:192.0.2.5:4739", at: position)
            position.plan = second.id
            position.previousPlan = first.id
            (position.walked, position.walkEnd) = (Session.ID(3), Session.ID(.max))
            (position.begun, position.ended) = (Session.ID(.max), 7)
            try store.putNATCollector("tcp:[2001:db8::5]:4739", at: position)
            #expect(try store.natCollectors().count == 2)
            try store.putNATCollector("udp:192.0.2.5:4739", at: position)
            try store.deleteNATCollector("tcp:[2001:db8::5]:4739")
            #expect(try store.natCollectors() == ["udp:192.0.2.5:4739": position])
            #expect(refusal { try store.deleteNATCollector("tcp:[2001:db8::5]:4739") }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `ends are numbered from the first collector on, each with the sessions that had begun`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let attach = { try store.attach(scene.sim, nas: scene.nas.id, apn: .test()) }
            try Self.end(attach(), store)
            #expect(try store.sessionEnds(after: 0, upTo: nil, limit: 10).isEmpty)

            var position = Self.start
            position.plan = try store.appendNATPlan(Self.plan(), at: noon).id
            try store.putNATCollector("one", at: position)
            let first = try attach()
            // A report is no end, and what has ended does not end again.
            var reported = first
            reported.usage.octetsUp = 7
            try store.updateSession(reported)
            try Self.end(first, store)
            try Self.end(first, store, seconds: 20)
            let second = try attach()
            let other = try store.attach(scene.sim, nas: scene.nas.id, apn: .test("other"))
            try Self.end(second, store, seconds: 3)

            let ends = try store.sessionEnds(after: 0, upTo: nil, limit: 10)
            #expect(ends.map(\.lease) == [Self.lease(first), Self.lease(second)])
            #expect(ends.map(\.lastSession) == [first.id, other.id])
            #expect(ends.map(\.number) == [1, 2])
            #expect(ends.map(\.endedAt) == [noon.plus(seconds: 20), noon.plus(seconds: 3)])
            #expect(try store.sessionEnds(after: 1, upTo: nil, limit: 10) == [ends[1]])
            #expect(try store.sessionEnds(after: 0, upTo: 1, limit: 10) == [ends[0]])
            #expect(try store.sessionEnds(after: 0, upTo: nil, limit: 1) == [ends[0]])
            let last = try store.lastOfNATLog()
            #expect(last.session == other.id && last.end == 2)

            let begun = try store.sessionsBegun(after: Session.ID(0), upTo: nil, limit: 10)
            #expect(begun.count == 4 && begun.suffix(3) == [first, second, other].map(Self.lease))
            #expect(try store.sessionsBegun(after: first.id, upTo: second.id, limit: 9) == [Self.lease(second)])
            #expect(try store.sessionsBegun(after: first.id, upTo: nil, limit: 1) == [Self.lease(second)])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `what was open is known until its end is forgotten, and numbers do not come back`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            var position = Self.start
            position.plan = try store.appendNATPlan(Self.plan(), at: noon).id
            try store.putNATCollector("one", at: position)
            let sessions = try (0..<5).map { number in
                try store.attach(scene.sim, nas: scene.nas.id, apn: .test("apn\(number)"))
            }
            for session in sessions.prefix(3) { try Self.end(session, store) }
            let open = { (end: Int64, after: Int, upTo: Int, limit: Int) in
                try store.sessionsOpen(
                    atEnd: end, after: after < 0 ? Session.ID(0) : sessions[after].id, upTo: sessions[upTo].id,
                    limit: limit)
            }
            #expect(try open(0, -1, 4, 9) == sessions.map(Self.lease))
            #expect(try open(2, -1, 4, 9) == sessions.suffix(3).map(Self.lease))
            #expect(try open(2, -1, 4, 2) == sessions[2...3].map(Self.lease))
            #expect(try open(2, 2, 3, 9) == [Self.lease(sessions[3])])

            try store.forgetSessionEnds(upTo: 2, limit: 1)
            #expect(try store.sessionEnds(after: 0, upTo: nil, limit: 9).map(\.number) == [2, 3])
            try store.forgetSessionEnds(upTo: 2, limit: 100)
            #expect(try store.sessionEnds(after: 0, upTo: nil, limit: 9).map(\.number) == [3])
            try store.forgetSessionEnds(upTo: .max, limit: .max)
            #expect(try store.sessionEnds(after: 0, upTo: nil, limit: 9).isEmpty)
            try store.forgetSessionEnds(upTo: .max, limit: .max)
            try Self.end(sessions[4], store)
            #expect(try store.sessionEnds(after: 0, upTo: nil, limit: 9).map(\.number) == [4])
        }
    }
}

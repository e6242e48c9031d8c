import Domain
import Store
import Testing

@Suite("Store contract: parts of sessions, profiles, bulk operations")
struct SessionPartsContract {
    private static func bearer(_ number: Int, usage: UInt64 = 0, ended: Bool = false) -> SessionBearer {
        SessionBearer(
            key: SessionBearer.Key(accountingSessionID: "b\(number)", nsapi: 6), startedAt: noon,
            updatedAt: noon.plus(seconds: Int64(number)), endedAt: ended ? noon.plus(seconds: Int64(number)) : nil,
            usage: SessionUsage(octetsUp: usage, octetsDown: .max, packetsUp: 1, packetsDown: 2, seconds: 3))
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `bearers come back in their order, are replaced by their keys, and are bounded`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            #expect(try store.bearers(of: session.id).isEmpty)
            let nameless = SessionBearer(
                key: SessionBearer.Key(accountingSessionID: nil, nsapi: nil), startedAt: noon, updatedAt: noon,
                endedAt: nil, usage: SessionUsage())
            for bearer in [Self.bearer(1), nameless, Self.bearer(2)] { try store.putBearer(bearer, of: session.id) }
            try store.putBearer(Self.bearer(1, usage: 1 << 63, ended: true), of: session.id)
            try store.putBearer(nameless, of: session.id)
            #expect(
                try store.bearers(of: session.id)
                    == [Self.bearer(1, usage: 1 << 63, ended: true), nameless, Self.bearer(2)])
            // Those that ended longest ago go; what is active stays whatever comes.
            for number in 3..<200 { try store.putBearer(Self.bearer(number, ended: true), of: session.id) }
            let kept = try store.bearers(of: session.id)
            #expect(kept.count == SessionBearer.maximumCount)
            #expect(kept.prefix(2) == [nameless, Self.bearer(2)] && kept.last == Self.bearer(199, ended: true))
            #expect(refusal { try store.putBearer(Self.bearer(1), of: Session.ID(999)) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `places come back, the newest hundred`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            let place = { (number: Int) in
                SessionPlace(
                    since: noon.plus(seconds: Int64(number)), imei: try IMEI(parsing: "01234567890123"), rat: .nbIoT,
                    visitedNetwork: try PLMN(parsing: "00101"), location: UserLocation(octets: [130, UInt8(number)]))
            }
            let empty = SessionPlace(since: noon, imei: nil, rat: nil, visitedNetwork: nil, location: nil)
            try store.appendPlace(empty, of: session.id)
            try store.appendPlace(try place(1), of: session.id)
            #expect(try store.places(of: session.id) == [empty, place(1)])
            for number in 2..<150 { try store.appendPlace(try place(number), of: session.id) }
            #expect(try store.places(of: session.id) == (50..<150).map { try place($0) })
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a session goes on where another was given up, under its token`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            var first = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            #expect(refusal { try store.continueSession(first, at: noon) }?.code == .notFound)
            first.usage.octetsUp = 70
            first.end(.stale, at: noon.plus(seconds: 60))
            try store.updateSession(first)
            #expect(try store.session(first.id)?.endCause == .stale)
            let later = noon.plus(seconds: 90)
            let second = try store.continueSession(first, at: later)
            #expect(second.id > first.id && second.token == first.token && second.startedAt == later)
            #expect(second.usage == SessionUsage() && second.endedAt == nil && second.address == first.address)
            #expect(try store.session(token: first.token) == second)
            #expect(try store.session(first.id)?.token != first.token)
            // What its bearer has counted by then was the first one's.
            #expect(try store.bearers(of: second.id).map(\.usage.octetsUp) == [70])
            #expect(try store.lastSession(of: scene.lease) == second)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `sessions that were not reported are found page by page, and those that a NAS has lost`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let other = try store.insertTestNAS("pgw-2", address: 7)
            var sessions: [Session] = []
            for number in 0..<10 {
                let sim = try store.insertSIM(.test(100 + number), of: scene.tenant.id, at: noon)
                sessions.append(
                    try store.attach(
                        sim, nas: number == 9 ? other.id : scene.nas.id, apn: .test(),
                        at: noon.plus(seconds: Int64(number))))
            }
            var (place, found): (Session.ID?, [Session]) = (nil, [])
            var pages = 0
            while true {
                let page = try store.silentSessions(since: noon.plus(seconds: 4), after: place, scanning: 3)
                found += page.found
                guard let last = page.last else { break }
                place = last
                pages += 1
            }
            #expect(found == Array(sessions.prefix(4)) && pages == 4)

            let loss = try store.insertLoss(
                of: scene.nas.id, cause: .nasStarted, lastSession: sessions[7].id, begunBy: noon.plus(seconds: 5))
            #expect(try store.losses() == [loss])
            #expect(try store.sessions(of: loss, after: nil, limit: 100) == Array(sessions.prefix(6)))
            #expect(try store.sessions(of: loss, after: sessions[1].id, limit: 2) == Array(sessions[2...3]))
            let all = try store.insertLoss(
                of: scene.nas.id, cause: .nasStopped, lastSession: sessions[7].id, begunBy: nil)
            #expect(try store.sessions(of: all, after: nil, limit: 100) == Array(sessions.prefix(8)))
            try store.deleteLoss(loss.id)
            #expect(try store.losses() == [all])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a NAS comes back with its profile`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            var nas = try store.insertTestNAS()
            #expect(nas.profile == NAS.Profile())
            nas.profile = NAS.Profile(
                attributes: [.accountingSessionID, .messageAuthenticator], attempts: 10, firstWaitMilliseconds: 60_000,
                requestsPerSecond: .max, takesChanges: true, changePort: 1, interimSeconds: 86_400, staleIntervals: 0,
                idleMinutes: .max)
            try store.updateNAS(nas, secret: nil)
            #expect(try store.nas(nas.id) == nas)
        }
    }

    // MARK: Bulk operations, SIMs in a test

    @Test(arguments: StoreUnderTest.allCases)
    func `SIMs are found by every condition, and by both of their numbers`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let group = try store.insertGroup(name: .test("g"), of: scene.tenant.id, policy: nil)
            let other = try store.insertTenant(name: .test("globex"), at: noon)
            let labels = ["pump [1]", "pump 2", "PUMP 3", "valve"]
            var sims: [SIM] = []
            for (number, label) in labels.enumerated() {
                sims.append(
                    try store.insertSIM(
                        .test(200 + number, group: number < 2 ? group.id : nil, label: label), of: scene.tenant.id,
                        at: noon))
            }
            let theirs = try store.insertSIM(.test(300, label: "pump 9"), of: other.id, at: noon)
            try store.setState(.suspended, of: sims[1].id)
            try store.setTest(SIM.TestAllowance(until: noon, octets: 5), of: sims[2].id)
            func found(_ filter: SIMFilter, limit: Int = 100) throws -> [String] {
                try store.sims(matching: filter, limit: limit).sims.map(\.label)
            }
            #expect(try found(SIMFilter(label: "pump *")) == ["pump [1]", "pump 2", "pump 9"])
            #expect(try found(SIMFilter(tenant: scene.tenant.id, label: "pump [?]")) == ["pump [1]"])
            #expect(try found(SIMFilter(group: group.id, state: .active)) == ["pump [1]"])
            #expect(try found(SIMFilter(state: .suspended)) == ["pump 2"])
            #expect(try found(SIMFilter(state: .test)) == ["PUMP 3"])
            #expect(try found(SIMFilter(tenant: scene.tenant.id, label: "*"), limit: 2).count == 2)
            let named = try store.sims(
                matching: SIMFilter(
                    tenant: scene.tenant.id,
                    names: ["\(sims[3].iccid)", "\(sims[0].imsi)", "\(theirs.imsi)", "", "\(sims[3].imsi)"]), limit: 10)
            #expect(named.sims.map(\.label) == ["valve", "pump [1]"])
            #expect(named.missing == ["\(theirs.imsi)", ""])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `an operation and its items come back, whatever was done to them`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let actions: [BulkOperation.Action] = [
                .suspend, .resume, .terminate, .activate, .test(SIM.TestTerms(days: 3, octets: nil)),
                .test(SIM.TestTerms(days: 3, octets: .max)), .setGroup(nil), .setGroup(try .test("g")), .setLabel(""),
                .setLabel("a\nb"),
            ]
            var last: BulkOperation?
            for action in actions {
                let operation = try store.insertBulk(
                    action, of: scene.tenant.id, filter: "tenant acme", sims: [scene.sim], missing: ["nonsense"],
                    author: "anna", at: noon)
                #expect(try store.bulk(operation.id) == operation && operation.action == action)
                last = operation
            }
            let operation = try #require(last)
            #expect(try store.bulks(of: nil, before: nil, limit: 2).map(\.id.rawValue) == [10, 9])
            #expect(try store.bulks(of: scene.tenant.id, before: BulkOperation.ID(3), limit: 9).count == 2)
            #expect(try store.bulks(of: Tenant.ID(99), before: nil, limit: 9).isEmpty)
            #expect(try store.openBulks().count == 10)
            var items = try store.bulkItems(of: operation.id, in: nil, after: nil, limit: 10)
            #expect(items.map(\.state) == [.waiting, .failed] && items.map(\.sim) == [scene.sim.id, nil])
            #expect(try store.bulkCounts(of: operation.id) == [.waiting: 1, .failed: 1])
            items[0].state = .unconfirmed
            items[0].detail = "no answer"
            try store.setBulkItems(items, of: operation.id)
            #expect(try store.bulkItems(of: operation.id, in: .unconfirmed, after: 0, limit: 1) == [items[0]])
            #expect(try store.bulkItems(of: operation.id, in: nil, after: 1, limit: 9) == [items[1]])
            let first = BulkOperation.ID(1)
            try store.cancelBulk(first, detail: "cancelled")
            #expect(try store.bulkCounts(of: first) == [.failed: 2])
            try store.setBulk(first, appliedAt: noon)
            // NAS may still have to be told of what had been done.
            #expect(try store.openBulks().first?.state == .cancelled)
            try store.finishBulk(first, at: noon.plus(seconds: 1))
            let over = try #require(try store.bulk(first))
            #expect(over.state == .cancelled && over.appliedAt == noon && over.finishedAt == noon.plus(seconds: 1))
            try store.finishBulk(operation.id, at: noon)
            #expect(try store.bulk(operation.id)?.state == .finished && store.openBulks().count == 8)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a test's use adds up, and its end is found by either limit`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            try store.addTestUse(5, of: scene.sim.id)
            #expect(try store.sim(scene.sim.id)?.state == .active && store.simsInTest().isEmpty)
            try store.setTest(SIM.TestAllowance(until: noon.plus(seconds: 10), octets: 100), of: scene.sim.id)
            try store.addTestUse(60, of: scene.sim.id)
            try store.addTestUse(39, of: scene.sim.id)
            #expect(try store.simsInTest() == [scene.sim.id])
            #expect(try store.subscriber(imsi: scene.sim.imsi)?.test?.used == 99)
            #expect(try store.sessionsAfterTest(at: noon.plus(seconds: 9), limit: 9).isEmpty)
            #expect(try store.sessionsAfterTest(at: noon.plus(seconds: 10), limit: 9) == [session])
            try store.addTestUse(.max, of: scene.sim.id)
            #expect(try store.sessionsAfterTest(at: noon, limit: 9) == [session])
            try store.setState(.suspended, of: scene.sim.id)
            #expect(try store.sim(scene.sim.id)?.state == .suspended)
            try store.setState(.active, of: scene.sim.id)
            #expect(try store.sim(scene.sim.id)?.state == .test)
            try store.setTest(nil, of: scene.sim.id)
            #expect(try store.sim(scene.sim.id)?.state == .active && store.simsInTest().isEmpty)
        }
    }
}

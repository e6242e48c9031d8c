import Domain
import Store
import Testing

@Suite("Store contract: usage")
struct UsageContract {
    private static func counts(_ up: UInt64, _ down: UInt64 = 0) -> UsageCounts {
        UsageCounts(octetsUp: up, packetsUp: up == 0 ? 0 : 1, octetsDown: down, packetsDown: down == 0 ? 0 : 1)
    }

    private static func sum(_ buckets: [UsageBucket]) -> UsageCounts {
        buckets.reduce(UsageCounts()) { $0 + $1.counts }
    }

    private static func all(
        of subject: UsageSubject, _ level: UsageLevel, around time: Timestamp = noon, _ store: any StoreTransaction
    ) throws -> [UsageBucket] {
        let bucket = level.bucket(of: time)
        return try store.usage(of: subject, level, buckets: bucket - 30..<bucket + 30)
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `what a counter says more is in every sum once, and a record`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let group = try store.insertGroup(name: .test("meters"), of: scene.tenant.id, policy: nil)
            try store.setGroup(group.id, of: scene.sim.id)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            let (sim, tenant) = (UsageSubject.sim(scene.sim.id, of: scene.tenant.id), scene.tenant.id)
            let sample = { (counts: UsageCounts, way: UsageWay) in
                UsageSample(counter: 77, way: way, session: session.id, counts: counts)
            }
            let first = try store.addUsage(
                [sample(Self.counts(100, 200), .internet), sample(Self.counts(7), .gateway)], from: nil,
                at: noon.plus(seconds: 100))
            #expect(first.records == 2 && first.octets == 307 && first.ended.isEmpty && first.unowned == 0)
            // The same again, less in one number, and more.
            #expect(
                try store.addUsage([sample(Self.counts(100, 200), .internet)], from: nil, at: noon.plus(seconds: 200))
                    .records == 0)
            let third = try store.addUsage(
                [sample(Self.counts(90, 260), .internet), sample(Self.counts(120), .internet)],
                from: noon.plus(seconds: 300), at: noon.plus(seconds: 400))
            #expect(third.records == 2 && third.octets == 80)

            for level in UsageLevel.allCases {
                for subject in [sim, .group(group.id, of: tenant), .tenant(tenant)] {
                    let found = try Self.all(of: subject, level, store)
                    #expect(
                        Self.sum(found.filter { $0.route == .internet })
                            == UsageCounts(octetsUp: 120, packetsUp: 1, octetsDown: 260, packetsDown: 1))
                    #expect(Self.sum(found.filter { $0.route == .gateway }) == Self.counts(7))
                }
            }
            let fives = try Self.all(of: sim, .fiveMinutes, store)
            #expect(fives.map(\.start) == [noon, noon, noon.plus(seconds: 300)])
            #expect(fives.map(\.route) == [.internet, .gateway, .internet])

            let page = try store.usageRecords(of: nil, after: 0, limit: 9)
            #expect(page.records.map(\.number) == [1, 2, 3, 4] && page.position == 4 && !page.hasMore)
            #expect(page.records.map(\.from) == [noon, noon, noon.plus(seconds: 300), noon.plus(seconds: 400)])
            #expect(
                page.records.map(\.to.milliseconds) == [100, 100, 400, 400].map { noon.plus(seconds: $0).milliseconds })
            #expect(
                page.records[2]
                    == UsageRecord(
                        number: 3, session: session.id, imsi: scene.sim.imsi, tenant: tenant, group: group.id,
                        route: .internet, from: noon.plus(seconds: 300), to: noon.plus(seconds: 400),
                        counts: UsageCounts(octetsDown: 60)))
            #expect(try store.countedUsage(of: session).octetsDown == 260)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `counts have all their bits`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            let big = UsageCounts(octetsUp: .max - 5, packetsUp: 1 << 63, octetsDown: 1 << 62, packetsDown: 3)
            var sample = UsageSample(counter: 1 << 47, way: .internet, session: session.id, counts: big)
            _ = try store.addUsage([sample], from: nil, at: noon)
            sample = UsageSample(
                counter: 1 << 47, way: .internet, session: session.id,
                counts: UsageCounts(octetsUp: .max, packetsUp: 1 << 63, octetsDown: 3 << 62, packetsDown: 3))
            #expect(try store.addUsage([sample], from: nil, at: noon).octets == 5 + 2 << 62)
            let found = try Self.all(of: .tenant(scene.tenant.id), .day, store)
            #expect(found.map(\.counts) == [sample.counts])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a VPN is named by its row, another tenant's never`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let other = try store.insertTenant(name: .test("globex"), at: noon)
            let own = try store.insertVPN(name: .test("hq"), of: scene.tenant.id, tunnel: .test(), at: noon)
            let theirs = try store.insertVPN(
                name: .test("hq"), of: other.id, tunnel: .test("10.0.0.0/24", peer: "203.0.113.99"), at: noon)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            let ways: [UsageWay] = [.vpn(own.number), .vpn(theirs.number), .vpn(try #require(VPNNumber(4000))), .group]
            _ = try store.addUsage(
                ways.map { UsageSample(counter: 1, way: $0, session: session.id, counts: Self.counts(1)) }, from: nil,
                at: noon)
            let found = try Self.all(of: .tenant(scene.tenant.id), .day, store)
            #expect(found.map(\.route) == [.group, .formerVPN, .vpn(own.id)])
            #expect(found.map(\.counts.octetsUp) == [1, 2, 1])
            #expect(try Self.all(of: .tenant(other.id), .day, store).isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a session that has ended is summed up, and late octets are added`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            var session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            let samples = ([(1, .internet, 10), (1, .gateway, 5)] as [(UInt64, UsageWay, UInt64)]).map {
                counter, way, up in
                UsageSample(counter: counter, way: way, session: session.id, counts: Self.counts(up))
            }
            _ = try store.addUsage(samples, from: nil, at: noon.plus(seconds: 60))
            session.usage.octetsUp = 40
            session.end(.stopped, at: noon.plus(seconds: 90))
            try store.updateSession(session)
            let later = UsageSample(counter: 1, way: .internet, session: session.id, counts: Self.counts(12))
            let ended = try store.addUsage([later], from: nil, at: noon.plus(seconds: 600)).ended[session.id]
            #expect(ended?.counted.octetsUp == 17 && ended?.reported.octetsUp == 40)
            // It ended before it was read.
            #expect(
                try store.usageRecords(of: nil, after: 2, limit: 9).records.map(\.to) == [noon.plus(seconds: 90)])
            let keys = samples.map {
                UsageCounterKey(tenant: scene.tenant.id, sim: scene.sim.id, counter: $0.counter, way: $0.way)
            }
            let remembered = try store.usageCounters(after: nil, limit: 9)
            #expect(remembered.map(\.key) == keys && remembered.allSatisfy(\.isOver))
            #expect(try store.usageCounters(after: keys[0], limit: 9).map(\.key) == [keys[1]])
            try store.deleteUsageCounters([keys[1]])
            #expect(try store.usageCounters(after: nil, limit: 9).map(\.key) == [keys[0]])
            let more = UsageSample(counter: 1, way: .internet, session: session.id, counts: Self.counts(13))
            #expect(
                try store.addUsage([more], from: nil, at: noon.plus(seconds: 700)).ended[session.id]?.counted.octetsUp
                    == 18)
            #expect(try store.countedUsage(of: session).octetsUp == 18)
            #expect(try store.addUsage([more], from: nil, at: noon.plus(seconds: 800)).ended[session.id] != nil)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a sample of a session that is not there is left alone`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let sample = UsageSample(counter: 1, way: .internet, session: Session.ID(99), counts: Self.counts(12))
            let addition = try store.addUsage([sample], from: nil, at: noon)
            #expect(addition.unowned == 1 && addition.records == 0)
            #expect(try store.usageOwners(of: [Session.ID(99)]).isEmpty)
            #expect(try store.usageCounters(after: nil, limit: 9).isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `each level is forgotten by its age, some rows at a time, and says so`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            for number in 1...20 {
                let time = noon.plus(seconds: Int64(number) * 300 - 1)
                _ = try store.addUsage(
                    [UsageSample(counter: 1, way: .internet, session: session.id, counts: Self.counts(UInt64(number)))],
                    from: noon.plus(seconds: Int64(number) * 300 - 300), at: time)
            }
            let subject = UsageSubject.sim(scene.sim.id, of: scene.tenant.id)
            #expect(try store.forgottenUsage(.fiveMinutes) == nil)
            #expect(try store.forgetUsage(.fiveMinutes, before: noon, limit: 100) == 0)
            #expect(try store.forgottenUsage(.fiveMinutes) == nil)
            // A row for the SIM and one for its tenant in each; the bucket that the time is in stays.
            let end = noon.plus(seconds: 10 * 300 + 17)
            var removed: [Int] = []
            while removed.last != 0 { removed.append(try store.forgetUsage(.fiveMinutes, before: end, limit: 6)) }
            #expect(removed == [6, 6, 6, 2, 0])
            #expect(
                try Self.all(of: subject, .fiveMinutes, store).map(\.start)
                    == (10..<20).map { noon.plus(seconds: $0 * 300) })
            #expect(try Self.all(of: .tenant(scene.tenant.id), .fiveMinutes, store).count == 10)
            #expect(try store.forgottenUsage(.fiveMinutes) == noon.plus(seconds: 3000))
            #expect(try Self.sum(Self.all(of: subject, .hour, store)).octetsUp == 20)
            #expect(try store.forgottenUsage(.hour) == nil && store.lastUsageRound() == nil)
            try store.setLastUsageRound(noon)
            #expect(try store.lastUsageRound() == noon)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `records are read from a number on, in pages, and by tenant`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let sessions = try Self.twoTenants(store)
            try Self.addRecords(24, of: sessions, store)
            for (tenant, expected) in [
                (nil, Array(Int64(1)...24)), (sessions[0].tenant, Array(stride(from: 1, to: 24, by: 2))),
                (Tenant.ID(99), []),
            ] as [(Tenant.ID?, [Int64])] {
                for limit in [1, 5, 100] {
                    var (position, found): (Int64, [Int64]) = (0, [])
                    while true {
                        let page = try store.usageRecords(of: tenant, after: position, limit: limit)
                        found += page.records.map(\.number)
                        position = page.position
                        guard page.hasMore else { break }
                    }
                    #expect(found == expected && position == 24)
                }
            }
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `records are removed by age and by number, and what is missing can be told`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            #expect(try store.forgetUsageRecords(before: noon, keeping: 5, limit: 9) == 0)
            let sessions = try Self.twoTenants(store)
            try Self.addRecords(20, of: sessions, store)
            let numbers = { try store.usageRecords(of: nil, after: 0, limit: 99).records.map(\.number) }
            // Of each, the end counts.
            #expect(try store.forgetUsageRecords(before: noon.plus(seconds: 5), keeping: 99, limit: 3) == 3)
            #expect(try store.forgetUsageRecords(before: noon.plus(seconds: 5), keeping: 99, limit: 3) == 1)
            #expect(try numbers() == Array(5...20))
            #expect(try store.forgottenUsageRecords(of: nil) == 4)
            #expect(try store.forgottenUsageRecords(of: sessions[0].tenant) == 3)
            #expect(try store.forgottenUsageRecords(of: Tenant.ID(99)) == 0)
            #expect(try store.forgetUsageRecords(before: noon, keeping: 10, limit: 99) == 6)
            #expect(try numbers() == Array(11...20))
            #expect(try store.forgetUsageRecords(before: noon.plus(seconds: 999), keeping: 1, limit: 99) == 9)
            #expect(try numbers() == [20] && store.forgottenUsageRecords(of: nil) == 19)
            try Self.addRecords(1, of: sessions, from: 100, store)
            #expect(try numbers() == [20, 21])
        }
    }

    private static func twoTenants(_ store: any StoreTransaction) throws -> [Session] {
        let scene = try Scene(store)
        let other = try store.insertTenant(name: .test("globex"), at: noon)
        let sim = try store.insertSIM(.test(2), of: other.id, at: noon)
        return [
            try store.attach(scene.sim, nas: scene.nas.id, apn: .test()),
            try store.attach(sim, nas: scene.nas.id, apn: .test()),
        ]
    }

    /// In turn, a second for each.
    private static func addRecords(
        _ count: Int, of sessions: [Session], from first: Int = 1, _ store: any StoreTransaction
    ) throws {
        for number in first..<first + count {
            let session = sessions[(number + 1) % sessions.count]
            let sample = UsageSample(
                counter: UInt64(session.id.rawValue), way: .internet, session: session.id,
                counts: Self.counts(UInt64(number)))
            let time = noon.plus(seconds: Int64(number))
            #expect(try store.addUsage([sample], from: time, at: time).records == 1)
        }
    }
}

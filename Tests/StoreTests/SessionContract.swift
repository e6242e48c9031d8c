import Domain
import Store
import Testing

@Suite("Store contract: sessions")
struct SessionContract {
    @Test(arguments: StoreUnderTest.allCases)
    func `a session comes back as it was put in, by every way to find it`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let equipment = Equipment(
                imei: try IMEI(parsing: "01234567890123"), rat: .nbIoT, visitedNetwork: try PLMN(parsing: "00101"),
                location: UserLocation(octets: [130, 0, 255]), chargingID: .max, nsapi: 5)
            // The highest bit of a token, and leading zeros, survive.
            for token in [SessionToken(bits: 1), SessionToken(bits: .max)] {
                var session = try store.insertSession(
                    token: token, sim: scene.sim.subscriber, nas: scene.nas.id, lease: scene.lease,
                    equipment: equipment,
                    accountingSessionID: "0A1B", at: noon)
                #expect(session.equipment == equipment && session.accountingSessionID == "0A1B")
                #expect(session.usage == SessionUsage() && session.endedAt == nil && session.updatedAt == noon)
                #expect(try store.session(session.id) == session)
                #expect(try store.session(token: token) == session)
                #expect(try store.activeSession(address: scene.lease.address) == session)
                #expect(try store.activeSession(of: scene.sim.id, on: .test()) == session)
                #expect(try store.activeSession(of: scene.sim.id, on: .test("other")) == nil)
                #expect(try store.activeSessions(of: scene.sim.id) == [session])
                #expect(try store.activeSessions(through: scene.nas.id) == [session])
                session.endedAt = noon
                try store.updateSession(session)
            }
            #expect(try store.session(token: SessionToken(bits: 2)) == nil)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a report and an end are written, and counters of 64 bits survive`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let second = try store.insertTestNAS("pgw-2", address: 7)
            var session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            session.usage = SessionUsage(
                octetsUp: .max, octetsDown: 1 << 63, packetsUp: 1 << 32, packetsDown: 0, seconds: 86_400)
            session.equipment.imei = try IMEI(parsing: "01234567890123")
            session.accountingSessionID = "42"
            session.updatedAt = noon.plus(seconds: 5)
            try store.updateSession(session)
            #expect(try store.session(session.id) == session)

            // The device moved to another gateway: the session is that one's now.
            let moved = Session(
                id: session.id, token: session.token, sim: session.sim, imsi: session.imsi, tenant: session.tenant,
                nas: second.id, apn: session.apn, address: session.address, natIndex: session.natIndex,
                equipment: session.equipment, accountingSessionID: nil, startedAt: session.startedAt,
                updatedAt: noon.plus(seconds: 6), endedAt: nil, usage: session.usage)
            try store.updateSession(moved)
            #expect(try store.activeSessions(through: scene.nas.id).isEmpty)
            #expect(try store.activeSessions(through: second.id) == [moved])

            var ended = moved
            ended.endedAt = noon.plus(seconds: 7)
            try store.updateSession(ended)
            #expect(try store.session(session.id) == ended)
            #expect(try store.session(token: session.token) == ended)
            #expect(try store.activeSession(address: scene.lease.address) == nil)
            #expect(try store.activeSession(of: scene.sim.id, on: .test()) == nil)
            #expect(try store.activeSessions(of: scene.sim.id).isEmpty)
            #expect(try store.activeSessions(through: second.id).isEmpty)

            // A late report of an ended session is kept, and does not open it.
            ended.usage.seconds = 86_401
            try store.updateSession(ended)
            #expect(try store.session(session.id) == ended)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `one active session for a SIM on an APN, for an address, for a token`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let other = try store.insertSIM(.test(2), of: scene.tenant.id, at: noon)
            func insert(_ token: SessionToken, _ sim: SIM, _ lease: AddressLease) throws -> Session {
                try store.insertSession(
                    token: token, sim: sim.subscriber, nas: scene.nas.id, lease: lease, equipment: Equipment(),
                    accountingSessionID: nil, at: noon)
            }
            let first = try insert(SessionToken(bits: 1), scene.sim, scene.lease)
            // Both the SIM and its address are in use; which of the two is found first is the store's affair.
            let again = refusal { try insert(SessionToken(bits: 2), scene.sim, scene.lease) }
            #expect(again?.code == .conflict && again?.message.contains("active session") == true)
            let stolen = refusal { try insert(SessionToken(bits: 2), other, scene.lease) }
            #expect(stolen?.code == .conflict && stolen?.message.contains("address") == true)
            let lease = try store.takeLease(sim: other.id, tenant: scene.tenant.id, apn: .test())
            let token = refusal { try insert(SessionToken(bits: 1), other, lease) }
            #expect(token?.code == .conflict && token?.message.contains("token") == true)

            // Another APN of the same SIM is another session. After an end the same APN is free again.
            let second = try store.attach(scene.sim, nas: scene.nas.id, apn: .test("other"))
            #expect(try store.activeSessions(of: scene.sim.id) == [first, second])
            var ended = first
            ended.endedAt = noon
            try store.updateSession(ended)
            let third = try insert(SessionToken(bits: 3), scene.sim, scene.lease)
            #expect(third.id > second.id)
            ended.endedAt = nil
            #expect(refusal { try store.updateSession(ended) }?.code == .conflict)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a session without its SIM, NAS or lease is refused`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            func insert(_ nas: NAS.ID, _ lease: AddressLease) -> StoreError? {
                refusal {
                    try store.insertSession(
                        token: .random(at: noon), sim: scene.sim.subscriber, nas: nas, lease: lease,
                        equipment: Equipment(),
                        accountingSessionID: nil, at: noon)
                }
            }
            let unknown = AddressLease(
                sim: scene.sim.id, apn: scene.lease.apn, address: IPv4Address(bits: 1), natIndex: 9)
            #expect(insert(NAS.ID(999), scene.lease)?.code == .notFound)
            #expect(insert(scene.nas.id, unknown)?.code == .notFound)
            try store.deleteSIM(scene.sim.id)
            #expect(insert(scene.nas.id, scene.lease)?.code == .notFound)
            let ghost = Session(
                id: Session.ID(999), token: .random(at: noon), sim: scene.sim.id, imsi: scene.sim.imsi,
                tenant: scene.tenant.id, nas: scene.nas.id, apn: scene.lease.apn, address: scene.lease.address,
                natIndex: 0, equipment: Equipment(), accountingSessionID: nil, startedAt: noon, updatedAt: noon,
                endedAt: nil, usage: SessionUsage())
            #expect(refusal { try store.updateSession(ghost) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `pages of sessions, put together, are all of them once`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            var all: [Session] = []
            for number in 10..<40 {
                let tenant = number % 3 == 0 ? globex.id : scene.tenant.id
                let sim = try store.insertSIM(.test(number), of: tenant, at: noon)
                var session = try store.attach(sim, nas: scene.nas.id, apn: .test())
                if number % 2 == 0 {
                    session.endedAt = noon
                    try store.updateSession(session)
                }
                all.append(session)
            }
            for tenant in [nil, scene.tenant.id, globex.id] {
                for activeOnly in [false, true] {
                    var found: [Session] = []
                    while true {
                        let page = try store.sessions(
                            of: tenant, activeOnly: activeOnly, after: found.last?.id, limit: 4)
                        if page.isEmpty { break }
                        #expect(page.count <= 4)
                        found += page
                    }
                    let expected = all.filter {
                        (tenant == nil || $0.tenant == tenant) && (!activeOnly || $0.endedAt == nil)
                    }
                    #expect(!expected.isEmpty && found == expected)
                }
            }
        }
    }

    /// Compared with a filter over all of them.
    @Test(arguments: StoreUnderTest.allCases)
    func `sessions are found by the number that NAT 1 knows them by, and by time`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            var all: [Session] = []
            for number in 10..<16 {
                let sim = try store.insertSIM(.test(number), of: scene.tenant.id, at: noon)
                var time = noon
                for length: Int64 in [0, 3, 0, 0, 5, 2] {
                    time = time.plus(seconds: number % 2 == 0 ? 1 : 0)
                    var session = try store.attach(sim, nas: scene.nas.id, apn: .test(), at: time)
                    time = time.plus(seconds: length)
                    session.endedAt = time
                    try store.updateSession(session)
                    all.append(session)
                }
                all.append(try store.attach(sim, nas: scene.nas.id, apn: .test(), at: time))
            }
            all.sort { ($0.natIndex, $0.startedAt, $0.id) < ($1.natIndex, $1.startedAt, $1.id) }
            let indexes = Set(all.map(\.natIndex)).sorted()
            #expect(indexes.count == 6)
            let times = [nil] + (Int64(-1)...20).map { noon.plus(seconds: $0) }
            for range in [0...Int64.max, indexes[2]...indexes[2], indexes[1]...indexes[3], 9000...9001] {
                for from in times {
                    for to in [nil, from, from?.plus(seconds: 4)] {
                        let expected = all.filter { session in
                            range.contains(session.natIndex) && (to.map { session.startedAt <= $0 } ?? true)
                                && (session.endedAt ?? noon.plus(seconds: 99)) >= from ?? noon
                        }
                        var found: [Session] = []
                        while true {
                            let page = try store.sessions(
                                natIndexes: range, from: from, to: to, after: found.last?.id, limit: 4)
                            if page.isEmpty { break }
                            found += page
                        }
                        try #require(found == expected, "\(range) \(String(describing: from))")
                    }
                }
            }
            let unknown = refusal {
                try store.sessions(natIndexes: 0...1, from: nil, to: nil, after: Session.ID(9999), limit: 4)
            }
            #expect(unknown?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `what the kernel should hold is every active session with the policy that judges it`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let acme = scene.tenant.id
            let globex = try store.insertTenant(name: .test("globex"), at: noon).id
            let standard = try store.putTestPolicy("standard", of: acme).id
            let strict = try store.putTestPolicy("strict", of: acme).id
            let theirs = try store.putTestPolicy("standard", of: globex).id
            let meters = try store.insertGroup(name: .test("meters"), of: acme, policy: strict).id
            let pumps = try store.insertGroup(name: .test("pumps"), of: acme, policy: nil).id
            let grouped = try store.insertGroup(name: .test("standard"), of: acme, policy: standard).id

            func attach(_ number: Int, _ tenant: Tenant.ID, _ group: SIMGroup.ID?) throws -> Session {
                let sim = try store.insertSIM(.test(number, group: group), of: tenant, at: noon)
                return try store.attach(sim, nas: scene.nas.id, apn: .test())
            }
            func enforced(_ session: Session, _ policy: Policy.ID?, _ group: SIMGroup.ID? = nil) -> EnforcedSession {
                EnforcedSession(
                    session: session.id, sim: session.sim, tenant: session.tenant, address: session.address,
                    natIndex: session.natIndex, policy: policy, group: group)
            }
            let plain = try attach(10, acme, nil)
            let meter = try attach(11, acme, meters)
            let other = try attach(12, globex, nil)
            let pump = try attach(13, acme, pumps)
            let member = try attach(14, acme, grouped)
            var gone = try attach(15, acme, meters)
            gone.endedAt = noon
            try store.updateSession(gone)

            // Without a default policy nothing judges who is in no group with one.
            #expect(
                try store.enforcedSessions() == [
                    enforced(plain, nil), enforced(meter, strict, meters), enforced(other, nil),
                    enforced(pump, nil, pumps), enforced(member, standard, grouped),
                ])
            #expect(try store.enforcedSessions(judgedBy: standard) == [enforced(member, standard, grouped)])

            try store.setDefaultPolicy(standard, of: acme)
            try store.setDefaultPolicy(theirs, of: globex)
            let (a, b, c) = (enforced(plain, standard), enforced(meter, strict, meters), enforced(other, theirs))
            let (d, e) = (enforced(pump, standard, pumps), enforced(member, standard, grouped))
            #expect(try store.enforcedSessions() == [a, b, c, d, e])
            #expect(try store.enforcedSessions(judgedBy: standard) == [a, d, e])
            #expect(try store.enforcedSessions(judgedBy: strict) == [b])
            #expect(try store.enforcedSessions(judgedBy: theirs) == [c])
            #expect(try store.enforcedSessions(ofGroup: pumps) == [d])
            #expect(try store.enforcedSessions(ofGroup: meters) == [b])
            #expect(try store.enforcedSessions(ofTenant: acme) == [a, b, d, e])
            #expect(try store.enforcedSessions(ofTenant: globex) == [c])
            #expect(try store.enforcedSessions(of: meter.sim) == [b])
            #expect(try store.enforcedSessions(of: gone.sim).isEmpty)
        }
    }
}

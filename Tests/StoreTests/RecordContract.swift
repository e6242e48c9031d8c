import Domain
import Store
import Testing

@Suite("Store contract: accounting, audit, tokens, counts")
struct RecordContract {
    @Test(arguments: StoreUnderTest.allCases)
    func `an accounting record gives back its report, in full or almost empty`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            let full = AccountingReport(
                nas: scene.nas.id, kind: .stop, token: SessionToken(bits: .max - 5), imsi: scene.sim.imsi,
                apn: scene.lease.apn, address: IPv4Address(bits: .max), accountingSessionID: "0000ABCD",
                equipment: Equipment(
                    imei: try IMEI(parsing: "99999999999999"), rat: RATType(rawValue: 255),
                    visitedNetwork: try PLMN(parsing: "310410"), location: UserLocation(octets: []), chargingID: 0,
                    nsapi: 15),
                usage: SessionUsage(
                    octetsUp: .max, octetsDown: .max - 1, packetsUp: 1, packetsDown: 2, seconds: 3),
                terminateCause: .max, isLastBearer: true, time: noon.plus(seconds: -3))
            let empty = AccountingReport(
                nas: NAS.ID(999), kind: .on, token: nil, imsi: nil, apn: nil, address: nil, accountingSessionID: nil,
                equipment: Equipment(), usage: SessionUsage(), terminateCause: nil, isLastBearer: false, time: noon)
            for report in [full, empty, full] {
                try store.appendAccounting(report, session: session.id, received: noon)
            }
            try store.appendAccounting(empty, session: nil, received: noon)
            #expect(try store.accounting(of: session.id) == [full, empty, full])
            #expect(try store.accounting(of: Session.ID(999)).isEmpty)
            let lost = refusal { try store.appendAccounting(empty, session: Session.ID(999), received: noon) }
            #expect(lost?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `tokens are found by digest, and go by name`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let root = APIToken(name: try .test("root"), role: .operator, createdAt: noon)
            let acme = APIToken(name: try .test("acme"), role: .tenant(tenant.id), createdAt: noon)
            let (one, two) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32))
            try store.insertToken(root, digest: one)
            try store.insertToken(acme, digest: two)
            #expect(try store.token(digest: one) == root)
            #expect(try store.token(digest: two) == acme)
            #expect(try store.token(digest: []) == nil)
            #expect(try store.tokens() == [acme, root])

            let other = APIToken(name: try .test("other"), role: .operator, createdAt: noon)
            let foreign = APIToken(name: try .test("x"), role: .tenant(Tenant.ID(999)), createdAt: noon)
            let three = [UInt8](repeating: 3, count: 32)
            #expect(refusal { try store.insertToken(root, digest: three) }?.code == .conflict)
            #expect(refusal { try store.insertToken(other, digest: one) }?.code == .conflict)
            #expect(refusal { try store.insertToken(other, digest: [1, 2, 3]) }?.code == .conflict)
            #expect(refusal { try store.insertToken(foreign, digest: three) }?.code == .notFound)
            try store.deleteToken(named: .test("root"))
            #expect(try store.tokens() == [acme])
            #expect(refusal { try store.deleteToken(named: .test("root")) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `the audit log is read from its newest record back`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            for number in 0..<7 {
                try store.appendAudit(
                    actor: "anna", action: "sim.suspend", target: "sim \(number)", detail: "a\n\u{0}b",
                    at: noon.plus(seconds: Int64(number)))
            }
            let newest = try store.audit(before: nil, limit: 3)
            #expect(newest.map(\.target) == ["sim 6", "sim 5", "sim 4"])
            #expect(newest.first?.actor == "anna" && newest.first?.action == "sim.suspend")
            #expect(newest.first?.time == noon.plus(seconds: 6))
            let older = try store.audit(before: newest.last?.id, limit: 100)
            #expect(older.map(\.target) == ["sim 3", "sim 2", "sim 1", "sim 0"])
            #expect(try store.audit(before: older.last?.id, limit: 100).isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `counts count`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            #expect(try store.counts() == StoreCounts(tenants: 0, sims: 0, activeSessions: 0, policies: 0))
            let scene = try Scene(store)
            _ = try store.insertSIM(.test(2), of: scene.tenant.id, at: noon)
            for _ in 0..<2 { _ = try store.putTestPolicy("meters", of: scene.tenant.id) }
            var session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            #expect(try store.counts() == StoreCounts(tenants: 1, sims: 2, activeSessions: 1, policies: 1))
            session.endedAt = noon
            try store.updateSession(session)
            #expect(try store.counts().activeSessions == 0)
        }
    }
}

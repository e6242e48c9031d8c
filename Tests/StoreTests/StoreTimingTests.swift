import Domain
import Store
import Testing

/// Prints how fast the store is here; asserts only that the work was done. Figures count with `-c release` alone.
@Suite(.serialized) struct StoreTimingTests {
    private static let sims = 100_000

    @Test func `times of 100,000 SIMs, their admission, a report of each, and what the kernel should hold`()
        async throws
    {
        try await StoreUnderTest.sqlite.withStore { store in
            let count = Self.sims
            let (tenant, nas) = try await store.write { transaction in
                _ = try transaction.insertPool(prefix: .test("100.64.0.0/10"), blockLength: 24)
                let tenant = try transaction.insertTenant(name: .test("acme"), at: noon)
                let policy = try transaction.putTestPolicy("meters", of: tenant.id)
                try transaction.setDefaultPolicy(policy.id, of: tenant.id)
                return (tenant, try transaction.insertTestNAS())
            }
            let new = try (0..<count).map { try NewSIM.test($0, label: "meter \($0)") }
            let order = new.map(\.imsi).shuffled()
            try await time("SIM inserts", count) {
                try await store.write { transaction in
                    for sim in new { _ = try transaction.insertSIM(sim, of: tenant.id, at: noon) }
                }
            }
            let apn = try APN.test()
            try await time("admissions, new lease, one transaction", count) {
                try await store.write { transaction in
                    for imsi in order { try Self.admit(imsi, apn, nas, transaction) }
                }
            }
            try await time("admissions, known lease, transactions of 64", count / 10) {
                for start in stride(from: 0, to: count / 10, by: 64) {
                    try await store.write { transaction in
                        for imsi in order[start..<min(start + 64, count / 10)] {
                            try Self.admit(imsi, apn, nas, transaction)
                        }
                    }
                }
            }
            try await time("admissions as those, with an event each", count / 10) {
                for start in stride(from: 0, to: count / 10, by: 64) {
                    try await store.write { transaction in
                        for imsi in order[start..<min(start + 64, count / 10)] {
                            try Self.admit(imsi, apn, nas, transaction)
                            try transaction.appendEvent(
                                Event.News(
                                    .sessionReplaced, of: tenant.id, about: Event.Subject(.sim, imsi), at: noon,
                                    imsi: imsi,
                                    session: Session.ID(Int64(start + 1)),
                                    words: "attached anew to iot.example as 100.64.0.1",
                                    details: [Event.Detail("apn", apn), Event.Detail("address", "100.64.0.1")]))
                        }
                    }
                }
            }
            try await time("interim reports, one transaction", count) {
                try await store.write { transaction in
                    for imsi in order { try Self.report(imsi, apn, nas, transaction) }
                }
            }
            try await time("enforced sessions", count) {
                let enforced = try await store.read { try $0.enforcedSessions() }
                #expect(enforced.count == count && enforced.allSatisfy { $0.policy != nil })
            }
            #expect(try await store.read { try $0.counts() }.activeSessions == count)
        }
    }

    @Test func `times of 2,000 tunnels of 100 tenants, their keys, one more and a change`() async throws {
        try await StoreUnderTest.sqlite.withStore { store in
            let count = 2000
            let tunnel = try Tunnel.test("10.0.0.0/24=192.168.7.0/24", "10.1.0.0/16", peer: "vpn.acme.example")
            let tenants = try await store.write { store in
                try (0..<100).map { try store.insertTenant(name: .test("t\($0)"), at: noon).id }
            }
            let insert: @Sendable (Int, any StoreTransaction) throws -> VPN = { number, store in
                let vpn = try store.insertVPN(
                    name: .test("v\(number)"), of: tenants[number % 100], tunnel: tunnel, at: noon)
                _ = try store.insertVPNKey(Secret(bytes: [UInt8](repeating: 7, count: 32)), of: vpn.id, at: noon)
                return vpn
            }
            try await time("tunnels, the first, with its key", 1) { _ = try await store.write { try insert(0, $0) } }
            try await time("tunnels with a key each, one transaction", count - 1) {
                try await store.write { store in for number in 1..<count { _ = try insert(number, store) } }
            }
            for round in 1...3 {
                try await time("VPNs read, round \(round)", count) {
                    let vpns = try await store.read { try $0.allVPNs() }
                    #expect(vpns.count == count)
                }
                try await time("keys read, round \(round)", count) {
                    let keys = try await store.read { try $0.allVPNKeys() }
                    #expect(keys.count == count)
                }
                try await time("tunnels, one more with its key", 1) {
                    let vpn = try await store.write { try insert(count + round, $0) }
                    try await store.write { try $0.deleteVPN(vpn.id) }
                }
            }
            let last = try #require(try await store.read { try $0.allVPNs() }.last?.id)
            try await time("changes of a tunnel", 1) { try await store.write { try $0.updateTunnel(last, to: tunnel) } }
        }
    }

    private func time(_ what: String, _ count: Int, _ body: () async throws -> Void) async throws {
        let duration = try await ContinuousClock().measure(body)
        let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
        print("Store timing: \(count) \(what): \(duration), \(Int(Double(count) / seconds)) /s")
    }

    private static func admit(_ imsi: IMSI, _ apn: APN, _ nas: NAS, _ store: any StoreTransaction) throws {
        try store.savepoint {
            let sim = try #require(try store.sim(imsi: imsi))
            if var old = try store.activeSession(of: sim.id, on: apn) {
                old.endedAt = noon
                try store.updateSession(old)
            }
            let lease = try store.takeLease(sim: sim.id, tenant: sim.tenant, apn: apn)
            _ = try store.insertSession(
                token: .random(at: noon), sim: sim.subscriber, nas: nas.id, lease: lease,
                equipment: Equipment(rat: .nbIoT, location: UserLocation(octets: Array(0..<13)), nsapi: 5),
                accountingSessionID: "0A1B2C3D", at: noon)
            _ = try store.effectivePolicy(of: sim.id)
        }
    }

    private static func report(_ imsi: IMSI, _ apn: APN, _ nas: NAS, _ store: any StoreTransaction) throws {
        try store.savepoint {
            let sim = try #require(try store.sim(imsi: imsi))
            var session = try #require(try store.activeSession(of: sim.id, on: apn))
            session.usage.octetsUp += 1000
            let report = AccountingReport(
                nas: nas.id, kind: .interim, token: session.token, imsi: imsi, apn: apn, address: session.address,
                accountingSessionID: "0A1B2C3D", equipment: session.equipment, usage: session.usage,
                terminateCause: nil, isLastBearer: false, time: noon)
            try store.appendAccounting(report, session: session.id, received: noon)
            try store.updateSession(session)
        }
    }
}

import Domain
import Store
import TestSupport
import Testing

@Suite("Store contract: pools, blocks and leases of IPv6")
struct PrefixContract {
    private static func prefix(_ text: String) throws -> IPv6Prefix { try IPv6Prefix(parsing: text) }

    @Test(arguments: StoreUnderTest.allCases)
    func `a lease stays with its SIM and APN, and goes with its addresses`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let pool = try store.insertPool(
                prefix: Self.prefix("2001:db8:6400::/40"), blockLength: 48, delegatedLength: nil)
            #expect(pool.blockCount == 256 && pool.sessionsPerBlock == 65_536)
            func take(_ apn: String) throws -> PrefixLease {
                try store.takePrefixes(sim: scene.sim.id, tenant: scene.tenant.id, apn: .test(apn))
            }
            let lease = try take("iot.example")
            #expect(lease.prefixes.link.description == "2001:db8:6400::/64" && lease.prefixes.delegated == nil)
            #expect(try take("iot.example") == lease)
            let other = try take("other")
            #expect(other.prefixes.link.description == "2001:db8:6400:1::/64")
            #expect(try store.prefixLeases(of: scene.sim.id) == [lease, other])
            #expect(try store.prefixBlocks(of: scene.tenant.id) == [Self.prefix("2001:db8:6400::/48")])
            let usage = try #require(try store.prefixPools().first)
            #expect(usage == PrefixPoolUsage(pool: pool, blocksGiven: 1, prefixesLeased: 2))
            #expect(refusal { try store.deletePool(pool.id) }?.code == .conflict)
            try store.releaseLeases(of: scene.sim.id)
            #expect(try store.prefixLeases(of: scene.sim.id).isEmpty)
            #expect(try store.prefixPools().first?.prefixesLeased == 0)
            // Nobody has had the next; the two that were released wait until it is their turn.
            #expect(try take("iot.example").prefixes.link.description == "2001:db8:6400:2::/64")
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `what is delegated lies beside the link, and no two leases share a network`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let pool = try store.insertPool(
                prefix: Self.prefix("fd00:1::/57"), blockLength: 58, delegatedLength: 60)
            #expect(pool.unitLength == 59 && pool.sessionsPerBlock == 2)
            var networks: [IPv6Prefix] = []
            for number in 1...4 {
                let sim = try store.insertSIM(.test(number), of: tenant.id, at: noon)
                let prefixes = try store.takePrefixes(sim: sim.id, tenant: tenant.id, apn: .test()).prefixes
                #expect(prefixes.networks.count == 17 && prefixes.delegated?.length == 60)
                #expect(prefixes.delegated?.contains(prefixes.link) == false)
                networks += prefixes.networks
            }
            #expect(Set(networks).count == 4 * 17)
            #expect(networks.allSatisfy { pool.prefix.contains($0) })
            #expect(networks[0].description == "fd00:1::/64" && networks[1].description == "fd00:1:0:10::/64")
            #expect(networks[16].description == "fd00:1:0:1f::/64")
            let last = try store.insertSIM(.test(5), of: tenant.id, at: noon)
            let take = { try store.takePrefixes(sim: last.id, tenant: tenant.id, apn: .test()) }
            #expect(refusal(take)?.code == .exhausted)
            _ = try store.insertPool(prefix: Self.prefix("fd00:2::/64"), blockLength: 64, delegatedLength: nil)
            #expect(try take().prefixes == SessionPrefixes(network: 0xfd00_0002_0000_0000, delegatedLength: nil))
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a pool that cannot be is refused`(_ kind: StoreUnderTest) async throws {
        struct Case {
            let prefix: String
            var block: UInt8 = 48
            var delegated: UInt8?
        }
        try await kind.withTransaction { store in
            _ = try store.insertPool(prefix: Self.prefix("2001:db8::/40"), blockLength: 48, delegatedLength: nil)
            let cases = [
                Case(prefix: "2001:db8:10::/44"), Case(prefix: "2001:d00::/24"),
                Case(prefix: "fe80::/40"), Case(prefix: "ff00::/40"), Case(prefix: "::/40"), Case(prefix: "4000::/40"),
                Case(prefix: "fd00::/40", block: 39), Case(prefix: "fd00::/40", block: 65),
                Case(prefix: "fd00::/40", delegated: 59), Case(prefix: "fd00::/40", delegated: 65),
                Case(prefix: "fd00::/40", block: 60, delegated: 60), Case(prefix: "fd00::/65", block: 65),
                Case(prefix: "fd00::/60", block: 60, delegated: 60),
            ]
            for one in cases {
                let refused = refusal {
                    try store.insertPool(
                        prefix: Self.prefix(one.prefix), blockLength: one.block, delegatedLength: one.delegated)
                }
                #expect(refused?.code == .conflict, "\(one)")
            }
            #expect(try store.prefixPools().count == 1)
        }
    }

    /// What the plainest bookkeeping says of random changes.
    @Test(arguments: StoreUnderTest.allCases)
    func `no prefix is given twice, whatever is taken, released and deleted`(_ kind: StoreUnderTest) async throws {
        for seed in 0..<UInt64(12) {
            try await kind.withTransaction { store in
                var random = Generator(seed: seed)
                _ = try store.insertPool(prefix: Self.prefix("fd00::/61"), blockLength: 62, delegatedLength: nil)
                _ = try store.insertPool(prefix: Self.prefix("2001:db8::/58"), blockLength: 60, delegatedLength: 63)
                let tenants = try (0..<3).map { try store.insertTenant(name: .test("t\($0)"), at: noon) }
                var sims = try (1...24).map {
                    try store.insertSIM(.test($0), of: tenants[$0 % 3].id, at: noon)
                }
                var leases: [SIM.ID: SessionPrefixes] = [:]
                // When each network was released, for the order in which they come back.
                var released: [Tenant.ID: [SessionPrefixes]] = [:]
                var most = 0
                for step in 0..<160 {
                    let place: Comment = "seed \(seed), step \(step)"
                    guard let index = sims.indices.randomElement(using: &random) else { break }
                    let sim = sims[index]
                    switch UInt.random(in: 0..<20, using: &random) {
                    case 0..<13:
                        let apn = try APN.test()
                        var taken: SessionPrefixes?
                        do throws(StoreError) {
                            taken = try store.takePrefixes(sim: sim.id, tenant: sim.tenant, apn: apn).prefixes
                        } catch {
                            guard error.code == .exhausted else { throw error }
                        }
                        guard let taken else {
                            #expect(leases[sim.id] == nil && released[sim.tenant]?.isEmpty ?? true, place)
                            continue
                        }
                        if let known = leases[sim.id] {
                            #expect(taken == known, place)
                        } else if let turn = released[sim.tenant]?.firstIndex(of: taken) {
                            // Only the one that waits longest.
                            #expect(turn == 0, place)
                            released[sim.tenant]?.removeFirst()
                        }
                        leases[sim.id] = taken
                    case 13..<18:
                        try store.releaseLeases(of: sim.id)
                        if let old = leases.removeValue(forKey: sim.id) {
                            released[sim.tenant, default: []].append(old)
                        }
                    default:
                        try store.deleteSIM(sim.id)
                        sims.remove(at: index)
                        if let old = leases.removeValue(forKey: sim.id) {
                            released[sim.tenant, default: []].append(old)
                        }
                    }
                    most = max(most, leases.count)
                    let networks = leases.values.flatMap(\.networks)
                    #expect(Set(networks).count == networks.count, place)
                    for sim in sims {
                        let blocks = try store.prefixBlocks(of: sim.tenant)
                        let own = leases[sim.id]?.networks ?? []
                        #expect(own.allSatisfy { network in blocks.contains { $0.contains(network) } }, place)
                    }
                    #expect(
                        try store.prefixPools().reduce(0) { $0 + $1.prefixesLeased } == UInt64(leases.count), place)
                }
                #expect(most >= 8, "seed \(seed)")
                // With a tenant its blocks are free for others.
                let given = try store.prefixPools().reduce(0) { $0 + $1.blocksGiven }
                let blocks = try UInt64(store.prefixBlocks(of: tenants[0].id).count)
                for sim in sims where sim.tenant == tenants[0].id { try store.deleteSIM(sim.id) }
                try store.deleteTenant(tenants[0].id)
                #expect(try store.prefixPools().reduce(0) { $0 + $1.blocksGiven } == given - blocks)
            }
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a session has IPv4, IPv6 or both, and is found by each`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let address = try IPv6Address(parsing: "2001:db8::1:2:3:4")
            _ = try store.insertPool(prefix: Self.prefix("2001:db8::/40"), blockLength: 48, delegatedLength: 62)
            let prefixes = try store.takePrefixes(sim: scene.sim.id, tenant: scene.tenant.id, apn: .test()).prefixes
            func begin(hasIPv4: Bool, _ prefixes: SessionPrefixes?) throws -> Session {
                try store.insertSession(
                    token: .random(at: noon), sim: scene.sim.subscriber, nas: scene.nas.id, lease: scene.lease,
                    hasIPv4: hasIPv4, prefixes: prefixes, equipment: Equipment(), accountingSessionID: nil, at: noon)
            }
            func end(_ session: Session) throws {
                var session = session
                session.end(.stopped, at: noon)
                try store.updateSession(session)
            }
            let both = try begin(hasIPv4: true, prefixes)
            #expect(both.devices.count == 1 + 5 && both.ipv4 == scene.lease.address)
            #expect(try store.session(both.id) == both && store.session(token: both.token) == both)
            #expect(try store.activeSession(address: IPAddress.v6(address)) == both)
            #expect(try store.activeSession(address: IPAddress.v4(scene.lease.address)) == both)
            // The last network that is delegated to it, one between, and one behind.
            for (text, isIts) in [("2001:db8:0:7::9", true), ("2001:db8:0:3::9", false), ("2001:db8:0:8::9", false)] {
                #expect(
                    try (store.activeSession(address: IPAddress.v6(IPv6Address(parsing: text))) != nil) == isIts,
                    "\(text)")
            }
            #expect(
                try store.enforcedSessions() == [
                    EnforcedSession(
                        session: both.id, sim: scene.sim.id, tenant: scene.tenant.id, address: scene.lease.address,
                        natIndex: 0, policy: nil, prefixes: prefixes)
                ])
            #expect(refusal { try store.releaseLeases(of: scene.sim.id) }?.code == .conflict)
            try end(both)
            #expect(try store.activeSession(address: IPAddress.v6(address)) == nil)
            // A new one with what an ended one had, as it had it.
            let again = try store.continueSession(try #require(try store.session(both.id)), at: noon)
            #expect(again.prefixes == prefixes && again.hasIPv4)
            #expect(try store.session(again.id)?.prefixes == prefixes)
            try end(again)

            let alone = try begin(hasIPv4: false, prefixes)
            #expect(alone.ipv4 == nil && alone.devices.count == 5)
            #expect(try store.enforcedSession(alone.id)?.address == nil)
            #expect(
                try store.sessionsBegun(after: Session.ID(0), upTo: nil, limit: 9).map(\.hasIPv4) == [
                    true, true, false,
                ])
            // Neither family is none.
            #expect(refusal { try begin(hasIPv4: false, nil) } != nil)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a report keeps the prefix that it names`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            func report(_ prefix: IPv6Prefix?) throws -> AccountingReport {
                AccountingReport(
                    nas: scene.nas.id, kind: .start, token: session.token, imsi: nil, apn: nil, address: nil,
                    accountingSessionID: nil, equipment: Equipment(), usage: SessionUsage(), terminateCause: nil,
                    isLastBearer: false, time: noon, prefix: prefix)
            }
            let reports = try [nil, Self.prefix("2001:db8:1:2::/64"), Self.prefix("fd00:1:2:3::/64")].map(report)
            for report in reports { try store.appendAccounting(report, session: session.id, received: noon) }
            #expect(try store.accounting(of: session.id) == reports)
        }
    }
}

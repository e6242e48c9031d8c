import Domain
import Store
import TestSupport
import Testing

@Suite("Store contract: pools, blocks, leases")
struct AddressContract {
    @Test(arguments: StoreUnderTest.allCases)
    func `a lease stays with its SIM and APN until it is released`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            #expect(scene.lease.address.description == "100.64.0.1")
            #expect(scene.lease.natIndex == 0)
            #expect(try store.takeLease(sim: scene.sim.id, tenant: scene.tenant.id, apn: .test()) == scene.lease)
            #expect(try store.lease(of: scene.sim.id, on: .test()) == scene.lease)
            let other = try store.takeLease(sim: scene.sim.id, tenant: scene.tenant.id, apn: .test("other"))
            #expect(other.address.description == "100.64.0.2" && other.natIndex == 1)
            #expect(try store.leases(of: scene.sim.id) == [scene.lease, other])
            #expect(try store.blocks(of: scene.tenant.id) == [.test("100.64.0.0/24")])
            let usage = try #require(try store.pools().first)
            #expect(usage.blocksGiven == 1 && usage.addressesLeased == 2)
            try store.releaseLeases(of: scene.sim.id)
            #expect(try store.leases(of: scene.sim.id).isEmpty)
            #expect(try store.lease(of: scene.sim.id, on: .test()) == nil)
            #expect(try store.pools().first?.addressesLeased == 0)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `released addresses come back last, the one released first before the others`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            // One block of six addresses.
            _ = try store.insertPool(prefix: .test("10.0.0.0/29"), blockLength: 29)
            let sims = try (1...8).map { try store.insertSIM(.test($0), of: tenant.id, at: noon) }
            func take(_ sim: SIM) throws -> AddressLease {
                try store.takeLease(sim: sim.id, tenant: tenant.id, apn: .test())
            }
            let first = try sims[0..<4].map(take)
            try store.releaseLeases(of: sims[2].id)
            try store.releaseLeases(of: sims[0].id)
            // Two that nobody had, then the third's and the first's; numbers in NAT 1 are filled up from below.
            let later = try sims[4..<8].map(take)
            #expect(
                later.map(\.address.description) == [
                    "10.0.0.5", "10.0.0.6", first[2].address.description, first[0].address.description,
                ])
            #expect(later.map(\.natIndex) == [0, 2, 4, 5])
            #expect(refusal { try take(sims[0]) }?.code == .exhausted)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a tenant grows block by block and pool by pool, and first and last addresses are never given`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            let small = try store.insertPool(prefix: .test("10.0.0.0/29"), blockLength: 30)
            let top = try store.insertPool(prefix: .test("255.255.255.248/29"), blockLength: 29)
            let sims = try (1...8).map { try store.insertSIM(.test($0), of: acme.id, at: noon) }
            let others = try (11...17).map { try store.insertSIM(.test($0), of: globex.id, at: noon) }
            func take(_ sim: SIM) throws -> String {
                try store.takeLease(sim: sim.id, tenant: sim.tenant, apn: .test()).address.description
            }
            #expect(try take(sims[0]) == "10.0.0.1")
            #expect(try take(others[0]) == "10.0.0.5")
            #expect(try take(sims[1]) == "10.0.0.2")
            #expect(try take(sims[2]) == "255.255.255.249")
            #expect(try take(others[1]) == "10.0.0.6")
            let error = refusal { try take(others[2]) }
            #expect(error?.code == .exhausted)
            #expect(error?.message.contains("add a pool") == true)
            // The refusal took nothing: the other tenant's block still has room.
            #expect(try sims[3..<8].map(take).last == "255.255.255.254")
            #expect(try store.blocks(of: acme.id) == [.test("10.0.0.0/30"), .test("255.255.255.248/29")])
            #expect(try store.blocks(of: globex.id) == [.test("10.0.0.4/30")])
            #expect(
                try store.pools() == [
                    AddressPoolUsage(pool: small, blocksGiven: 2, addressesLeased: 4),
                    AddressPoolUsage(pool: top, blocksGiven: 1, addressesLeased: 6),
                ])

            // A pool added later lifts the exhaustion; a released address does, too.
            try store.releaseLeases(of: others[0].id)
            #expect(try take(others[2]) == "10.0.0.5")
            _ = try store.insertPool(prefix: .test("10.0.1.0/30"), blockLength: 30)
            #expect(try take(others[3]) == "10.0.1.1")
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `blocks of a deleted tenant go to others, after those never used`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            _ = try store.insertPool(prefix: .test("10.0.0.0/28"), blockLength: 30)
            func attach(_ name: String, _ number: Int) throws -> (Tenant, SIM, String) {
                let tenant = try store.insertTenant(name: .test(name), at: noon)
                let sim = try store.insertSIM(.test(number), of: tenant.id, at: noon)
                let lease = try store.takeLease(sim: sim.id, tenant: tenant.id, apn: .test())
                return (tenant, sim, lease.address.description)
            }
            let (a, aSIM, _) = try attach("a", 1)
            let (b, bSIM, _) = try attach("b", 2)
            for (tenant, sim) in [(b, bSIM), (a, aSIM)] {
                try store.deleteSIM(sim.id)
                try store.deleteTenant(tenant.id)
            }
            #expect(try attach("c", 3).2 == "10.0.0.9")
            #expect(try attach("d", 4).2 == "10.0.0.13")
            #expect(try attach("e", 5).2 == "10.0.0.5")
            #expect(try attach("f", 6).2 == "10.0.0.1")
            #expect(refusal { try attach("g", 7) }?.code == .exhausted)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `pools do not overlap, and have blocks that fit`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let pool = try store.insertPool(prefix: .test("100.64.0.0/16"), blockLength: 24)
            for prefix in ["100.64.0.0/16", "100.64.7.0/24", "100.64.0.0/10", "0.0.0.0/0", "100.64.255.252/30"] {
                let error = refusal { try store.insertPool(prefix: .test(prefix), blockLength: 30) }
                #expect(error?.code == .conflict && error?.message.contains("overlaps") == true, "\(prefix)")
            }
            for (prefix, length) in [("10.0.0.0/24", 23), ("10.0.0.0/24", 31), ("10.0.0.0/31", 31)] as [(String, UInt8)]
            {
                #expect(refusal { try store.insertPool(prefix: .test(prefix), blockLength: length) }?.code == .conflict)
            }
            let next = try store.insertPool(prefix: .test("100.65.0.0/16"), blockLength: 16)
            #expect(try store.pools().map(\.pool) == [pool, next])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a pool goes only when no tenant has a block of it`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let pool = try #require(try store.pools().first).pool
            #expect(refusal { try store.deletePool(pool.id) }?.code == .conflict)
            try store.releaseLeases(of: scene.sim.id)
            #expect(refusal { try store.deletePool(pool.id) }?.code == .conflict)
            try store.deleteSIM(scene.sim.id)
            try store.deleteTenant(scene.tenant.id)
            try store.deletePool(pool.id)
            #expect(try store.pools().isEmpty)
            #expect(refusal { try store.deletePool(pool.id) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a lease needs a SIM of that tenant, and is not released under a session`(_ kind: StoreUnderTest) async throws
    {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let other = try store.insertTenant(name: .test("globex"), at: noon)
            let apn = try APN.test("other")
            #expect(refusal { try store.takeLease(sim: scene.sim.id, tenant: other.id, apn: apn) }?.code == .notFound)
            #expect(refusal { try store.takeLease(sim: SIM.ID(999), tenant: other.id, apn: apn) }?.code == .notFound)
            #expect(try store.blocks(of: other.id).isEmpty)

            _ = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            #expect(refusal { try store.releaseLeases(of: scene.sim.id) }?.code == .conflict)
            #expect(try store.leases(of: scene.sim.id) == [scene.lease])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a lease that is refused takes nothing`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let (tenant, apn) = (scene.tenant.id, try APN.test())
            let other = try store.insertSIM(.test(2), of: tenant, at: noon)
            let kept = try store.takeLease(sim: other.id, tenant: tenant, apn: apn)
            try store.releaseLeases(of: scene.sim.id)
            #expect(refusal { try store.takeLease(sim: SIM.ID(999), tenant: tenant, apn: apn) }?.code == .notFound)
            // The number that came back is still there to be given.
            let next = try store.takeLease(sim: scene.sim.id, tenant: tenant, apn: apn)
            #expect(next.natIndex == scene.lease.natIndex && next.natIndex < kept.natIndex)
            #expect(try store.pools().map(\.addressesLeased) == [2])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `any sequence of takes, releases and deletions gives what a simple model gives`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withStore { store in
            for seed in 0..<40 * seedFactor {
                // The closure throws at its end, so that each seed begins with an empty store.
                let outcome = await refusal {
                    try await store.write { transaction in
                        try AddressModel.compare(with: transaction, seed: seed, steps: 250)
                        throw StoreError(code: .notFound, message: "compared")
                    }
                }
                #expect(outcome?.message == "compared", "seed \(seed)")
            }
        }
    }
}

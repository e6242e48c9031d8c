import Domain
import Store
import Testing

@Suite("Store contract: APNs, and what onboardings need")
struct AccessPointContract {
    @Test(arguments: StoreUnderTest.allCases)
    func `an APN is registered once, and goes with its tenant`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let own = try store.insertAccessPoint(.test("acme.iot"), owner: acme.id, at: noon)
            let shared = try store.insertAccessPoint(.test("iot.example"), owner: nil, at: noon)
            #expect(own.kind == .private && shared.kind == .shared)
            #expect(try store.accessPoints() == [own, shared])
            #expect(try store.accessPoint(.test("acme.iot")) == own)
            #expect(try store.accessPoint(.test("other.iot")) == nil)
            #expect(
                refusal { try store.insertAccessPoint(.test("acme.iot"), owner: nil, at: noon) }?.code == .conflict)
            #expect(
                refusal { try store.insertAccessPoint(.test("x.iot"), owner: Tenant.ID(999), at: noon) }?.code
                    == .notFound)
            try store.deleteTenant(acme.id)
            #expect(try store.accessPoints() == [shared])
            try store.deleteAccessPoint(.test("iot.example"))
            #expect(refusal { try store.deleteAccessPoint(.test("iot.example")) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `others' addresses on an APN are seen, blocks are added and labels changed`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            _ = try store.takeLease(sim: scene.sim.id, tenant: scene.tenant.id, apn: .test())
            #expect(try store.hasLeases(on: .test(), besides: globex.id))
            #expect(try !store.hasLeases(on: .test(), besides: scene.tenant.id))
            #expect(try !store.hasLeases(on: .test("other.iot"), besides: globex.id))
            let before = try store.blocks(of: scene.tenant.id)
            try store.addBlock(of: scene.tenant.id)
            #expect(try store.blocks(of: scene.tenant.id).count == before.count + 1)
            #expect(refusal { try store.addBlock(of: Tenant.ID(999)) }?.code == .notFound)
            try store.setLabel("pump 1", of: scene.sim.id)
            #expect(try store.sim(scene.sim.id)?.label == "pump 1")
            #expect(refusal { try store.setLabel("x", of: SIM.ID(999)) }?.code == .notFound)
        }
    }
}

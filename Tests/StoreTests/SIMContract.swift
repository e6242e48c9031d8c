import Domain
import Store
import Testing

@Suite("Store contract: SIMs and NAS")
struct SIMContract {
    @Test(arguments: StoreUnderTest.allCases)
    func `a SIM comes back as it was put in`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let group = try store.insertGroup(name: .test("meters"), of: tenant.id, policy: nil)
            let new = try NewSIM.test(7, group: group.id, label: String(repeating: "å", count: 100))
            let sim = try store.insertSIM(new, of: tenant.id, at: noon)
            #expect(sim.state == .active && sim.imsi == new.imsi && sim.label == new.label && sim.createdAt == noon)
            #expect(try store.sim(imsi: new.imsi) == sim)
            #expect(try store.sim(sim.id) == sim)

            // Leading zeros and length are part of an IMSI; a missing MSISDN stays missing, for as many as like.
            for (imsi, iccid) in [("001011", "894600000000000001"), ("0001011", "89460000000000000AF2")] {
                let bare = NewSIM(
                    imsi: try IMSI(parsing: imsi), iccid: try ICCID(parsing: iccid), msisdn: nil, group: nil, label: "")
                _ = try store.insertSIM(bare, of: tenant.id, at: noon)
                let stored = try store.sim(imsi: bare.imsi)
                #expect(stored?.imsi.description == imsi)
                #expect(stored?.iccid.description == iccid)
                #expect(stored?.msisdn == nil)
            }
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `an identity is one SIM's, whoever has it, and the refusal does not say who`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            let (a, b) = (try NewSIM.test(1), try NewSIM.test(2))
            _ = try store.insertSIM(a, of: acme.id, at: noon)
            let clashes = [
                (
                    NewSIM(imsi: a.imsi, iccid: b.iccid, msisdn: b.msisdn, group: nil, label: ""),
                    "IMSI 001010000000001 is already registered"
                ),
                (
                    NewSIM(imsi: b.imsi, iccid: a.iccid, msisdn: b.msisdn, group: nil, label: ""),
                    "ICCID 8946000000000000001 is already registered"
                ),
                (
                    NewSIM(imsi: b.imsi, iccid: b.iccid, msisdn: a.msisdn, group: nil, label: ""),
                    "MSISDN 4670000000001 is already registered"
                ),
            ]
            for (clash, message) in clashes {
                let error = refusal { try store.insertSIM(clash, of: globex.id, at: noon) }
                #expect(error?.code == .conflict)
                #expect(error?.message == message)
            }
            #expect(try store.sims(of: globex.id, group: nil, after: nil, limit: 10).isEmpty)
            #expect(refusal { try store.insertSIM(b, of: Tenant.ID(999), at: noon) }?.code == .notFound)
            let long = try NewSIM.test(3, label: String(repeating: "x", count: 101))
            #expect(refusal { try store.insertSIM(long, of: acme.id, at: noon) }?.code == .conflict)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `state and group of a SIM change`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let group = try store.insertGroup(name: .test("meters"), of: tenant.id, policy: nil)
            let sim = try store.insertSIM(.test(1), of: tenant.id, at: noon)
            // A test is an allowance beside the state.
            for state in SIM.State.allCases where state != .test {
                try store.setState(state, of: sim.id)
                #expect(try store.sim(sim.id)?.state == state)
            }
            try store.setGroup(group.id, of: sim.id)
            #expect(try store.sim(sim.id)?.group == group.id)
            let nobody = SIM.ID(999)
            #expect(refusal { try store.setState(.active, of: nobody) }?.code == .notFound)
            #expect(refusal { try store.setGroup(nil, of: nobody) }?.code == .notFound)
            #expect(refusal { try store.deleteSIM(nobody) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `pages of SIMs, put together, are all of them once`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            let group = try store.insertGroup(name: .test("meters"), of: acme.id, policy: nil)
            for number in (1...30).shuffled() {
                let tenant = number % 3 == 0 ? globex : acme
                let member = number % 3 == 1 ? group.id : nil
                _ = try store.insertSIM(.test(number, group: member), of: tenant.id, at: noon)
            }
            func all(_ tenant: Tenant.ID?, _ group: SIMGroup.ID?) throws -> [String] {
                var found: [SIM] = []
                while true {
                    let page = try store.sims(of: tenant, group: group, after: found.last?.imsi, limit: 7)
                    if page.isEmpty { return found.map(\.imsi.description) }
                    #expect(page.count <= 7)
                    found += page
                }
            }
            func numbers(_ isIn: (Int) -> Bool) throws -> [String] {
                try (1...30).filter(isIn).map { try NewSIM.test($0).imsi.description }
            }
            #expect(try all(nil, nil) == numbers { _ in true })
            #expect(try all(acme.id, nil) == numbers { $0 % 3 != 0 })
            #expect(try all(acme.id, group.id) == numbers { $0 % 3 == 1 })
            #expect(try all(nil, group.id) == numbers { $0 % 3 == 1 })
            #expect(try all(globex.id, group.id) == [])
            #expect(try store.sims(of: nil, group: nil, after: nil, limit: 0).isEmpty)
            #expect(try store.sims(of: nil, group: nil, after: nil, limit: -1).isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a SIM is judged by its group's policy, else its tenant's default, else by none`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let meters = try store.putTestPolicy("meters", of: tenant.id)
            let standard = try store.putTestPolicy("standard", of: tenant.id)
            let group = try store.insertGroup(name: .test("meters"), of: tenant.id, policy: nil)
            let sim = try store.insertSIM(.test(1), of: tenant.id, at: noon)
            #expect(try store.effectivePolicy(of: sim.id) == nil)
            try store.setDefaultPolicy(standard.id, of: tenant.id)
            #expect(try store.effectivePolicy(of: sim.id) == standard.id)
            try store.setGroup(group.id, of: sim.id)
            #expect(try store.effectivePolicy(of: sim.id) == standard.id)
            try store.setPolicy(meters.id, ofGroup: group.id)
            #expect(try store.effectivePolicy(of: sim.id) == meters.id)
            #expect(try store.effectivePolicy(of: SIM.ID(999)) == nil)
            let subscriber = try #require(try store.subscriber(imsi: sim.imsi))
            #expect(subscriber.id == sim.id && subscriber.tenant == sim.tenant && subscriber.imsi == sim.imsi)
            #expect(subscriber.policy == meters.id && subscriber.state == .active)
            try store.setState(.suspended, of: sim.id)
            #expect(try store.subscriber(imsi: sim.imsi)?.state == .suspended)
            #expect(try store.subscriber(imsi: try IMSI(parsing: "001019999999999")) == nil)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a deleted SIM gives back its identities and its address, and leaves its history`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            var session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            #expect(refusal { try store.deleteSIM(scene.sim.id) }?.code == .conflict)
            #expect(try store.leases(of: scene.sim.id) == [scene.lease])
            session.endedAt = noon.plus(seconds: 1)
            try store.updateSession(session)
            try store.deleteSIM(scene.sim.id)
            #expect(try store.sim(scene.sim.id) == nil)
            #expect(try store.leases(of: scene.sim.id).isEmpty)
            #expect(try store.session(session.id) == session)
            #expect(try store.pools().map(\.addressesLeased) == [0])
            let again = try store.insertSIM(.test(1), of: scene.tenant.id, at: noon)
            #expect(again.id > scene.sim.id)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a NAS and its secret come back as they were put in, and change`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let nas = try store.insertTestNAS()
            let other = try store.insertTestNAS("pgw-2", address: 0xC612_0003, secret: "")
            #expect(try store.nas(nas.id) == nas)
            #expect(try store.nas(named: .test("pgw-1")) == nas)
            #expect(try store.allNAS() == [nas, other])
            #expect(try store.secret(of: nas.id) == Secret(bytes: Array("testing123".utf8)))
            #expect(try store.secret(of: other.id) == Secret(bytes: []))
            #expect(try store.secret(of: NAS.ID(999)) == nil)

            var changed = nas
            changed.requiresMessageAuthenticator = false
            changed.disconnectPort = 65_535
            changed.disconnectKey = .apnAndAddress
            try store.updateNAS(changed, secret: nil)
            #expect(try store.nas(nas.id) == changed)
            #expect(try store.secret(of: nas.id) == Secret(bytes: Array("testing123".utf8)))
            try store.updateNAS(changed, secret: Secret(bytes: [0, 255]))
            #expect(try store.secret(of: nas.id) == Secret(bytes: [0, 255]))
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a NAS has its name and its address alone, and stays while it has sessions`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let name = refusal { try store.insertTestNAS("pgw-1", address: 1) }
            #expect(name?.code == .conflict && name?.message == "a NAS pgw-1 exists already")
            let address = refusal { try store.insertTestNAS("pgw-2") }
            #expect(address?.code == .conflict && address?.message == "another NAS has the address 198.18.0.2")

            var session = try store.attach(scene.sim, nas: scene.nas.id, apn: .test())
            #expect(refusal { try store.deleteNAS(scene.nas.id) }?.code == .conflict)
            session.endedAt = noon
            try store.updateSession(session)
            try store.deleteNAS(scene.nas.id)
            #expect(try store.allNAS().isEmpty)
            #expect(refusal { try store.deleteNAS(scene.nas.id) }?.code == .notFound)
            #expect(refusal { try store.updateNAS(scene.nas, secret: nil) }?.code == .notFound)
            #expect(try store.insertTestNAS().id > scene.nas.id)
        }
    }
}

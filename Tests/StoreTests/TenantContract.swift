import Domain
import Store
import Testing

@Suite("Store contract: tenants, groups, policies")
struct TenantContract {
    @Test(arguments: StoreUnderTest.allCases)
    func `a tenant is found by name and by id, and listed in the order of creation`(_ kind: StoreUnderTest) async throws
    {
        try await kind.withTransaction { store in
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            let acme = try store.insertTenant(name: .test("acme"), at: noon.plus(seconds: 1))
            #expect(try store.tenant(named: .test("acme")) == acme)
            #expect(try store.tenant(globex.id) == globex)
            #expect(try store.tenants() == [globex, acme])
            #expect(try store.tenant(named: .test("initech")) == nil)
            #expect(acme.createdAt == noon.plus(seconds: 1) && acme.defaultPolicy == nil)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a tenant's name is taken once`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            _ = try store.insertTenant(name: .test("acme"), at: noon)
            let error = refusal { try store.insertTenant(name: .test("acme"), at: noon) }
            #expect(error?.code == .conflict)
            #expect(error?.message == "a tenant acme exists already")
            #expect(try store.tenants().count == 1)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a tenant with SIMs stays, whole`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            _ = try store.insertGroup(name: .test("meters"), of: scene.tenant.id, policy: nil)
            #expect(refusal { try store.deleteTenant(scene.tenant.id) }?.code == .conflict)
            #expect(try store.groups(of: scene.tenant.id).count == 1)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a tenant's groups, policies, tokens and blocks go with it, and its number never comes back`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let policy = try store.putTestPolicy("meters", of: scene.tenant.id)
            _ = try store.insertGroup(name: .test("meters"), of: scene.tenant.id, policy: policy.id)
            try store.setDefaultPolicy(policy.id, of: scene.tenant.id)
            let digest = [UInt8](repeating: 7, count: 32)
            try store.insertToken(
                APIToken(name: .test("acme-1"), role: .tenant(scene.tenant.id), createdAt: noon), digest: digest)
            try store.deleteSIM(scene.sim.id)
            #expect(try store.blocks(of: scene.tenant.id).count == 1)

            try store.deleteTenant(scene.tenant.id)
            #expect(try store.tenants().isEmpty)
            #expect(try store.allPolicies().isEmpty)
            #expect(try store.versions(of: policy.id).isEmpty)
            #expect(try store.groups(of: scene.tenant.id).isEmpty)
            #expect(try store.blocks(of: scene.tenant.id).isEmpty)
            #expect(try store.pools().map(\.blocksGiven) == [0])
            #expect(try store.token(digest: digest) == nil)
            #expect(refusal { try store.deleteTenant(scene.tenant.id) }?.code == .notFound)

            let next = try store.insertTenant(name: .test("acme"), at: noon)
            #expect(next.id > scene.tenant.id)
            #expect(try store.putTestPolicy("meters", of: next.id).id > policy.id)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `groups are named inside their tenant`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            let ours = try store.insertGroup(name: .test("meters"), of: acme.id, policy: nil)
            let theirs = try store.insertGroup(name: .test("meters"), of: globex.id, policy: nil)
            #expect(
                refusal { try store.insertGroup(name: .test("meters"), of: acme.id, policy: nil) }?.code == .conflict)
            #expect(try store.group(named: .test("meters"), of: acme.id) == ours)
            #expect(try store.group(theirs.id) == theirs)
            #expect(try store.groups(of: acme.id) == [ours])
            let nobody = Tenant.ID(999)
            #expect(refusal { try store.insertGroup(name: .test("x"), of: nobody, policy: nil) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a policy, a group or a default policy of another tenant does not exist`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            let theirs = try store.putTestPolicy("theirs", of: globex.id)
            let group = try store.insertGroup(name: .test("meters"), of: acme.id, policy: nil)
            let other = try store.insertGroup(name: .test("pumps"), of: globex.id, policy: nil)
            let sim = try store.insertSIM(.test(1), of: acme.id, at: noon)

            #expect(refusal { try store.setPolicy(theirs.id, ofGroup: group.id) }?.code == .notFound)
            #expect(
                refusal { try store.insertGroup(name: .test("x"), of: acme.id, policy: theirs.id) }?.code == .notFound)
            #expect(refusal { try store.setDefaultPolicy(theirs.id, of: acme.id) }?.code == .notFound)
            #expect(refusal { try store.setGroup(other.id, of: sim.id) }?.code == .notFound)
            #expect(
                refusal { try store.insertSIM(.test(2, group: other.id), of: acme.id, at: noon) }?.code == .notFound)
            #expect(try store.group(group.id)?.policy == nil)
            #expect(try store.sim(sim.id)?.group == nil)
            #expect(try store.policy(named: .test("theirs"), of: acme.id) == nil)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a group with SIMs stays`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let group = try store.insertGroup(name: .test("meters"), of: tenant.id, policy: nil)
            let sim = try store.insertSIM(.test(1, group: group.id), of: tenant.id, at: noon)
            #expect(refusal { try store.deleteGroup(group.id) }?.code == .conflict)
            try store.setGroup(nil, of: sim.id)
            try store.deleteGroup(group.id)
            #expect(try store.group(group.id) == nil)
            #expect(refusal { try store.deleteGroup(group.id) }?.code == .notFound)
            #expect(refusal { try store.setPolicy(nil, ofGroup: group.id) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `putting a policy again makes the next version, and keeps the old one`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let other = try store.putTestPolicy("alarms", of: tenant.id)
            let first = try store.putTestPolicy("meters", of: tenant.id)
            let second = try store.putPolicy(
                name: .test("meters"), of: tenant.id, document: "default: block\nrules: []", author: "bert",
                comment: "second", at: noon.plus(seconds: 60))
            #expect(first.version == 1 && second.version == 2 && first.id == second.id)
            #expect(try store.policy(first.id) == second)
            #expect(try store.policy(named: .test("meters"), of: tenant.id) == second)
            #expect(try store.versions(of: first.id) == [second, first])
            #expect(try store.policies(of: tenant.id) == [other, second])
            #expect(try store.allPolicies() == [other, second])
            let nobody = Tenant.ID(999)
            #expect(refusal { try store.putTestPolicy("x", of: nobody) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a policy in use stays`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let policy = try store.putTestPolicy("meters", of: tenant.id)
            let group = try store.insertGroup(name: .test("meters"), of: tenant.id, policy: policy.id)
            #expect(refusal { try store.deletePolicy(policy.id) }?.code == .conflict)
            try store.setPolicy(nil, ofGroup: group.id)
            try store.setDefaultPolicy(policy.id, of: tenant.id)
            #expect(refusal { try store.deletePolicy(policy.id) }?.code == .conflict)
            #expect(try store.versions(of: policy.id).count == 1)
            try store.setDefaultPolicy(nil, of: tenant.id)
            try store.deletePolicy(policy.id)
            #expect(try store.policy(policy.id) == nil)
            #expect(try store.versions(of: policy.id).isEmpty)
            #expect(refusal { try store.deletePolicy(policy.id) }?.code == .notFound)
        }
    }
}

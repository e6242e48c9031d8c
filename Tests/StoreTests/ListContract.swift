import Domain
import Store
import Testing

@Suite("Store contract: shared lists, services")
struct ListContract {
    private static func list(
        _ name: String, of tenant: Tenant.ID, _ items: [String], author: String = "anna", at time: Timestamp = noon
    ) throws -> SharedList {
        SharedList(
            tenant: tenant, name: try .test(name), items: try items.map { try ListItem(parsing: $0) }, author: author,
            updatedAt: time)
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a list comes back as it was put, and is replaced whole`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let tenant = try store.insertTenant(name: .test("acme"), at: noon)
            let items = ["192.0.2.0/24", "2001:db8::/32", "*.acme.example", "198.51.100.7"]
            let first = try Self.list("office", of: tenant.id, items)
            try store.putList(first)
            #expect(try store.list(named: .test("office"), of: tenant.id) == first)
            let second = try Self.list("office", of: tenant.id, [], author: "bert", at: noon.plus(seconds: 60))
            try store.putList(second)
            let early = try Self.list("alarms", of: tenant.id, ["192.0.2.1"])
            try store.putList(early)
            #expect(try store.lists(of: tenant.id) == [early, second])
            try store.deleteList(named: .test("office"), of: tenant.id)
            #expect(try store.list(named: .test("office"), of: tenant.id) == nil)
            #expect(refusal { try store.deleteList(named: .test("office"), of: tenant.id) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `lists are named inside their tenant, and go with it`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let acme = try store.insertTenant(name: .test("acme"), at: noon)
            let globex = try store.insertTenant(name: .test("globex"), at: noon)
            let ours = try Self.list("office", of: acme.id, ["192.0.2.1"])
            let theirs = try Self.list("office", of: globex.id, ["192.0.2.2"])
            let second = try Self.list("depot", of: globex.id, ["192.0.2.3"])
            for list in [theirs, ours, second] { try store.putList(list) }
            #expect(try store.list(named: .test("office"), of: acme.id) == ours)
            #expect(try store.lists(of: acme.id) == [ours])
            #expect(try store.allLists() == [ours, second, theirs])
            #expect(refusal { try store.deleteList(named: .test("depot"), of: acme.id) }?.code == .notFound)
            let nobody = try Self.list("office", of: Tenant.ID(999), [])
            #expect(refusal { try store.putList(nobody) }?.code == .notFound)
            try store.deleteTenant(globex.id)
            #expect(try store.allLists() == [ours])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a service is put, replaced, listed by name and deleted`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let service = { (name: String, definition: String, author: String) in
                ServiceRecord(name: try .test(name), definition: definition, author: author, updatedAt: noon)
            }
            try store.putService(try service("telemetry", "tcp 8883", "anna"))
            try store.putService(try service("alarm", "udp 5684", "anna"))
            let changed = try service("telemetry", "tcp 8883, udp 5684", "bert")
            try store.putService(changed)
            #expect(try store.services() == [try service("alarm", "udp 5684", "anna"), changed])
            try store.deleteService(named: .test("alarm"))
            #expect(try store.services() == [changed])
            #expect(refusal { try store.deleteService(named: .test("alarm")) }?.code == .notFound)
        }
    }
}

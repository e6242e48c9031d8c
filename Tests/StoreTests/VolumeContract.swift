import Domain
import Store
import Testing

@Suite("Store contract: volumes of data")
struct VolumeContract {
    private static let limit = DataLimit(
        volume: 1 << 63, period: .month(anchorDay: 15), zone: "Europe/Zurich", warnAt: [80], pool: .sim,
        onReached: .block)
    private static let span = DataPeriod.Span(start: noon, end: Timestamp(milliseconds: noon.milliseconds + 1))

    @Test(arguments: StoreUnderTest.allCases)
    func `each owner and source has one, which is what was put`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let tenant = scene.tenant.id
            let group = try store.insertGroup(name: .test("g"), of: tenant, policy: nil).id
            var accounts: [VolumeAccount] = []
            for source in VolumeAccount.Source.allCases {
                for owner in [.tenant, .group(group), .sim(scene.sim.id)] as [VolumeAccount.Owner] {
                    let key = VolumeAccount.Key(source: source, tenant: tenant, owner: owner)
                    #expect(try store.volumeAccount(key) == nil)
                    let account = try store.insertVolumeAccount(key, Self.limit, span: Self.span)
                    #expect(try store.volumeAccount(key) == account)
                    #expect(account.period == 1 && account.used == 0 && account.limit == 1 << 63)
                    accounts.append(account)
                }
            }
            #expect(Set(accounts.map(\.number)).count == 9)
            #expect(try store.volumeAccounts() == accounts)
            var changed = accounts[4]
            _ = changed.follow(
                DataLimit(volume: 100, period: .prepaid, zone: "UTC", warnAt: [50], pool: .group, onReached: .block),
                counted: .init(used: .max, isReached: true), span: .init(start: noon, end: nil), at: noon)
            changed.add(.max)
            try store.putVolumeAccount(changed)
            #expect(try store.volumeAccount(changed.key) == changed)
            #expect(try store.volumeAccounts().filter { $0 != changed }.count == 8)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `what is used is noted for its period only, and a number never comes back`(_ kind: StoreUnderTest) async throws
    {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let tenant = scene.tenant.id
            let key = VolumeAccount.Key(source: .tenant, tenant: tenant, owner: .sim(scene.sim.id))
            var account = try store.insertVolumeAccount(key, Self.limit, span: Self.span)
            var used = account
            used.note(used: .max - 1)
            try store.noteUsed([used])
            #expect(try store.volumeAccount(key)?.used == .max - 1)
            account.reset(at: noon)
            try store.putVolumeAccount(account)
            try store.noteUsed([used])
            #expect(try store.volumeAccount(key)?.used == 0)
            // It goes with its SIM.
            let group = try store.insertGroup(name: .test("g"), of: tenant, policy: nil).id
            try store.deleteSIM(scene.sim.id)
            #expect(try store.volumeAccount(key) == nil)
            #expect(refusal { try store.putVolumeAccount(account) }?.code == .notFound)
            let other = try store.insertVolumeAccount(
                .init(source: .tenant, tenant: tenant, owner: .group(group)), Self.limit, span: Self.span)
            #expect(other.number > account.number)
            try store.deleteGroup(group)
            #expect(try store.volumeAccounts().isEmpty)
            #expect(
                refusal {
                    try store.insertVolumeAccount(
                        .init(source: .ceiling, tenant: Tenant.ID(999), owner: .tenant), Self.limit, span: Self.span)
                }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `one of which nothing was used is stored with its first change, and only while its SIM is there`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let key = { (source: VolumeAccount.Source) in
                VolumeAccount.Key(source: source, tenant: scene.tenant.id, owner: .sim(scene.sim.id))
            }
            var noted = try #require(VolumeAccount(unused: key(.tenant), Self.limit, span: Self.span))
            noted.note(used: 7)
            try store.noteUsed([noted])
            #expect(try store.volumeAccount(key(.tenant)) == noted)
            var put = try #require(VolumeAccount(unused: key(.ceiling), Self.limit, span: Self.span))
            put.add(5)
            try store.putVolumeAccount(put)
            #expect(try store.volumeAccount(key(.ceiling)) == put)
            #expect(try store.volumeAccounts().count == 2)
            // What was counted in the period before does not come back.
            let before = noted
            noted.reset(at: noon)
            try store.putVolumeAccount(noted)
            try store.noteUsed([before])
            #expect(try store.volumeAccount(key(.tenant)) == noted && noted.period > before.period)
            try store.deleteSIM(scene.sim.id)
            try store.noteUsed([before])
            #expect(refusal { try store.putVolumeAccount(put) }?.code == .notFound)
            #expect(try store.volumeAccounts().isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `numbers are each account's own, also of what is undone and in the next transaction`(
        _ kind: StoreUnderTest
    ) async throws {
        struct Undone: Error {}
        try await kind.withStore { store in
            let (first, tenant) = try await store.write { store in
                let scene = try Scene(store)
                let tenant = scene.tenant.id
                var numbers: [QuotaNumber] = []
                for index in 0..<40 {
                    let group = try store.insertGroup(name: .test("g\(index)"), of: tenant, policy: nil).id
                    let key = VolumeAccount.Key(source: .tenant, tenant: tenant, owner: .group(group))
                    if index % 7 == 3 {
                        #expect(throws: Undone.self) {
                            try store.savepoint {
                                _ = try store.insertVolumeAccount(key, Self.limit, span: Self.span)
                                throw Undone()
                            }
                        }
                        #expect(try store.volumeAccount(key) == nil)
                    }
                    numbers.append(try store.insertVolumeAccount(key, Self.limit, span: Self.span).number)
                }
                return (numbers, tenant)
            }
            #expect(Set(first).count == 40)
            let next = try await store.write { store in
                let key = VolumeAccount.Key(source: .ceiling, tenant: tenant, owner: .tenant)
                return try store.insertVolumeAccount(key, Self.limit, span: Self.span).number
            }
            #expect(first.allSatisfy { $0 < next })
            #expect(try await store.read { try $0.volumeAccounts() }.map(\.number) == first.sorted() + [next])
        }
    }
}

import Domain
import Store
import Synchronization
import Testing

@Suite("Store contract: transactions")
struct TransactionContract {
    private struct Stop: Error {}

    @Test(arguments: StoreUnderTest.allCases)
    func `a closure that throws leaves nothing, and its own error comes out`(_ kind: StoreUnderTest) async throws {
        try await kind.withStore { store in
            await #expect(throws: Stop.self) {
                try await store.write { transaction in
                    _ = try Scene(transaction)
                    #expect(try transaction.tenants().count == 1)
                    throw Stop()
                }
            }
            let counts = try await store.read { try $0.counts() }
            #expect(counts.tenants == 0 && counts.sims == 0)
            let pools = try await store.read { try $0.pools() }
            #expect(pools.isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a savepoint that throws undoes its own changes only, however deep`(_ kind: StoreUnderTest) async throws {
        try await kind.withStore { store in
            try await store.write { transaction in
                func insert(_ name: String) throws { _ = try transaction.insertTenant(name: .test(name), at: noon) }
                try insert("a")
                #expect(throws: Stop.self) {
                    try transaction.savepoint {
                        try insert("b")
                        throw Stop()
                    }
                }
                let value = try transaction.savepoint {
                    try insert("c")
                    #expect(throws: StoreError.self) {
                        try transaction.savepoint {
                            try insert("d")
                            try insert("a")
                        }
                    }
                    #expect(throws: Stop.self) {
                        try transaction.savepoint {
                            try transaction.savepoint { try insert("e") }
                            throw Stop()
                        }
                    }
                    try insert("f")
                    return 42
                }
                #expect(value == 42)
                #expect(try transaction.tenants().map(\.name.description) == ["a", "c", "f"])
            }
            let tenants = try await store.read { try $0.tenants() }
            #expect(tenants.map(\.name.description) == ["a", "c", "f"])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a savepoint gives an address back that it took`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let scene = try Scene(store)
            let sim = try store.insertSIM(.test(2), of: scene.tenant.id, at: noon)
            var taken: [AddressLease] = []
            for _ in 0..<2 {
                #expect(throws: Stop.self) {
                    try store.savepoint {
                        taken.append(try store.takeLease(sim: sim.id, tenant: sim.tenant, apn: .test()))
                        throw Stop()
                    }
                }
            }
            #expect(taken.count == 2 && taken[0] == taken[1])
        }
    }

    /// What happened, in its order.
    private final class Log: Sendable {
        private let lines = Mutex<[String]>([])
        func note(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `queued writes run in their order, each told of before the next, and one that is refused runs otherwise`(
        _ kind: StoreUnderTest
    ) async throws {
        try await kind.withStore { store in
            let log = Log()
            /// Inserts tenants; a name that is there already is refused, and `down` is no store any more.
            @Sendable func insert(_ names: [String]) -> @Sendable (any StoreTransaction) throws -> Int {
                { transaction in
                    log.note("run \(names.joined())")
                    for name in names {
                        if name == "down" { throw StoreError(code: .unavailable, message: "down") }
                        _ = try transaction.insertTenant(name: .test(name), at: noon)
                    }
                    return names.count
                }
            }
            let queued: [(names: [String], other: [String])] = [
                (["a"], ["x"]), (["b", "a"], ["c"]), (["d", "down"], ["y"]), (["e", "a"], ["a"]), (["f"], ["z"]),
            ]
            await withCheckedContinuation { continuation in
                for (place, one) in queued.enumerated() {
                    store.queueWrite(insert(one.names), orElse: insert(one.other)) { result in
                        switch result {
                        case .success(let count): log.note("done \(count)")
                        case .failure(let error): log.note((error as? StoreError).map { "\($0.code)" } ?? "\(error)")
                        }
                        if place == queued.count - 1 { continuation.resume() }
                    }
                }
            }
            #expect(
                log.all == [
                    "run a", "done 1", "run ba", "run c", "done 1", "run ddown",
                    "unavailable", "run ea", "run a", "conflict", "run f", "done 1",
                ])
            let tenants = try await store.read { try $0.tenants() }
            #expect(tenants.map(\.name.description).sorted() == ["a", "c", "f"])
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `what was written is there after the store was closed and opened again`(_ kind: StoreUnderTest) async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let first = try kind.open(in: directory)
        let (scene, session) = try await first.write { store in
            let scene = try Scene(store)
            return (scene, try store.attach(scene.sim, nas: scene.nas.id, apn: .test()))
        }
        try await first.close()
        for operation in [
            { _ = try await first.read { try $0.tenants() } }, { try await first.write { _ in } },
        ] as [@Sendable () async throws -> Void] {
            #expect(await refusal(operation)?.code == .unavailable)
        }
        // Closing twice is no fault.
        try await first.close()

        let second = try kind.open(in: directory)
        try await second.read { store throws in
            #expect(try store.tenants() == [scene.tenant])
            #expect(try store.session(session.id) == session)
            #expect(try store.secret(of: scene.nas.id) == Secret(bytes: Array("testing123".utf8)))
            #expect(try store.lease(of: scene.sim.id, on: .test()) == scene.lease)
        }
        try await second.close()
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a read sees one state, whatever is written meanwhile, and does not wait for the writer`(
        _ kind: StoreUnderTest
    )
        async throws
    {
        try await kind.withStore { store in
            let tenant = try await store.write { try $0.insertTenant(name: .test("acme"), at: noon) }
            let writes = 60
            // Each transaction adds two SIMs; no reader may ever see an odd number.
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for number in 0..<writes {
                        try await store.write { transaction in
                            _ = try transaction.insertSIM(.test(2 * number), of: tenant.id, at: noon)
                            _ = try transaction.insertSIM(.test(2 * number + 1), of: tenant.id, at: noon)
                        }
                    }
                }
                for _ in 0..<3 {
                    group.addTask {
                        var last = 0
                        while last < 2 * writes {
                            last = try await store.read { reader in
                                let count = try reader.counts().sims
                                #expect(count % 2 == 0 && count >= 0)
                                #expect(
                                    try reader.sims(of: nil, group: nil, after: nil, limit: 1000).count == count)
                                return count
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}

import Domain
import Foundation
import GRDB
import Glibc
import Testing

import Store

struct SQLiteStoreTests {
    private static let secret = "correct-horse-battery-staple"

    @Test func `the file, its WAL and the directories made for it are the owner's alone`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let path = directory.file("var/lib/cordon.db")
        let store = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
        _ = _ = try await store.write { try $0.insertTenant(name: .test("acme"), at: noon) }
        for name in ["cordon.db", "cordon.db-wal", "cordon.db-shm"] {
            #expect(try directory.mode("var/lib/\(name)") == 0o600, "\(name)")
        }
        #expect(try directory.mode("var") == 0o700)
        #expect(try directory.mode("var/lib") == 0o700)
        try await store.close()

        // A file that was open to others is closed to them.
        #expect(chmod(path, 0o644) == 0)
        try await SQLiteStore.open(path: path, key: StoreUnderTest.key).close()
        #expect(try directory.mode("var/lib/cordon.db") == 0o600)
    }

    @Test func `another key is refused when the file is opened, in plain words`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let path = directory.file("cordon.db")
        let store = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
        let nas = try await store.write { try $0.insertTestNAS() }
        try await store.close()
        let other = Secret(bytes: [UInt8](repeating: 9, count: 32))
        let error = refusal { try SQLiteStore.open(path: path, key: other) }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("give the key file that belongs to it") == true)
        #expect(refusal { try SQLiteStore.open(path: path, key: Secret(bytes: [1])) }?.code == .unavailable)

        let again = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
        #expect(try await again.read { try $0.secret(of: nas.id) } == Secret(bytes: Array("testing123".utf8)))
        try await again.close()
    }

    @Test func `secrets are not in the file nor in its WAL, and in no error`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let store = try SQLiteStore.open(path: directory.file("cordon.db"), key: StoreUnderTest.key)
        try await store.write { transaction in
            let nas = try transaction.insertTestNAS("pgw-visible", secret: Self.secret)
            let error = refusal { try transaction.insertTestNAS("pgw-visible", address: 1, secret: Self.secret) }
            #expect(error?.code == .conflict && error?.message.contains(Self.secret) == false)
            try transaction.updateNAS(nas, secret: Secret(bytes: Array("second-\(Self.secret)".utf8)))
        }
        func occurrences(of text: String, in name: String) throws -> Int {
            let data = try Data(contentsOf: URL(fileURLWithPath: directory.file(name)))
            return data.ranges(of: Data(text.utf8)).count
        }
        // The name shows that the search looks at the right bytes.
        #expect(try occurrences(of: "pgw-visible", in: "cordon.db-wal") > 0)
        #expect(try occurrences(of: Self.secret, in: "cordon.db-wal") == 0)
        try await store.close()
        #expect(try occurrences(of: "pgw-visible", in: "cordon.db") > 0)
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
            #expect(try occurrences(of: Self.secret, in: name) == 0, "\(name)")
            #expect(try occurrences(of: String(decoding: StoreUnderTest.key.bytes, as: UTF8.self), in: name) == 0)
        }
    }

    @Test func `a sealed secret opens for its row and its key alone, and never looks the same twice`() throws {
        let sealer = try Sealer(key: StoreUnderTest.key)
        let secret = Array(Self.secret.utf8)
        let sealed = try sealer.seal(secret, row: "nas/1/secret")
        #expect(sealer.open(sealed, row: "nas/1/secret") == secret)
        #expect(sealer.open(sealed, row: "nas/2/secret") == nil)
        #expect(
            try Sealer(key: Secret(bytes: [UInt8](repeating: 1, count: 32))).open(sealed, row: "nas/1/secret") == nil)
        #expect(try sealer.seal(secret, row: "nas/1/secret") != sealed)
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(sealer.open(changed, row: "nas/1/secret") == nil, "byte \(index)")
        }
        for count in 0..<sealed.count { #expect(sealer.open(Array(sealed.prefix(count)), row: "nas/1/secret") == nil) }
    }

    @Test func `migrations are in order, and running them again changes nothing`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let path = directory.file("cordon.db")
        let names = SQLiteSchema.migrations
        #expect(names == names.sorted() && Set(names).count == names.count)
        for name in names { #expect(name.wholeMatch(of: /20\d{10}-[a-z0-9-]+/) != nil, "\(name)") }
        var contents: [[String]] = []
        for _ in 0..<3 {
            let store = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
            if contents.isEmpty {
                _ = try await store.write { try $0.insertTenant(name: .test("acme"), at: noon) }
            }
            try await store.close()
            contents.append(try Self.contents(of: path))
        }
        #expect(contents[0].contains { $0.contains("acme") } && contents[0].count > names.count)
        #expect(contents[0] == contents[1] && contents[1] == contents[2])
    }

    /// Every table's definition and every row, as text.
    private static func contents(of path: String) throws -> [String] {
        try DatabaseQueue(path: path).read { database in
            var lines: [String] = []
            let definitions = try Row.fetchAll(database, sql: "SELECT type, name, sql FROM sqlite_schema ORDER BY name")
            for definition in definitions {
                lines.append(definition.description)
                guard definition["type"] == "table" else { continue }
                let name: String = definition["name"]
                lines += try Row.fetchAll(database, sql: "SELECT * FROM \"\(name)\"").map(\.description)
            }
            return lines
        }
    }

    @Test func `a file that is no database, or is damaged, or cannot be opened is refused with what to do`()
        async throws
    {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let path = directory.file("cordon.db")
        try Data(repeating: 0x55, count: 8192).write(to: URL(fileURLWithPath: path))
        let text = refusal { try SQLiteStore.open(path: path, key: StoreUnderTest.key) }
        #expect(text?.code == .unavailable && text?.message.contains("restore the last backup") == true)
        let folder = refusal { try SQLiteStore.open(path: directory.path, key: StoreUnderTest.key) }
        #expect(folder?.code == .unavailable && folder?.message.contains("cannot open the database") == true)
        let below = refusal { try SQLiteStore.open(path: path + "/x/cordon.db", key: StoreUnderTest.key) }
        #expect(below?.code == .unavailable)

        try FileManager.default.removeItem(atPath: path)
        let store = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
        try await store.write { transaction in
            let tenant = try transaction.insertTenant(name: .test("acme"), at: noon)
            for number in 0..<200 { _ = try transaction.insertSIM(.test(number), of: tenant.id, at: noon) }
        }
        try await store.close()
        // Everything but the first page, which holds the header.
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        for index in 4096..<bytes.count { bytes[index] = 0xAA }
        try bytes.write(to: URL(fileURLWithPath: path))
        let error = await refusal {
            let damaged = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
            _ = try await damaged.read { try $0.sims(of: nil, group: nil, after: nil, limit: 1000) }
        }
        #expect(error?.code == .unavailable && error?.message.contains("damaged") == true)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a writer that finds the file locked by another gives up after its time`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let first = try SQLiteStore.open(path: directory.file("cordon.db"), key: StoreUnderTest.key)
        let second = try SQLiteStore.open(path: directory.file("cordon.db"), key: StoreUnderTest.key)
        let (locked, done) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        async let holding: Void = first.write { _ in
            locked.signal()
            done.wait()
        }
        // A write's closure has a thread of its own, so this wait holds up nobody but this test.
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                locked.wait()
                continuation.resume()
            }
        }
        let error = await refusal { try await second.write { try $0.insertTenant(name: .test("acme"), at: noon) } }
        #expect(error?.code == .unavailable && error?.message.contains("locked") == true)
        done.signal()
        try await holding
        _ = try await second.write { try $0.insertTenant(name: .test("acme"), at: noon) }
        try await first.close()
        try await second.close()
    }

    @Test(.enabled(if: geteuid() == 0, "mounts a small file system"))
    func `on a full disk nothing half-written stays, and there is room for work again once there is space`()
        async throws
    {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        try #require(mount("tmpfs", directory.path, "tmpfs", 0, "size=2m") == 0)
        defer { umount2(directory.path, Int32(MNT_DETACH)) }
        let store = try SQLiteStore.open(path: directory.file("cordon.db"), key: StoreUnderTest.key)
        let tenant = try await store.write { try $0.insertTenant(name: .test("acme"), at: noon) }
        let filler = directory.file("filler")
        try Data(count: 256 * 1024).write(to: URL(fileURLWithPath: filler))
        let document = String(repeating: "x", count: 4 << 20)
        let error = await refusal {
            try await store.write { transaction in
                _ = try transaction.insertSIM(.test(1), of: tenant.id, at: noon)
                // The caller that ignores the failure cannot commit the rest.
                _ = refusal { try transaction.putTestPolicy("large", of: tenant.id, document: document) }
            }
        }
        #expect(error?.code == .unavailable && error?.message.contains("disk") == true)
        #expect(try await store.read { try $0.counts() }.sims == 0)
        try FileManager.default.removeItem(atPath: filler)
        _ = try await store.write { try $0.insertSIM(.test(1), of: tenant.id, at: noon) }
        #expect(try await store.read { try $0.counts() }.sims == 1)
        try await store.close()
    }
}

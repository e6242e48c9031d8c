import Domain
import Foundation
import Glibc
import Store
import Testing

struct SecretKeyFileTests {
    @Test func `a key is made once, for its owner alone, and read from then on`() throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let path = directory.file("etc/cordon.key")
        let key = try SecretKeyFile.loadOrCreate(path)
        #expect(key.bytes.count == SecretKeyFile.keyLength)
        #expect(Set(key.bytes).count > 8)
        #expect(try directory.mode("etc/cordon.key") == 0o600)
        #expect(try directory.mode("etc") == 0o700)
        #expect(try SecretKeyFile.loadOrCreate(path) == key)
        #expect(try SecretKeyFile.loadOrCreate(directory.file("other.key")) != key)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("etc")) == ["cordon.key"])
    }

    @Test func `all that make it at once get the same key`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let keys = try await withThrowingTaskGroup(of: Secret.self) { group in
            for _ in 0..<16 { group.addTask { try SecretKeyFile.loadOrCreate(directory.file("cordon.key")) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(keys.count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["cordon.key"])
    }

    @Test func `a key that others can read, or of another length, is refused with what to do`() throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let path = directory.file("cordon.key")
        _ = try SecretKeyFile.loadOrCreate(path)
        #expect(chmod(path, 0o640) == 0)
        let open = refusal { try SecretKeyFile.loadOrCreate(path) }
        #expect(open?.code == .unavailable && open?.message.contains("chmod 600") == true)
        #expect(chmod(path, 0o600) == 0)
        for count in [0, 31, 33] {
            try Data(count: count).write(to: URL(fileURLWithPath: path))
            #expect(chmod(path, 0o600) == 0)
            let length = refusal { try SecretKeyFile.loadOrCreate(path) }
            #expect(length?.code == .unavailable && length?.message.contains("32 bytes") == true, "\(count)")
        }
        #expect(refusal { try SecretKeyFile.loadOrCreate(directory.path) }?.code == .unavailable)
    }
}

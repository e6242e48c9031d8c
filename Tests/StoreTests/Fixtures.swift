import Domain
import Foundation
import Store
import Testing

/// An implementation of `Store` that the contract is run against.
enum StoreUnderTest: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case sqlite = "SQLite"

    var testDescription: String { rawValue }

    static let key = Secret(bytes: (0..<32).map { UInt8($0) })

    func open(in directory: ScratchDirectory) throws -> any Store {
        switch self {
        case .sqlite: try SQLiteStore.open(path: directory.file("cordon.db"), key: Self.key)
        }
    }

    /// Gives an empty store, and removes it.
    func withStore<Value>(_ body: (any Store) async throws -> Value) async throws -> Value {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let store = try open(in: directory)
        let value = try await body(store)
        try await store.close()
        return value
    }

    /// Runs `body` in one transaction of an empty store.
    func withTransaction(_ body: @Sendable @escaping (any StoreTransaction) throws -> Void) async throws {
        try await withStore { try await $0.write(body) }
    }
}

struct ScratchDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/cordon-store-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func mode(_ name: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: file(name))[.posixPermissions] as? Int
    }

    func remove() {
        // The directory may be gone already: a test may have moved it.
        try? FileManager.default.removeItem(atPath: path)
    }
}

/// The code and the sentence of the `StoreError` that `body` throws; `nil` when it throws none.
func refusal<Value>(_ body: () throws -> Value) -> StoreError? {
    do { _ = try body() } catch { return error as? StoreError }
    return nil
}

func refusal<Value>(_ body: () async throws -> Value) async -> StoreError? {
    do { _ = try await body() } catch { return error as? StoreError }
    return nil
}

let noon = Timestamp(milliseconds: 1_795_694_400_000)

extension Timestamp {
    func plus(seconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds + seconds * 1000) }
}

extension Name {
    static func test(_ text: String) throws -> Name { try Name(parsing: text) }
}

extension APN {
    static func test(_ text: String = "iot.example") throws -> APN { try APN(parsing: text) }
}

extension IPv4Prefix {
    static func test(_ text: String) throws -> IPv4Prefix { try IPv4Prefix(parsing: text) }
}

extension NewSIM {
    /// SIM number `number`; every number has its own IMSI, ICCID and MSISDN.
    static func test(_ number: Int, group: SIMGroup.ID? = nil, label: String = "") throws -> NewSIM {
        let digits = String(number)
        let padded = String(repeating: "0", count: 10 - digits.count) + digits
        return NewSIM(
            imsi: try IMSI(parsing: "00101\(padded)"), iccid: try ICCID(parsing: "894600000\(padded)"),
            msisdn: try MSISDN(parsing: "467\(padded)"), group: group, label: label)
    }
}

/// What a session needs: a tenant with one SIM and its lease, and a NAS.
struct Scene: Sendable {
    let tenant: Tenant
    let sim: SIM
    let nas: NAS
    let lease: AddressLease

    init(_ store: any StoreTransaction) throws {
        tenant = try store.insertTenant(name: .test("acme"), at: noon)
        sim = try store.insertSIM(.test(1), of: tenant.id, at: noon)
        nas = try store.insertTestNAS()
        _ = try store.insertPool(prefix: .test("100.64.0.0/10"), blockLength: 24)
        lease = try store.takeLease(sim: sim.id, tenant: tenant.id, apn: .test())
    }
}

extension StoreTransaction {
    func insertTestNAS(_ name: String = "pgw-1", address: UInt32 = 0xC612_0002, secret: String = "testing123") throws
        -> NAS
    {
        try insertNAS(
            name: .test(name), address: IPv4Address(bits: address), secret: Secret(bytes: Array(secret.utf8)),
            requiresMessageAuthenticator: true, disconnectPort: 3799, disconnectKey: .imsiAndNSAPI)
    }

    func putTestPolicy(_ name: String, of tenant: Tenant.ID, document: String = "default: block") throws -> Policy {
        try putPolicy(
            name: .test(name), of: tenant, document: document, author: "anna", comment: "first", at: noon)
    }

    /// Attaches a SIM of `tenant`, its lease taken.
    func attach(_ sim: SIM, nas: NAS.ID, apn: APN, at time: Timestamp = noon) throws -> Session {
        try insertSession(
            token: .random(at: noon), sim: sim.subscriber, nas: nas,
            lease: takeLease(sim: sim.id, tenant: sim.tenant, apn: apn),
            equipment: Equipment(), accountingSessionID: nil, at: time)
    }
}

extension SIM {
    /// As an admission sees it; the policy plays no part in what is stored of a session.
    var subscriber: Subscriber { Subscriber(id: id, imsi: imsi, tenant: tenant, state: state, policy: nil) }
}

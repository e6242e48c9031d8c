import Domain
import Foundation
import GRDB
import Store
import Testing

/// What only the file shows of tunnels and their secrets.
struct SQLiteTunnelTests {
    private static let secret = Secret(bytes: Array("correct-horse-battery-staple-23!".utf8))

    private struct Stored {
        let directory: ScratchDirectory
        let hq: VPN
        let backup: VPN
        let certificate: [UInt8] = Array("certificate-visible".utf8)

        var path: String { directory.file("cordon.db") }

        /// A store with two tunnels of a tenant, and secrets of every kind; closed.
        init(in directory: ScratchDirectory) async throws {
            self.directory = directory
            let store = try SQLiteStore.open(path: directory.file("cordon.db"), key: StoreUnderTest.key)
            let certificate = certificate
            (hq, backup) = try await store.write { store in
                let acme = try store.insertTenant(name: .test("acme"), at: noon)
                let vpns = (
                    try store.insertVPN(name: .test("hq"), of: acme.id, tunnel: .test(), at: noon),
                    try store.insertVPN(name: .test("backup"), of: acme.id, tunnel: .test(), at: noon)
                )
                for vpn in [vpns.0, vpns.1] {
                    _ = try store.insertVPNKey(secret, of: vpn.id, at: noon)
                    let authority = try store.insertTenantAuthority(
                        certificate: certificate + [UInt8(vpn.id.rawValue)], key: secret, of: acme.id, at: noon)
                    _ = try store.insertVPNCertificate(
                        certificate, key: secret, of: vpn.id, by: authority.id, expiresAt: noon, at: noon)
                }
                return vpns
            }
            try await store.close()
        }

        /// Changes the file behind the store's back.
        func execute(_ sql: String) throws {
            var configuration = Configuration()
            configuration.foreignKeysEnabled = false
            try DatabaseQueue(path: path, configuration: configuration).writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA ignore_check_constraints = ON")
                try database.execute(sql: sql)
            }
        }

        func refusedRead<Value: Sendable>(
            _ body: @Sendable @escaping (any StoreReader) throws -> Value
        ) async throws -> StoreError? {
            let store = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
            let error = await refusal { try await store.read(body) }
            try await store.close()
            return error
        }
    }

    @Test func `keys are not in the file nor in its WAL`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let stored = try await Stored(in: directory)
        func occurrences(of bytes: [UInt8], in name: String) throws -> Int {
            try Data(contentsOf: URL(fileURLWithPath: directory.file(name))).ranges(of: Data(bytes)).count
        }
        // The certificate shows that the search looks at the right bytes.
        #expect(try occurrences(of: stored.certificate, in: "cordon.db") >= 4)
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
            #expect(try occurrences(of: Self.secret.bytes, in: name) == 0, "\(name)")
        }
        let store = try SQLiteStore.open(path: stored.path, key: StoreUnderTest.key)
        _ = try await store.write { try $0.insertVPNKey(Self.secret, of: stored.hq.id, at: noon) }
        #expect(try occurrences(of: Self.secret.bytes, in: "cordon.db-wal") == 0)
        let keys = try await store.read { try $0.allVPNKeys() }
        #expect(keys.map(\.key) == [Self.secret, Self.secret, Self.secret])
        try await store.close()
    }

    struct Move: Sendable, CustomTestStringConvertible {
        let what: String
        let sql: String
        var testDescription: String { what }

        static let all = [
            Move(
                what: "a key to another row",
                sql: "UPDATE vpn_keys SET sealed_key = (SELECT sealed_key FROM vpn_keys WHERE id = 2) WHERE id = 1"),
            Move(what: "a key's row to another VPN", sql: "UPDATE vpn_keys SET vpn = 2 WHERE id = 1"),
            Move(
                what: "an authority's key to another authority",
                sql: """
                    UPDATE tenant_authorities SET sealed_key = (SELECT sealed_key FROM tenant_authorities WHERE id = 2)
                    WHERE id = 1
                    """),
            Move(
                what: "a VPN's key to a certificate",
                sql: "UPDATE vpn_certificates SET sealed_key = (SELECT sealed_key FROM vpn_keys WHERE id = 1)"),
            Move(what: "a certificate's row to another VPN", sql: "UPDATE vpn_certificates SET vpn = 2 WHERE id = 1"),
        ]
    }

    @Test(arguments: Move.all)
    func `a sealed secret that was moved does not open`(_ move: Move) async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let stored = try await Stored(in: directory)
        try stored.execute(move.sql)
        let error = try await stored.refusedRead { store in
            (try store.allVPNKeys(), try store.allTenantAuthorities(), try store.allVPNCertificates())
        }
        #expect(error?.code == .unavailable && error?.message.contains("does not open") == true)
        #expect(error?.message.contains("correct-horse") == false)
    }

    @Test(arguments: [
        "UPDATE tunnels SET peer = '10.0.0.1.2'", "UPDATE tunnels SET devices = ''",
        "UPDATE tunnels SET devices = 'group:'", "UPDATE tunnels SET profile = 'strong'",
        "UPDATE tunnels SET authentication = 'none'", "UPDATE tunnels SET peer_identity = '@'",
        "UPDATE tunnels SET initiation = 'sometimes'", "UPDATE tunnels SET probe = '10.0.0'",
        "UPDATE tunnels SET partner = 'Not A Name!', partner_destinations = '', partner_ports = ''",
        "UPDATE tunnels SET partner = 'initech', partner_destinations = '10.0.0.0/33', partner_ports = ''",
        "UPDATE tunnels SET partner = 'initech', partner_destinations = '', partner_ports = 'tcp/0'",
        "UPDATE tunnels SET partner = 'initech'", "UPDATE vpns SET networks = '10.0.0.0/24=10.0.0.0/25' WHERE id = 1",
        "UPDATE vpns SET interface = 'line1' WHERE id = 1", "UPDATE vpns SET number = 9 WHERE id = 1",
    ])
    func `a tunnel that cannot be read is told as damage`(_ sql: String) async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let stored = try await Stored(in: directory)
        try stored.execute(sql)
        let error = try await stored.refusedRead { try $0.allVPNs() }
        #expect(error?.code == .unavailable && error?.message.contains("unreadable value in column") == true)
    }

    @Test func `the schema itself refuses what is no tunnel, and a secret of what is none`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let stored = try await Stored(in: directory)
        let queue = try DatabaseQueue(path: stored.path)
        for sql in [
            "UPDATE tunnels SET peer = ''", "UPDATE tunnels SET devices = ''", "UPDATE tunnels SET profile = 'strong'",
            "UPDATE tunnels SET authentication = 'none'", "UPDATE tunnels SET initiation = 'sometimes'",
            "UPDATE tunnels SET forces_encapsulation = 2", "UPDATE tunnels SET pairs_selectors = 2",
            "UPDATE tunnels SET partner = 'initech'", "UPDATE tunnels SET valid_from = 1",
            "UPDATE tunnels SET vpn = 9 WHERE vpn = 1", "UPDATE vpn_keys SET vpn = 9",
            "UPDATE vpn_keys SET sealed_key = x'00'",
            "UPDATE vpn_certificates SET tenant = 9", "UPDATE vpn_certificates SET authority = 9",
            "UPDATE vpn_certificates SET certificate = x''", "INSERT INTO tenant_limits VALUES (1, -1)",
            "INSERT INTO tenant_limits VALUES (9, 1)",
        ] {
            #expect(throws: DatabaseError.self, "\(sql)") { try queue.write { try $0.execute(sql: sql) } }
        }
        try queue.close()
    }
}

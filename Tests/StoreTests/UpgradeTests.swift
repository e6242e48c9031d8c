import Domain
import Foundation
import GRDB
import Store
import Testing

/// Files as earlier versions of Cordon left them: `Dumps/` has one for each version that is upgraded from, in SQL.
struct UpgradeTests {
    private static func dump(_ name: String) throws -> String {
        let url = try #require(Bundle.module.url(forResource: "Dumps/\(name)", withExtension: "sql"))
        return try String(contentsOf: url, encoding: .utf8)
    }

    private static func load(_ dump: String, into path: String) throws {
        var configuration = Configuration()
        // A dump's rows are in the order of its tables.
        configuration.foreignKeysEnabled = false
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.writeWithoutTransaction { try $0.execute(sql: dump) }
        try queue.close()
    }

    /// What defines a file's tables, without the migrator's own.
    private static func definitions(of path: String) throws -> [String] {
        try DatabaseQueue(path: path).read { database in
            try String.fetchAll(
                database,
                sql: """
                    SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema
                    WHERE tbl_name NOT LIKE 'grdb%' ORDER BY type, name
                    """)
        }
    }

    @Test func `lines made before there were tunnels are there still, and tunnels beside them`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let (path, fresh) = (directory.file("cordon.db"), directory.file("fresh.db"))
        try Self.load(try Self.dump("202611290030-names"), into: path)
        let store = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
        try await store.write { store in
            let acme = try #require(try store.tenant(named: .test("acme")))
            let globex = try #require(try store.tenant(named: .test("globex")))
            let hq = VPN(
                id: VPN.ID(1), tenant: acme.id, name: try .test("hq"), number: try #require(VPNNumber(0)),
                way: .line(
                    VPN.Line(
                        interface: try InterfaceName(parsing: "line1"), nextHop: try IPv4Address(parsing: "10.255.0.2"),
                        networks: [try .test("10.0.0.0/24"), try .test("10.1.0.0/16")],
                        networks6: [try IPv6Prefix(parsing: "2001:db8:aa::/48")])),
                createdAt: noon)
            let theirs = try #require(try store.vpn(named: .test("hq"), of: globex.id))
            #expect(try store.allVPNs() == [hq, theirs])
            #expect(theirs.line?.nextHop6?.description == "fe80::1" && theirs.number == VPNNumber(2))
            #expect(try store.policy(named: .test("meters"), of: acme.id)?.version == 2)
            #expect(try store.vpnLimit(of: acme.id) == nil && store.vpnCount(of: acme.id) == 1)

            let tunnel = try store.insertVPN(name: .test("site"), of: acme.id, tunnel: .test(), at: noon)
            #expect(tunnel.number == VPNNumber(1) && tunnel.id == VPN.ID(5))
            _ = try store.insertVPNKey(Secret(bytes: [1]), of: tunnel.id, at: noon)
            #expect(try store.vpns(of: acme.id) == [hq, tunnel])
            try store.deleteTenant(globex.id)
            #expect(try store.allVPNs() == [hq, tunnel])
        }
        try await store.close()
        try await SQLiteStore.open(path: fresh, key: StoreUnderTest.key).close()
        #expect(try Self.definitions(of: path) == Self.definitions(of: fresh))
    }
}

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

    @Test func `sessions and reports from before there was IPv6 have IPv4, and go on`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let path = directory.file("cordon.db")
        let imsi = try IMSI(parsing: "001010000000001")
        // A SIM of acme with an address, a session that is on and one that has ended, and what was reported of it.
        let rows = """
            INSERT INTO pools VALUES (1, 1681915904, 10, 24, 1686110207, 1681916160);
            INSERT INTO blocks (first, last, pool, tenant, next, leased) VALUES (1681915904, 1681916159, 1, 1, 1681915906, 0);
            INSERT INTO sims VALUES (1, 1, \(imsi.key), '8946000000000000001', NULL, NULL, '', 'active', 1795694400000);
            INSERT INTO leases VALUES (1681915905, 1, 1, 'iot.example', 0);
            INSERT INTO nas VALUES (1, 'pgw', 3323068418, zeroblob(28), 1, 3799, 'imsi-nsapi');
            INSERT INTO sessions (id, token, tenant, sim, imsi, nas, apn, address, nat_index, started_at, updated_at, ended_at,
                octets_up, octets_down, packets_up, packets_down, seconds)
            VALUES (1, x'00000000000000000000000000000001', 1, 1, \(imsi.key), 1, 'iot.example', 1681915905, 0, 1000, 2000,
                3000, 1, 2, 3, 4, 5),
                (2, x'00000000000000000000000000000002', 1, 1, \(imsi.key), 1, 'iot.example', 1681915905, 0, 4000, 5000,
                NULL, 6, 7, 8, 9, 10);
            INSERT INTO accounting (session, nas, kind, octets_up, octets_down, packets_up, packets_down, seconds,
                is_last_bearer, time, received_at) VALUES (1, 1, 2, 1, 2, 3, 4, 5, 1, 3000, 3000);
            """
        try Self.load(try Self.dump("202611290030-names") + rows, into: path)
        let store = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
        try await store.write { store in
            let session = try #require(try store.session(Session.ID(2)))
            #expect(session.hasIPv4 && session.prefixes == nil && session.endedAt == nil)
            #expect(session.address.description == "100.64.0.1" && session.usage.octetsUp == 6)
            #expect(try store.session(Session.ID(1))?.hasIPv4 == true)
            #expect(try store.accounting(of: Session.ID(1)).map(\.prefix) == [nil])
            #expect(try store.enforcedSessions().map(\.address) == [session.address])
            #expect(try store.sessionsBegun(after: Session.ID(0), upTo: nil, limit: 9).allSatisfy(\.hasIPv4))
            // Its SIM gets a prefix beside its address with the next session.
            _ = try store.insertPool(
                prefix: IPv6Prefix(parsing: "2001:db8::/40"), blockLength: 48, delegatedLength: nil)
            let lease = try store.takePrefixes(sim: session.sim, tenant: session.tenant, apn: session.apn)
            var ended = session
            ended.end(.stopped, at: noon)
            try store.updateSession(ended)
            let sim = try #require(try store.subscriber(imsi: imsi))
            let next = try store.insertSession(
                token: .random(at: noon), sim: sim, nas: session.nas,
                lease: store.takeLease(sim: sim.id, tenant: sim.tenant, apn: session.apn), hasIPv4: true,
                prefixes: lease.prefixes, equipment: Equipment(), accountingSessionID: nil, at: noon)
            #expect(next.address == session.address && next.prefixes?.link.description == "2001:db8::/64")
        }
        try await store.close()
    }
}

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

    @Test func `volumes keep their numbers and what is used, and no number that was given comes back`() async throws {
        let directory = try ScratchDirectory()
        defer { directory.remove() }
        let (path, fresh) = (directory.file("cordon.db"), directory.file("fresh.db"))
        try Self.load(try Self.dump("202611290030-names"), into: path)
        try await SQLiteStore.open(path: path, key: StoreUnderTest.key).close()
        let queue = try DatabaseQueue(path: path)
        // The table as it was before, with one of a tenant and one of a group; there has been a third.
        try await queue.write { database in
            try database.execute(
                sql: """
                    DROP TABLE volumes;
                    DROP TABLE volume_numbers;
                    DELETE FROM grdb_migrations WHERE identifier = '202611292337-volume-numbers';
                    CREATE TABLE volumes (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        source TEXT NOT NULL CHECK (source IN ('ceiling', 'tenant-ceiling', 'tenant')),
                        tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
                        group_id INTEGER REFERENCES sim_groups (id) ON DELETE CASCADE,
                        sim INTEGER REFERENCES sims (id) ON DELETE CASCADE CHECK (sim IS NULL OR group_id IS NULL),
                        period INTEGER NOT NULL,
                        periods TEXT NOT NULL,
                        began_at INTEGER NOT NULL,
                        ends_at INTEGER,
                        volume INTEGER NOT NULL,
                        extra INTEGER NOT NULL,
                        used INTEGER NOT NULL,
                        warned INTEGER NOT NULL CHECK (warned BETWEEN 0 AND 100),
                        reached_at INTEGER
                    ) STRICT;
                    CREATE UNIQUE INDEX volumes_owner
                        ON volumes (tenant, coalesce(group_id, 0), coalesce(sim, 0), source);
                    CREATE INDEX volumes_group ON volumes (group_id) WHERE group_id IS NOT NULL;
                    CREATE INDEX volumes_sim ON volumes (sim) WHERE sim IS NOT NULL;
                    INSERT INTO sim_groups (id, tenant, name) VALUES (70, 1, 'pool');
                    INSERT INTO volumes (id, source, tenant, group_id, period, periods, began_at, ends_at, volume, extra, used,
                        warned, reached_at)
                    VALUES (3, 'ceiling', 1, NULL, 5, 'month 15 UTC', 1000, 2000, 30, 4, 33, 80, NULL),
                        (4, 'tenant', 1, 70, 1, 'prepaid UTC', 1000, NULL, 50, 0, 50, 0, 1500),
                        (9, 'tenant', 1, NULL, 1, 'prepaid UTC', 1000, NULL, 50, 0, 0, 0, NULL);
                    DELETE FROM volumes WHERE id = 9;
                    """)
        }
        try queue.close()
        let store = try SQLiteStore.open(path: path, key: StoreUnderTest.key)
        try await store.write { store in
            let tenant = Tenant.ID(1)
            let ceiling = VolumeAccount.Key(source: .ceiling, tenant: tenant, owner: .tenant)
            let pool = VolumeAccount.Key(source: .tenant, tenant: tenant, owner: .group(SIMGroup.ID(70)))
            let first = try #require(try store.volumeAccount(ceiling))
            #expect(first.number.rawValue == 3 && first.period == 5 && first.used == 33 && first.limit == 34)
            #expect(first.span == .init(start: Timestamp(milliseconds: 1000), end: Timestamp(milliseconds: 2000)))
            let second = try #require(try store.volumeAccount(pool))
            #expect(second.number.rawValue == 4 && second.reachedAt?.milliseconds == 1500)
            #expect(try store.volumeAccounts() == [first, second])
            let limit = DataLimit(
                volume: 1, period: .prepaid, zone: "UTC", warnAt: [], pool: .tenant, onReached: .block)
            let third = try store.insertVolumeAccount(
                .init(source: .tenant, tenant: tenant, owner: .tenant), limit, span: .init(start: noon, end: nil))
            #expect(third.number.rawValue >= 10)
        }
        try await store.close()
        try await SQLiteStore.open(path: fresh, key: StoreUnderTest.key).close()
        #expect(try Self.definitions(of: path) == Self.definitions(of: fresh))
    }
}

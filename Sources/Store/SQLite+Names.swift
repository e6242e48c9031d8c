import Domain
import GRDB

extension SQLiteReading {
    func allNames() throws(StoreError) -> [LearnedName] {
        try rows(
            "SELECT policy, address, name, until, number FROM learned_names ORDER BY number", [],
            LearnedName.init(columns:))
    }

    func dns(of tenant: Tenant.ID) throws(StoreError) -> TenantDNS? {
        try row(
            "SELECT log, sampling, upstreams FROM tenant_dns WHERE tenant = ?", [tenant.sql],
            TenantDNS.init(columns:))
    }

    func allDNS() throws(StoreError) -> [Tenant.ID: TenantDNS] {
        let all = try rows("SELECT log, sampling, upstreams, tenant FROM tenant_dns", []) {
            columns throws(StoreError) in
            (try columns.id(3) as Tenant.ID, try TenantDNS(columns: columns))
        }
        // The tenant is the key.
        return Dictionary(all) { first, _ in first }
    }
}

extension SQLiteTransaction {
    func putNames(_ names: [LearnedName]) throws(StoreError) {
        for name in names {
            try execute(
                """
                INSERT OR REPLACE INTO learned_names (number, policy, address, name, until)
                SELECT ?, id, ?, ?, ? FROM policies WHERE id = ?
                """,
                [
                    name.number.sql, name.address.description.sql, name.name.description.sql, name.until.sql,
                    name.policy.sql,
                ])
        }
    }

    func deleteNames(_ numbers: some Sequence<Int64>) throws(StoreError) {
        for number in numbers { try execute("DELETE FROM learned_names WHERE number = ?", [number.sql]) }
    }
}

extension SQLiteTransaction {
    func putDNS(_ settings: TenantDNS, of tenant: Tenant.ID) throws(StoreError) {
        try execute(
            """
            INSERT INTO tenant_dns (tenant, log, sampling, upstreams) VALUES (?, ?, ?, ?)
            ON CONFLICT (tenant) DO UPDATE SET log = excluded.log, sampling = excluded.sampling,
                upstreams = excluded.upstreams
            """,
            [
                tenant.sql, settings.log.rawValue.sql, settings.sampling.sql,
                settings.upstreams.map(\.description).joined(separator: "\n").sql,
            ])
    }
}

extension TenantDNS {
    fileprivate init(columns: Columns) throws(StoreError) {
        var upstreams: [Upstream] = []
        for line in try columns.text(2).split(separator: "\n") {
            upstreams.append(try columns.need(try? Upstream(parsing: line), 2))
        }
        self.init(
            log: try columns.need(Log(rawValue: try columns.text(0)), 0), sampling: try columns.number(1),
            upstreams: upstreams)
    }
}

extension LearnedName {
    fileprivate init(columns: Columns) throws(StoreError) {
        let (address, name) = (try columns.text(1), try columns.text(2))
        self.init(
            number: try columns.integer(4), policy: try columns.id(0),
            address: try columns.need(try? IPAddress(parsing: address), 1),
            name: try columns.need(try? DomainName(parsing: name), 2), until: try columns.time(3))
    }
}

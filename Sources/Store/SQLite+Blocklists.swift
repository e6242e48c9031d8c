import Domain
import GRDB

extension SQLiteReading {
    private static var blocklistColumns: String {
        """
        SELECT id, tenant, name, format, url, fetch_seconds, checksum, maximum_octets, author, updated_at, digest, octets,
            entity_tag, good_at, tried_at, error FROM blocklists
        """
    }

    func blocklist(named name: Name, of owner: Tenant.ID?) throws(StoreError) -> Blocklist? {
        try row(
            "\(Self.blocklistColumns) WHERE tenant IS ? AND name = ?", [owner.sql, name.sql], Blocklist.init(columns:))
    }

    func blocklist(_ id: Blocklist.ID) throws(StoreError) -> Blocklist? {
        try row("\(Self.blocklistColumns) WHERE id = ?", [id.sql], Blocklist.init(columns:))
    }

    func blocklists(of owner: Tenant.ID?) throws(StoreError) -> [Blocklist] {
        try rows("\(Self.blocklistColumns) WHERE tenant IS ? ORDER BY name", [owner.sql], Blocklist.init(columns:))
    }

    func allBlocklists() throws(StoreError) -> [Blocklist] {
        try rows("\(Self.blocklistColumns) ORDER BY id", [], Blocklist.init(columns:))
    }

    func dnsExceptions(of tenant: Tenant.ID) throws(StoreError) -> [DNSException] {
        try rows(
            "SELECT tenant, pattern, author, created_at FROM dns_exceptions WHERE tenant = ? ORDER BY pattern",
            [tenant.sql], DNSException.init(columns:))
    }

    func allDNSExceptions() throws(StoreError) -> [DNSException] {
        try rows(
            "SELECT tenant, pattern, author, created_at FROM dns_exceptions ORDER BY tenant, pattern", [],
            DNSException.init(columns:))
    }
}

extension SQLiteTransaction {
    func putBlocklist(
        name: Name, of owner: Tenant.ID?, settings: Blocklist.Settings, author: String, at time: Timestamp
    ) throws(StoreError) -> Blocklist {
        var url: String?
        var seconds: Int64?
        if case .web(let address, let interval) = settings.source { (url, seconds) = ("\(address)", interval) }
        let values: [SQLValue] = [
            settings.format.rawValue.sql, url.sql, seconds.sql, (settings.checksum?.octets).sql,
            settings.maximumOctets.sql, author.sql, time.sql,
        ]
        let id: Blocklist.ID
        if let known = try blocklist(named: name, of: owner) {
            id = known.id
            try execute(
                """
                UPDATE blocklists SET format = ?, url = ?, fetch_seconds = ?, checksum = ?, maximum_octets = ?,
                    author = ?, updated_at = ? WHERE id = ?
                """, values + [id.sql])
        } else {
            id = Identifier(
                try insert(
                    """
                    INSERT INTO blocklists
                        (format, url, fetch_seconds, checksum, maximum_octets, author, updated_at, tenant, name)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """, values + [owner.sql, name.sql]
                ) { $0.isForeignKey ? .notFound(Self.noTenant) : nil })
        }
        guard let stored = try blocklist(id) else { throw .damaged("a blocklist that was written is not there") }
        return stored
    }

    func setStatus(_ status: Blocklist.Status, of blocklist: Blocklist.ID) throws(StoreError) {
        try change(
            """
            UPDATE blocklists SET digest = ?, octets = ?, entity_tag = ?, good_at = ?, tried_at = ?, error = ?
            WHERE id = ?
            """,
            [
                (status.text?.digest.octets).sql, (status.text?.octets).sql, (status.text?.entityTag).sql,
                status.goodAt.sql, status.triedAt.sql, status.error.sql, blocklist.sql,
            ], missing: Self.noBlocklist)
    }

    func deleteBlocklist(_ id: Blocklist.ID) throws(StoreError) {
        try change("DELETE FROM blocklists WHERE id = ?", [id.sql], missing: Self.noBlocklist)
    }

    func putDNSException(_ exception: DNSException) throws(StoreError) {
        try execute(
            """
            INSERT INTO dns_exceptions (tenant, pattern, author, created_at) VALUES (?, ?, ?, ?)
            ON CONFLICT (tenant, pattern) DO UPDATE SET author = excluded.author, created_at = excluded.created_at
            """,
            [
                exception.tenant.sql, exception.pattern.description.sql, exception.author.sql, exception.createdAt.sql,
            ]
        ) { $0.isForeignKey ? .notFound(Self.noTenant) : nil }
    }

    func deleteDNSException(_ pattern: HostPattern, of tenant: Tenant.ID) throws(StoreError) {
        try change(
            "DELETE FROM dns_exceptions WHERE tenant = ? AND pattern = ?",
            [tenant.sql, pattern.description.sql], missing: "the tenant has no such exception")
    }

    private static var noBlocklist: String { "there is no such blocklist" }
}

extension Blocklist {
    fileprivate init(columns: Columns) throws(StoreError) {
        let source: Source
        if let url = columns.optionalText(4) {
            // What was an address when it was stored is one still.
            source = .web(
                try columns.need(try? HTTPSAddress(parsing: url), 4), seconds: try columns.integer(5))
        } else {
            source = .upload
        }
        self.init(
            id: try columns.id(0), owner: columns.optionalID(1), name: try columns.name(2),
            settings: Settings(
                format: try columns.need(BlocklistFormat(rawValue: try columns.text(3)), 3), source: source,
                checksum: try columns.optionalDigest(6), maximumOctets: try columns.integer(7)),
            author: try columns.text(8), updatedAt: try columns.time(9),
            status: Status(
                text: try columns.optionalDigest(10).map { digest throws(StoreError) in
                    Text(digest: digest, octets: try columns.integer(11), entityTag: columns.optionalText(12))
                }, goodAt: columns.optionalTime(13), triedAt: columns.optionalTime(14), error: columns.optionalText(15))
        )
    }
}

extension DNSException {
    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(
            tenant: try columns.id(0),
            // What was a pattern when it was stored is one still.
            pattern: try columns.need(try? HostPattern(parsing: try columns.text(1)), 1),
            author: try columns.text(2), createdAt: try columns.time(3))
    }
}

extension Columns {
    fileprivate func optionalDigest(_ index: Int) throws(StoreError) -> TextDigest? {
        guard let octets = optionalBytes(index) else { return nil }
        return try need(TextDigest(octets: octets), index)
    }
}

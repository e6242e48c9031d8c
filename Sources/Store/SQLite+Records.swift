import Domain
import GRDB

// What is written for the record: accounting, audit, tokens, counts.
extension SQLiteReading {
    fileprivate static var accountingColumns: String {
        """
        nas, kind, token, imsi, apn, address, accounting_session_id, \(Equipment.columns), \(SessionUsage.columns),
            terminate_cause, is_last_bearer, time, prefix
        """
    }

    func token(digest: [UInt8]) throws(StoreError) -> APIToken? {
        try row("SELECT name, tenant, created_at FROM tokens WHERE digest = ?", [digest.sql], APIToken.init(columns:))
    }

    func tokens() throws(StoreError) -> [APIToken] {
        try rows("SELECT name, tenant, created_at FROM tokens ORDER BY name", [], APIToken.init(columns:))
    }

    func audit(before: Int64?, limit: Int) throws(StoreError) -> [AuditRecord] {
        // Numbers start at 1; below the largest number there is nothing to miss.
        try rows(
            "SELECT id, time, actor, action, target, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
            [(before ?? .max).sql, Int64(max(0, limit)).sql]
        ) { columns throws(StoreError) in
            AuditRecord(
                id: try columns.integer(0), time: try columns.time(1), actor: try columns.text(2),
                action: try columns.text(3), target: try columns.text(4), detail: try columns.text(5))
        }
    }

    func accounting(of session: Session.ID) throws(StoreError) -> [AccountingReport] {
        try rows(
            "SELECT \(Self.accountingColumns) FROM accounting WHERE session = ? ORDER BY id", [session.sql],
            AccountingReport.init(columns:))
    }

    func counts() throws(StoreError) -> StoreCounts {
        let counts = try row(
            """
            SELECT (SELECT count(*) FROM tenants), (SELECT count(*) FROM sims),
                (SELECT count(*) FROM sessions WHERE ended_at IS NULL), (SELECT count(*) FROM policies)
            """
        ) { columns throws(StoreError) in
            StoreCounts(
                tenants: try columns.number(0), sims: try columns.number(1), activeSessions: try columns.number(2),
                policies: try columns.number(3))
        }
        return counts ?? StoreCounts(tenants: 0, sims: 0, activeSessions: 0, policies: 0)
    }
}

extension SQLiteTransaction {
    func appendAccounting(
        _ report: AccountingReport, session: Session.ID?, received: Timestamp
    ) throws(StoreError) {
        let (first, last) = (
            [
                session.sql, received.sql, report.nas.sql, report.kind.rawValue.sql, report.token.sql, report.imsi.sql,
                report.apn.sql, report.address.sql, report.accountingSessionID.sql,
            ],
            [
                report.terminateCause.sql, report.isLastBearer.sql, report.time.sql,
                (report.prefix.map { SessionPrefixes.network(of: $0.address) }).sql,
            ]
        )
        try execute(
            """
            INSERT INTO accounting (session, received_at, \(Self.accountingColumns))
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, first + report.equipment.sql + report.usage.sql + last
        ) { $0.isForeignKey ? .notFound("the session of the accounting record is gone") : nil }
    }

    func insertToken(_ token: APIToken, digest: [UInt8]) throws(StoreError) {
        guard digest.count == 32 else {
            throw .conflict("the digest of a token is a SHA-256 and has 32 bytes, not \(digest.count)")
        }
        let tenant: Tenant.ID? =
            switch token.role {
            case .operator: nil
            case .tenant(let id): id
            }
        try execute(
            "INSERT INTO tokens (name, digest, tenant, created_at) VALUES (?, ?, ?, ?)",
            [token.name.sql, digest.sql, tenant.sql, token.createdAt.sql]
        ) { violation in
            if violation.concerns("tokens.name") { return .conflict("a token \(token.name) exists already") }
            if violation.concerns("tokens.digest") { return .conflict("the token is in use already: make a new one") }
            return violation.isForeignKey ? .notFound(Self.noTenant) : nil
        }
    }

    func deleteToken(named name: Name) throws(StoreError) {
        try change("DELETE FROM tokens WHERE name = ?", [name.sql], missing: "there is no token \(name)")
    }

    func appendAudit(
        actor: String, action: String, target: String, detail: String, at time: Timestamp
    ) throws(StoreError) {
        try execute(
            "INSERT INTO audit (time, actor, action, target, detail) VALUES (?, ?, ?, ?, ?)",
            [time.sql, actor.sql, action.sql, target.sql, detail.sql])
    }
}

extension APIToken {
    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(
            name: try columns.name(0), role: columns.optionalID(1).map(Role.tenant) ?? .operator,
            createdAt: try columns.time(2))
    }
}

extension AccountingReport {
    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(
            nas: try columns.id(0), kind: try columns.need(Kind(rawValue: columns.number(1)), 1),
            token: try columns.optionalToken(2), imsi: try columns.optionalIMSI(3), apn: try columns.optionalAPN(4),
            address: try columns.optionalAddress(5), accountingSessionID: columns.optionalText(6),
            equipment: try columns.equipment(7), usage: try columns.usage(13),
            terminateCause: try columns.optionalNumber(18), isLastBearer: try columns.flag(19),
            time: try columns.time(20), prefix: columns.optionalNetwork(21))
    }
}

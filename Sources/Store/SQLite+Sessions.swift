import Domain
import GRDB

/// Statements of the path of an admission, put together once.
enum SessionSQL {
    static let select = """
        SELECT id, token, sim, imsi, tenant, nas, apn, address, nat_index, \(Equipment.columns),
            accounting_session_id, started_at, updated_at, ended_at, \(SessionUsage.columns), end_cause,
            EXISTS (SELECT 1 FROM bearers WHERE session = sessions.id), has_ipv4, prefix, delegated_length
        FROM sessions
        """
    static let byID = "\(select) WHERE id = ?"
    static let byToken = "\(select) WHERE token = ?"
    static let openByAddress = "\(select) WHERE open_address = ?"
    static let openByNetwork = "\(select) WHERE open_prefix <= ? ORDER BY open_prefix DESC LIMIT 1"
    static let openBySIMAndAPN = "\(select) WHERE open_sim = ? AND apn = ?"
    static let openBySIM = "\(select) WHERE open_sim = ? ORDER BY id"
    static let openByNAS = "\(select) WHERE open_nas = ? ORDER BY id"
    static let nextNATIndex = """
        SELECT nat_index FROM sessions INDEXED BY sessions_nat_index WHERE nat_index BETWEEN ? AND ?
        ORDER BY nat_index LIMIT 1
        """
    static let startBefore = """
        SELECT started_at FROM sessions INDEXED BY sessions_nat_index WHERE nat_index = ? AND started_at < ?
        ORDER BY started_at DESC LIMIT 1
        """
    static let lastOfNATIndex = """
        \(select) INDEXED BY sessions_nat_index WHERE nat_index = ? ORDER BY started_at DESC, id DESC LIMIT 1
        """
    static let openOfNASUpTo = """
        \(select) WHERE open_nas = ? AND id > ? AND id <= ? AND started_at <= ? ORDER BY id LIMIT ?
        """
    static let byNATIndex = """
        \(select) INDEXED BY sessions_nat_index
        WHERE nat_index = ? AND started_at BETWEEN ? AND ? AND (ended_at IS NULL OR ended_at >= ?)
            AND (started_at, id) > (?, ?)
        ORDER BY started_at, id LIMIT ?
        """
    static let insert = """
        INSERT INTO sessions (token, sim, imsi, tenant, nas, apn, address, nat_index, \(Equipment.columns),
            accounting_session_id, started_at, updated_at, \(SessionUsage.columns), has_ipv4, prefix, delegated_length)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    /// The most frequent report changes no column that an index or a foreign key looks at; SQLite would write six
    /// indexes anew when they were named.
    static let report = "UPDATE sessions SET \(reported) WHERE id = ? AND nas = ? AND ended_at IS ?"
    static let update = "UPDATE sessions SET \(reported), nas = ?, ended_at = ?, end_cause = ? WHERE id = ?"
    private static let reported =
        assignments(Equipment.columns) + ", accounting_session_id = ?, updated_at = ?, "
        + assignments(SessionUsage.columns)

    private static func assignments(_ columns: String) -> String {
        columns.split(separator: ",").map { "\($0) = ?" }.joined(separator: ",")
    }
}

extension SQLiteReading {
    func session(_ id: Session.ID) throws(StoreError) -> Session? {
        try row(SessionSQL.byID, [id.sql], Session.init(columns:))
    }

    func session(token: SessionToken) throws(StoreError) -> Session? {
        try row(SessionSQL.byToken, [token.sql], Session.init(columns:))
    }

    func activeSession(address: IPv4Address) throws(StoreError) -> Session? {
        try row(SessionSQL.openByAddress, [address.sql], Session.init(columns:))
    }

    func activeSession(of sim: SIM.ID, on apn: APN) throws(StoreError) -> Session? {
        try row(
            SessionSQL.openBySIMAndAPN, [sim.sql, apn.sql], Session.init(columns:))
    }

    func activeSessions(of sim: SIM.ID) throws(StoreError) -> [Session] {
        try rows(SessionSQL.openBySIM, [sim.sql], Session.init(columns:))
    }

    func activeSessions(through nas: NAS.ID) throws(StoreError) -> [Session] {
        try rows(SessionSQL.openByNAS, [nas.sql], Session.init(columns:))
    }

    func sessions(
        of tenant: Tenant.ID?, activeOnly: Bool, after: Session.ID?, limit: Int
    ) throws(StoreError) -> [Session] {
        var sql = SessionSQL.select
        var arguments: [SQLValue] = []
        // Named, because the planner would take the row numbers' order, and read all that has ended.
        if activeOnly { sql += " INDEXED BY \(tenant == nil ? "sessions_open" : "sessions_open_tenant")" }
        sql += " WHERE id > ?"
        arguments.append((after?.rawValue ?? .min).sql)
        if activeOnly { sql += " AND ended_at IS NULL" }
        if let tenant {
            sql += " AND tenant = ?"
            arguments.append(tenant.sql)
        }
        arguments.append(Int64(max(0, limit)).sql)
        return try rows("\(sql) ORDER BY id LIMIT ?", arguments, Session.init(columns:))
    }

    func sessions(
        natIndexes: ClosedRange<Int64>, from: Timestamp?, to: Timestamp?, after: Session.ID?, limit: Int
    ) throws(StoreError) -> [Session] {
        var last: Session?
        if let after {
            last = try session(after)
            guard last != nil else { throw .notFound("there is no session \(after) to go on after") }
        }
        let from = from?.milliseconds ?? .min
        let to = to?.milliseconds ?? .max
        var found: [Session] = []
        var next = max(natIndexes.lowerBound, last?.natIndex ?? .min)
        while found.count < limit, next <= natIndexes.upperBound {
            let index = try row(SessionSQL.nextNATIndex, [next.sql, natIndexes.upperBound.sql]) {
                columns throws(StoreError) in try columns.integer(0)
            }
            guard let index else { break }
            // A number is one lease's, which has one session at a time. Of those that began before `from`, only the last
            // can have lasted until then.
            let first = try row(SessionSQL.startBefore, [index.sql, from.sql]) { columns throws(StoreError) in
                try columns.integer(0)
            }
            let passed = last?.natIndex == index ? last : nil
            found += try rows(
                SessionSQL.byNATIndex,
                [
                    index.sql, (first ?? from).sql, to.sql, from.sql, (passed?.startedAt.milliseconds ?? .min).sql,
                    (passed?.id.rawValue ?? .min).sql, Int64(limit - found.count).sql,
                ], Session.init(columns:))
            guard index < natIndexes.upperBound else { break }
            next = index + 1
        }
        return found
    }
}

extension SQLiteTransaction {
    func insertSession(
        token: SessionToken, sim: Subscriber, nas: NAS.ID, lease: AddressLease, hasIPv4: Bool,
        prefixes: SessionPrefixes?, equipment: Equipment, accountingSessionID: String?, at time: Timestamp
    ) throws(StoreError) -> Session {
        let usage = SessionUsage()
        let id = try insert(
            SessionSQL.insert,
            [
                token.sql, sim.id.sql, sim.imsi.sql, sim.tenant.sql, nas.sql, lease.apn.sql, lease.address.sql,
                lease.natIndex.sql,
            ] + equipment.sql + [accountingSessionID.sql, time.sql, time.sql] + usage.sql
                + Self.families(hasIPv4, prefixes),
            refusal: Self.sessionRefusal)
        return Session(
            id: Session.ID(id), token: token, sim: sim.id, imsi: sim.imsi, tenant: sim.tenant, nas: nas,
            apn: lease.apn, address: lease.address, natIndex: lease.natIndex, equipment: equipment,
            accountingSessionID: accountingSessionID, startedAt: time, updatedAt: time, endedAt: nil, usage: usage,
            hasIPv4: hasIPv4, prefixes: prefixes)
    }

    /// The last three columns of ``SessionSQL/insert``.
    static func families(_ hasIPv4: Bool, _ prefixes: SessionPrefixes?) -> [SQLValue] {
        [hasIPv4.sql] + (prefixes?.sql ?? [.null, .null])
    }

    func updateSession(_ session: Session) throws(StoreError) {
        let report =
            session.equipment.sql + [session.accountingSessionID.sql, session.updatedAt.sql] + session.usage.sql
        let isWritten = try execute(
            SessionSQL.report, report + [session.id.sql, session.nas.sql, session.endedAt.sql])
        guard isWritten == 0 else { return }
        try change(
            SessionSQL.update,
            report + [
                session.nas.sql, session.endedAt.sql, (session.endCause?.rawValue).sql, session.id.sql,
            ],
            missing: "there is no such session",
            refusal: Self.sessionRefusal)
    }

    static func sessionRefusal(_ violation: ConstraintViolation) -> StoreError? {
        if violation.concerns("sessions.open_sim") {
            return .conflict("the SIM has an active session on this APN already: end it first")
        }
        if violation.concerns("sessions.open_address") {
            return .conflict("the address is another active session's: end it first")
        }
        if violation.concerns("sessions.open_prefix") {
            return .conflict("the prefix is another active session's: end it first")
        }
        if violation.concerns("sessions.token") { return .conflict("the token is another session's: take a new one") }
        return violation.isForeignKey
            ? .notFound("the session's SIM, NAS or address lease is gone: attach again") : nil
    }
}

extension Session {
    init(columns: Columns) throws(StoreError) {
        self.init(
            id: try columns.id(0), token: try columns.token(1), sim: try columns.id(2), imsi: try columns.imsi(3),
            tenant: try columns.id(4), nas: try columns.id(5), apn: try columns.apn(6),
            address: try columns.address(7), natIndex: try columns.integer(8), equipment: try columns.equipment(9),
            accountingSessionID: columns.optionalText(15), startedAt: try columns.time(16),
            updatedAt: try columns.time(17), endedAt: columns.optionalTime(18), usage: try columns.usage(19),
            endCause: columns.optionalText(24).flatMap(EndCause.init(rawValue:)),
            hasBearers: try columns.flag(25), hasIPv4: try columns.flag(26),
            prefixes: try columns.optionalPrefixes(27))
    }
}

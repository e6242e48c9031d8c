import Domain
import GRDB

extension SQLiteReading {
    func bearers(of session: Session.ID) throws(StoreError) -> [SessionBearer] {
        try rows(
            """
            SELECT accounting_session_id, nsapi, started_at, updated_at, ended_at, \(SessionUsage.columns)
            FROM bearers WHERE session = ? ORDER BY number
            """, [session.sql]
        ) { columns throws(StoreError) in
            SessionBearer(
                key: SessionBearer.Key(
                    accountingSessionID: columns.optionalText(0), nsapi: try columns.optionalNumber(1)),
                startedAt: try columns.time(2), updatedAt: try columns.time(3), endedAt: columns.optionalTime(4),
                usage: try columns.usage(5))
        }
    }

    func places(of session: Session.ID) throws(StoreError) -> [SessionPlace] {
        try rows(
            """
            SELECT since, imei, rat, visited_network, location, NULL, NULL FROM equipment_history
            WHERE session = ? ORDER BY number
            """, [session.sql]
        ) { columns throws(StoreError) in
            SessionPlace(try columns.equipment(1), since: try columns.time(0))
        }
    }

    func hasAccounting(of session: Session.ID) throws(StoreError) -> Bool {
        try exists("SELECT 1 FROM accounting WHERE session = ? LIMIT 1", [session.sql])
    }

    func lastSession(of lease: AddressLease) throws(StoreError) -> Session? {
        // A number in NAT 1 is one lease's as long as there is the lease; before, it may have been another's.
        guard let last = try row(SessionSQL.lastOfNATIndex, [lease.natIndex.sql], Session.init(columns:)),
            last.sim == lease.sim, last.apn == lease.apn, last.address == lease.address
        else { return nil }
        return last
    }

    func silentSessions(
        since time: Timestamp, after: Session.ID?, scanning: Int
    ) throws(StoreError) -> (last: Session.ID?, found: [Session]) {
        let first = (after?.rawValue ?? .min).sql
        // There is no index over the time of the last report: each report would have to write it.
        let last: Session.ID? =
            try row(
                """
                SELECT max(id) FROM (SELECT id FROM sessions INDEXED BY sessions_open WHERE ended_at IS NULL AND id > ?
                    ORDER BY id LIMIT ?)
                """, [first, Int64(max(1, scanning)).sql]
            ) { $0.optionalID(0) } ?? nil
        guard let last else { return (nil, []) }
        let found = try rows(
            """
            \(SessionSQL.select) INDEXED BY sessions_open
            WHERE ended_at IS NULL AND id > ? AND id <= ? AND updated_at < ? ORDER BY id
            """, [first, last.sql, time.sql], Session.init(columns:))
        return (last, found)
    }

    func losses() throws(StoreError) -> [NASLoss] {
        try rows("SELECT id, nas, cause, last_session, begun_by FROM nas_losses ORDER BY id", []) {
            columns throws(StoreError) in
            NASLoss(
                id: try columns.id(0), nas: try columns.id(1),
                cause: try columns.need(Session.EndCause(rawValue: columns.text(2)), 2),
                lastSession: try columns.id(3), begunBy: columns.optionalTime(4))
        }
    }

    func sessions(of loss: NASLoss, after: Session.ID?, limit: Int) throws(StoreError) -> [Session] {
        try rows(
            SessionSQL.openOfNASUpTo,
            [
                loss.nas.sql, (after?.rawValue ?? .min).sql, loss.lastSession.sql,
                (loss.begunBy?.milliseconds ?? .max).sql, Int64(max(0, limit)).sql,
            ], Session.init(columns:))
    }
}

extension SQLiteTransaction {
    func putBearer(_ bearer: SessionBearer, of session: Session.ID) throws(StoreError) {
        let values = [bearer.updatedAt.sql, bearer.endedAt.sql] + bearer.usage.sql
        let changed = try execute(
            """
            UPDATE bearers SET updated_at = ?, ended_at = ?, octets_up = ?, octets_down = ?, packets_up = ?,
                packets_down = ?, seconds = ?
            WHERE session = ? AND accounting_session_id IS ? AND nsapi IS ?
            """,
            values + [session.sql, bearer.key.accountingSessionID.sql, bearer.key.nsapi.sql])
        guard changed == 0 else { return }
        try execute(
            """
            INSERT INTO bearers (session, number, accounting_session_id, nsapi, started_at, updated_at, ended_at,
                \(SessionUsage.columns))
            VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM bearers WHERE session = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                session.sql, session.sql, bearer.key.accountingSessionID.sql, bearer.key.nsapi.sql,
                bearer.startedAt.sql,
            ] + values
        ) { $0.isForeignKey ? .notFound("there is no such session") : nil }
        try execute(
            """
            DELETE FROM bearers WHERE session = ? AND ended_at IS NOT NULL AND number IN (
                SELECT number FROM bearers WHERE session = ? AND ended_at IS NOT NULL ORDER BY number LIMIT max(0,
                    (SELECT count(*) FROM bearers WHERE session = ?) - ?))
            """,
            [session.sql, session.sql, session.sql, Int64(SessionBearer.maximumCount).sql])
    }

    func appendPlace(_ place: SessionPlace, of session: Session.ID) throws(StoreError) {
        let number =
            try row("SELECT coalesce(max(number), 0) + 1 FROM equipment_history WHERE session = ?", [session.sql]) {
                columns throws(StoreError) in try columns.integer(0)
            } ?? 1
        try execute(
            """
            INSERT INTO equipment_history (session, number, since, imei, rat, visited_network, location)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
            [
                session.sql, number.sql, place.since.sql, place.imei.sql, place.rat.sql, place.visitedNetwork.sql,
                place.location.sql,
            ]
        ) { $0.isForeignKey ? .notFound("there is no such session") : nil }
        try execute(
            "DELETE FROM equipment_history WHERE session = ? AND number <= ?",
            [session.sql, (number - Int64(SessionPlace.maximumCount)).sql])
    }

    func continueSession(_ ended: Session, at time: Timestamp) throws(StoreError) -> Session {
        try change(
            "UPDATE sessions SET token = ? WHERE id = ? AND ended_at IS NOT NULL",
            [SessionToken.random(at: time).sql, ended.id.sql], missing: "there is no such session that has ended")
        let usage = SessionUsage()
        let id = try insert(
            SessionSQL.insert,
            [
                ended.token.sql, ended.sim.sql, ended.imsi.sql, ended.tenant.sql, ended.nas.sql, ended.apn.sql,
                ended.address.sql, ended.natIndex.sql,
            ] + ended.equipment.sql + [ended.accountingSessionID.sql, time.sql, time.sql] + usage.sql
                + Self.families(ended.hasIPv4, ended.prefixes),
            refusal: Self.sessionRefusal)
        var bearers = try bearers(of: ended.id)
        if bearers.isEmpty {
            bearers = [
                SessionBearer(
                    key: SessionBearer.Key(
                        accountingSessionID: ended.accountingSessionID, nsapi: ended.equipment.nsapi),
                    startedAt: ended.startedAt, updatedAt: ended.updatedAt, endedAt: nil, usage: ended.usage)
            ]
        }
        for bearer in bearers { try putBearer(bearer, of: Session.ID(id)) }
        return Session(
            id: Session.ID(id), token: ended.token, sim: ended.sim, imsi: ended.imsi, tenant: ended.tenant,
            nas: ended.nas, apn: ended.apn, address: ended.address, natIndex: ended.natIndex,
            equipment: ended.equipment, accountingSessionID: ended.accountingSessionID, startedAt: time,
            updatedAt: time, endedAt: nil, usage: usage, hasBearers: true, hasIPv4: ended.hasIPv4,
            prefixes: ended.prefixes)
    }

    func insertLoss(
        of nas: NAS.ID, cause: Session.EndCause, lastSession: Session.ID, begunBy: Timestamp?
    ) throws(StoreError) -> NASLoss {
        let id = try insert(
            "INSERT INTO nas_losses (nas, cause, last_session, begun_by) VALUES (?, ?, ?, ?)",
            [nas.sql, cause.rawValue.sql, lastSession.sql, begunBy.sql]
        ) { $0.isForeignKey ? .notFound(Self.noNAS) : nil }
        return NASLoss(id: NASLoss.ID(id), nas: nas, cause: cause, lastSession: lastSession, begunBy: begunBy)
    }

    func deleteLoss(_ id: NASLoss.ID) throws(StoreError) {
        try change("DELETE FROM nas_losses WHERE id = ?", [id.sql], missing: "there is no such loss")
    }
}

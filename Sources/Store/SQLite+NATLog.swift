import Domain
import GRDB

extension SQLiteReading {
    func natCollectors() throws(StoreError) -> [String: NATLogPosition] {
        let all = try rows(
            "SELECT name, plan, previous_plan, walked, walk_end, begun, ended FROM nat_collectors", []
        ) { columns throws(StoreError) in
            (
                try columns.text(0),
                NATLogPosition(
                    plan: try columns.integer(1), previousPlan: columns.optionalInteger(2), walked: try columns.id(3),
                    walkEnd: try columns.id(4), begun: try columns.id(5), ended: try columns.integer(6))
            )
        }
        // Names are unique.
        return Dictionary(all) { first, _ in first }
    }

    func natPlans() throws(StoreError) -> [NATPlanRecord] {
        try rows("SELECT id, plan, began_at, last_session, last_end FROM nat_plans ORDER BY id", []) {
            columns throws(StoreError) in
            let text = try columns.text(1)
            let plan: NATPlan
            do { plan = try NATPlan(parsing: text) } catch { throw .damaged("unreadable value in column plan") }
            return NATPlanRecord(
                id: try columns.integer(0), plan: plan, beganAt: try columns.time(2), lastSession: try columns.id(3),
                lastEnd: try columns.integer(4))
        }
    }

    func lastOfNATLog() throws(StoreError) -> (session: Session.ID, end: Int64) {
        let session = try row("SELECT max(id) FROM sessions") { $0.optionalInteger(0) ?? 0 }
        // Ends that all collectors know are gone from the table; their numbers do not come back.
        let end = try row("SELECT seq FROM sqlite_sequence WHERE name = 'session_ends'") { $0.optionalInteger(0) ?? 0 }
        return (Session.ID(session ?? 0), end ?? 0)
    }

    func sessionsBegun(after: Session.ID, upTo: Session.ID?, limit: Int) throws(StoreError) -> [SessionLease] {
        try rows(
            """
            SELECT id, address, nat_index, started_at, has_ipv4 FROM sessions WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
            """,
            [after.sql, (upTo?.rawValue ?? .max).sql, Int64(limit).sql], SessionLease.init(columns:))
    }

    func sessionEnds(after: Int64, upTo: Int64?, limit: Int) throws(StoreError) -> [SessionEnd] {
        try rows(
            """
            SELECT s.id, s.address, s.nat_index, s.started_at, s.has_ipv4, s.ended_at, e.number, e.last_session
            FROM session_ends e CROSS JOIN sessions s ON s.id = e.session
            WHERE e.number > ? AND e.number <= ? ORDER BY e.number LIMIT ?
            """, [after.sql, (upTo ?? .max).sql, Int64(limit).sql]
        ) { columns throws(StoreError) in
            SessionEnd(
                number: try columns.integer(6), lease: try SessionLease(columns: columns), endedAt: try columns.time(5),
                lastSession: try columns.id(7))
        }
    }

    func sessionsOpen(
        atEnd end: Int64, after: Session.ID, upTo: Session.ID, limit: Int
    ) throws(StoreError) -> [SessionLease] {
        // Those that are open now, and those whose end came later.
        try rows(
            """
            SELECT id, address, nat_index, started_at, has_ipv4 FROM sessions INDEXED BY sessions_open
            WHERE id > ? AND id <= ? AND ended_at IS NULL
            UNION ALL
            SELECT s.id, s.address, s.nat_index, s.started_at, s.has_ipv4
            FROM session_ends e CROSS JOIN sessions s ON s.id = e.session
            WHERE e.number > ? AND s.id > ? AND s.id <= ?
            ORDER BY 1 LIMIT ?
            """,
            [after.sql, upTo.sql, end.sql, after.sql, upTo.sql, Int64(limit).sql], SessionLease.init(columns:))
    }
}

extension SQLiteTransaction {
    func putNATCollector(_ name: String, at position: NATLogPosition) throws(StoreError) {
        try execute(
            """
            INSERT INTO nat_collectors (name, plan, previous_plan, walked, walk_end, begun, ended)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET plan = excluded.plan, previous_plan = excluded.previous_plan,
                walked = excluded.walked, walk_end = excluded.walk_end, begun = excluded.begun, ended = excluded.ended
            """,
            [
                name.sql, position.plan.sql, position.previousPlan.sql, position.walked.sql, position.walkEnd.sql,
                position.begun.sql, position.ended.sql,
            ])
    }

    func deleteNATCollector(_ name: String) throws(StoreError) {
        try change("DELETE FROM nat_collectors WHERE name = ?", [name.sql], missing: "there is no such collector")
    }

    func appendNATPlan(_ plan: NATPlan, at time: Timestamp) throws(StoreError) -> NATPlanRecord {
        let last = try lastOfNATLog()
        let id = try insert(
            "INSERT INTO nat_plans (plan, began_at, last_session, last_end) VALUES (?, ?, ?, ?)",
            [plan.description.sql, time.sql, last.session.sql, last.end.sql])
        return NATPlanRecord(id: id, plan: plan, beganAt: time, lastSession: last.session, lastEnd: last.end)
    }

    func forgetSessionEnds(upTo number: Int64, limit: Int) throws(StoreError) {
        // Numbers have no gaps, so that so many rows are in so many numbers.
        try execute(
            """
            DELETE FROM session_ends
            WHERE number <= ? AND number - (SELECT min(number) FROM session_ends) < ?
            """, [number.sql, Int64(limit).sql])
    }
}

extension SessionLease {
    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(
            session: try columns.id(0), address: try columns.address(1), natIndex: try columns.integer(2),
            startedAt: try columns.time(3), hasIPv4: try columns.flag(4))
    }
}

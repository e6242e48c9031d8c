import Domain
import GRDB

extension SQLiteReading {
    func restriction(of session: Session.ID) throws(StoreError) -> SessionRestriction? {
        try row(
            "SELECT action, policy, violations, since, until FROM session_restrictions WHERE session = ?", [session.sql]
        ) { columns throws(StoreError) in
            var violations: [Violation] = []
            for line in try columns.text(2).split(separator: "\n") {
                violations.append(try columns.need(Violation(stored: line), 2))
            }
            return SessionRestriction(
                action: try columns.need(ViolationAction(rawValue: columns.text(0)), 0),
                policy: columns.optionalID(1), violations: violations, since: try columns.time(3),
                until: columns.optionalTime(4))
        }
    }

    func sessions(toJudgeBy time: Timestamp, limit: Int) throws(StoreError) -> [Session.ID] {
        try rows(
            "SELECT session FROM session_judgements WHERE judge_at <= ? ORDER BY judge_at LIMIT ?",
            [time.sql, Int64(max(0, limit)).sql]
        ) { columns throws(StoreError) in try columns.id(0) }
    }

    func judgeAt(of session: Session.ID) throws(StoreError) -> Timestamp? {
        try row("SELECT judge_at FROM session_judgements WHERE session = ?", [session.sql]) {
            columns throws(StoreError) in try columns.time(0)
        }
    }

    func judgedSessions(after: Session.ID?, limit: Int) throws(StoreError) -> [Session.ID] {
        try rows(
            "SELECT session FROM session_judgements WHERE session > ? ORDER BY session LIMIT ?",
            [(after?.rawValue ?? .min).sql, Int64(max(0, limit)).sql]
        ) { columns throws(StoreError) in try columns.id(0) }
    }

    func sessionsToReject() throws(StoreError) -> [Session.ID] {
        try rows("SELECT session FROM session_rejections ORDER BY session", []) { columns throws(StoreError) in
            try columns.id(0)
        }
    }
}

extension SQLiteTransaction {
    func putRestriction(_ restriction: SessionRestriction?, of session: Session.ID) throws(StoreError) {
        guard let restriction else {
            try execute("DELETE FROM session_restrictions WHERE session = ?", [session.sql])
            return
        }
        try execute(
            """
            INSERT OR REPLACE INTO session_restrictions (session, action, policy, violations, since, until)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                session.sql, restriction.action.rawValue.sql, restriction.policy.sql,
                restriction.violations.map(\.stored).joined(separator: "\n").sql, restriction.since.sql,
                restriction.until.sql,
            ]
        ) { $0.isForeignKey ? .notFound("there is no such session or policy") : nil }
    }

    func setJudgeAt(_ time: Timestamp?, of session: Session.ID) throws(StoreError) {
        guard let time else {
            try execute("DELETE FROM session_judgements WHERE session = ?", [session.sql])
            return
        }
        // Not OR REPLACE, which SQLite writes a journal of its own for.
        try execute(
            """
            INSERT INTO session_judgements (session, judge_at) VALUES (?, ?)
            ON CONFLICT (session) DO UPDATE SET judge_at = excluded.judge_at
            """, [session.sql, time.sql])
    }

    func setIsToReject(_ isToReject: Bool, _ session: Session.ID) throws(StoreError) {
        try execute(
            isToReject
                ? "INSERT OR IGNORE INTO session_rejections (session) VALUES (?)"
                : "DELETE FROM session_rejections WHERE session = ?", [session.sql])
    }
}

extension Violation {
    /// Three words, then the detail.
    fileprivate var stored: String {
        "\(reason.rawValue) \(level.rawValue) \(action.rawValue) \(detail.split(separator: "\n").joined(separator: " "))"
    }

    fileprivate init?(stored line: Substring) {
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        guard words.count == 4, let reason = ViolationReason(rawValue: String(words[0])),
            let level = SessionPolicyLevel(rawValue: String(words[1])),
            let action = ViolationAction(rawValue: String(words[2]))
        else { return nil }
        self.init(reason: reason, level: level, action: action, detail: String(words[3]))
    }
}

extension SIMStanding {
    /// One a line: level, `in` or `out`, reports of the other side, and since when.
    var crossingLines: String {
        crossings.sorted { $0.key < $1.key }.map { level, crossing in
            "\(level.rawValue) \(crossing.isOutside ? "out" : "in") \(crossing.contraryReports)"
                + (crossing.contrarySince.map { " \($0.milliseconds)" } ?? "")
        }.joined(separator: "\n")
    }

    /// In the order of the statement that reads it.
    init(columns: Columns) throws(StoreError) {
        self.init()
        if let text = columns.optionalText(0) {
            firstIMEI = Seen(try columns.need(IMEI(utf8: text.utf8), 0), at: try columns.time(1))
        }
        if let text = columns.optionalText(2) {
            lastIMEI = Seen(try columns.need(IMEI(utf8: text.utf8), 2), at: try columns.time(3))
        }
        imeiChanges = try columns.integer(4)
        if let time = columns.optionalTime(7) {
            var network: PLMN?
            if let text = columns.optionalText(6) { network = try columns.need(PLMN(utf8: text.utf8), 6) }
            location = Seen(
                Location(location: columns.optionalBytes(5).map(UserLocation.init(octets:)), visitedNetwork: network),
                at: time)
        }
        for line in try columns.text(8).split(separator: "\n") {
            let words = line.split(separator: " ")
            let isWhole = words.count >= 3
            let level = isWhole ? SessionPolicyLevel(rawValue: String(words[0])) : nil
            let reports = isWhole ? Int(words[2]) : nil
            crossings[try columns.need(level, 8)] = Crossing(
                isOutside: isWhole && words[1] == "out", contraryReports: try columns.need(reports, 8),
                contrarySince: words.count > 3 ? Int64(words[3]).map(Timestamp.init(milliseconds:)) : nil)
        }
        fenceSince = columns.optionalTime(9)
        if let since = columns.optionalTime(10) {
            quarantine = Quarantine(
                since: since, until: columns.optionalTime(11), reason: try columns.text(12), by: try columns.text(13))
        }
        toleratedUntil = columns.optionalTime(14)
        if let time = columns.optionalTime(15) { approval = Approval(at: time, by: try columns.text(16)) }
        if let time = columns.optionalTime(18) { hookAnswer = Seen(try columns.flag(17), at: time) }
    }
}

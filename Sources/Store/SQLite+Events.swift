import Domain
import GRDB

/// Statements of the path of an admission, put together once.
private enum EventSQL {
    static let columns = "number, time, code, tenant, imsi, session, subject, words, details"
    static let insert = """
        INSERT INTO events (time, code, tenant, imsi, session, subject, words, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """
    static let last = "SELECT number FROM events ORDER BY number DESC LIMIT 1"
    /// Events that one reading looks at, where no index has only what is asked for.
    static let reach: Int64 = 20_000
    /// Times of events follow their numbers but for clocks that were set, which are thought to be this far off at most.
    static let clockError: Int64 = 3_600_000
}

extension SQLiteReading {
    func events(_ filter: EventFilter, after number: Event.Number, limit: Int) throws(StoreError) -> EventPage {
        var start = number
        if let since = filter.since {
            let early = Timestamp(milliseconds: since.milliseconds - EventSQL.clockError)
            start = max(start, try lastEvent(before: early))
        }
        return try page(filter, from: start, isAscending: true, limit: limit)
    }

    func events(_ filter: EventFilter, before number: Event.Number?, limit: Int) throws(StoreError) -> EventPage {
        var start = number ?? .max
        if let until = filter.until {
            let late = Timestamp(milliseconds: until.milliseconds + EventSQL.clockError)
            let last = try lastEvent(before: late)
            start = min(start, last == .max ? last : last + 1)
        }
        return try page(filter, from: start, isAscending: false, limit: limit)
    }

    private func page(
        _ filter: EventFilter, from start: Event.Number, isAscending: Bool, limit: Int
    ) throws(StoreError) -> EventPage {
        if filter.codes?.isEmpty == true {
            return EventPage(events: [], position: isAscending ? max(start, try lastEvent()) : start, hasMore: false)
        }
        let limit = max(1, limit)
        let (sign, order) = isAscending ? (">", "ASC") : ("<", "DESC")
        var conditions = ["number \(sign) ?"]
        var arguments: [SQLValue] = [start.sql]
        switch filter.scope {
        case .all: break
        case .tenant(let tenant):
            conditions.append("tenant = ?")
            arguments.append(tenant.sql)
        case .operator: conditions.append("tenant IS NULL")
        }
        if let imsi = filter.imsi {
            conditions.append("imsi = ?")
            arguments.append(imsi.sql)
        }
        let index =
            switch (filter.imsi, filter.scope) {
            case (.some, _): " INDEXED BY events_imsi"
            case (nil, .all): ""
            case (nil, _): " INDEXED BY events_tenant"
            }
        let source = "FROM events\(index) WHERE \(conditions.joined(separator: " AND ")) "

        // How far this reading looks. Without further conditions it takes every event that it comes by.
        let isPicking = filter.codes != nil || filter.since != nil || filter.until != nil
        let end =
            try isPicking
            ? row("SELECT number \(source)ORDER BY number \(order) LIMIT 1 OFFSET ?", arguments + [EventSQL.reach.sql])
            {
                columns throws(StoreError) in try columns.integer(0)
            } : nil
        var (wanted, values): ([String], [SQLValue]) = ([], [])
        if let end {
            wanted.append("number \(isAscending ? "<" : ">") ?")
            values.append(end.sql)
        }
        if let codes = filter.codes {
            let sorted = codes.map(\.rawValue).sorted()
            wanted.append("code IN (\(sorted.map { _ in "?" }.joined(separator: ", ")))")
            values += sorted.map(\.sql)
        }
        if let since = filter.since {
            wanted.append("time >= ?")
            values.append(since.sql)
        }
        if let until = filter.until {
            wanted.append("time < ?")
            values.append(until.sql)
        }
        let clause = wanted.map { "AND \($0) " }.joined()
        let found = try rows(
            "SELECT \(EventSQL.columns) \(source)\(clause)ORDER BY number \(order) LIMIT ?",
            arguments + values + [Int64(limit + 1).sql], Event.init(columns:))
        if found.count > limit {
            let events = Array(found.prefix(limit))
            return EventPage(events: events, position: events.last?.number ?? start, hasMore: true)
        }
        if let end { return EventPage(events: found, position: end + (isAscending ? -1 : 1), hasMore: true) }
        // Everything was looked at: what comes later begins after the newest.
        let position = isAscending ? max(start, try lastEvent()) : found.last?.number ?? start
        return EventPage(events: found, position: position, hasMore: false)
    }

    func lastEvent() throws(StoreError) -> Event.Number {
        try row(EventSQL.last) { columns throws(StoreError) in try columns.integer(0) } ?? 0
    }

    /// The number that all events before a time have at most, as far as times follow numbers. Looks at some twenty of them.
    private func lastEvent(before time: Timestamp) throws(StoreError) -> Event.Number {
        var low: Event.Number = 0
        var high = try lastEvent()
        while low < high {
            let middle = low + (high - low + 1) / 2
            // Numbers that retention removed stand for the next one that is there.
            let next = try row("SELECT time FROM events WHERE number >= ? ORDER BY number LIMIT 1", [middle.sql]) {
                columns throws(StoreError) in try columns.time(0)
            }
            if let next, next < time { low = middle } else { high = middle - 1 }
        }
        return low
    }

    func forgottenEvents(_ scope: EventFilter.Scope) throws(StoreError) -> Event.Number {
        let number: Int64?? =
            switch scope {
            case .all: try row("SELECT max(number) FROM events_forgotten") { $0.optionalInteger(0) }
            case .tenant(let tenant):
                try row("SELECT number FROM events_forgotten WHERE tenant = ?", [tenant.sql]) { $0.optionalInteger(0) }
            case .operator:
                try row("SELECT number FROM events_forgotten WHERE tenant = 0") { $0.optionalInteger(0) }
            }
        return (number ?? nil) ?? 0
    }

    func eventCounts(after number: Event.Number) throws(StoreError) -> [Tenant.ID?: Int] {
        // From the beginning the index has all of it; later ones are few, and their rows are together.
        let source = number <= 0 ? "events INDEXED BY events_tenant" : "events NOT INDEXED WHERE number > \(number)"
        var counts: [Tenant.ID?: Int] = [:]
        try run("SELECT tenant, count(*) FROM \(source) GROUP BY tenant") { columns throws(StoreError) in
            counts[columns.optionalID(0)] = try columns.number(1)
        }
        return counts
    }
}

extension SQLiteTransaction {
    func appendEvent(_ news: Event.News) throws(StoreError) -> Event.Number {
        try insert(
            EventSQL.insert,
            [
                news.time.sql, news.code.rawValue.sql, news.tenant.sql, news.imsi.sql, news.session.sql,
                news.subject.description.sql, news.words.sql, news.details.sql,
            ])
    }

    func forgetEvents(
        before time: Timestamp, after number: Event.Number, limit: Int
    ) throws(StoreError) -> (removed: [Tenant.ID?: Int], position: Event.Number?) {
        let end = try row(
            "SELECT number FROM events WHERE number > ? ORDER BY number LIMIT 1 OFFSET ?",
            [number.sql, Int64(max(1, limit) - 1).sql]
        ) { columns throws(StoreError) in try columns.integer(0) }
        let removed = try forget(
            """
            DELETE FROM events WHERE number > ? AND number <= ? AND time < ?
                AND number < (SELECT max(number) FROM events)
            """, [number.sql, (end ?? .max).sql, time.sql])
        return (removed, end)
    }

    func forgetOldestEvents(_ scope: EventFilter.Scope, limit: Int) throws(StoreError) -> [Tenant.ID?: Int] {
        let limit = Int64(max(0, limit)).sql
        let (condition, arguments): (String, [SQLValue]) =
            switch scope {
            case .all: ("", [limit])
            case .tenant(let tenant): ("WHERE tenant = ?", [tenant.sql, limit])
            case .operator: ("WHERE tenant IS NULL", [limit])
            }
        return try forget(
            """
            DELETE FROM events WHERE number IN (SELECT number FROM events \(condition) ORDER BY number LIMIT ?)
                AND number < (SELECT max(number) FROM events)
            """, arguments)
    }

    private func forget(_ sql: String, _ arguments: [SQLValue]) throws(StoreError) -> [Tenant.ID?: Int] {
        var (counts, last): ([Tenant.ID?: Int], [Tenant.ID?: Event.Number]) = ([:], [:])
        try run("\(sql) RETURNING tenant, number", arguments) { columns throws(StoreError) in
            let (tenant, number): (Tenant.ID?, Event.Number) = (columns.optionalID(0), try columns.integer(1))
            counts[tenant, default: 0] += 1
            last[tenant] = max(last[tenant] ?? 0, number)
        }
        for (tenant, number) in last {
            try execute(
                """
                INSERT INTO events_forgotten (tenant, number) VALUES (?, ?)
                ON CONFLICT (tenant) DO UPDATE SET number = max(number, excluded.number)
                """, [(tenant?.rawValue ?? 0).sql, number.sql])
        }
        return counts
    }
}

extension [Event.Detail] {
    /// Neither keys nor values have line ends, and keys have no `=`.
    fileprivate var sql: SQLValue { map { "\($0.key)=\($0.value)" }.joined(separator: "\n").sql }

    fileprivate init(lines text: String) {
        self = text.split(separator: "\n").map { line in
            let mark = line.firstIndex(of: "=") ?? line.endIndex
            return Event.Detail(key: String(line[..<mark]), value: String(line[mark...].dropFirst()))
        }
    }
}

extension Event {
    fileprivate init(columns: Columns) throws(StoreError) {
        let (code, subject) = (try columns.text(2), try columns.text(6))
        self.init(
            number: try columns.integer(0),
            news: News(
                try columns.need(Code(rawValue: code), 2), of: columns.optionalID(3),
                about: try columns.need(Subject(subject), 6), at: try columns.time(1),
                imsi: try columns.optionalIMSI(4),
                session: columns.optionalID(5), words: try columns.text(7),
                details: [Detail](lines: try columns.text(8))))
    }
}

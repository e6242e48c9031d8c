import Domain
import GRDB

/// Statements of the path of an admission, put together once.
private enum EventSQL {
    static let columns = "number, time, code, tenant, imsi, session, subject, words, details"
    static let insert = """
        INSERT INTO events (time, code, tenant, imsi, session, subject, words, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """
    static let last = "SELECT number FROM events ORDER BY number DESC LIMIT 1"
    static let oldest = "SELECT number FROM events ORDER BY number LIMIT 1"
    /// Events that one reading looks at, where no index has only what is asked for.
    static let reach = 20_000
    /// Windows of ``EventWindow`` that one reading looks at: 8,388,608 numbers, in some 40 ms.
    static let windows = 512
    /// Times of events follow their numbers but for clocks that were set, which are thought to be this far off at most.
    static let clockError: Int64 = 3_600_000
}

/// Numbers that are read together. The indexes are by a part of 4,096 numbers first and by tenant or SIM within it: so each
/// event is written to the end of the index, as into the table, and not to whatever place its SIM has among a million,
/// which made an event ten times as dear. What is asked for is looked up in each part.
private struct EventWindow {
    static let partBits: Int64 = 12
    static let parts: Int64 = 4
    static let size = parts << partBits
    /// Of windows as they follow each other; any number is in one.
    let index: Int64

    init(of number: Event.Number) { index = number / Self.size }

    var numbers: ClosedRange<Event.Number> { index * Self.size...index * Self.size + Self.size - 1 }

    /// Where there is an index of a column.
    var condition: (sql: String, values: [SQLValue]) {
        let first = index * Self.parts
        return ("(number >> \(Self.partBits)) IN (?, ?, ?, ?)", (first..<first + Self.parts).map(\.sql))
    }
}

extension EventFilter {
    /// The index that has what is asked for, and what of the filter is looked up in it.
    fileprivate var indexed: (name: String, sql: String, values: [SQLValue])? {
        if let imsi { return ("events_part_imsi", "imsi = ?", [imsi.sql]) }
        switch scope {
        case .all: return nil
        case .tenant(let tenant): return ("events_part_tenant", "tenant = ?", [tenant.sql])
        case .operator: return ("events_part_tenant", "tenant IS NULL", [])
        }
    }

    /// The rest of it, which each event that was looked up is asked for.
    fileprivate var rest: (conditions: [String], values: [SQLValue]) {
        var (conditions, values): ([String], [SQLValue]) = ([], [])
        if imsi != nil {
            switch scope {
            case .all: break
            case .tenant(let tenant):
                conditions.append("tenant = ?")
                values.append(tenant.sql)
            case .operator: conditions.append("tenant IS NULL")
            }
        }
        if let codes {
            let sorted = codes.map(\.rawValue).sorted()
            conditions.append("code IN (\(sorted.map { _ in "?" }.joined(separator: ", ")))")
            values += sorted.map(\.sql)
        }
        if let since {
            conditions.append("time >= ?")
            values.append(since.sql)
        }
        if let until {
            conditions.append("time < ?")
            values.append(until.sql)
        }
        return (conditions, values)
    }
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

    /// Looks through one window of numbers after the other, until there are as many events as were asked for, or it has
    /// looked at as many as one reading does.
    private func page(
        _ filter: EventFilter, from start: Event.Number, isAscending: Bool, limit: Int
    ) throws(StoreError) -> EventPage {
        let (limit, last) = (max(1, limit), try lastEvent())
        guard let oldest = try row(EventSQL.oldest, [], { columns throws(StoreError) in try columns.integer(0) }),
            filter.codes?.isEmpty != true
        else { return EventPage(events: [], position: isAscending ? max(start, last) : start, hasMore: false) }
        var first = isAscending ? max(start == .max ? start : start + 1, oldest) : oldest
        var end = isAscending ? last : min(start == .min ? start : start - 1, last)
        let isPicking = !filter.rest.conditions.isEmpty
        var (found, looked, windows): ([Event], Int, Int) = ([], 0, 0)
        while first <= end {
            let window = EventWindow(of: isAscending ? first : end)
            let part = max(first, window.numbers.lowerBound)...min(end, window.numbers.upperBound)
            if isPicking { looked += try count(filter, in: part, of: window) }
            found += try events(filter, in: part, of: window, isAscending, limit: limit + 1 - found.count)
            if found.count > limit {
                let events = Array(found.prefix(limit))
                return EventPage(events: events, position: events.last?.number ?? start, hasMore: true)
            }
            if isAscending { first = part.upperBound + 1 } else { end = part.lowerBound - 1 }
            windows += 1
            if first <= end, looked >= EventSQL.reach || windows >= EventSQL.windows {
                let position = isAscending ? part.upperBound : part.lowerBound
                return EventPage(events: found, position: position, hasMore: true)
            }
        }
        // Everything was looked at: what comes later begins after the newest.
        let position = isAscending ? max(start, last) : found.last?.number ?? start
        return EventPage(events: found, position: position, hasMore: false)
    }

    private func source(
        _ filter: EventFilter, in part: ClosedRange<Event.Number>, of window: EventWindow
    ) -> (sql: String, values: [SQLValue]) {
        let range = "number BETWEEN ? AND ?"
        let values = [part.lowerBound.sql, part.upperBound.sql]
        guard let index = filter.indexed else { return ("FROM events WHERE \(range)", values) }
        let parts = window.condition
        return (
            "FROM events INDEXED BY \(index.name) WHERE \(parts.sql) AND \(index.sql) AND \(range)",
            parts.values + index.values + values
        )
    }

    /// How many events of the window have to be looked at.
    private func count(
        _ filter: EventFilter, in part: ClosedRange<Event.Number>, of window: EventWindow
    ) throws(StoreError) -> Int {
        guard filter.indexed != nil else { return part.count }
        let source = source(filter, in: part, of: window)
        return try row("SELECT count(*) \(source.sql)", source.values) { columns throws(StoreError) in
            try columns.number(0)
        } ?? 0
    }

    private func events(
        _ filter: EventFilter, in part: ClosedRange<Event.Number>, of window: EventWindow, _ isAscending: Bool,
        limit: Int
    ) throws(StoreError) -> [Event] {
        let (source, rest) = (source(filter, in: part, of: window), filter.rest)
        let clause = rest.conditions.map { " AND \($0)" }.joined()
        return try rows(
            "SELECT \(EventSQL.columns) \(source.sql)\(clause) ORDER BY number \(isAscending ? "ASC" : "DESC") LIMIT ?",
            source.values + rest.values + [Int64(limit).sql], Event.init(columns:))
    }

    /// The numbers of the oldest events within a scope.
    fileprivate func oldestEvents(_ scope: EventFilter.Scope, limit: Int) throws(StoreError) -> [Event.Number] {
        let (filter, last) = (EventFilter(scope), try lastEvent())
        guard limit > 0,
            let oldest = try row(EventSQL.oldest, [], { columns throws(StoreError) in try columns.integer(0) })
        else { return [] }
        var (numbers, first): ([Event.Number], Event.Number) = ([], oldest)
        while first <= last, numbers.count < limit {
            let window = EventWindow(of: first)
            let part = first...min(last, window.numbers.upperBound)
            let source = source(filter, in: part, of: window)
            numbers += try rows(
                "SELECT number \(source.sql) ORDER BY number LIMIT ?",
                source.values + [Int64(limit - numbers.count).sql]
            ) { columns throws(StoreError) in try columns.integer(0) }
            first = part.upperBound + 1
        }
        return numbers
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
        let isWhole = number <= 0
        let source = isWhole ? "events INDEXED BY events_part_tenant" : "events NOT INDEXED WHERE number > ?"
        var counts: [Tenant.ID?: Int] = [:]
        try run("SELECT tenant, count(*) FROM \(source) GROUP BY tenant", isWhole ? [] : [number.sql]) {
            columns throws(StoreError) in counts[columns.optionalID(0)] = try columns.number(1)
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
        let numbers = try oldestEvents(scope, limit: limit)
        var removed: [Tenant.ID?: Int] = [:]
        for start in stride(from: 0, to: numbers.count, by: Self.forgottenTogether) {
            let some = numbers[start..<min(start + Self.forgottenTogether, numbers.count)]
            // One text for any number of them: statements are kept.
            let padded = Array(some) + Array(repeating: numbers[start], count: Self.forgottenTogether - some.count)
            removed.merge(
                try forget(
                    """
                    DELETE FROM events WHERE number IN (\(padded.map { _ in "?" }.joined(separator: ", ")))
                        AND number < (SELECT max(number) FROM events)
                    """, padded.map(\.sql)), uniquingKeysWith: +)
        }
        return removed
    }

    private static let forgottenTogether = 100

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

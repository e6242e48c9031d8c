import Domain
import GRDB

/// Statements of usage, put together once.
enum UsageSQL {
    static let counts = "octets_up, packets_up, octets_down, packets_down"
    private static let assigned = """
        octets_up = excluded.octets_up, packets_up = excluded.packets_up, octets_down = excluded.octets_down,
            packets_down = excluded.packets_down
        """

    static let owner = """
        SELECT s.tenant, s.sim, s.imsi, s.started_at, s.ended_at, m.group_id, \(SessionUsage.columns)
        FROM sessions s LEFT JOIN sims m ON m.id = s.sim WHERE s.id = ?
        """
    static let place = "SELECT tenant, sim FROM sessions WHERE id = ?"
    static let vpn = "SELECT id, tenant FROM vpns WHERE number = ?"

    private static let ofCounter = "WHERE tenant = ? AND sim = ? AND counter = ? AND way = ?"
    static let counter = "SELECT read_at, \(counts) FROM usage_counters \(ofCounter)"
    static let putCounter = """
        INSERT INTO usage_counters (tenant, sim, counter, way, session, read_at, \(counts))
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (tenant, sim, counter, way) DO UPDATE SET session = excluded.session, read_at = excluded.read_at,
            \(assigned)
        """
    static let deleteCounter = "DELETE FROM usage_counters \(ofCounter)"
    static let ofSession = """
        SELECT \(counts) FROM usage_counters WHERE tenant = ? AND sim = ? AND session = ?
        """

    static let insertRecord = """
        INSERT INTO usage_records (tenant, session, imsi, group_id, route, began_at, length, \(counts))
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    static let session = "SELECT \(counts) FROM usage_sessions WHERE session = ?"
    static let putSession = """
        INSERT INTO usage_sessions (session, \(counts)) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (session) DO UPDATE SET \(assigned)
        """

    static func table(_ level: UsageLevel) -> String {
        switch level {
        case .fiveMinutes: "usage_fives"
        case .hour: "usage_hours"
        case .day: "usage_days"
        }
    }

    /// By level.
    static let bucket = byLevel {
        "SELECT \(counts) FROM \($0) WHERE time = ? AND tenant = ? AND subject = ? AND route = ?"
    }
    static let putBucket = byLevel {
        """
        INSERT INTO \($0) (time, tenant, subject, route, \(counts)) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (time, tenant, subject, route) DO UPDATE SET \(assigned)
        """
    }
    static let ofSubject = byLevel {
        "SELECT route, \(counts) FROM \($0) WHERE time = ? AND tenant = ? AND subject BETWEEN ? AND ? ORDER BY subject, route"
    }

    private static func byLevel(_ sql: (String) -> String) -> [UsageLevel: String] {
        Dictionary(UsageLevel.allCases.map { ($0, sql(table($0))) }) { first, _ in first }
    }
}

extension UsageCounts {
    /// In the order of `UsageSQL.counts`.
    var sql: [SQLValue] { [octetsUp.sql, packetsUp.sql, octetsDown.sql, packetsDown.sql] }

    init(columns: Columns, from index: Int) throws(StoreError) {
        self.init(
            octetsUp: try columns.count(index), packetsUp: try columns.count(index + 1),
            octetsDown: try columns.count(index + 2), packetsDown: try columns.count(index + 3))
    }

    var isNothing: Bool { self == UsageCounts() }
}

extension UsageSubject {
    /// The column `subject` of the rows that it is made of.
    var rows: ClosedRange<Int64> {
        switch self {
        case .sim(let sim, _): sim.rawValue...sim.rawValue
        case .group(let group, _): Self.row(of: group)...Self.row(of: group)
        case .tenant: Int64.min...(-1)
        }
    }

    static func row(of group: SIMGroup.ID?) -> Int64 { -1 - (group?.rawValue ?? 0) }
}

extension SQLiteReading {
    func usageOwners(
        of sessions: [Session.ID]
    ) throws(StoreError) -> [Session.ID: (tenant: Tenant.ID, sim: SIM.ID)] {
        var owners: [Session.ID: (tenant: Tenant.ID, sim: SIM.ID)] = [:]
        for id in sessions where owners[id] == nil {
            owners[id] = try row(UsageSQL.place, [id.sql]) { columns throws(StoreError) in
                (try columns.id(0), try columns.id(1))
            }
        }
        return owners
    }

    func usage(
        of subject: UsageSubject, _ level: UsageLevel, buckets: Range<Int64>
    ) throws(StoreError) -> [UsageBucket] {
        guard let sql = UsageSQL.ofSubject[level] else { return [] }
        let (tenant, rows) = (subject.tenant.sql, subject.rows)
        var found: [UsageBucket] = []
        for bucket in buckets {
            var counts: [UsageRoute: UsageCounts] = [:]
            try run(sql, [bucket.sql, tenant, rows.lowerBound.sql, rows.upperBound.sql]) { columns throws(StoreError) in
                let route = try columns.need(UsageRoute(code: columns.integer(0)), 0)
                counts[route] = try (counts[route] ?? UsageCounts()) + UsageCounts(columns: columns, from: 1)
            }
            let start = level.start(of: bucket)
            found += counts.sorted { $0.key < $1.key }.map { UsageBucket(start: start, route: $0, counts: $1) }
        }
        return found
    }

    func forgottenUsage(_ level: UsageLevel) throws(StoreError) -> Timestamp? {
        try usageTime(level.rawValue)
    }

    func lastUsageRound() throws(StoreError) -> Timestamp? { try usageTime("round") }

    private func usageTime(_ name: String) throws(StoreError) -> Timestamp? {
        try row("SELECT time FROM usage_times WHERE name = ?", [name.sql]) { columns throws(StoreError) in
            try columns.time(0)
        }
    }

    func countedUsage(of session: Session) throws(StoreError) -> UsageCounts {
        if let counts = try usageOfEnded(session.id) { return counts }
        return try countersSum(of: session.id, session.tenant, session.sim)
    }

    fileprivate func usageOfEnded(_ session: Session.ID) throws(StoreError) -> UsageCounts? {
        try row(UsageSQL.session, [session.sql]) { columns throws(StoreError) in
            try UsageCounts(columns: columns, from: 0)
        }
    }

    fileprivate func countersSum(
        of session: Session.ID, _ tenant: Tenant.ID, _ sim: SIM.ID
    ) throws(StoreError) -> UsageCounts {
        var sum = UsageCounts()
        try run(UsageSQL.ofSession, [tenant.sql, sim.sql, session.sql]) { columns throws(StoreError) in
            sum = try sum + UsageCounts(columns: columns, from: 0)
        }
        return sum
    }

    func usageCounters(after key: UsageCounterKey?, limit: Int) throws(StoreError) -> [StoredUsageCounter] {
        try rows(
            """
            SELECT c.tenant, c.sim, c.counter, c.way, c.read_at, s.id IS NULL OR s.ended_at IS NOT NULL
            FROM usage_counters c LEFT JOIN sessions s ON s.id = c.session
            WHERE (c.tenant, c.sim, c.counter, c.way) > (?, ?, ?, ?)
            ORDER BY c.tenant, c.sim, c.counter, c.way LIMIT ?
            """,
            [
                (key?.tenant.rawValue ?? .min).sql, (key?.sim.rawValue ?? .min).sql, (key?.counter ?? 0).sql,
                (key?.way ?? -1).sql, Int64(max(0, limit)).sql,
            ]
        ) { columns throws(StoreError) in
            StoredUsageCounter(
                key: UsageCounterKey(
                    tenant: try columns.id(0), sim: try columns.id(1), counter: try columns.count(2),
                    code: try columns.integer(3)), readAt: try columns.time(4), isOver: try columns.flag(5))
        }
    }
}

extension SQLiteTransaction {
    /// Whose a session is.
    private struct Owner {
        let tenant: Tenant.ID
        let sim: SIM.ID
        let imsi: IMSI
        let startedAt: Timestamp
        let endedAt: Timestamp?
        let group: SIMGroup.ID?
        let reported: SessionUsage

        init(columns: Columns) throws(StoreError) {
            (tenant, sim, imsi) = (try columns.id(0), try columns.id(1), try columns.imsi(2))
            (startedAt, endedAt, group) = (try columns.time(3), columns.optionalTime(4), columns.optionalID(5))
            reported = try columns.usage(6)
        }
    }

    /// A row of a level.
    private struct Place: Hashable, Comparable {
        let level: UsageLevel
        let bucket: Int64
        let tenant: Tenant.ID
        let subject: Int64
        let route: Int64

        static func < (a: Self, b: Self) -> Bool {
            (a.level.milliseconds, a.bucket, a.tenant.rawValue, a.subject, a.route)
                < (b.level.milliseconds, b.bucket, b.tenant.rawValue, b.subject, b.route)
        }
    }

    func addUsage(
        _ samples: [UsageSample], from: Timestamp?, at time: Timestamp
    ) throws(StoreError) -> UsageAddition {
        var addition = UsageAddition()
        var more: [Place: UsageCounts] = [:]
        var owners: [Session.ID: Owner] = [:]
        var vpns: [VPNNumber: (VPN.ID, Tenant.ID)] = [:]
        var late: [Session.ID: UsageCounts] = [:]
        for sample in samples {
            if owners[sample.session] == nil {
                owners[sample.session] = try row(UsageSQL.owner, [sample.session.sql], Owner.init(columns:))
            }
            guard let owner = owners[sample.session] else {
                addition.unowned += 1
                continue
            }
            if owner.endedAt != nil, late[sample.session] == nil { late[sample.session] = UsageCounts() }
            let key = [owner.tenant.sql, owner.sim.sql, sample.counter.sql, sample.way.code.sql]
            let known = try row(UsageSQL.counter, key) { columns throws(StoreError) in
                (readAt: try columns.time(0), counts: try UsageCounts(columns: columns, from: 1))
            }
            let before = known?.counts ?? UsageCounts()
            let counts = sample.counts.exceeding(before)
            guard !counts.isNothing else { continue }
            try execute(UsageSQL.putCounter, key + [sample.session.sql, time.sql] + (before + counts).sql)

            let route = try route(sample.way, of: owner.tenant, &vpns)
            let end = max(min(time, owner.endedAt ?? time), owner.startedAt)
            let start = min(max(from ?? owner.startedAt, known?.readAt ?? owner.startedAt, owner.startedAt), end)
            let length = end.milliseconds - start.milliseconds
            try execute(
                UsageSQL.insertRecord,
                [
                    owner.tenant.sql, sample.session.sql, owner.imsi.sql, owner.group.sql, route.code.sql, start.sql,
                    length.sql,
                ] + counts.sql)
            addition.records += 1
            addition.octets &+= counts.octetsUp &+ counts.octetsDown
            // What was read had passed before, however short the time was.
            let middle = Timestamp(milliseconds: min(start.milliseconds + length / 2, end.milliseconds - 1))
            for level in UsageLevel.allCases {
                for subject in [owner.sim.rawValue, UsageSubject.row(of: owner.group)] {
                    let place = Place(
                        level: level, bucket: level.bucket(of: middle), tenant: owner.tenant, subject: subject,
                        route: route.code)
                    more[place] = (more[place] ?? UsageCounts()) + counts
                }
            }
            if owner.endedAt != nil { late[sample.session] = (late[sample.session] ?? UsageCounts()) + counts }
        }
        for (place, counts) in more.sorted(by: { $0.key < $1.key }) { try add(counts, at: place) }
        for (session, counts) in late {
            guard let owner = owners[session] else { continue }
            addition.ended[session] = EndedUsage(
                counted: try end(session, owner, adding: counts), reported: owner.reported)
        }
        return addition
    }

    /// The VPN that has the number, when it is the tenant's.
    private func route(
        _ way: UsageWay, of tenant: Tenant.ID, _ vpns: inout [VPNNumber: (VPN.ID, Tenant.ID)]
    ) throws(StoreError) -> UsageRoute {
        switch way {
        case .internet: return .internet
        case .gateway: return .gateway
        case .group: return .group
        case .vpn(let number):
            if vpns[number] == nil {
                vpns[number] = try row(UsageSQL.vpn, [number.rawValue.sql]) { columns throws(StoreError) in
                    (try columns.id(0), try columns.id(1))
                }
            }
            guard let (id, owner) = vpns[number], owner == tenant else { return .formerVPN }
            return .vpn(id)
        }
    }

    private func add(_ counts: UsageCounts, at place: Place) throws(StoreError) {
        guard let select = UsageSQL.bucket[place.level], let put = UsageSQL.putBucket[place.level] else { return }
        let key = [place.bucket.sql, place.tenant.sql, place.subject.sql, place.route.sql]
        let known = try row(select, key) { columns throws(StoreError) in try UsageCounts(columns: columns, from: 0) }
        try execute(put, key + ((known ?? UsageCounts()) + counts).sql)
    }

    /// Sums up a session that has ended. Its counters go from then on, so that later ones are added.
    private func end(
        _ session: Session.ID, _ owner: Owner, adding counts: UsageCounts
    ) throws(StoreError) -> UsageCounts {
        let known = try usageOfEnded(session)
        let sum =
            if let known { known + counts } else { try countersSum(of: session, owner.tenant, owner.sim) }
        if sum == known { return sum }
        try execute(UsageSQL.putSession, [session.sql] + sum.sql)
        return sum
    }

    func setLastUsageRound(_ time: Timestamp) throws(StoreError) {
        try execute(
            """
            INSERT INTO usage_times (name, time) VALUES ('round', ?) ON CONFLICT (name) DO UPDATE SET time = excluded.time
            """, [time.sql])
    }

    func deleteUsageCounters(_ keys: [UsageCounterKey]) throws(StoreError) {
        for key in keys {
            try execute(
                UsageSQL.deleteCounter, [key.tenant.sql, key.sim.sql, key.counter.sql, key.way.sql])
        }
    }

    func forgetUsage(_ level: UsageLevel, before time: Timestamp, limit: Int) throws(StoreError) -> Int {
        let (table, end) = (UsageSQL.table(level), level.bucket(of: time))
        let key = "time, tenant, subject, route"
        let next = try row(
            "SELECT \(key) FROM \(table) WHERE time < ? ORDER BY \(key) LIMIT 1 OFFSET ?",
            [end.sql, Int64(max(1, limit)).sql]
        ) { columns throws(StoreError) in
            [
                try columns.integer(0).sql, try columns.integer(1).sql, try columns.integer(2).sql,
                try columns.integer(3).sql,
            ]
        }
        let removed =
            if let next {
                try execute("DELETE FROM \(table) WHERE (\(key)) < (?, ?, ?, ?)", next)
            } else {
                try execute("DELETE FROM \(table) WHERE time < ?", [end.sql])
            }
        guard removed > 0 else { return 0 }
        try execute(
            """
            INSERT INTO usage_times (name, time) VALUES (?, ?)
            ON CONFLICT (name) DO UPDATE SET time = max(time, excluded.time)
            """, [level.rawValue.sql, level.start(of: end).sql])
        return removed
    }
}

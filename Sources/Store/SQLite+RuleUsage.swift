import Domain
import GRDB

/// Statements of rules' usage, put together once.
private enum RuleUsageSQL {
    static let counter = "SELECT tenant, counter, read_at, \(UsageSQL.counts) FROM usage_rules WHERE id = ?"
    static let putCounter = """
        UPDATE usage_rules SET counter = ?, read_at = ?, octets_up = ?, packets_up = ?, octets_down = ?, packets_down = ?
        WHERE id = ?
        """
    /// The number follows from the time, since what is rolled back takes back the highest one too.
    static let put = """
        INSERT INTO usage_rules (id, tenant, policy, rule, applied_at, counter, read_at, \(UsageSQL.counts))
        VALUES (
            max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'usage_rules'), 0) + 1, ?),
            ?, ?, ?, ?, 0, ?, 0, 0, 0, 0)
        ON CONFLICT (tenant, policy, rule) DO UPDATE SET applied_at = max(applied_at, excluded.applied_at)
        RETURNING id
        """

    static func table(_ level: UsageLevel) -> String {
        switch level {
        case .fiveMinutes: "usage_rule_fives"
        case .hour: "usage_rule_hours"
        case .day: "usage_rule_days"
        }
    }

    /// By level.
    static let bucket = byLevel { "SELECT \(UsageSQL.counts) FROM \($0) WHERE time = ? AND tenant = ? AND rule = ?" }
    static let putBucket = byLevel {
        """
        INSERT INTO \($0) (time, tenant, rule, \(UsageSQL.counts)) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (time, tenant, rule) DO UPDATE SET
            octets_up = excluded.octets_up, packets_up = excluded.packets_up, octets_down = excluded.octets_down,
            packets_down = excluded.packets_down
        """
    }
    static let ofTenant = byLevel {
        "SELECT rule, \(UsageSQL.counts) FROM \($0) WHERE time = ? AND tenant = ? ORDER BY rule"
    }

    private static func byLevel(_ sql: (String) -> String) -> [UsageLevel: String] {
        Dictionary(UsageLevel.allCases.map { ($0, sql(table($0))) }) { first, _ in first }
    }
}

extension SQLiteReading {
    func countedRules(of tenant: Tenant.ID?) throws(StoreError) -> [CountedRule] {
        let columns = "SELECT id, tenant, policy, rule FROM usage_rules"
        let read = { (columns: Columns) throws(StoreError) in
            CountedRule(
                id: try columns.id(0), tenant: try columns.id(1), policy: try columns.name(2),
                rule: try columns.name(3))
        }
        guard let tenant else { return try rows("\(columns) ORDER BY id", [], read) }
        return try rows("\(columns) WHERE tenant = ? ORDER BY id", [tenant.sql], read)
    }

    func ruleUsage(
        of tenant: Tenant.ID, _ level: UsageLevel, buckets: Range<Int64>
    ) throws(StoreError) -> [RuleUsageBucket] {
        guard let sql = RuleUsageSQL.ofTenant[level] else { return [] }
        var found: [RuleUsageBucket] = []
        for bucket in buckets {
            let start = level.start(of: bucket)
            try run(sql, [bucket.sql, tenant.sql]) { columns throws(StoreError) in
                found.append(
                    RuleUsageBucket(
                        start: start, rule: try columns.id(0), counts: try UsageCounts(columns: columns, from: 1)))
            }
        }
        return found
    }
}

extension SQLiteTransaction {
    func countRules(
        _ rules: [Name], of policy: Name, of tenant: Tenant.ID, at time: Timestamp
    ) throws(StoreError) -> [Name: CountedRule.ID] {
        // For each millisecond as many as policies of it may have rules.
        let least = max(0, min(time.milliseconds, .max >> 16)) << 16
        var numbers: [Name: CountedRule.ID] = [:]
        for rule in rules {
            numbers[rule] = try row(
                RuleUsageSQL.put, [least.sql, tenant.sql, policy.sql, rule.sql, time.sql, time.sql]
            ) { columns throws(StoreError) in try columns.id(0) }
        }
        return numbers
    }

    func addRuleUsage(
        _ samples: [RuleUsageSample], from: Timestamp?, at time: Timestamp
    ) throws(StoreError) -> RuleUsageAddition {
        var addition = RuleUsageAddition()
        for sample in samples {
            let known = try row(RuleUsageSQL.counter, [sample.rule.sql]) { columns throws(StoreError) in
                (
                    tenant: try columns.id(0) as Tenant.ID, counter: try columns.count(1), readAt: try columns.time(2),
                    counts: try UsageCounts(columns: columns, from: 3)
                )
            }
            guard let known else {
                addition.unknown.insert(sample.rule)
                continue
            }
            let before = known.counter == sample.counter ? known.counts : UsageCounts()
            let counts = sample.counts.exceeding(before)
            guard !counts.isNothing else { continue }
            try execute(
                RuleUsageSQL.putCounter,
                [sample.counter.sql, time.sql] + (before + counts).sql + [sample.rule.sql])
            let start = min(max(from ?? known.readAt, known.readAt), time)
            let length = time.milliseconds - start.milliseconds
            // What was read had passed before, however short the time was.
            let middle = Timestamp(milliseconds: min(start.milliseconds + length / 2, time.milliseconds - 1))
            for level in UsageLevel.allCases {
                try add(counts, level, level.bucket(of: middle), known.tenant, sample.rule)
            }
            addition.additions += 1
        }
        return addition
    }

    private func add(
        _ counts: UsageCounts, _ level: UsageLevel, _ bucket: Int64, _ tenant: Tenant.ID, _ rule: CountedRule.ID
    ) throws(StoreError) {
        guard let select = RuleUsageSQL.bucket[level], let put = RuleUsageSQL.putBucket[level] else { return }
        let key = [bucket.sql, tenant.sql, rule.sql]
        let known = try row(select, key) { columns throws(StoreError) in try UsageCounts(columns: columns, from: 0) }
        try execute(put, key + ((known ?? UsageCounts()) + counts).sql)
    }

    func forgetRuleUsage(_ level: UsageLevel, before time: Timestamp, limit: Int) throws(StoreError) -> Int {
        let table = RuleUsageSQL.table(level)
        return try execute(
            """
            DELETE FROM \(table) WHERE (time, tenant, rule) IN
                (SELECT time, tenant, rule FROM \(table) WHERE time < ? ORDER BY time, tenant, rule LIMIT ?)
            """, [level.bucket(of: time).sql, Int64(max(1, limit)).sql])
    }

    func deleteCountedRules(before time: Timestamp, except used: Set<CountedRule.ID>) throws(StoreError) {
        let old: [CountedRule.ID] = try rows(
            "SELECT id FROM usage_rules WHERE applied_at < ? AND read_at < ?", [time.sql, time.sql]
        ) { columns throws(StoreError) in try columns.id(0) }
        for rule in old where !used.contains(rule) { try execute("DELETE FROM usage_rules WHERE id = ?", [rule.sql]) }
    }
}

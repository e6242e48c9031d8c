import Domain
import GRDB

extension SQLiteReading {
    func usageRecords(
        of tenant: Tenant.ID?, after number: UsageRecord.Number, limit: Int
    ) throws(StoreError) -> UsageRecordPage {
        let limit = max(1, limit)
        var (source, arguments) = ("WHERE number > ?", [number.sql])
        if let tenant {
            source = "INDEXED BY usage_records_tenant WHERE tenant = ? AND number > ?"
            arguments = [tenant.sql, number.sql]
        }
        let found = try rows(
            """
            SELECT number, tenant, session, imsi, group_id, route, began_at, length, \(UsageSQL.counts)
            FROM usage_records \(source) ORDER BY number LIMIT ?
            """, arguments + [Int64(limit + 1).sql], UsageRecord.init(columns:))
        if found.count > limit, let last = found.prefix(limit).last {
            return UsageRecordPage(records: Array(found.prefix(limit)), position: last.number, hasMore: true)
        }
        // What comes later begins after the newest, whoever's that is.
        let last: Int64?? = try row("SELECT max(number) FROM usage_records") { $0.optionalInteger(0) }
        return UsageRecordPage(records: found, position: max(number, (last ?? nil) ?? 0), hasMore: false)
    }

    func forgottenUsageRecords(of tenant: Tenant.ID?) throws(StoreError) -> UsageRecord.Number {
        let number: Int64?? =
            if let tenant {
                try row("SELECT number FROM usage_records_forgotten WHERE tenant = ?", [tenant.sql]) {
                    $0.optionalInteger(0)
                }
            } else {
                try row("SELECT max(number) FROM usage_records_forgotten") { $0.optionalInteger(0) }
            }
        return (number ?? nil) ?? 0
    }
}

extension SQLiteTransaction {
    func forgetUsageRecords(
        before time: Timestamp, keeping count: Int64, limit: Int
    ) throws(StoreError) -> Int {
        let newest: Int64?? = try row("SELECT max(number) FROM usage_records") { $0.optionalInteger(0) }
        guard let newest = newest ?? nil else { return 0 }
        let surplus = newest - max(1, count)
        // The first that stays, or the one behind those that are looked at.
        var (end, looked): (Int64?, Int64) = (nil, 0)
        try run(
            "SELECT number, began_at + length FROM usage_records ORDER BY number LIMIT ?",
            [Int64(max(1, limit)).sql]
        ) { columns throws(StoreError) in
            let number = try columns.integer(0)
            looked = number + 1
            if end == nil, number > surplus, try columns.time(1) >= time { end = number }
        }
        let first = min(end ?? looked, newest)
        try execute(
            """
            INSERT INTO usage_records_forgotten (tenant, number)
            SELECT tenant, max(number) FROM usage_records NOT INDEXED WHERE number < ? GROUP BY tenant
            ON CONFLICT (tenant) DO UPDATE SET number = max(number, excluded.number)
            """, [first.sql])
        return try execute("DELETE FROM usage_records WHERE number < ?", [first.sql])
    }
}

extension UsageRecord {
    fileprivate init(columns: Columns) throws(StoreError) {
        let start = try columns.time(6)
        self.init(
            number: try columns.integer(0), session: try columns.id(2), imsi: try columns.imsi(3),
            tenant: try columns.id(1), group: columns.optionalID(4),
            route: try columns.need(UsageRoute(code: columns.integer(5)), 5), from: start,
            to: Timestamp(milliseconds: start.milliseconds + (try columns.integer(7))),
            counts: try UsageCounts(columns: columns, from: 8))
    }
}

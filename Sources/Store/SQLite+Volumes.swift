import Domain
import GRDB

/// Statements of the path of an admission, put together once.
private enum VolumeSQL {
    static let columns = """
        SELECT id, source, tenant, group_id, sim, period, periods, began_at, ends_at, volume, extra, used, warned, reached_at
        FROM volumes
        """
    static let find = """
        \(columns) WHERE tenant = ? AND coalesce(group_id, 0) = ? AND coalesce(sim, 0) = ? AND source = ?
        """
    static let all = "\(columns) ORDER BY id"
    static let insert = """
        INSERT INTO volumes (tenant, group_id, sim, source, period, periods, began_at, ends_at, volume, extra, used, warned)
        VALUES (?, nullif(?, 0), nullif(?, 0), ?, 1, ?, ?, ?, ?, 0, 0, 0)
        """
    static let put = """
        UPDATE volumes SET period = ?, periods = ?, began_at = ?, ends_at = ?, volume = ?, extra = ?, used = ?, warned = ?,
            reached_at = ? WHERE id = ?
        """
    static let note = "UPDATE volumes SET used = ? WHERE id = ? AND period = ?"
}

extension SQLiteReading {
    func volumeAccount(_ key: VolumeAccount.Key) throws(StoreError) -> VolumeAccount? {
        try row(VolumeSQL.find, key.columns, VolumeAccount.init(columns:))
    }

    func volumeAccounts() throws(StoreError) -> [VolumeAccount] {
        try rows(VolumeSQL.all, [], VolumeAccount.init(columns:))
    }
}

extension SQLiteTransaction {
    func insertVolumeAccount(
        _ key: VolumeAccount.Key, _ limit: DataLimit, span: DataPeriod.Span
    ) throws(StoreError) -> VolumeAccount {
        let id = try insert(
            VolumeSQL.insert,
            key.columns + [limit.periods.description.sql, span.start.sql, span.end.sql, limit.volume.sql]
        ) { $0.isForeignKey ? .notFound("there is no such tenant, group or SIM") : nil }
        guard let number = UInt32(exactly: id).flatMap(QuotaNumber.init) else {
            throw StoreError(code: .exhausted, message: "no number is left for one more volume of data")
        }
        return VolumeAccount(
            number: number, key: key, period: 1, periods: limit.periods, span: span, volume: limit.volume)
    }

    func putVolumeAccount(_ account: VolumeAccount) throws(StoreError) {
        try change(
            VolumeSQL.put,
            [
                account.period.sql, account.periods.description.sql, account.span.start.sql, account.span.end.sql,
                account.volume.sql, account.extra.sql, account.used.sql, Int64(account.warned).sql,
                account.reachedAt.sql, account.number.rawValue.sql,
            ], missing: "there is no such volume")
    }

    func noteUsed(_ used: [UsedOctets]) throws(StoreError) {
        for one in used {
            try execute(VolumeSQL.note, [one.octets.sql, one.quota.rawValue.sql, one.period.sql])
        }
    }
}

extension VolumeAccount.Key {
    /// Tenant, group, SIM (zero for none) and source.
    fileprivate var columns: [SQLValue] {
        let (group, sim): (Int64, Int64) =
            switch owner {
            case .tenant: (0, 0)
            case .group(let group): (group.rawValue, 0)
            case .sim(let sim): (0, sim.rawValue)
            }
        return [tenant.sql, group.sql, sim.sql, source.rawValue.sql]
    }
}

extension VolumeAccount {
    fileprivate init(columns: Columns) throws(StoreError) {
        let owner: Owner =
            if let group: SIMGroup.ID = columns.optionalID(3) {
                .group(group)
            } else if let sim: SIM.ID = columns.optionalID(4) {
                .sim(sim)
            } else {
                .tenant
            }
        self.init(
            number: try columns.need(QuotaNumber(try columns.number(0)), 0),
            key: Key(
                source: try columns.need(Source(rawValue: try columns.text(1)), 1), tenant: try columns.id(2),
                owner: owner),
            period: try columns.count(5), periods: try columns.need(DataPeriod(stored: try columns.text(6)), 6),
            span: DataPeriod.Span(start: try columns.time(7), end: columns.optionalTime(8)),
            volume: try columns.count(9), extra: try columns.count(10), used: try columns.count(11),
            warned: try columns.number(12), reachedAt: columns.optionalTime(13))
    }
}

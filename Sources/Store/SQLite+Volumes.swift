import Domain
import GRDB

/// Statements of the path of an admission, put together once.
private enum VolumeSQL {
    static let columns = """
        SELECT id, source, tenant, group_id, sim, period, periods, began_at, ends_at, volume, extra, used, warned, reached_at
        FROM volumes
        """
    static let ofSIM = "\(columns) WHERE sim = ? AND source = ? AND tenant = ?"
    static let ofGroup = "\(columns) WHERE group_id = ? AND source = ? AND tenant = ?"
    static let ofTenant = "\(columns) WHERE owner_tenant = ? AND source = ?"
    static let takeNumbers = "UPDATE volume_numbers SET next = next + ? RETURNING next"
    static let all = "\(columns) ORDER BY id"
    static let insert = """
        INSERT INTO volumes (id, tenant, group_id, sim, source, period, periods, began_at, ends_at, volume, extra, used,
            warned, reached_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    /// Of a period that is another by now nothing is kept; nor of a SIM that is gone.
    static let insertNew = """
        INSERT INTO volumes (id, tenant, group_id, sim, source, period, periods, began_at, ends_at, volume, extra, used,
            warned, reached_at)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14
        WHERE EXISTS (SELECT 1 FROM sims WHERE id = ?4) AND NOT EXISTS (SELECT 1 FROM volumes WHERE id = ?1)
        """
    static let put = """
        UPDATE volumes SET period = ?, periods = ?, began_at = ?, ends_at = ?, volume = ?, extra = ?, used = ?, warned = ?,
            reached_at = ? WHERE id = ?
        """
    static let note = "UPDATE volumes SET used = ? WHERE id = ? AND period = ?"
}

extension SQLiteReading {
    func volumeAccount(_ key: VolumeAccount.Key) throws(StoreError) -> VolumeAccount? {
        switch key.owner {
        case .sim(let sim):
            try row(
                VolumeSQL.ofSIM, [sim.sql, key.source.rawValue.sql, key.tenant.sql], VolumeAccount.init(columns:))
        case .group(let group):
            try row(
                VolumeSQL.ofGroup, [group.sql, key.source.rawValue.sql, key.tenant.sql], VolumeAccount.init(columns:))
        case .tenant:
            try row(VolumeSQL.ofTenant, [key.tenant.sql, key.source.rawValue.sql], VolumeAccount.init(columns:))
        }
    }

    func volumeAccounts() throws(StoreError) -> [VolumeAccount] {
        try rows(VolumeSQL.all, [], VolumeAccount.init(columns:))
    }
}

extension SQLiteTransaction {
    func insertVolumeAccount(
        _ key: VolumeAccount.Key, _ limit: DataLimit, span: DataPeriod.Span
    ) throws(StoreError) -> VolumeAccount {
        let account = VolumeAccount(
            number: try takeVolumeNumber(), key: key, period: 1, periods: limit.periods, span: span,
            volume: limit.volume)
        try execute(VolumeSQL.insert, account.sql) {
            $0.isForeignKey ? .notFound("there is no such tenant, group or SIM") : nil
        }
        return account
    }

    /// One that no other volume ever has. Some are taken at once: a transaction that inserts one seldom inserts no other, and
    /// those that it does not need are lost.
    private func takeVolumeNumber() throws(StoreError) -> QuotaNumber {
        let free = try volumeNumbers.take { count throws(StoreError) in
            try row(VolumeSQL.takeNumbers, [Int64(count).sql]) { columns throws(StoreError) in try columns.integer(0) }
        }
        guard let number = free.flatMap({ UInt32(exactly: $0) }).flatMap(QuotaNumber.init), number.ofSIM == nil else {
            throw StoreError(code: .exhausted, message: "no number is left for one more volume of data")
        }
        return number
    }

    func putVolumeAccount(_ account: VolumeAccount) throws(StoreError) {
        let isPut = try execute(VolumeSQL.put, account.stateSQL + [account.number.rawValue.sql]) > 0
        if !isPut, try !insertNew(account) { throw .notFound("there is no such volume") }
    }

    func noteUsed(_ accounts: [VolumeAccount]) throws(StoreError) {
        for account in accounts {
            let isNoted = try execute(
                VolumeSQL.note, [account.used.sql, account.number.rawValue.sql, account.period.sql])
            if isNoted == 0 { try insertNew(account) }
        }
    }

    /// One that was not stored, since nothing of it was used.
    @discardableResult
    private func insertNew(_ account: VolumeAccount) throws(StoreError) -> Bool {
        guard account.number.ofSIM != nil else { return false }
        return try execute(VolumeSQL.insertNew, account.sql) > 0
    }
}

extension VolumeAccount {
    /// All columns.
    fileprivate var sql: [SQLValue] {
        let (group, sim): (SQLValue, SQLValue) =
            switch key.owner {
            case .tenant: (.null, .null)
            case .group(let group): (group.sql, .null)
            case .sim(let sim): (.null, sim.sql)
            }
        return [number.rawValue.sql, key.tenant.sql, group, sim, key.source.rawValue.sql] + stateSQL
    }

    /// Those that change.
    fileprivate var stateSQL: [SQLValue] {
        [
            period.sql, periods.description.sql, span.start.sql, span.end.sql, volume.sql, extra.sql, used.sql,
            Int64(warned).sql, reachedAt.sql,
        ]
    }
}

/// Numbers that a transaction has taken for volumes and not given yet. A transaction is one thread's.
final class VolumeNumbers {
    private var free: Range<Int64> = 0..<0
    private static let atOnce = 16

    /// - Parameter more: takes so many, and returns the one behind them.
    func take(_ more: (Int) throws(StoreError) -> Int64?) throws(StoreError) -> Int64? {
        if free.isEmpty {
            guard let end = try more(Self.atOnce) else { return nil }
            free = end - Int64(Self.atOnce)..<end
        }
        return free.popFirst()
    }

    /// What was taken since is undone with a savepoint.
    func forget() { free = 0..<0 }
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

import Domain
import GRDB

/// Statements of the path of an admission, put together once.
private enum StandingSQL {
    private static let columns = """
        first_imei, first_imei_at, last_imei, last_imei_at, imei_changes, location, visited_network, located_at, crossings, \
        fence_since, quarantine_since, quarantine_until, quarantine_reason, quarantine_by, tolerated_until, approved_at, \
        approved_by, hook_approved, hook_answered_at
        """
    static let find = "SELECT \(columns) FROM sim_standings WHERE sim = ?"
    /// Not OR REPLACE, which SQLite writes a journal of its own for.
    static let put = """
        INSERT INTO sim_standings (sim, \(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (sim) DO UPDATE SET \(columns.split(separator: ", ").map { "\($0) = excluded.\($0)" }
            .joined(separator: ", "))
        """
}

private enum FenceSQL {
    static let all = "SELECT place, first_seen FROM fence_places WHERE sim = ?"
    static let one = "\(all) AND place = ?"
    static let count = "SELECT count(*) FROM fence_places WHERE sim = ?"
    static let add = "INSERT OR IGNORE INTO fence_places (sim, place, first_seen) VALUES (?, ?, ?)"
}

extension SQLiteReading {
    private static var sessionPolicyColumns: String {
        "SELECT id, tenant, group_id, sim, is_ceiling, document, author, applied_at FROM session_policies"
    }

    func sessionPolicies() throws(StoreError) -> [SessionPolicyRecord] {
        try rows("\(Self.sessionPolicyColumns) ORDER BY id", [], SessionPolicyRecord.init(columns:))
    }

    func sessionPolicy(at place: SessionPolicyPlace) throws(StoreError) -> SessionPolicyRecord? {
        try row(
            "\(Self.sessionPolicyColumns) WHERE \(SessionPolicyPlace.condition)", place.key,
            SessionPolicyRecord.init(columns:))
    }

    // MARK: Standing

    func standing(of sim: SIM.ID) throws(StoreError) -> SIMStanding {
        try row(StandingSQL.find, [sim.sql], SIMStanding.init(columns:)) ?? SIMStanding()
    }

    func heldSIMs() throws(StoreError) -> [SIM.ID] {
        try rows(
            "SELECT sim FROM sim_standings INDEXED BY sim_standings_quarantine WHERE quarantine_since IS NOT NULL", []
        ) { columns throws(StoreError) in try columns.id(0) }
    }

    func fence(of sim: SIM.ID, among places: [FencePlace]?) throws(StoreError) -> [FencePlace: Timestamp] {
        var fence: [FencePlace: Timestamp] = [:]
        let note = { (columns: Columns) throws(StoreError) in
            fence[FencePlace(stored: try columns.text(0))] = try columns.time(1)
        }
        guard let places else {
            try run(FenceSQL.all, [sim.sql], note)
            return fence
        }
        for place in places { try run(FenceSQL.one, [sim.sql, place.text.sql], note) }
        return fence
    }

    // MARK: Lists of IMEIs

    private static var imeiListColumns: String {
        "SELECT id, tenant, name, item_count, author, updated_at FROM imei_lists"
    }

    func imeiList(named name: Name, of owner: Tenant.ID?) throws(StoreError) -> IMEIList? {
        try row(
            "\(Self.imeiListColumns) WHERE coalesce(tenant, 0) = ? AND name = ?", [owner.orZero, name.sql],
            IMEIList.init(columns:))
    }

    func imeiLists(of owner: Tenant.ID?) throws(StoreError) -> [IMEIList] {
        try rows(
            "\(Self.imeiListColumns) WHERE coalesce(tenant, 0) = ? ORDER BY name", [owner.orZero],
            IMEIList.init(columns:))
    }

    func items(of list: IMEIList.ID, after: Int64?, limit: Int) throws(StoreError) -> [IMEIList.Item] {
        try rows(
            "SELECT item FROM imei_list_items WHERE list = ? AND item > ? ORDER BY item LIMIT ?",
            [list.sql, (after ?? .min).sql, Int64(max(0, limit)).sql]
        ) { columns throws(StoreError) in
            try columns.need(IMEIList.Item(key: columns.integer(0)), 0)
        }
    }

    func isListed(_ imei: IMEI, in list: Name, of owner: Tenant.ID?) throws(StoreError) -> Bool {
        try exists(
            """
            SELECT 1 FROM imei_lists l CROSS JOIN imei_list_items i ON i.list = l.id
            WHERE coalesce(l.tenant, 0) = ? AND l.name = ? AND i.item IN (?, ?) LIMIT 1
            """,
            [owner.orZero, list.sql, IMEIList.Item.imei(imei).key.sql, IMEIList.Item.model(imei.model).key.sql])
    }

    // MARK: Approval

    func approvalHook() throws(StoreError) -> ApprovalHook? {
        try row(
            "SELECT url, timeout_ms, cache_ms, author, updated_at FROM approval_hook WHERE id = 1", []
        ) { columns throws(StoreError) in
            ApprovalHook(
                address: try columns.parsed(0) { text throws(ParseError) in try HTTPSAddress(parsing: text) },
                timeout: TimeSpan(milliseconds: try columns.integer(1)),
                cache: TimeSpan(milliseconds: try columns.integer(2)), author: try columns.text(3),
                updatedAt: try columns.time(4))
        }
    }

    func approvalHookSecret() throws(StoreError) -> Secret? {
        let sealed = try row("SELECT sealed_secret FROM approval_hook WHERE id = 1", []) { columns throws(StoreError) in
            try columns.bytes(0)
        }
        guard let sealed else { return nil }
        guard let bytes = sealer.open(sealed, row: SQLiteTransaction.hookRow) else {
            throw .damaged("the approval hook's secret does not open with this key")
        }
        return Secret(bytes: bytes)
    }
}

extension SQLiteTransaction {
    static var hookRow: String { "approval-hook/1" }

    func putSessionPolicy(
        _ document: String, at place: SessionPolicyPlace, author: String, time: Timestamp
    ) throws(StoreError) -> SessionPolicyRecord {
        try execute("DELETE FROM session_policies WHERE \(SessionPolicyPlace.condition)", place.key)
        let id = try insert(
            """
            INSERT INTO session_policies (tenant, is_ceiling, group_id, sim, document, author, applied_at)
            VALUES (nullif(?, 0), ?, nullif(?, 0), nullif(?, 0), ?, ?, ?)
            """, place.key + [document.sql, author.sql, time.sql]
        ) { $0.isForeignKey ? .notFound("there is no such tenant, group or SIM") : nil }
        return SessionPolicyRecord(version: id, place: place, document: document, author: author, appliedAt: time)
    }

    func deleteSessionPolicy(at place: SessionPolicyPlace) throws(StoreError) {
        try change(
            "DELETE FROM session_policies WHERE \(SessionPolicyPlace.condition)", place.key,
            missing: "there is no session policy here")
    }

    func putStanding(_ standing: SIMStanding, of sim: SIM.ID) throws(StoreError) {
        try execute(
            StandingSQL.put,
            [
                sim.sql, (standing.firstIMEI?.value).sql, (standing.firstIMEI?.at).sql, (standing.lastIMEI?.value).sql,
                (standing.lastIMEI?.at).sql, standing.imeiChanges.sql, (standing.location?.value.location).sql,
                (standing.location?.value.visitedNetwork).sql, (standing.location?.at).sql,
                standing.crossingLines.sql, standing.fenceSince.sql, (standing.quarantine?.since).sql,
                (standing.quarantine?.until).sql, (standing.quarantine?.reason).sql, (standing.quarantine?.by).sql,
                standing.toleratedUntil.sql, (standing.approval?.at).sql, (standing.approval?.by).sql,
                (standing.hookAnswer?.value).sql, (standing.hookAnswer?.at).sql,
            ]
        ) { $0.isForeignKey ? .notFound(Self.noSIM) : nil }
    }

    func addFencePlaces(
        _ places: [FencePlace], of sim: SIM.ID, isFirst: Bool, at time: Timestamp
    ) throws(StoreError) {
        guard !places.isEmpty else { return }
        let count =
            isFirst ? 0 : try row(FenceSQL.count, [sim.sql]) { columns throws(StoreError) in try columns.integer(0) }
        let room = LocationLock.Fence.maximumPlaces - Int(count ?? 0)
        for place in places.prefix(max(0, room)) {
            try execute(FenceSQL.add, [sim.sql, place.text.sql, time.sql])
        }
    }

    func deleteFence(of sim: SIM.ID) throws(StoreError) {
        try execute("DELETE FROM fence_places WHERE sim = ?", [sim.sql])
    }

    func putIMEIList(
        named name: Name, of owner: Tenant.ID?, items: Set<Int64>, author: String, at time: Timestamp
    ) throws(StoreError) -> IMEIList {
        try execute(
            "DELETE FROM imei_lists WHERE coalesce(tenant, 0) = ? AND name = ?", [owner.orZero, name.sql])
        let id = try insert(
            "INSERT INTO imei_lists (tenant, name, item_count, author, updated_at) VALUES (?, ?, ?, ?, ?)",
            [owner.sql, name.sql, Int64(items.count).sql, author.sql, time.sql]
        ) { $0.isForeignKey ? .notFound(Self.noTenant) : nil }
        // In the order of the table, which is then written from its start to its end.
        for item in items.sorted() {
            try execute("INSERT INTO imei_list_items (list, item) VALUES (?, ?)", [id.sql, item.sql])
        }
        return IMEIList(
            id: IMEIList.ID(id), owner: owner, name: name, count: items.count, author: author, updatedAt: time)
    }

    func deleteIMEIList(_ id: IMEIList.ID) throws(StoreError) {
        try change("DELETE FROM imei_lists WHERE id = ?", [id.sql], missing: "there is no such list of IMEIs")
    }

    func putApprovalHook(_ hook: ApprovalHook, secret: Secret) throws(StoreError) {
        try execute(
            """
            INSERT OR REPLACE INTO approval_hook (id, url, sealed_secret, timeout_ms, cache_ms, author, updated_at)
            VALUES (1, ?, ?, ?, ?, ?, ?)
            """,
            [
                "\(hook.address)".sql, try sealer.seal(secret.bytes, row: Self.hookRow).sql,
                hook.timeout.milliseconds.sql, hook.cache.milliseconds.sql, hook.author.sql, hook.updatedAt.sql,
            ])
    }

    func deleteApprovalHook() throws(StoreError) {
        try change("DELETE FROM approval_hook WHERE id = 1", [], missing: "there is no approval hook")
    }
}

extension SessionPolicyPlace {
    fileprivate static let condition =
        "coalesce(tenant, 0) = ? AND is_ceiling = ? AND coalesce(group_id, 0) = ? AND coalesce(sim, 0) = ?"

    /// Tenant, whether it is a ceiling, group and SIM; zero for none.
    fileprivate var key: [SQLValue] {
        let (group, sim): (Int64, Int64) =
            switch self {
            case .ceiling, .tenantCeiling, .tenant: (0, 0)
            case .group(let group, _): (group.rawValue, 0)
            case .sim(let sim, _): (0, sim.rawValue)
            }
        return [tenant.orZero, (level <= .tenantCeiling).sql, group.sql, sim.sql]
    }
}

extension Optional where Wrapped == Tenant.ID {
    fileprivate var orZero: SQLValue { (self?.rawValue ?? 0).sql }
}

extension SessionPolicyRecord {
    fileprivate init(columns: Columns) throws(StoreError) {
        let tenant: Tenant.ID? = columns.optionalID(1)
        let place: SessionPolicyPlace? =
            switch (tenant, try columns.flag(4)) {
            case (nil, _): .ceiling
            case (let tenant?, true): .tenantCeiling(tenant)
            case (let tenant?, false):
                if let group: SIMGroup.ID = columns.optionalID(2) {
                    .group(group, of: tenant)
                } else if let sim: SIM.ID = columns.optionalID(3) {
                    .sim(sim, of: tenant)
                } else {
                    .tenant(tenant)
                }
            }
        self.init(
            version: try columns.integer(0), place: try columns.need(place, 1), document: try columns.text(5),
            author: try columns.text(6), appliedAt: try columns.time(7))
    }
}

extension IMEIList {
    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(
            id: try columns.id(0), owner: columns.optionalID(1), name: try columns.name(2),
            count: try columns.number(3), author: try columns.text(4), updatedAt: try columns.time(5))
    }
}

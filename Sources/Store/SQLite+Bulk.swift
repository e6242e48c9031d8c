import Domain
import GRDB

extension SQLiteReading {
    private static var bulkColumns: String {
        """
        SELECT id, tenant, action, arguments, filter, author, state, created_at, applied_at, finished_at
        FROM bulk_operations
        """
    }

    func bulk(_ id: BulkOperation.ID) throws(StoreError) -> BulkOperation? {
        try row("\(Self.bulkColumns) WHERE id = ?", [id.sql], BulkOperation.init(columns:))
    }

    func bulks(
        of tenant: Tenant.ID?, before: BulkOperation.ID?, limit: Int
    ) throws(StoreError) -> [BulkOperation] {
        let rest = "ORDER BY id DESC LIMIT ?"
        let (before, limit) = ((before?.rawValue ?? .max).sql, Int64(max(0, limit)).sql)
        guard let tenant else {
            return try rows(
                "\(Self.bulkColumns) WHERE id < ? \(rest)", [before, limit], BulkOperation.init(columns:))
        }
        return try rows(
            "\(Self.bulkColumns) WHERE id < ? AND tenant = ? \(rest)", [before, tenant.sql, limit],
            BulkOperation.init(columns:))
    }

    func openBulks() throws(StoreError) -> [BulkOperation] {
        try rows("\(Self.bulkColumns) WHERE finished_at IS NULL ORDER BY id", [], BulkOperation.init(columns:))
    }

    func bulkCounts(of id: BulkOperation.ID) throws(StoreError) -> [BulkItem.State: Int] {
        let counts = try rows(
            "SELECT state, count(*) FROM bulk_items WHERE operation = ? GROUP BY state", [id.sql]
        ) { columns throws(StoreError) in
            (try columns.need(BulkItem.State(rawValue: columns.text(0)), 0), try columns.number(1) as Int)
        }
        return Dictionary(counts) { first, _ in first }
    }

    func bulkItems(
        of id: BulkOperation.ID, in state: BulkItem.State?, after: Int64?, limit: Int
    ) throws(StoreError) -> [BulkItem] {
        // The two states that are asked for in the course of an operation have an index, by their names alone.
        let condition = state.map { "AND state = '\($0.rawValue)'" } ?? ""
        return try rows(
            """
            SELECT number, subject, sim, state, detail FROM bulk_items WHERE operation = ? \(condition) AND number > ?
            ORDER BY number LIMIT ?
            """, [id.sql, (after ?? 0).sql, Int64(max(0, limit)).sql]
        ) { columns throws(StoreError) in
            BulkItem(
                number: try columns.integer(0), subject: try columns.text(1), sim: columns.optionalID(2),
                state: try columns.need(BulkItem.State(rawValue: columns.text(3)), 3), detail: try columns.text(4))
        }
    }

    func sims(matching filter: SIMFilter, limit: Int) throws(StoreError) -> (sims: [SIM], missing: [String]) {
        guard let names = filter.names else { return (try search(filter, "", [], limit), []) }
        var found: [SIM] = []
        var missing: [String] = []
        var seen: Set<SIM.ID> = []
        for name in names {
            // ICCIDs begin with 89 and have 18 digits at least, IMSIs have 15 at most.
            let sims =
                if let imsi = IMSI(utf8: name.utf8) {
                    try search(filter, "AND imsi = ?", [imsi.sql], 1)
                } else {
                    try search(filter, "AND iccid = ?", [name.sql], 1)
                }
            if let sim = sims.first {
                if seen.insert(sim.id).inserted { found.append(sim) }
            } else {
                missing.append(name)
            }
            if found.count >= limit { break }
        }
        return (found, missing)
    }

    private func search(
        _ filter: SIMFilter, _ named: String, _ name: [SQLValue], _ limit: Int
    ) throws(StoreError) -> [SIM] {
        var sql = "\(Self.simColumns) WHERE true \(named)"
        var arguments = name
        if let tenant = filter.tenant {
            sql += " AND tenant = ?"
            arguments.append(tenant.sql)
        }
        if let group = filter.group {
            sql += " AND group_id = ?"
            arguments.append(group.sql)
        }
        switch filter.state {
        case nil: break
        case .test: sql += " AND state = 'active' AND test_until IS NOT NULL"
        case .active: sql += " AND state = 'active' AND test_until IS NULL"
        case .suspended, .terminated:
            sql += " AND state = ?"
            arguments.append((filter.state?.rawValue).sql)
        }
        if let label = filter.label {
            sql += " AND label GLOB ?"
            // Brackets have a meaning in GLOB that ours have not.
            arguments.append(label.reduce(into: "") { $0 += $1 == "[" ? "[[]" : String($1) }.sql)
        }
        arguments.append(Int64(max(0, limit)).sql)
        return try rows("\(sql) ORDER BY id LIMIT ?", arguments, SIM.init(columns:))
    }

    func simsInTest() throws(StoreError) -> Set<SIM.ID> {
        Set(
            try rows("SELECT id FROM sims INDEXED BY sims_in_test WHERE test_until IS NOT NULL", []) {
                columns throws(StoreError) in try columns.id(0)
            })
    }

    func sessionsAfterTest(at time: Timestamp, limit: Int) throws(StoreError) -> [Session] {
        try rows(
            """
            \(SessionSQL.select) WHERE open_sim IN (
                SELECT id FROM sims INDEXED BY sims_in_test
                WHERE test_until IS NOT NULL AND (test_until <= ? OR test_used >= test_octets))
            ORDER BY id LIMIT ?
            """, [time.sql, Int64(max(0, limit)).sql], Session.init(columns:))
    }
}

extension SQLiteTransaction {
    func insertBulk(
        _ action: BulkOperation.Action, of tenant: Tenant.ID?, filter: String, sims: [SIM], missing: [String],
        author: String, at time: Timestamp
    ) throws(StoreError) -> BulkOperation {
        let id = try insert(
            """
            INSERT INTO bulk_operations (tenant, action, arguments, filter, author, state, created_at)
            VALUES (?, ?, ?, ?, ?, 'running', ?)
            """,
            [tenant.sql, action.kind.rawValue.sql, action.arguments.sql, filter.sql, author.sql, time.sql]
        ) { $0.isForeignKey ? .notFound(Self.noTenant) : nil }
        var number: Int64 = 0
        let add = { (subject: String, sim: SIM.ID?, state: BulkItem.State, detail: String) throws(StoreError) in
            number += 1
            try execute(
                "INSERT INTO bulk_items (operation, number, subject, sim, state, detail) VALUES (?, ?, ?, ?, ?, ?)",
                [id.sql, number.sql, subject.sql, sim.sql, state.rawValue.sql, detail.sql])
        }
        for sim in sims { try add("\(sim.imsi)", sim.id, .waiting, "") }
        for name in missing { try add(name, nil, .failed, "there is no such SIM among those that match") }
        return BulkOperation(
            id: BulkOperation.ID(id), tenant: tenant, action: action, filter: filter, author: author, state: .running,
            createdAt: time, appliedAt: nil, finishedAt: nil)
    }

    func setBulkItems(_ items: [BulkItem], of id: BulkOperation.ID) throws(StoreError) {
        for item in items {
            try change(
                "UPDATE bulk_items SET state = ?, detail = ? WHERE operation = ? AND number = ?",
                [item.state.rawValue.sql, item.detail.sql, id.sql, item.number.sql], missing: Self.noBulk)
        }
    }

    func cancelBulk(_ id: BulkOperation.ID, detail: String) throws(StoreError) {
        try change("UPDATE bulk_operations SET state = 'cancelled' WHERE id = ?", [id.sql], missing: Self.noBulk)
        try execute(
            "UPDATE bulk_items SET state = 'failed', detail = ? WHERE operation = ? AND state = 'waiting'",
            [detail.sql, id.sql])
    }

    func setBulk(_ id: BulkOperation.ID, appliedAt: Timestamp) throws(StoreError) {
        try change(
            "UPDATE bulk_operations SET applied_at = coalesce(applied_at, ?) WHERE id = ?", [appliedAt.sql, id.sql],
            missing: Self.noBulk)
    }

    func finishBulk(_ id: BulkOperation.ID, at time: Timestamp) throws(StoreError) {
        try change(
            """
            UPDATE bulk_operations SET state = iif(state = 'running', 'finished', state), finished_at = ? WHERE id = ?
            """, [time.sql, id.sql], missing: Self.noBulk)
    }

    private static var noBulk: String { "there is no such bulk operation" }

    func setTest(_ allowance: SIM.TestAllowance?, of sim: SIM.ID) throws(StoreError) {
        try change(
            "UPDATE sims SET test_until = ?, test_octets = ?, test_used = ? WHERE id = ?",
            [
                (allowance?.until).sql, (allowance?.octets).map { Int64(clamping: $0) }.sql,
                Int64(clamping: allowance?.used ?? 0).sql, sim.sql,
            ], missing: Self.noSIM)
    }

    func addTestUse(_ octets: UInt64, of sim: SIM.ID) throws(StoreError) {
        // A sum beyond 64 bits would be a float, which the column refuses.
        try execute(
            """
            UPDATE sims SET test_used = CASE WHEN test_used > 9223372036854775807 - ?1 THEN 9223372036854775807
                ELSE test_used + ?1 END
            WHERE id = ?2 AND test_until IS NOT NULL
            """, [Int64(clamping: octets).sql, sim.sql])
    }
}

extension BulkOperation.Action {
    /// One a line.
    fileprivate var arguments: String {
        switch self {
        case .suspend, .resume, .terminate, .activate: ""
        case .test(let terms): "\(terms.days)\n\(terms.octets.map { "\($0)" } ?? "")"
        case .setGroup(let group): group.map { "\($0)" } ?? ""
        case .setLabel(let label): label
        }
    }

    fileprivate init?(_ kind: BulkOperation.Kind, _ arguments: String) {
        switch kind {
        case .suspend: self = .suspend
        case .resume: self = .resume
        case .terminate: self = .terminate
        case .activate: self = .activate
        case .test:
            let parts = arguments.split(separator: "\n", omittingEmptySubsequences: false)
            guard parts.count == 2, let days = UInt16(parts[0]) else { return nil }
            self = .test(SIM.TestTerms(days: days, octets: UInt64(parts[1])))
        case .setGroup:
            guard !arguments.isEmpty else {
                self = .setGroup(nil)
                return
            }
            // What is no name is damage, which the caller says.
            guard let group = try? Name(parsing: arguments) else { return nil }
            self = .setGroup(group)
        case .setLabel: self = .setLabel(arguments)
        }
    }
}

extension BulkOperation {
    fileprivate init(columns: Columns) throws(StoreError) {
        let kind = try columns.need(Kind(rawValue: columns.text(2)), 2)
        self.init(
            id: try columns.id(0), tenant: columns.optionalID(1),
            action: try columns.need(Action(kind, columns.text(3)), 3), filter: try columns.text(4),
            author: try columns.text(5), state: try columns.need(State(rawValue: columns.text(6)), 6),
            createdAt: try columns.time(7), appliedAt: columns.optionalTime(8), finishedAt: columns.optionalTime(9))
    }
}

import Domain
import GRDB

extension SQLiteReading {
    static var simColumns: String {
        """
        SELECT id, tenant, imsi, iccid, msisdn, group_id, label, state, created_at, test_until, test_octets, test_used
        FROM sims
        """
    }

    func sim(imsi: IMSI) throws(StoreError) -> SIM? {
        try row("\(Self.simColumns) WHERE imsi = ?", [imsi.sql], SIM.init(columns:))
    }

    func subscriber(imsi: IMSI) throws(StoreError) -> Subscriber? {
        try row(
            """
            SELECT m.id, m.tenant, m.state, coalesce(g.policy, t.default_policy), m.group_id, m.test_until, m.test_octets,
                m.test_used
            FROM sims m CROSS JOIN tenants t ON t.id = m.tenant LEFT JOIN sim_groups g ON g.id = m.group_id
            WHERE m.imsi = ?
            """, [imsi.sql]
        ) { columns throws(StoreError) in
            let test = try SIM.TestAllowance(columns: columns, from: 5)
            return Subscriber(
                id: try columns.id(0), imsi: imsi, tenant: try columns.id(1),
                state: try SIM.State(columns: columns, 2, test), policy: columns.optionalID(3),
                group: columns.optionalID(4), test: test)
        }
    }

    func sim(_ id: SIM.ID) throws(StoreError) -> SIM? {
        try row("\(Self.simColumns) WHERE id = ?", [id.sql], SIM.init(columns:))
    }

    func sims(
        of tenant: Tenant.ID?, group: SIMGroup.ID?, after: IMSI?, limit: Int
    ) throws(StoreError) -> [SIM] {
        var sql = "\(Self.simColumns) WHERE imsi > ?"
        var arguments = [after.map(\.key.sql) ?? (-1 as Int64).sql]
        if let tenant {
            sql += " AND tenant = ?"
            arguments.append(tenant.sql)
        }
        if let group {
            sql += " AND group_id = ?"
            arguments.append(group.sql)
        }
        arguments.append(Int64(max(0, limit)).sql)
        return try rows("\(sql) ORDER BY imsi LIMIT ?", arguments, SIM.init(columns:))
    }

    func effectivePolicy(of sim: SIM.ID) throws(StoreError) -> Policy.ID? {
        try row(
            """
            SELECT coalesce(g.policy, t.default_policy)
            FROM sims m CROSS JOIN tenants t ON t.id = m.tenant LEFT JOIN sim_groups g ON g.id = m.group_id
            WHERE m.id = ?
            """, [sim.sql]
        ) { $0.optionalID(0) as Policy.ID? } ?? nil
    }
}

extension SQLiteTransaction {
    func insertSIM(_ sim: NewSIM, of tenant: Tenant.ID, at time: Timestamp) throws(StoreError) -> SIM {
        let state = SIM.State.active
        let id = try insert(
            """
            INSERT INTO sims (tenant, imsi, iccid, msisdn, group_id, label, state, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                tenant.sql, sim.imsi.sql, sim.iccid.sql, sim.msisdn.sql, sim.group.sql, sim.label.sql,
                state.rawValue.sql, time.sql,
            ]
        ) { violation in
            // Whose it is, is not said: it may be another tenant's.
            if violation.concerns("sims.imsi") { return .conflict("IMSI \(sim.imsi) is already registered") }
            if violation.concerns("sims.iccid") { return .conflict("ICCID \(sim.iccid) is already registered") }
            if violation.concerns("sims.msisdn"), let msisdn = sim.msisdn {
                return .conflict("MSISDN \(msisdn) is already registered")
            }
            if violation.concerns("label") { return .conflict("the label is longer than 100 characters: shorten it") }
            return violation.isForeignKey ? .notFound(sim.group == nil ? Self.noTenant : Self.noGroup) : nil
        }
        return SIM(
            id: SIM.ID(id), tenant: tenant, imsi: sim.imsi, iccid: sim.iccid, msisdn: sim.msisdn, group: sim.group,
            label: sim.label, state: state, createdAt: time)
    }

    func setState(_ state: SIM.State, of sim: SIM.ID) throws(StoreError) {
        // A test is an allowance beside the state.
        let state = state == .test ? .active : state
        try change("UPDATE sims SET state = ? WHERE id = ?", [state.rawValue.sql, sim.sql], missing: Self.noSIM)
    }

    func setGroup(_ group: SIMGroup.ID?, of sim: SIM.ID) throws(StoreError) {
        try change("UPDATE sims SET group_id = ? WHERE id = ?", [group.sql, sim.sql], missing: Self.noSIM) {
            $0.isForeignKey ? .notFound(Self.noGroup) : nil
        }
    }

    func setLabel(_ label: String, of sim: SIM.ID) throws(StoreError) {
        try change("UPDATE sims SET label = ? WHERE id = ?", [label.sql, sim.sql], missing: Self.noSIM) {
            $0.concerns("label") ? .conflict("the label is longer than 100 characters: shorten it") : nil
        }
    }

    func deleteSIM(_ id: SIM.ID) throws(StoreError) {
        try releaseLeases(of: id)
        try change("DELETE FROM sims WHERE id = ?", [id.sql], missing: Self.noSIM)
    }

    static var noSIM: String { "there is no such SIM" }
}

extension SIM {
    init(columns: Columns) throws(StoreError) {
        let test = try TestAllowance(columns: columns, from: 9)
        self.init(
            id: try columns.id(0), tenant: try columns.id(1), imsi: try columns.imsi(2), iccid: try columns.iccid(3),
            msisdn: try columns.optionalMSISDN(4), group: columns.optionalID(5), label: try columns.text(6),
            state: try State(columns: columns, 7, test), createdAt: try columns.time(8), test: test)
    }
}

extension SIM.State {
    fileprivate init(columns: Columns, _ index: Int, _ test: SIM.TestAllowance?) throws(StoreError) {
        let state = try columns.need(SIM.State(rawValue: columns.text(index)), index)
        self = state == .active && test != nil ? .test : state
    }
}

extension SIM.TestAllowance {
    fileprivate init?(columns: Columns, from index: Int) throws(StoreError) {
        guard let until = columns.optionalTime(index) else { return nil }
        self.init(until: until, octets: try columns.optionalNumber(index + 1), used: try columns.number(index + 2))
    }
}

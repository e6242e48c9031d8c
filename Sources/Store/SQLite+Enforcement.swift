import Domain
import GRDB

// The order of the joins is given (CROSS JOIN): from the few rows asked for to the sessions, each step a look-up in an
// index, whatever statistics the planner has.
extension SQLiteReading {
    private static var enforcedColumns: String {
        "SELECT s.id, s.address, s.nat_index, coalesce(g.policy, t.default_policy), m.group_id"
    }
    /// From a session to what judges it. A SIM that is not active has no traffic, whatever its sessions say.
    private static var judge: String {
        """
        CROSS JOIN sims m ON m.id = s.sim AND m.state = 'active' CROSS JOIN tenants t ON t.id = m.tenant
        LEFT JOIN sim_groups g ON g.id = m.group_id
        """
    }

    func enforcedSessions() throws(StoreError) -> [EnforcedSession] {
        try enforced("FROM sessions s INDEXED BY sessions_open \(Self.judge) WHERE s.ended_at IS NULL", [])
    }

    func enforcedSessions(judgedBy policy: Policy.ID) throws(StoreError) -> [EnforcedSession] {
        try enforced(
            """
            FROM sim_groups g CROSS JOIN tenants t ON t.id = g.tenant CROSS JOIN sims m ON m.group_id = g.id AND m.state = 'active'
                CROSS JOIN sessions s ON s.open_sim = m.id
            WHERE g.policy = ?
            UNION ALL
            \(Self.enforcedColumns)
            FROM tenants d CROSS JOIN sessions s INDEXED BY sessions_open_tenant ON s.tenant = d.id \(Self.judge)
            WHERE d.default_policy = ? AND s.ended_at IS NULL AND g.policy IS NULL
            """, [policy.sql, policy.sql])
    }

    func enforcedSessions(of sim: SIM.ID) throws(StoreError) -> [EnforcedSession] {
        try enforced("FROM sessions s \(Self.judge) WHERE s.open_sim = ?", [sim.sql])
    }

    func enforcedSessions(ofGroup group: SIMGroup.ID) throws(StoreError) -> [EnforcedSession] {
        try enforced(
            """
            FROM sim_groups g CROSS JOIN tenants t ON t.id = g.tenant CROSS JOIN sims m ON m.group_id = g.id AND m.state = 'active'
                CROSS JOIN sessions s ON s.open_sim = m.id
            WHERE g.id = ?
            """, [group.sql])
    }

    func enforcedSessions(ofTenant tenant: Tenant.ID) throws(StoreError) -> [EnforcedSession] {
        try enforced(
            "FROM sessions s INDEXED BY sessions_open_tenant \(Self.judge) WHERE s.tenant = ? AND s.ended_at IS NULL",
            [tenant.sql])
    }

    private func enforced(_ source: String, _ arguments: [SQLValue]) throws(StoreError) -> [EnforcedSession] {
        try rows("\(Self.enforcedColumns) \(source) ORDER BY 1", arguments) { columns throws(StoreError) in
            EnforcedSession(
                session: try columns.id(0), address: try columns.address(1), natIndex: try columns.integer(2),
                policy: columns.optionalID(3), group: columns.optionalID(4))
        }
    }
}

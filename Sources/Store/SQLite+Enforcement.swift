import Domain
import GRDB

// The order of the joins is given (CROSS JOIN): from the few rows asked for to the sessions, each step a look-up in an
// index, whatever statistics the planner has.
extension SQLiteReading {
    private static var enforcedColumns: String {
        """
        SELECT s.id, s.address, s.nat_index,
            CASE WHEN r.action IN ('quarantine', 'block') THEN r.policy ELSE coalesce(g.policy, t.default_policy) END,
            m.group_id, s.sim, m.tenant, s.has_ipv4, s.prefix, s.delegated_length
        """
    }
    /// From a session to what judges it. A SIM that is not active has no traffic, whatever its sessions say.
    private static var judge: String {
        """
        CROSS JOIN sims m ON m.id = s.sim AND m.state = 'active' CROSS JOIN tenants t ON t.id = m.tenant
        LEFT JOIN sim_groups g ON g.id = m.group_id \(restriction)
        """
    }
    private static var restriction: String { "LEFT JOIN session_restrictions r ON r.session = s.id" }
    /// A session that its NAS was told to end has no traffic.
    private static var hasTraffic: String { "r.action IS NOT 'reject'" }
    /// Nothing but its SIM's policy judges the session.
    private static var isUnrestricted: String { "coalesce(r.action, 'report') = 'report'" }

    func enforcedSessions() throws(StoreError) -> [EnforcedSession] {
        try enforced(
            "FROM sessions s INDEXED BY sessions_open \(Self.judge) WHERE s.ended_at IS NULL AND \(Self.hasTraffic)", []
        )
    }

    func enforcedSessions(judgedBy policy: Policy.ID) throws(StoreError) -> [EnforcedSession] {
        try enforced(
            """
            FROM sim_groups g CROSS JOIN tenants t ON t.id = g.tenant CROSS JOIN sims m ON m.group_id = g.id AND m.state = 'active'
                CROSS JOIN sessions s ON s.open_sim = m.id \(Self.restriction)
            WHERE g.policy = ? AND \(Self.isUnrestricted)
            UNION ALL
            \(Self.enforcedColumns)
            FROM tenants d CROSS JOIN sessions s INDEXED BY sessions_open_tenant ON s.tenant = d.id \(Self.judge)
            WHERE d.default_policy = ? AND s.ended_at IS NULL AND g.policy IS NULL AND \(Self.isUnrestricted)
            UNION ALL
            \(Self.enforcedColumns)
            FROM session_restrictions r CROSS JOIN sessions s ON s.id = r.session AND s.ended_at IS NULL
                CROSS JOIN sims m ON m.id = s.sim AND m.state = 'active' CROSS JOIN tenants t ON t.id = m.tenant
                LEFT JOIN sim_groups g ON g.id = m.group_id
            WHERE r.policy = ? AND r.action = 'quarantine'
            """, [policy.sql, policy.sql, policy.sql])
    }

    func enforcedSessions(of sim: SIM.ID) throws(StoreError) -> [EnforcedSession] {
        try enforced("FROM sessions s \(Self.judge) WHERE s.open_sim = ? AND \(Self.hasTraffic)", [sim.sql])
    }

    func enforcedSession(_ id: Session.ID) throws(StoreError) -> EnforcedSession? {
        try enforced(
            "FROM sessions s \(Self.judge) WHERE s.id = ? AND s.ended_at IS NULL AND \(Self.hasTraffic)", [id.sql]
        ).first
    }

    func enforcedSessions(ofGroup group: SIMGroup.ID) throws(StoreError) -> [EnforcedSession] {
        try enforced(
            """
            FROM sim_groups g CROSS JOIN tenants t ON t.id = g.tenant CROSS JOIN sims m ON m.group_id = g.id AND m.state = 'active'
                CROSS JOIN sessions s ON s.open_sim = m.id \(Self.restriction)
            WHERE g.id = ? AND \(Self.hasTraffic)
            """, [group.sql])
    }

    func enforcedSessions(ofTenant tenant: Tenant.ID) throws(StoreError) -> [EnforcedSession] {
        try enforced(
            """
            FROM sessions s INDEXED BY sessions_open_tenant \(Self.judge)
            WHERE s.tenant = ? AND s.ended_at IS NULL AND \(Self.hasTraffic)
            """, [tenant.sql])
    }

    private func enforced(_ source: String, _ arguments: [SQLValue]) throws(StoreError) -> [EnforcedSession] {
        try rows("\(Self.enforcedColumns) \(source) ORDER BY 1", arguments) { columns throws(StoreError) in
            EnforcedSession(
                session: try columns.id(0), sim: try columns.id(5), tenant: try columns.id(6),
                address: try columns.flag(7) ? try columns.address(1) : nil, natIndex: try columns.integer(2),
                policy: columns.optionalID(3), group: columns.optionalID(4),
                prefixes: try columns.optionalPrefixes(8))
        }
    }
}

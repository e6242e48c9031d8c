import Domain
import GRDB

extension SQLiteReading {
    private static var policyColumns: String {
        """
        SELECT p.id, p.tenant, p.name, v.version, v.document, v.author, v.comment, v.applied_at
        FROM policies p CROSS JOIN policy_versions v ON v.policy = p.id
        """
    }
    private static var inForce: String { "\(policyColumns) AND v.version = p.version" }

    func policy(named name: Name, of tenant: Tenant.ID) throws(StoreError) -> Policy? {
        try row(
            "\(Self.inForce) WHERE p.tenant = ? AND p.name = ?", [tenant.sql, name.sql], Policy.init(columns:))
    }

    func policy(_ id: Policy.ID) throws(StoreError) -> Policy? {
        try row("\(Self.inForce) WHERE p.id = ?", [id.sql], Policy.init(columns:))
    }

    func policies(of tenant: Tenant.ID) throws(StoreError) -> [Policy] {
        try rows("\(Self.inForce) WHERE p.tenant = ? ORDER BY p.id", [tenant.sql], Policy.init(columns:))
    }

    func allPolicies() throws(StoreError) -> [Policy] {
        try rows("\(Self.inForce) ORDER BY p.id", [], Policy.init(columns:))
    }

    func versions(of policy: Policy.ID) throws(StoreError) -> [Policy] {
        try rows("\(Self.policyColumns) WHERE p.id = ? ORDER BY v.version DESC", [policy.sql], Policy.init(columns:))
    }
}

extension SQLiteTransaction {
    func putPolicy(
        name: Name, of tenant: Tenant.ID, document: String, author: String, comment: String, at time: Timestamp
    ) throws(StoreError) -> Policy {
        let stored = try row(
            """
            INSERT INTO policies (tenant, name, version) VALUES (?, ?, 1)
            ON CONFLICT (tenant, name) DO UPDATE SET version = version + 1
            RETURNING id, version
            """, [tenant.sql, name.sql], refusal: { $0.isForeignKey ? .notFound(Self.noTenant) : nil }
        ) { columns throws(StoreError) in (id: try columns.id(0) as Policy.ID, version: try columns.integer(1)) }
        guard let stored else { throw .unavailable("the database did not say which policy it wrote: try again") }
        try execute(
            """
            INSERT INTO policy_versions (policy, version, document, author, comment, applied_at)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [stored.id.sql, stored.version.sql, document.sql, author.sql, comment.sql, time.sql])
        return Policy(
            id: stored.id, tenant: tenant, name: name, version: stored.version, document: document, author: author,
            comment: comment, appliedAt: time)
    }

    func deletePolicy(_ id: Policy.ID) throws(StoreError) {
        try change("DELETE FROM policies WHERE id = ?", [id.sql], missing: Self.noPolicy) { violation in
            violation.isForeignKey
                ? .conflict("the policy is a group's or the tenant's default: give them another first") : nil
        }
    }
}

extension Policy {
    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(
            id: try columns.id(0), tenant: try columns.id(1), name: try columns.name(2),
            version: try columns.integer(3), document: try columns.text(4), author: try columns.text(5),
            comment: try columns.text(6), appliedAt: try columns.time(7))
    }
}

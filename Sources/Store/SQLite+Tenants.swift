import Domain
import GRDB

extension SQLiteReading {
    private static var tenantColumns: String { "SELECT id, name, default_policy, created_at FROM tenants" }
    private static var groupColumns: String { "SELECT id, tenant, name, policy FROM sim_groups" }

    func tenant(named name: Name) throws(StoreError) -> Tenant? {
        try row("\(Self.tenantColumns) WHERE name = ?", [name.sql], Tenant.init(columns:))
    }

    func tenant(_ id: Tenant.ID) throws(StoreError) -> Tenant? {
        try row("\(Self.tenantColumns) WHERE id = ?", [id.sql], Tenant.init(columns:))
    }

    func tenants() throws(StoreError) -> [Tenant] {
        try rows("\(Self.tenantColumns) ORDER BY id", [], Tenant.init(columns:))
    }

    func group(named name: Name, of tenant: Tenant.ID) throws(StoreError) -> SIMGroup? {
        try row("\(Self.groupColumns) WHERE tenant = ? AND name = ?", [tenant.sql, name.sql], SIMGroup.init(columns:))
    }

    func group(_ id: SIMGroup.ID) throws(StoreError) -> SIMGroup? {
        try row("\(Self.groupColumns) WHERE id = ?", [id.sql], SIMGroup.init(columns:))
    }

    func groups(of tenant: Tenant.ID) throws(StoreError) -> [SIMGroup] {
        try rows("\(Self.groupColumns) WHERE tenant = ? ORDER BY id", [tenant.sql], SIMGroup.init(columns:))
    }

    func allGroups() throws(StoreError) -> [SIMGroup] {
        try rows("\(Self.groupColumns) ORDER BY id", [], SIMGroup.init(columns:))
    }
}

extension SQLiteTransaction {
    func insertTenant(name: Name, at time: Timestamp) throws(StoreError) -> Tenant {
        let id = try insert("INSERT INTO tenants (name, created_at) VALUES (?, ?)", [name.sql, time.sql]) { violation in
            violation.concerns("tenants.name") ? .conflict("a tenant \(name) exists already") : nil
        }
        return Tenant(id: Tenant.ID(id), name: name, defaultPolicy: nil, createdAt: time)
    }

    func deleteTenant(_ id: Tenant.ID) throws(StoreError) {
        // Asked first, so that a refusal changes nothing even for a caller without a savepoint.
        guard try !exists("SELECT 1 FROM sims WHERE tenant = ? LIMIT 1", [id.sql]) else {
            throw .conflict("the tenant has SIMs: delete them first")
        }
        try change("UPDATE tenants SET default_policy = NULL WHERE id = ?", [id.sql], missing: Self.noTenant)
        try execute("DELETE FROM sim_groups WHERE tenant = ?", [id.sql])
        try execute("DELETE FROM policies WHERE tenant = ?", [id.sql])
        try execute("DELETE FROM vpns WHERE tenant = ?", [id.sql])
        try settleAddresses()
        try execute("DELETE FROM freed_addresses WHERE tenant = ?", [id.sql])
        try execute("DELETE FROM blocks WHERE tenant = ?", [id.sql])
        try execute("DELETE FROM freed_prefixes WHERE tenant = ?", [id.sql])
        try execute("DELETE FROM prefix_blocks WHERE tenant = ?", [id.sql])
        try execute("DELETE FROM tenants WHERE id = ?", [id.sql])
    }

    func setDefaultPolicy(_ policy: Policy.ID?, of tenant: Tenant.ID) throws(StoreError) {
        try change(
            "UPDATE tenants SET default_policy = ? WHERE id = ?", [policy.sql, tenant.sql], missing: Self.noTenant
        ) { $0.isForeignKey ? .notFound(Self.noPolicy) : nil }
    }

    func insertGroup(name: Name, of tenant: Tenant.ID, policy: Policy.ID?) throws(StoreError) -> SIMGroup {
        guard try exists("SELECT 1 FROM tenants WHERE id = ?", [tenant.sql]) else { throw .notFound(Self.noTenant) }
        let id = try insert(
            "INSERT INTO sim_groups (tenant, name, policy) VALUES (?, ?, ?)", [tenant.sql, name.sql, policy.sql]
        ) { violation in
            if violation.isForeignKey { return .notFound(Self.noPolicy) }
            return violation.concerns("sim_groups.name") ? .conflict("a group \(name) exists already") : nil
        }
        return SIMGroup(id: SIMGroup.ID(id), tenant: tenant, name: name, policy: policy)
    }

    func setPolicy(_ policy: Policy.ID?, ofGroup group: SIMGroup.ID) throws(StoreError) {
        try change(
            "UPDATE sim_groups SET policy = ? WHERE id = ?", [policy.sql, group.sql], missing: Self.noGroup
        ) { $0.isForeignKey ? .notFound(Self.noPolicy) : nil }
    }

    func deleteGroup(_ id: SIMGroup.ID) throws(StoreError) {
        try change("DELETE FROM sim_groups WHERE id = ?", [id.sql], missing: Self.noGroup) {
            $0.isForeignKey ? .conflict("SIMs are in the group: move them to another first") : nil
        }
    }

    static var noTenant: String { "there is no such tenant" }
    static var noGroup: String { "there is no such group of this tenant" }
    static var noPolicy: String { "there is no such policy of this tenant" }
}

extension Tenant {
    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(
            id: try columns.id(0), name: try columns.name(1), defaultPolicy: columns.optionalID(2),
            createdAt: try columns.time(3))
    }
}

extension SIMGroup {
    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(
            id: try columns.id(0), tenant: try columns.id(1), name: try columns.name(2), policy: columns.optionalID(3))
    }
}

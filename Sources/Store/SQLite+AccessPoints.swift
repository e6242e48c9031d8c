import Domain
import GRDB

extension SQLiteReading {
    private static var accessPointColumns: String { "SELECT name, owner, created_at FROM apns" }

    func accessPoint(_ apn: APN) throws(StoreError) -> AccessPoint? {
        try row("\(Self.accessPointColumns) WHERE name = ?", [apn.sql], AccessPoint.init(columns:))
    }

    func accessPoints() throws(StoreError) -> [AccessPoint] {
        try rows("\(Self.accessPointColumns) ORDER BY name", [], AccessPoint.init(columns:))
    }

    func hasLeases(on apn: APN, besides tenant: Tenant.ID) throws(StoreError) -> Bool {
        try exists("SELECT 1 FROM leases WHERE apn = ? AND tenant <> ? LIMIT 1", [apn.sql, tenant.sql])
    }
}

extension SQLiteTransaction {
    func insertAccessPoint(_ apn: APN, owner: Tenant.ID?, at time: Timestamp) throws(StoreError) -> AccessPoint {
        let kind: AccessPoint.Kind = owner == nil ? .shared : .private
        try execute(
            "INSERT INTO apns (name, kind, owner, created_at) VALUES (?, ?, ?, ?)",
            [apn.sql, kind.rawValue.sql, owner.sql, time.sql]
        ) { violation in
            // Whose it is, is not said.
            if violation.concerns("apns.name") { return .conflict("the APN \(apn) is registered already") }
            return violation.isForeignKey ? .notFound(Self.noTenant) : nil
        }
        return AccessPoint(apn: apn, owner: owner, createdAt: time)
    }

    func deleteAccessPoint(_ apn: APN) throws(StoreError) {
        try change("DELETE FROM apns WHERE name = ?", [apn.sql], missing: "there is no APN \(apn)")
    }
}

extension AccessPoint {
    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(apn: try columns.apn(0), owner: columns.optionalID(1), createdAt: try columns.time(2))
    }
}

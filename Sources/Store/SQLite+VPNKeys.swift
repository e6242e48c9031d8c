import Domain
import GRDB

extension SQLiteReading {
    private static var keyColumns: String { "SELECT id, vpn, sealed_key, created_at, retires_at FROM vpn_keys" }

    func vpnKeys(of vpn: VPN.ID) throws(StoreError) -> [VPNKey] {
        try rows("\(Self.keyColumns) WHERE vpn = ? ORDER BY id DESC", [vpn.sql], key)
    }

    func allVPNKeys() throws(StoreError) -> [VPNKey] {
        try rows("\(Self.keyColumns) ORDER BY vpn, id DESC", [], key)
    }

    func retiredVPNKeys(before time: Timestamp) throws(StoreError) -> [VPNKey] {
        try rows("\(Self.keyColumns) WHERE retires_at <= ? ORDER BY vpn, id DESC", [time.sql], key)
    }

    private func key(_ columns: Columns) throws(StoreError) -> VPNKey {
        let (id, vpn): (VPNKey.ID, VPN.ID) = (try columns.id(0), try columns.id(1))
        return VPNKey(
            id: id, vpn: vpn, key: try open(try columns.bytes(2), row: Self.keyRow(id, of: vpn)),
            createdAt: try columns.time(3), retiresAt: columns.optionalTime(4))
    }

    fileprivate static func keyRow(_ key: VPNKey.ID, of vpn: VPN.ID) -> String { "vpns/\(vpn)/keys/\(key)" }

    /// - Throws: `.damaged` for what was not sealed for this row.
    func open(_ sealed: [UInt8], row: String) throws(StoreError) -> Secret {
        guard let bytes = sealer.open(sealed, row: row) else { throw .damaged("the secret of \(row) does not open") }
        return Secret(bytes: bytes)
    }
}

extension SQLiteTransaction {
    func insertVPNKey(_ key: Secret, of vpn: VPN.ID, at time: Timestamp) throws(StoreError) -> VPNKey {
        let key = VPNKey(id: Identifier(try nextRow(of: "vpn_keys")), vpn: vpn, key: key, createdAt: time)
        try execute(
            "INSERT INTO vpn_keys (id, vpn, sealed_key, created_at) VALUES (?, ?, ?, ?)",
            [
                key.id.sql, vpn.sql, try sealer.seal(key.key.bytes, row: Self.keyRow(key.id, of: vpn)).sql, time.sql,
            ]
        ) { $0.isForeignKey ? .notFound(Self.noTunnel) : nil }
        return key
    }

    func retireVPNKey(_ id: VPNKey.ID, at time: Timestamp) throws(StoreError) {
        try change("UPDATE vpn_keys SET retires_at = ? WHERE id = ?", [time.sql, id.sql], missing: Self.noKey)
    }

    func deleteVPNKey(_ id: VPNKey.ID) throws(StoreError) {
        try change("DELETE FROM vpn_keys WHERE id = ?", [id.sql], missing: Self.noKey)
    }

    private static var noKey: String { "there is no such key of a VPN" }
}

import Domain
import GRDB

extension SQLiteReading {
    private static var authorityColumns: String {
        "SELECT id, tenant, certificate, sealed_key, created_at, retires_at FROM tenant_authorities"
    }
    private static var certificateColumns: String {
        "SELECT id, vpn, authority, certificate, sealed_key, created_at, expires_at, retires_at FROM vpn_certificates"
    }

    func tenantAuthority(_ id: TenantAuthority.ID) throws(StoreError) -> TenantAuthority? {
        try row("\(Self.authorityColumns) WHERE id = ?", [id.sql], authority)
    }

    func tenantAuthorities(of tenant: Tenant.ID) throws(StoreError) -> [TenantAuthority] {
        try rows("\(Self.authorityColumns) WHERE tenant = ? ORDER BY id DESC", [tenant.sql], authority)
    }

    func allTenantAuthorities() throws(StoreError) -> [TenantAuthority] {
        try rows("\(Self.authorityColumns) ORDER BY tenant, id DESC", [], authority)
    }

    func retiredTenantAuthorities(before time: Timestamp) throws(StoreError) -> [TenantAuthority] {
        try rows("\(Self.authorityColumns) WHERE retires_at <= ? ORDER BY tenant, id DESC", [time.sql], authority)
    }

    func vpnCertificates(of vpn: VPN.ID) throws(StoreError) -> [VPNCertificate] {
        try rows("\(Self.certificateColumns) WHERE vpn = ? ORDER BY id DESC", [vpn.sql], certificate)
    }

    func allVPNCertificates() throws(StoreError) -> [VPNCertificate] {
        try rows("\(Self.certificateColumns) ORDER BY vpn, id DESC", [], certificate)
    }

    func retiredVPNCertificates(before time: Timestamp) throws(StoreError) -> [VPNCertificate] {
        try rows("\(Self.certificateColumns) WHERE retires_at <= ? ORDER BY vpn, id DESC", [time.sql], certificate)
    }

    func peerCertificates(before time: Timestamp) throws(StoreError) -> [PeerCertificate] {
        try rows(
            "SELECT vpn, expires_at, told_days FROM peer_certificates WHERE expires_at <= ? ORDER BY vpn", [time.sql]
        ) { columns throws(StoreError) in
            PeerCertificate(
                vpn: try columns.id(0), expiresAt: try columns.time(1), toldDays: columns.optionalInteger(2))
        }
    }

    private func authority(_ columns: Columns) throws(StoreError) -> TenantAuthority {
        let (id, tenant): (TenantAuthority.ID, Tenant.ID) = (try columns.id(0), try columns.id(1))
        var key: Secret?
        if let sealed = columns.optionalBytes(3) { key = try open(sealed, row: Self.authorityRow(id, of: tenant)) }
        return TenantAuthority(
            id: id, tenant: tenant, certificate: try columns.bytes(2), key: key, createdAt: try columns.time(4),
            retiresAt: columns.optionalTime(5))
    }

    private func certificate(_ columns: Columns) throws(StoreError) -> VPNCertificate {
        let (id, vpn): (VPNCertificate.ID, VPN.ID) = (try columns.id(0), try columns.id(1))
        return VPNCertificate(
            id: id, vpn: vpn, authority: try columns.id(2), certificate: try columns.bytes(3),
            key: try open(try columns.bytes(4), row: Self.certificateRow(id, of: vpn)),
            createdAt: try columns.time(5), expiresAt: try columns.time(6), retiresAt: columns.optionalTime(7))
    }

    fileprivate static func authorityRow(_ authority: TenantAuthority.ID, of tenant: Tenant.ID) -> String {
        "tenants/\(tenant)/authorities/\(authority)"
    }

    fileprivate static func certificateRow(_ certificate: VPNCertificate.ID, of vpn: VPN.ID) -> String {
        "vpns/\(vpn)/certificates/\(certificate)"
    }
}

extension SQLiteTransaction {
    func insertTenantAuthority(
        certificate: [UInt8], key: Secret?, of tenant: Tenant.ID, at time: Timestamp
    ) throws(StoreError) -> TenantAuthority {
        let authority = TenantAuthority(
            id: Identifier(try nextRow(of: "tenant_authorities")), tenant: tenant, certificate: certificate, key: key,
            createdAt: time)
        var sealed: [UInt8]?
        if let key { sealed = try sealer.seal(key.bytes, row: Self.authorityRow(authority.id, of: tenant)) }
        try execute(
            "INSERT INTO tenant_authorities (id, tenant, certificate, sealed_key, created_at) VALUES (?, ?, ?, ?, ?)",
            [authority.id.sql, tenant.sql, certificate.sql, sealed.sql, time.sql]
        ) { violation in
            if violation.isForeignKey { return .notFound(Self.noTenant) }
            return violation.concerns("tenant_authorities.certificate")
                ? .conflict("the tenant has this authority's certificate already") : nil
        }
        return authority
    }

    func retireTenantAuthority(_ id: TenantAuthority.ID, at time: Timestamp) throws(StoreError) {
        try change(
            "UPDATE tenant_authorities SET retires_at = ? WHERE id = ?", [time.sql, id.sql], missing: Self.noAuthority)
    }

    func deleteTenantAuthority(_ id: TenantAuthority.ID) throws(StoreError) {
        try change("DELETE FROM tenant_authorities WHERE id = ?", [id.sql], missing: Self.noAuthority) {
            $0.isForeignKey ? .conflict("VPNs have certificates of the authority: delete those first") : nil
        }
    }

    func insertVPNCertificate(
        _ certificate: [UInt8], key: Secret, of vpn: VPN.ID, by authority: TenantAuthority.ID, expiresAt: Timestamp,
        at time: Timestamp
    ) throws(StoreError) -> VPNCertificate {
        guard try exists("SELECT 1 FROM tunnels WHERE vpn = ?", [vpn.sql]) else { throw .notFound(Self.noTunnel) }
        let certificate = VPNCertificate(
            id: Identifier(try nextRow(of: "vpn_certificates")), vpn: vpn, authority: authority,
            certificate: certificate, key: key, createdAt: time, expiresAt: expiresAt)
        let sealed = try sealer.seal(key.bytes, row: Self.certificateRow(certificate.id, of: vpn))
        try change(
            """
            INSERT INTO vpn_certificates
                (id, tenant, vpn, authority, certificate, sealed_key, created_at, expires_at)
            SELECT ?, tenant, id, ?, ?, ?, ?, ? FROM vpns WHERE id = ?
            """,
            [
                certificate.id.sql, authority.sql, certificate.certificate.sql, sealed.sql, time.sql, expiresAt.sql,
                vpn.sql,
            ], missing: Self.noTunnel
        ) { $0.isForeignKey ? .notFound(Self.noAuthority) : nil }
        return certificate
    }

    func retireVPNCertificate(_ id: VPNCertificate.ID, at time: Timestamp) throws(StoreError) {
        try change(
            "UPDATE vpn_certificates SET retires_at = ? WHERE id = ?", [time.sql, id.sql], missing: Self.noCertificate)
    }

    func deleteVPNCertificate(_ id: VPNCertificate.ID) throws(StoreError) {
        try change("DELETE FROM vpn_certificates WHERE id = ?", [id.sql], missing: Self.noCertificate)
    }

    func setPeerCertificate(_ certificate: PeerCertificate) throws(StoreError) {
        try execute(
            "INSERT OR REPLACE INTO peer_certificates (vpn, expires_at, told_days) VALUES (?, ?, ?)",
            [certificate.vpn.sql, certificate.expiresAt.sql, certificate.toldDays.sql]
        ) { $0.isForeignKey ? .notFound(Self.noTunnel) : nil }
    }

    func forgetPeerCertificate(of vpn: VPN.ID) throws(StoreError) {
        try execute("DELETE FROM peer_certificates WHERE vpn = ?", [vpn.sql])
    }

    private static var noAuthority: String { "there is no such authority of this tenant" }
    private static var noCertificate: String { "there is no such certificate of a VPN" }
}

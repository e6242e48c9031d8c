public import Domain

/// What a ``StoreTransaction`` changes of VPNs.
public protocol VPNTransaction: VPNReader {
    /// With the lowest number that is free. Throws `.conflict` when the name or the interface is another's, `.exhausted` when
    /// no number is left.
    func insertVPN(name: Name, of tenant: Tenant.ID, line: VPN.Line, at time: Timestamp) throws(StoreError) -> VPN
    /// The same; its interface is its number's.
    func insertVPN(name: Name, of tenant: Tenant.ID, tunnel: Tunnel, at time: Timestamp) throws(StoreError) -> VPN
    /// Throws `.conflict` when the VPN is a line.
    func updateTunnel(_ id: VPN.ID, to tunnel: Tunnel) throws(StoreError)
    /// With its keys and certificates.
    func deleteVPN(_ id: VPN.ID) throws(StoreError)
    /// `nil`: as the operator has it for everyone.
    func setVPNLimit(_ limit: UInt32?, of tenant: Tenant.ID) throws(StoreError)

    func insertVPNKey(_ key: Secret, of vpn: VPN.ID, at time: Timestamp) throws(StoreError) -> VPNKey
    func retireVPNKey(_ id: VPNKey.ID, at time: Timestamp) throws(StoreError)
    func deleteVPNKey(_ id: VPNKey.ID) throws(StoreError)

    /// `certificate` in DER; `key` nil where the tenant keeps it. Throws `.conflict` when the tenant has the certificate
    /// already, not retired.
    func insertTenantAuthority(
        certificate: [UInt8], key: Secret?, of tenant: Tenant.ID, at time: Timestamp
    ) throws(StoreError) -> TenantAuthority
    func retireTenantAuthority(_ id: TenantAuthority.ID, at time: Timestamp) throws(StoreError)
    /// Throws `.conflict` while VPNs have certificates of it.
    func deleteTenantAuthority(_ id: TenantAuthority.ID) throws(StoreError)

    /// `certificate` in DER. Throws `.notFound` when the authority is not of the VPN's tenant.
    func insertVPNCertificate(
        _ certificate: [UInt8], key: Secret, of vpn: VPN.ID, by authority: TenantAuthority.ID, expiresAt: Timestamp,
        at time: Timestamp
    ) throws(StoreError) -> VPNCertificate
    func retireVPNCertificate(_ id: VPNCertificate.ID, at time: Timestamp) throws(StoreError)
    func deleteVPNCertificate(_ id: VPNCertificate.ID) throws(StoreError)

    /// Takes the place of what is known of the VPN's peer. Throws `.notFound` when there is no such tunnel.
    func setPeerCertificate(_ certificate: PeerCertificate) throws(StoreError)
    func forgetPeerCertificate(of vpn: VPN.ID) throws(StoreError)
}

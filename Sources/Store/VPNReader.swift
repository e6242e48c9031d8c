public import Domain

/// What a ``StoreReader`` reads of VPNs.
public protocol VPNReader {
    func vpn(named name: Name, of tenant: Tenant.ID) throws(StoreError) -> VPN?
    func vpn(_ id: VPN.ID) throws(StoreError) -> VPN?
    func vpn(numbered number: VPNNumber) throws(StoreError) -> VPN?
    /// By name.
    func vpns(of tenant: Tenant.ID) throws(StoreError) -> [VPN]
    /// Every VPN of every tenant.
    func allVPNs() throws(StoreError) -> [VPN]
    func vpnCount(of tenant: Tenant.ID) throws(StoreError) -> UInt32
    /// How many a tenant may have; `nil`: the operator has not said. Kept here, not enforced.
    func vpnLimit(of tenant: Tenant.ID) throws(StoreError) -> UInt32?

    /// Newest first, and so are the other lists of secrets within their owner.
    func vpnKeys(of vpn: VPN.ID) throws(StoreError) -> [VPNKey]
    /// By VPN.
    func allVPNKeys() throws(StoreError) -> [VPNKey]
    /// Those that retire at `time` or did before.
    func retiredVPNKeys(before time: Timestamp) throws(StoreError) -> [VPNKey]

    func tenantAuthority(_ id: TenantAuthority.ID) throws(StoreError) -> TenantAuthority?
    func tenantAuthorities(of tenant: Tenant.ID) throws(StoreError) -> [TenantAuthority]
    /// By tenant.
    func allTenantAuthorities() throws(StoreError) -> [TenantAuthority]
    /// Those that retire at `time` or did before.
    func retiredTenantAuthorities(before time: Timestamp) throws(StoreError) -> [TenantAuthority]

    func vpnCertificates(of vpn: VPN.ID) throws(StoreError) -> [VPNCertificate]
    /// By VPN.
    func allVPNCertificates() throws(StoreError) -> [VPNCertificate]
    /// Those that retire at `time` or did before.
    func retiredVPNCertificates(before time: Timestamp) throws(StoreError) -> [VPNCertificate]

    /// Those that end at `time` or did before, by VPN.
    func peerCertificates(before time: Timestamp) throws(StoreError) -> [PeerCertificate]
}

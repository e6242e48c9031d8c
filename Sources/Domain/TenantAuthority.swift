/// Whose certificates a tenant's tunnels trust (RFC 5280): an authority that Cordon made for the tenant, or the tenant's own.
public struct TenantAuthority: Hashable, Sendable {
    public typealias ID = Identifier<TenantAuthority>
    public let id: ID
    public let tenant: Tenant.ID
    /// In DER.
    public let certificate: [UInt8]
    /// What signs; `nil` where the tenant keeps it.
    public let key: Secret?
    public let createdAt: Timestamp
    /// From when on it is trusted no more; `nil`: nobody has said.
    public let retiresAt: Timestamp?

    public init(
        id: ID, tenant: Tenant.ID, certificate: [UInt8], key: Secret?, createdAt: Timestamp,
        retiresAt: Timestamp? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.certificate = certificate
        self.key = key
        self.createdAt = createdAt
        self.retiresAt = retiresAt
    }
}

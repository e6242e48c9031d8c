/// The gateway's own certificate for a tunnel, with its key. Two are in force while one takes over from the other.
public struct VPNCertificate: Hashable, Sendable {
    public typealias ID = Identifier<VPNCertificate>
    public let id: ID
    public let vpn: VPN.ID
    /// Who signed it, of the same tenant.
    public let authority: TenantAuthority.ID
    /// In DER.
    public let certificate: [UInt8]
    public let key: Secret
    public let createdAt: Timestamp
    /// As the certificate says (notAfter, RFC 5280 §4.1.2.5).
    public let expiresAt: Timestamp
    /// From when on it is in force no more; `nil`: nobody has said.
    public let retiresAt: Timestamp?

    public init(
        id: ID, vpn: VPN.ID, authority: TenantAuthority.ID, certificate: [UInt8], key: Secret, createdAt: Timestamp,
        expiresAt: Timestamp, retiresAt: Timestamp? = nil
    ) {
        self.id = id
        self.vpn = vpn
        self.authority = authority
        self.certificate = certificate
        self.key = key
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.retiresAt = retiresAt
    }
}

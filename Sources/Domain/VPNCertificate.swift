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

/// The last certificate that was issued to a VPN's peer, which nobody but a person can put there.
public struct PeerCertificate: Hashable, Sendable {
    public let vpn: VPN.ID
    /// As the certificate says (notAfter, RFC 5280 §4.1.2.5).
    public let expiresAt: Timestamp
    /// So many days before its end, or less, somebody was told; `nil`: nobody yet.
    public let toldDays: Int64?

    /// Days before the end at which somebody is told.
    public static let warnings: [Int64] = [30, 7, 1]
    private static let day: Int64 = 86_400_000

    public init(vpn: VPN.ID, expiresAt: Timestamp, toldDays: Int64?) {
        self.vpn = vpn
        self.expiresAt = expiresAt
        self.toldDays = toldDays
    }

    /// What ends later than this is not told yet.
    public static func firstWarned(at time: Timestamp) -> Timestamp {
        Timestamp(milliseconds: time.milliseconds + (warnings.max() ?? 0) * day)
    }

    /// Which of ``warnings`` is due; `nil`: none that was not told.
    public func warning(at time: Timestamp) -> Int64? {
        let left = expiresAt.milliseconds - time.milliseconds
        guard let due = Self.warnings.last(where: { left <= $0 * Self.day }) else { return nil }
        return due < toldDays ?? .max ? due : nil
    }
}

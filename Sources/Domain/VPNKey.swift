/// A pre-shared key of a tunnel (RFC 7296 §2.15). Two are in force while one takes over from the other.
public struct VPNKey: Hashable, Sendable {
    public typealias ID = Identifier<VPNKey>
    public let id: ID
    public let vpn: VPN.ID
    public let key: Secret
    public let createdAt: Timestamp
    /// From when on it is in force no more; `nil`: nobody has said.
    public let retiresAt: Timestamp?

    public init(id: ID, vpn: VPN.ID, key: Secret, createdAt: Timestamp, retiresAt: Timestamp? = nil) {
        self.id = id
        self.vpn = vpn
        self.key = key
        self.createdAt = createdAt
        self.retiresAt = retiresAt
    }
}

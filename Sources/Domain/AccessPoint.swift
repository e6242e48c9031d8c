/// An APN that the operator has registered. One that nobody has registered is open to every tenant's SIMs, as one that is
/// shared: a SIM's tenant, not its APN, says what its device may reach.
public struct AccessPoint: Hashable, Sendable {
    public let apn: APN
    /// Whose SIMs alone come in by it; `nil`: shared.
    public let owner: Tenant.ID?
    public let createdAt: Timestamp

    public init(apn: APN, owner: Tenant.ID?, createdAt: Timestamp) {
        self.apn = apn
        self.owner = owner
        self.createdAt = createdAt
    }

    public enum Kind: String, CaseIterable, Sendable {
        case shared
        case `private`
    }

    public var kind: Kind { owner == nil ? .shared : .private }
}

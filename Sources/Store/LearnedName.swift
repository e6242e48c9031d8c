public import Domain

/// That an address has a name for a policy's devices.
public struct LearnedName: Hashable, Sendable {
    public let policy: Policy.ID
    public let address: IPAddress
    public let name: DomainName
    public let until: Timestamp

    public init(policy: Policy.ID, address: IPAddress, name: DomainName, until: Timestamp) {
        self.policy = policy
        self.address = address
        self.name = name
        self.until = until
    }
}

public import Domain

/// That an address has a name for a policy's devices.
public struct LearnedName: Hashable, Sendable {
    /// Whoever learns gives each fact the next number: what is new stands together in the file.
    public let number: Int64
    public let policy: Policy.ID
    public let address: IPAddress
    public let name: DomainName
    public let until: Timestamp

    public init(number: Int64, policy: Policy.ID, address: IPAddress, name: DomainName, until: Timestamp) {
        self.number = number
        self.policy = policy
        self.address = address
        self.name = name
        self.until = until
    }
}

public import Domain

/// What a verdict depends on that no document says: who has which address at this moment, which addresses names have,
/// and what time it is.
public struct PolicySituation: Sendable {
    /// The groups of the device that has this address; none when no device of the tenant has it.
    public var groups: @Sendable (IPAddress) -> Set<Name>
    /// The names for which the resolver gave this address to the policy's devices, and still stands by it.
    public var names: @Sendable (IPAddress) -> [DomainName]
    /// The other way round, for explanations: the addresses that the policy's devices have for the names.
    public var addresses: @Sendable (HostPattern) -> [IPAddress]
    /// The minute of the week in a time zone, from Monday 00:00 on its own clocks; `nil` when that is not known. A rule
    /// whose time is not known does not match.
    public var minuteOfWeek: @Sendable (_ zone: String) -> Int?

    /// No device, no name, no time.
    public static let unknown = PolicySituation()

    public init(
        groups: @escaping @Sendable (IPAddress) -> Set<Name> = { _ in [] },
        names: @escaping @Sendable (IPAddress) -> [DomainName] = { _ in [] },
        addresses: @escaping @Sendable (HostPattern) -> [IPAddress] = { _ in [] },
        minuteOfWeek: @escaping @Sendable (_ zone: String) -> Int? = { _ in nil }
    ) {
        self.groups = groups
        self.names = names
        self.addresses = addresses
        self.minuteOfWeek = minuteOfWeek
    }
}

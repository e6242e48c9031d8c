public import Domain

/// What devices may look up, beside the names that the policy's rules let them reach.
public struct DNSPolicy: Hashable, Sendable {
    /// What holds for a name that no rule and no list mentions.
    public let `default`: Default
    public let allow: [HostPattern]
    /// Wins over ``allow``.
    public let deny: [HostPattern]
    /// Names of lists of the operator or of the tenant; what they hold is refused.
    public let blocklists: [Name]
    /// What a device gets for a name that it may not look up.
    public let answer: Answer

    public enum Default: String, CaseIterable, Sendable {
        case block, allow
    }

    public enum Answer: Hashable, Sendable {
        /// The name does not exist.
        case nxdomain
        /// The name has no address.
        case nodata
        case refused
        /// This address, of a server that says why.
        case address(IPAddress)
    }

    /// What a document without a `dns` part means.
    public static let standard = DNSPolicy(default: .block, allow: [], deny: [], blocklists: [], answer: .nxdomain)
}

public import Domain

/// What the devices of one policy may look up. Immutable and shared; made anew when the policy, a list or an exception
/// changes.
public final class NameFilter: Sendable {
    /// What a name is held against, in this order; the first that has it decides.
    public struct Rules: Sendable {
        /// The policy's `dns.deny`.
        public var deny: [HostPattern] = []
        /// Names that no blocklist refuses for this tenant.
        public var exceptions: [HostPattern] = []
        /// The policy's `dns.allow`.
        public var allow: [HostPattern] = []
        /// What rules of the policy let its devices reach: these may be looked up.
        public var reachable: [HostPattern] = []
        /// What holds for all other names.
        public var isOpen = false

        public init() {}
    }

    public enum Verdict: Hashable, Sendable {
        case allowed
        case refused(Reason)
    }

    public enum Reason: Hashable, Sendable {
        /// `dns.deny` of the policy.
        case denied
        /// Nothing allows the name.
        case notAllowed
    }

    private let rules: Rules

    public init(_ rules: Rules) { self.rules = rules }

    /// On a name that a device asks for.
    public func verdict(on name: WireName) -> Verdict {
        guard let name = name.domainName else { return rules.isOpen ? .allowed : .refused(.notAllowed) }
        let isIn = { (patterns: [HostPattern]) in patterns.contains { $0.matches(name) } }
        if isIn(rules.deny) { return .refused(.denied) }
        return rules.isOpen || isIn(rules.allow) || isIn(rules.reachable) ? .allowed : .refused(.notAllowed)
    }

    /// On a name that an answer leads to (CNAME, DNAME, SVCB): only what refuses it by itself counts, since nobody lists
    /// the names of the networks that deliver content.
    public func verdict(onAlias name: WireName) -> Verdict {
        guard let name = name.domainName else { return .allowed }
        return rules.deny.contains { $0.matches(name) } ? .refused(.denied) : .allowed
    }
}

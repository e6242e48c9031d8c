public import Domain

/// A policy that is known to be right: what ``compile(_:)`` turns into a ruleset, and what judges packets in plain
/// Swift. Only ``PolicyDocument/validated(in:)`` makes one.
public struct ValidatedPolicy: Hashable, Sendable {
    public let name: Name
    public let mode: Mode
    public let dns: DNSPolicy
    /// In the document's order: the first that matches decides. A packet that none matches is blocked.
    public let rules: [Rule]
    /// The lists that its rules name and the tenant's policies share. What they held is in the rules.
    public let sharedLists: Set<Name>
    /// The groups and VPNs that its rules name, with their numbers.
    public let groups: [Name: GroupNumber]
    public let vpns: [Name: VPNNumber]
    /// Where rules are counted whose usage is. Those that are not here are not counted yet.
    public private(set) var countedRules: [Name: CountedRule.ID]
    /// What is allowed but looks like a mistake, or does less than it seems to.
    public let warnings: [Diagnostic]

    public enum Mode: String, CaseIterable, Sendable {
        case enforce
        /// What would be blocked on its way out is counted and passes to the internet. What would reach a device is
        /// blocked all the same.
        case monitor
    }

    /// Which packets, and what happens to them.
    public struct Rule: Hashable, Sendable {
        public let name: Name
        public let direction: Direction
        /// The destinations as written, for messages; `any` for a rule to devices that does not say.
        public let to: [String]
        /// The destinations with lists replaced by what they hold, each once, in their order. Beside groups the other
        /// three are empty; all four are only when the rule names nothing but shared lists that hold nothing. `any` is all
        /// of IPv4 and all of IPv6.
        public let ipv4: [IPv4Prefix]
        public let ipv6: [IPv6Prefix]
        /// They stand for the addresses that the gateway's resolver gave to this policy's devices for them.
        public let hosts: [HostPattern]
        /// They stand for the addresses of their devices.
        public let groups: [Name]
        /// A packet must be one of these. Never empty; one for each protocol, or ``ProtocolPorts/any`` alone.
        public let matches: [ProtocolPorts]
        /// As written, for messages; empty when the rule has protocol and ports instead.
        public let services: [Name]
        public let action: RuleAction
        /// What each device may send and receive by flows of this rule; `nil`: as much as it may otherwise.
        public let bandwidth: Bandwidth?
        /// `nil`: it always holds.
        public let schedule: Schedule?
        public let log: Bool
        /// Whether what flows of this rule have is counted, for all devices together.
        public let isUsageCounted: Bool
    }

    /// Which way the packets go that a rule judges.
    public enum Direction: Hashable, Sendable {
        case fromDevice
        /// To the devices that have this policy, through a VPN, and from some of its addresses.
        case toDevice(via: Name, from: Sources)
    }

    /// Where a packet to a device comes from.
    public struct Sources: Hashable, Sendable {
        /// As written, for messages; `any` for a rule that does not say.
        public let written: [String]
        /// With lists replaced by what they hold. One of the two may be empty; both, when the lists are.
        public let ipv4: [IPv4Prefix]
        public let ipv6: [IPv6Prefix]
    }

    public static let maximumRules = 256
    /// Per rule, with lists replaced by what they hold; sources too.
    public static let maximumDestinations = 4096
    /// Per rule.
    public static let maximumPortRanges = 64
    /// Per rule.
    public static let maximumRoutes = 8
    /// In one document.
    public static let maximumLists = 64
    /// In one list of a document, and in each list of its `dns`.
    public static let maximumListItems = 4096
    /// Combinations of destinations and port ranges, over all rules: what the kernel's sets must hold.
    public static let maximumBoxes = 65_536
    /// The same, of a policy with rules to groups: those need every box compared, one after the other.
    public static let maximumBoxesBesideGroups = Ruleset.maximumBesideGroups
    /// The same, of all rules to devices together.
    public static let maximumAccessBoxes = 1024

    /// Rules to host names times their port ranges.
    public static let maximumHostBoxes = 1024

    init(
        name: Name, mode: Mode, dns: DNSPolicy, rules: [Rule], sharedLists: Set<Name>, in scope: PolicyScope,
        warnings: [Diagnostic]
    ) {
        let named = Set(rules.flatMap(\.groups))
        let ways = Set(rules.flatMap(\.vpns))
        groups = scope.groups.filter { named.contains($0.key) }
        vpns = scope.vpns.filter { ways.contains($0.key) }
        let counted = Set(rules.filter(\.isUsageCounted).map(\.name))
        countedRules = (scope.countedRules[name] ?? [:]).filter { counted.contains($0.key) }
        self.name = name
        self.mode = mode
        self.dns = dns
        self.rules = rules
        self.sharedLists = sharedLists
        self.warnings = warnings
    }
}

extension ValidatedPolicy {
    /// The names of the rules whose usage is counted, in the document's order.
    public var rulesWithUsage: [Name] { rules.filter(\.isUsageCounted).map(\.name) }

    /// The same policy with these counters.
    public func counting(_ rules: [Name: CountedRule.ID]) -> Self {
        var policy = self
        policy.countedRules = rules
        return policy
    }
}

extension ValidatedPolicy.Rule {
    /// The VPNs that it names.
    var vpns: [Name] {
        var names: [Name] = []
        if case .toDevice(let via, _) = direction { names.append(via) }
        guard case .route(let routes) = action else { return names }
        return names + routes.compactMap { if case .vpn(let name) = $0 { name } else { nil } }
    }
}

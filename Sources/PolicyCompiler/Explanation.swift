public import Domain

/// Why a packet passes or not.
public struct Explanation: Hashable, Sendable {
    public let policy: Name
    public let packet: PacketQuery
    public let decision: Decision
    /// The rules before the one that decided, in their order: why each did not match.
    public let passed: [PassedRule]
    /// The names that the destination has for the policy's devices.
    public let names: [DomainName]

    public struct PassedRule: Hashable, Sendable {
        public let rule: Name
        /// A few words: `port 80 is not in 443, 8000-8100`.
        public let reason: String
        public init(rule: Name, reason: String) {
            self.rule = rule
            self.reason = reason
        }
    }

    public init(
        policy: Name, packet: PacketQuery, decision: Decision, passed: [PassedRule], names: [DomainName] = []
    ) {
        self.policy = policy
        self.packet = packet
        self.decision = decision
        self.passed = passed
        self.names = names
    }

    /// The way that the packet takes, as documents name it, with the ways that stand in for it behind it; `nil` when it
    /// is blocked, and when it reaches a device of the tenant without one.
    public var route: String? {
        switch decision.verdict {
        case .block, .allow: nil
        case .route(let routes): routes.map(\.description).joined(separator: ", ")
        }
    }
}

extension Explanation: CustomStringConvertible {
    /// The verdict in one line, then one line for each rule that did not match.
    public var description: String {
        let names = names.isEmpty ? "" : " (\(names.map(\.description).inShort))"
        let why =
            decision.rule.map { "by rule \"\($0)\" of policy \"\(policy)\"" }
            ?? "by the default of policy \"\(policy)\", since no rule matches"
        let what =
            decision.wouldBlock
            ? "\(Self.words(for: decision.verdict)) while the policy monitors; it would be blocked \(why)"
            : "\(Self.words(for: decision.verdict)) \(why)"
        return
            (["\(packet)\(names) \(what)"]
            + passed.map { "  rule \"\($0.rule)\" does not match: \($0.reason)" }).joined(separator: "\n")
    }

    private static func words(for action: RuleAction) -> String {
        switch action {
        case .block: return "is blocked"
        case .allow: return "is let through to the device"
        case .route([.internet]): return "goes to the internet"
        case .route([.timeServer]): return "goes to the operator's time server"
        case .route(let routes):
            let ways = routes.map(\.description)
            return ways.count == 1 ? "goes to \(ways[0])" : "goes to the first that is up of \(ways.inShort)"
        }
    }
}

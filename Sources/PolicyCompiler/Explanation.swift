public import Domain

/// Why a packet passes or not.
public struct Explanation: Hashable, Sendable {
    public let policy: Name
    public let packet: PacketQuery
    public let decision: Decision
    /// The rules before the one that decided, in their order: why each did not match.
    public let passed: [PassedRule]

    public struct PassedRule: Hashable, Sendable {
        public let rule: Name
        /// A few words: `port 80 is not in 443, 8000-8100`.
        public let reason: String
        public init(rule: Name, reason: String) {
            self.rule = rule
            self.reason = reason
        }
    }

    public init(policy: Name, packet: PacketQuery, decision: Decision, passed: [PassedRule]) {
        self.policy = policy
        self.packet = packet
        self.decision = decision
        self.passed = passed
    }

    /// The way that the packet takes, as documents name it; `nil` when it is blocked.
    public var route: String? {
        switch decision.verdict {
        case .block: nil
        case .internet: "internet"
        }
    }
}

extension Explanation: CustomStringConvertible {
    /// The verdict in one line, then one line for each rule that did not match.
    public var description: String {
        let what =
            switch decision.verdict {
            case .block: "is blocked"
            case .internet: "goes to the internet"
            }
        let why =
            decision.rule.map { "by rule \"\($0)\" of policy \"\(policy)\"" }
            ?? "by the default of policy \"\(policy)\", since no rule matches"
        return
            (["\(packet) \(what) \(why)"]
            + passed.map { "  rule \"\($0.rule)\" does not match: \($0.reason)" }).joined(separator: "\n")
    }
}

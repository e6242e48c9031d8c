public import Domain

/// What a policy says about a packet, and by which rule.
public struct Decision: Hashable, Sendable {
    /// What happens to the packet.
    public let verdict: RuleAction
    /// What happens when the policy is enforced: another than ``verdict`` only where a policy that monitors lets
    /// something pass.
    public let enforced: RuleAction
    /// `nil` when no rule matched and the default blocked.
    public let rule: Name?
    /// The rule's place in the policy, from 0.
    public let index: Int?

    public init(verdict: RuleAction, enforced: RuleAction, rule: Name?, index: Int?) {
        self.verdict = verdict
        self.enforced = enforced
        self.rule = rule
        self.index = index
    }

    /// Whether the packet passes only because the policy monitors.
    public var wouldBlock: Bool { verdict != enforced }
}

public import Domain

/// What a policy says about a packet, and by which rule.
public struct Decision: Hashable, Sendable {
    public let verdict: Verdict
    /// `nil` when no rule matched and the default blocked.
    public let rule: Name?

    public init(verdict: Verdict, rule: Name?) {
        self.verdict = verdict
        self.rule = rule
    }
}

/// The reference: it says in the plainest way what a policy means, and shares no code with the compiler, which tests
/// hold against it.
extension ValidatedPolicy {
    /// Asks the rules in order; the first that matches decides.
    public func verdict(for packet: PacketQuery) -> Decision {
        for rule in rules where rule.mismatch(with: packet) == nil {
            return Decision(verdict: rule.verdict, rule: rule.name)
        }
        return Decision(verdict: .block, rule: nil)
    }

    /// The same with the reasons, for people.
    public func explain(_ packet: PacketQuery) -> Explanation {
        let matching = rules.firstIndex { $0.mismatch(with: packet) == nil }
        let passed = rules[..<(matching ?? rules.endIndex)].compactMap { rule in
            rule.mismatch(with: packet).map { Explanation.PassedRule(rule: rule.name, reason: $0) }
        }
        return Explanation(policy: name, packet: packet, decision: verdict(for: packet), passed: passed)
    }
}

extension ValidatedPolicy.Rule {
    /// Why the rule does not match, in words; `nil` when it matches.
    fileprivate func mismatch(with packet: PacketQuery) -> String? {
        guard destinations.contains(where: { $0.first <= packet.destination && packet.destination <= $0.last }) else {
            return "\(packet.destination) is not in \(Self.list(destinations.map(\.description)))"
        }
        if let number = `protocol`, number != packet.protocol {
            return "the protocol is \(IPProtocol.name(packet.protocol)), not \(IPProtocol.name(number))"
        }
        guard !ports.isEmpty else { return nil }
        let names = Self.list(ports.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" })
        guard let port = packet.port else { return "the packet has no port, the rule is for \(names)" }
        return ports.contains { $0.contains(port) } ? nil : "port \(port) is not in \(names)"
    }

    private static func list(_ items: [String]) -> String {
        items.count <= 4
            ? items.joined(separator: ", ")
            : items.prefix(3).joined(separator: ", ") + " and \(items.count - 3) more"
    }
}

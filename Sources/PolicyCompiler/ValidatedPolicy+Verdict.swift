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
        var passed: [Explanation.PassedRule] = []
        for rule in rules {
            guard let mismatch = rule.mismatch(with: packet) else { break }
            passed.append(.init(rule: rule.name, reason: rule.reason(for: mismatch, of: packet)))
        }
        return Explanation(policy: name, packet: packet, decision: verdict(for: packet), passed: passed)
    }
}

/// The first part of a rule that a packet does not match.
private enum Mismatch {
    case destination
    case `protocol`(UInt8)
    case port
}

extension ValidatedPolicy.Rule {
    fileprivate func mismatch(with packet: PacketQuery) -> Mismatch? {
        guard destinations.contains(where: { $0.first <= packet.destination && packet.destination <= $0.last }) else {
            return .destination
        }
        if let number = `protocol`, number != packet.protocol { return .protocol(number) }
        guard !ports.isEmpty else { return nil }
        guard let port = packet.port, ports.contains(where: { $0.contains(port) }) else { return .port }
        return nil
    }

    fileprivate func reason(for mismatch: Mismatch, of packet: PacketQuery) -> String {
        switch mismatch {
        case .destination: return "\(packet.destination) is not in \(Self.list(destinations.map(\.description)))"
        case .protocol(let number):
            return "the protocol is \(IPProtocol.name(packet.protocol)), not \(IPProtocol.name(number))"
        case .port:
            let names = Self.list(
                ports.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" })
            return packet.port.map { "port \($0) is not in \(names)" }
                ?? "the packet has no port, the rule is for \(names)"
        }
    }

    private static func list(_ items: [String]) -> String {
        items.count <= 4
            ? items.joined(separator: ", ")
            : items.prefix(3).joined(separator: ", ") + " and \(items.count - 3) more"
    }
}

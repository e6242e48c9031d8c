import Domain
import PolicyCompiler

/// The policy by which a traced device's packets should be judged.
struct TraceReference: Sendable {
    /// `nil`: the SIM has none, so everything is blocked.
    let policy: Policy?
    let validated: ValidatedPolicy?
    let changesOfScope: Int

    /// What a packet's verdict is, with the reason.
    func verdict(_ packet: TracedPacket, at time: Timestamp, in situation: PolicySituation) -> PacketVerdict {
        let explanation = flow(of: packet).flatMap { validated?.explain($0, in: situation) }
        let isAnswer = packet.isReply || packet.isError
        let verdict = { (by: PacketVerdict.Judge, reason: String, difference: String?) in
            PacketVerdict(
                time: time, packet: packet, by: by, policy: by == .gateway || packet.isError ? nil : policy,
                rule: by == .gateway ? nil : explanation?.decision.rule,
                route: packet.fate.isPassed && packet.direction == .fromDevice
                    ? packet.fate.route ?? explanation?.route : nil,
                wouldBlock: by != .gateway && explanation?.decision.wouldBlock ?? false, reason: reason,
                // What is behind an extension header the kernel has seen, and its trace does not say.
                difference: packet.hasExtension ? nil : difference)
        }
        switch packet.fate {
        case .notForwarded:
            return verdict(
                .gateway, "nobody blocked it, but there was no way for it, or its time to live has ended", nil)
        case .droppedByHost: return verdict(.gateway, "blocked by rules of the gateway's host", nil)
        case .dropped(let counter):
            guard counter == "blocked", packet.direction == .fromDevice, !isAnswer else {
                return verdict(.gateway, Self.words(for: counter, packet), nil)
            }
            return verdict(.rule, words(for: explanation, packet), difference(from: explanation, packet))
        case .passed:
            if packet.isError {
                return verdict(.answer, "an ICMP error about a connection, which goes the connection's way", nil)
            }
            if packet.isReply {
                let rule = explanation.map { ": " + Self.words(for: $0) } ?? ""
                return verdict(
                    .answer, "an answer" + rule,
                    packet.direction == .toDevice ? blockedAnswer(explanation) : nil)
            }
            if case .policy = packet.judgedBy {
                return verdict(.rule, words(for: explanation, packet), difference(from: explanation, packet))
            }
            guard packet.direction == .fromDevice else { return verdict(.gateway, "let in to the device", nil) }
            return verdict(
                .flow, "of a connection that passes: " + words(for: explanation, packet),
                difference(from: explanation, packet))
        }
    }

    /// The packet that opened the device's connection; `nil` for what no rule of the device's own policy judges.
    private func flow(of packet: TracedPacket) -> PacketQuery? {
        guard !packet.isError, !packet.hasExtension, packet.isReply == (packet.direction == .toDevice) else {
            return nil
        }
        return PacketQuery(destination: packet.remote, protocol: packet.protocol, port: packet.remotePort)
    }

    // MARK: Where kernel and reference differ

    private func difference(from explanation: Explanation?, _ packet: TracedPacket) -> String? {
        // `nil`: its session has ended in between.
        guard packet.policy == nil || packet.policy == policy?.mark ?? .blockAll else {
            return "the gateway judges the device by another policy"
        }
        let decision = explanation?.decision
        let expected = decision?.verdict ?? .block
        switch (packet.fate, expected) {
        case (.passed, .block): return "by the policy it should be blocked"
        case (.dropped, .route), (.dropped, .allow): return "by the policy it should pass"
        case (.passed(.some(let route)), .route(let routes)) where !routes.contains(route):
            return "it went to \(route)"
        default: break
        }
        guard case .policy(rule: let number?) = packet.judgedBy, let validated,
            number != decision?.index ?? validated.rules.count
        else { return nil }
        let name = number < validated.rules.count ? "rule \"\(validated.rules[number].name)\"" : "the default"
        return "in the gateway \(name) decided"
    }

    private func blockedAnswer(_ explanation: Explanation?) -> String? {
        (explanation?.decision.verdict ?? .block) == .block ? "by the policy its connection should be blocked" : nil
    }

    // MARK: Words

    private func words(for explanation: Explanation?, _ packet: TracedPacket) -> String {
        packet.hasExtension
            ? "a rule of the policy, or its default: the trace does not say what is behind an IPv6 extension header"
            : Self.words(for: explanation)
    }

    private static func words(for explanation: Explanation?) -> String {
        guard let explanation else { return "the SIM has no policy, so everything is blocked" }
        let decision = explanation.decision
        guard let rule = decision.rule else {
            return decision.wouldBlock
                ? "no rule matches; passes because the policy monitors" : "no rule matches, so the default blocks it"
        }
        return "rule \"\(rule)\"" + (decision.wouldBlock ? "; passes because the policy monitors" : "")
    }

    private static func words(for counter: String, _ packet: TracedPacket) -> String {
        switch counter {
        case "blocked":
            packet.isError
                ? "an ICMP error about a connection that does not pass any more"
                : "it belongs to a connection that does not pass any more"
        case "device_to_device": "no policy opens other devices, nor the operator's own addresses"
        case "input_denied": "it is for the gateway itself"
        case "limited": "its device's rate or volume does not allow it"
        case "invalid": "it belongs to no connection"
        case "route_down": "no VPN of its rule is up"
        case "route_changed": "its connection went another way before, and cannot change over"
        case "spoofed": "its source is no session's address"
        case "new_connections_limited": "too many new connections in the device's /24 in this second"
        case "nat_unmapped": "NAT 1 has no ports for the device"
        case "unsolicited": "nothing of the device's has asked for it"
        default: "dropped by the gateway, which counts it as \(counter)"
        }
    }
}

extension TracedPacket.Fate {
    var isPassed: Bool { if case .passed = self { true } else { false } }
    fileprivate var route: String? { if case .passed(let route?) = self { "\(route)" } else { nil } }
}

import Domain

/// The reference: it says in the plainest way what a policy means, and shares no code with the compiler, which tests
/// hold against it.
extension ValidatedPolicy {
    /// Asks the rules in order; the first that matches decides.
    public func verdict(for packet: PacketQuery, in situation: PolicySituation = .unknown) -> Decision {
        let index = rules.firstIndex { $0.mismatch(with: packet, in: situation) == nil }
        let enforced = index.map { rules[$0].action } ?? .block
        let passes = mode == .monitor && enforced == .block && packet.leaves(in: situation)
        return Decision(
            verdict: passes ? .route([.internet]) : enforced, enforced: enforced,
            rule: index.map { rules[$0].name }, index: index)
    }

    /// The same with the reasons, for people.
    public func explain(_ packet: PacketQuery, in situation: PolicySituation = .unknown) -> Explanation {
        var passed: [Explanation.PassedRule] = []
        for rule in rules {
            guard let mismatch = rule.mismatch(with: packet, in: situation) else { break }
            passed.append(.init(rule: rule.name, reason: rule.reason(for: mismatch, of: packet, in: situation)))
        }
        return Explanation(
            policy: name, packet: packet, decision: verdict(for: packet, in: situation), passed: passed,
            names: packet.direction == .fromDevice && packet.name == nil ? situation.names(packet.destination) : [])
    }
}

extension PacketQuery {
    /// Whether it is on its way out of the operator's network: a device's, and not to a device. What would reach a device
    /// is never let in on trial.
    fileprivate func leaves(in situation: PolicySituation) -> Bool {
        direction == .fromDevice && situation.groups(destination).isEmpty
    }
}

extension ValidatedPolicy.Rule {
    /// The first part of the rule that the packet does not match; `nil` when it matches.
    func mismatch(with packet: PacketQuery, in situation: PolicySituation) -> Mismatch? {
        switch (direction, packet.direction) {
        case (.fromDevice, .fromDevice): break
        case (.fromDevice, .toDevice), (.toDevice, .fromDevice): return .direction
        case (.toDevice(let via, let sources), .toDevice(let source, let packetVia)):
            guard via == packetVia else { return .vpn(packetVia, ruleHas: via) }
            guard Self.isAddress(source, inOneOf: sources.ipv4, or: sources.ipv6) else {
                return .source(source, sources)
            }
        }
        guard isDestination(packet, in: situation) else { return .destination }
        let ofProtocol = matches.filter { $0.protocol == nil || $0.protocol == packet.protocol }
        guard !ofProtocol.isEmpty else { return .protocol }
        let isPort = { (ranges: [ClosedRange<UInt16>]) in
            ranges.isEmpty || packet.port.map { port in ranges.contains { $0.contains(port) } } ?? false
        }
        guard ofProtocol.contains(where: { isPort($0.ports) }) else { return .port(ofProtocol.flatMap(\.ports)) }
        guard let schedule else { return nil }
        guard let minute = situation.minuteOfWeek(schedule.zone) else { return .unknownTime(schedule) }
        return schedule.isOpen(atLocal: minute) ? nil : .closed(schedule)
    }

    private func isDestination(_ packet: PacketQuery, in situation: PolicySituation) -> Bool {
        if let name = packet.name { return ipv4.contains(.any) || hosts.contains { $0.matches(name) } }
        let address = packet.destination
        if Self.isAddress(address, inOneOf: ipv4, or: ipv6) { return true }
        if !groups.isEmpty, !situation.groups(address).isDisjoint(with: groups) { return true }
        guard !hosts.isEmpty else { return false }
        return situation.names(address).contains { name in hosts.contains { $0.matches(name) } }
    }

    private static func isAddress(_ address: IPAddress, inOneOf ipv4: [IPv4Prefix], or ipv6: [IPv6Prefix]) -> Bool {
        switch address {
        case .v4(let address): ipv4.contains { $0.first <= address && address <= $0.last }
        case .v6(let address): ipv6.contains { $0.first <= address && address <= $0.last }
        }
    }
}

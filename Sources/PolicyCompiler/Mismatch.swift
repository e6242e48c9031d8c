import Domain

/// Why a packet does not match a rule.
enum Mismatch {
    case direction
    case vpn(Name, ruleHas: Name)
    case source(IPAddress, ValidatedPolicy.Sources)
    case destination
    case `protocol`
    /// The ports that the rule has for the packet's protocol.
    case port([ClosedRange<UInt16>])
    case closed(Schedule)
    case unknownTime(Schedule)
}

extension ValidatedPolicy.Rule {
    /// A few words, without the names of rule and policy.
    func reason(for mismatch: Mismatch, of packet: PacketQuery, in situation: PolicySituation) -> String {
        switch mismatch {
        case .direction:
            return direction == .fromDevice
                ? "the rule is for packets from devices" : "the rule is for packets to devices"
        case .vpn(let name, let own): return "the packet comes through vpn:\(name), not vpn:\(own)"
        case .source(let address, let sources): return "it comes from \(address), not from \(sources.written.inShort)"
        case .destination: return destinationReason(packet, in: situation)
        case .protocol:
            let names = matches.compactMap(\.protocol).map(IPProtocol.name)
            return "the protocol is \(IPProtocol.name(packet.protocol)), not \(names.joined(separator: " or "))"
        case .port(let ranges):
            let names = ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            return packet.port.map { "port \($0) is not in \(names.inShort)" }
                ?? "the packet has no port, the rule is for \(names.inShort)"
        case .closed(let schedule): return "the time is outside \(schedule)"
        case .unknownTime(let schedule):
            return "the time in \(schedule.zone) is not known, and the rule holds \(schedule) only"
        }
    }

    private func destinationReason(_ packet: PacketQuery, in situation: PolicySituation) -> String {
        if let name = packet.name { return "\(name) is not in \(to.inShort)" }
        let address = packet.destination
        if !groups.isEmpty {
            let own = situation.groups(address).sorted().map(\.description)
            let wanted = groups.map(\.description).inShort
            return own.isEmpty
                ? "\(address) is no device of group \(wanted)"
                : "\(address) is a device of group \(own.inShort), not of \(wanted)"
        }
        let unknown = hosts.filter { situation.addresses($0).isEmpty }.map(\.description)
        let hint = unknown.isEmpty ? nil : "no address is known yet for \(unknown.inShort)"
        if let hint, unknown.count == hosts.count, ipv4.isEmpty, ipv6.isEmpty { return hint }
        return "\(address) is not in \(to.inShort)" + (hint.map { ", and \($0)" } ?? "")
    }
}

extension [String] {
    /// The first few, and how many more there are.
    var inShort: String {
        count <= 4 ? joined(separator: ", ") : prefix(3).joined(separator: ", ") + " and \(count - 3) more"
    }
}

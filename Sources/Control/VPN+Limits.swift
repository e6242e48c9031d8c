import Domain
import PolicyCompiler

extension VPN {
    /// Why a packet goes no further at this VPN although the policy sends it there, or lets it in from there: it is for the
    /// networks behind its peer alone, and a tunnel may be for some devices and for what a partner is let near. In words;
    /// `nil` when it passes.
    /// - Parameters:
    ///   - far: the address behind the VPN; `nil` when it is not known yet.
    ///   - group: of the device's SIM.
    func refusal(of packet: PacketQuery, behind far: IPAddress?, group: Name?, at time: Timestamp) -> String? {
        if let far, !networks(of: far).contains(where: \.hasAddress) {
            let all = networks(of: far).map(\.text)
            return "\(far) is in none of its networks" + (all.isEmpty ? "" : " (\(all.joined(separator: ", ")))")
        }
        guard let tunnel else { return nil }
        if case .groups(let groups) = tunnel.devices, !groups.contains(where: { $0 == group }) {
            return "it is for \(groups.map { "group:\($0)" }.joined(separator: ", ")), and the SIM is in "
                + (group.map { "group:\($0)" } ?? "no group")
        }
        return tunnel.partner?.refusal(of: packet, behind: far, at: time)
    }

    /// Those of the address's family, as devices see them.
    private func networks(of address: IPAddress) -> [(text: String, hasAddress: Bool)] {
        switch (way, address) {
        case (.line(let line), .v4(let address)): line.networks.map { ("\($0)", $0.contains(address)) }
        case (.line(let line), .v6(let address)): line.networks6.map { ("\($0)", $0.contains(address)) }
        case (.tunnel(let tunnel), .v4(let address)):
            tunnel.networks.map { ("\($0.seenAs)", $0.seenAs.contains(address)) }
        case (.tunnel, .v6): []
        }
    }
}

extension Tunnel.Partner {
    fileprivate func refusal(of packet: PacketQuery, behind far: IPAddress?, at time: Timestamp) -> String? {
        if let validFrom, time < validFrom { return "partner \(name) may use it from \(validFrom) on" }
        if let validUntil, validUntil <= time { return "partner \(name) might use it until \(validUntil)" }
        if case .v4(let far)? = far, !destinations.isEmpty, !destinations.contains(where: { $0.contains(far) }) {
            return
                "of partner \(name) only \(destinations.map(\.description).joined(separator: ", ")) is open to devices"
        }
        guard ports.isEmpty || ports.contains(where: { $0.matches(packet) }) else {
            return "partner \(name) is open for \(ports.map(\.description).joined(separator: ", ")) only"
        }
        return nil
    }
}

extension PartnerPorts {
    fileprivate func matches(_ packet: PacketQuery) -> Bool {
        let number: UInt8 =
            switch transport {
            case .icmp: 1
            case .tcp: 6
            case .udp: 17
            }
        guard packet.protocol == number else { return false }
        return ports.map { ports in packet.port.map(ports.contains) ?? false } ?? true
    }
}

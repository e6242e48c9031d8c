public import Domain
import VICI

/// What can be known of a tunnel before anything is applied: whether it fits beside what is there.
public struct TunnelChecks: Sendable {
    /// The operator's pools and infrastructure: nobody's networks lie there.
    public var forbidden: [IPv4Prefix]
    public var forbidden6: [IPv6Prefix] = []
    /// The tenant's other VPNs.
    public var others: [VPN]
    public var groups: Set<Name>
    /// The gateway's own addresses.
    public var gatewayAddresses: [IPAddress]
    public var hasAuthority: Bool
    /// What peers of the gateway's other VPNs say they are, whoever's they are, in the form in which the IKE daemon
    /// compares them: this tunnel's peer's, where another's says the same, and the tenant's own.
    public var takenIdentities: Set<String> = []
    /// Those of them that alone tell a VPN's peer from others', since the gateway is known to it by its address.
    public var reservedIdentities: Set<String> = []

    public init(
        forbidden: [IPv4Prefix], others: [VPN], groups: Set<Name>, gatewayAddresses: [IPAddress] = [],
        hasAuthority: Bool = false
    ) {
        self.forbidden = forbidden
        self.others = others
        self.groups = groups
        self.gatewayAddresses = gatewayAddresses
        self.hasAuthority = hasAuthority
    }

    /// Something that a person should know.
    public struct Finding: Hashable, Sendable {
        public enum Weight: String, Sendable {
            /// It cannot be so.
            case error
            /// It can, and may not be what is meant.
            case warning
        }

        public let weight: Weight
        /// Of the request's body.
        public let field: String
        /// What, and what to do about it.
        public let message: String
    }

    /// - Parameter time: of the question, for periods of validity.
    /// - Returns: errors first; none of them when the tunnel can be made.
    public func findings(of tunnel: Tunnel, at time: Timestamp) -> [Finding] {
        let all =
            networkFindings(tunnel) + overlapFindings(tunnel) + partnerFindings(tunnel, at: time)
            + peerFindings(tunnel) + deviceFindings(tunnel)
        return all.filter { $0.weight == .error } + all.filter { $0.weight == .warning }
    }

    private func error(_ field: String, _ message: String) -> Finding {
        Finding(weight: .error, field: field, message: message)
    }

    private func warning(_ field: String, _ message: String) -> Finding {
        Finding(weight: .warning, field: field, message: message)
    }

    // MARK: Networks

    private func networkFindings(_ tunnel: Tunnel) -> [Finding] {
        let field = "remote_networks"
        guard (1...Tunnel.maximumNetworks).contains(tunnel.networks.count) else {
            return [
                error(
                    field,
                    "a VPN has 1 to \(Tunnel.maximumNetworks) networks behind its peer, not \(tunnel.networks.count)")
            ]
        }
        var findings: [Finding] = []
        for network in tunnel.networks {
            if let other = forbidden.first(where: { $0.overlaps(network.network) && network.network.length > 0 }) {
                findings.append(
                    error(
                        field,
                        "\(network.network) overlaps \(other), which devices and the operator have: the peer could not tell "
                            + "them from hosts of its own, so give that network other addresses there"))
            }
            if network.isTranslated, let other = forbidden.first(where: { $0.overlaps(network.seenAs) }) {
                findings.append(
                    error(
                        field,
                        "\(network.seenAs) overlaps \(other), which devices and the operator have: let devices see "
                            + "\(network.network) as another prefix of its length\(suggestion(for: network.network, tunnel))"
                    ))
            }
        }
        for (place, network) in tunnel.networks.enumerated() {
            let later = tunnel.networks[(place + 1)...]
            if let other = later.first(where: { $0.seenAs.overlaps(network.seenAs) }) {
                findings.append(
                    error(
                        field,
                        "devices would see both \(network) and \(other) in \(network.seenAs): write one network that holds "
                            + "both, or let them be seen as different ones"))
            } else if let other = later.first(where: { $0.network.overlaps(network.network) }) {
                findings.append(error(field, "\(network.network) and \(other.network) overlap: write the larger alone"))
            }
        }
        return findings
    }

    /// Of this tenant's VPNs. Another tenant's may have the same networks.
    private func overlapFindings(_ tunnel: Tunnel) -> [Finding] {
        let own = Set(tunnel.networks)
        return others.compactMap { other in
            guard
                let pair = tunnel.networks.lazy.compactMap({ network in
                    other.networks.first { $0.overlaps(network.seenAs) }.map { (network, $0) }
                }).first
            else { return nil }
            let theirs = other.tunnel.map { Set($0.networks) } ?? Set(other.networks.map { Tunnel.RemoteNetwork($0) })
            if theirs == own {
                return warning(
                    "remote_networks",
                    "VPN \(other.name) leads to the same networks: the two stand in for each other, in the order in which a "
                        + "rule names them")
            }
            return error(
                "remote_networks",
                "\(pair.0.seenAs) overlaps \(pair.1) of VPN \(other.name), so that a packet could belong to either: give both "
                    + "VPNs the same networks, if one is to stand in for the other, or let devices see this one "
                    + "translated\(suggestion(for: pair.0.network, tunnel))")
        }
    }

    /// A translation that nothing is in the way of.
    private func suggestion(for network: IPv4Prefix, _ tunnel: Tunnel) -> String {
        let taken = forbidden + others.flatMap(\.networks) + tunnel.networks.flatMap { [$0.network, $0.seenAs] }
        guard let free = Self.free(network.length, besides: taken) else { return "" }
        return ", as in \(network)=\(free)"
    }

    /// The first private prefix (RFC 1918) of the length that overlaps none of these; the least usual ones first.
    package static func free(_ length: UInt8, besides taken: [IPv4Prefix]) -> IPv4Prefix? {
        let spaces: [(UInt32, UInt8)] = [(172 << 24 | 16 << 16, 12), (192 << 24 | 168 << 16, 16), (10 << 24, 8)]
        for (bits, own) in spaces where own <= length {
            let step = UInt64(1) << UInt64(32 - length)
            var next = UInt64(bits)
            let end = next + UInt64(1) << UInt64(32 - own)
            // Each prefix in the way is stepped over at once.
            while next + step <= end {
                let candidate = IPv4Prefix(
                    containing: IPv4Address(bits: UInt32(truncatingIfNeeded: next)), length: length)
                guard let other = taken.first(where: { $0.overlaps(candidate) }) else { return candidate }
                next = max(next + step, (UInt64(other.last.bits) + step) / step * step)
            }
        }
        return nil
    }

    // MARK: The rest

    private func partnerFindings(_ tunnel: Tunnel, at time: Timestamp) -> [Finding] {
        guard let partner = tunnel.partner else { return [] }
        var findings: [Finding] = []
        if partner.destinations.count > Tunnel.Partner.maximumDestinations
            || partner.ports.count > Tunnel.Partner.maximumPorts
        {
            findings.append(
                error(
                    "partner",
                    "a partner's limits have at most \(Tunnel.Partner.maximumDestinations) destinations and "
                        + "\(Tunnel.Partner.maximumPorts) ports"))
        }
        for destination in partner.destinations
        where !tunnel.networks.contains(where: { $0.seenAs.contains(destination) }) {
            findings.append(
                error(
                    "partner.destinations",
                    "\(destination) is not behind this VPN: write a part of "
                        + tunnel.networks.map(\.seenAs.description).joined(separator: ", ")))
        }
        if let from = partner.validFrom, let until = partner.validUntil, until <= from {
            findings.append(
                error("partner.valid_until", "the period ends at \(until), before it begins at \(from)"))
        } else if let until = partner.validUntil, until <= time {
            findings.append(warning("partner.valid_until", "the period ended at \(until): the VPN stays down"))
        }
        return findings
    }

    /// Whether the gateway may send there because a tenant says so: not to the operator's own, to itself, or to what is no
    /// single host beyond its links.
    static func mayBePeer(_ address: IPAddress, forbidden: [IPv4Prefix], _ forbidden6: [IPv6Prefix]) -> Bool {
        switch address {
        case .v4(let address):
            // 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, and from 224.0.0.0 on.
            ![0, 127].contains(address.bits >> 24) && address.bits >> 16 != 0xa9fe && address.bits >> 29 != 7
                && !forbidden.contains { $0.contains(address) }
        case .v6(let address):
            // ::/8 has loopback, none and IPv4's; fe80::/10 links; ff00::/8 groups.
            address.bits >> 120 != 0 && address.bits >> 118 != 0x3fa && address.bits >> 120 != 0xff
                && !forbidden6.contains { $0.contains(address) }
        }
    }

    private func peerFindings(_ tunnel: Tunnel) -> [Finding] {
        var findings: [Finding] = []
        switch tunnel.peer {
        case .address(let address):
            if gatewayAddresses.contains(address) {
                findings.append(error("peer", "\(address) is the gateway's own address: write the other end's"))
            } else if !Self.mayBePeer(address, forbidden: forbidden, forbidden6) {
                findings.append(
                    error(
                        "peer",
                        "\(address) is no peer's: it is the operator's or a device's, or one of a host to itself, of its link or "
                            + "of a group (RFC 6890)"))
            } else if case .v4(let address) = address,
                let network = tunnel.networks.first(where: { $0.network.contains(address) && $0.network.length > 0 })
            {
                findings.append(
                    warning(
                        "peer",
                        "\(address) is in \(network.network), which is behind it: packets to the peer itself go "
                            + "outside the VPN all the same"))
            }
        case .name: break
        case .anywhere:
            if tunnel.peerIdentity == nil {
                findings.append(
                    error(
                        "peer_id",
                        "a peer without a fixed address is known by its identity alone: write the one that it sends, such as "
                            + "fw.acme.example"))
            }
            if tunnel.initiation != .never {
                findings.append(
                    error("initiate", "a peer without a fixed address cannot be called: write never, so that it calls"))
            }
        }
        if tunnel.authentication == .certificate, !hasAuthority {
            findings.append(
                error(
                    "auth",
                    "the tenant has no certificate authority: make one with another VPN, or set its own with `cordon vpn authority set FILE`"
                ))
        }
        let peer = (tunnel.peerIdentity ?? tunnel.peer.defaultIdentity)?.comparable
        if let peer, tunnel.gatewayIdentity == .name, reservedIdentities.contains(peer) {
            findings.append(
                error(
                    "peer_id",
                    "another VPN's peer says this, and is told from others by it alone: write another peer_id, and have the "
                        + "peer say that"))
        }
        if let peer, tunnel.gatewayIdentity == .address, takenIdentities.contains(peer) {
            findings.append(
                error(
                    "gateway_id",
                    "where the gateway is known by its address, the peer's identity tells VPNs apart, and another VPN has this "
                        + "one: write another peer_id, or name as gateway_id"))
        }
        if case .subject = tunnel.peerIdentity, tunnel.authentication == .sharedKey {
            findings.append(
                warning("peer_id", "a certificate's subject is an unusual identity where a key is shared"))
        }
        if let probe = tunnel.probe, !tunnel.networks.contains(where: { $0.seenAs.contains(probe) }) {
            findings.append(
                error(
                    "probe",
                    "\(probe) is not behind this VPN: write an address that answers in "
                        + tunnel.networks.map(\.seenAs.description).joined(separator: ", ")))
        }
        return findings
    }

    private func deviceFindings(_ tunnel: Tunnel) -> [Finding] {
        guard case .groups(let names) = tunnel.devices else { return [] }
        return names.filter { !groups.contains($0) }.map {
            error("local_network", "the tenant has no group \($0): make it with `cordon group create`, or write all")
        }
    }
}

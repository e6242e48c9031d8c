import CNetfilter
import Domain
import PolicyCompiler

/// What may pass a VPN that is limited to groups of devices, to destinations or to ports: a chain for each of the three,
/// each led to by the one before it. What none of a chain's rules names is dropped.
///
/// They compare the packet that began the flow, whoever it was from: so answers, and errors about it, pass as the flow
/// does, and a limit that is made narrower ends flows with their next packet, in either direction.
enum VPNLimits {
    struct Chain: Hashable {
        let name: String
        let rules: [[RuleExpression]]
    }

    /// Where packets go.
    enum Place: Hashable {
        case stage(VPNNumber, Int)
        /// What a limit has stopped.
        case refusal

        /// Of the chain.
        var name: String {
            switch self {
            case .stage(let number, let stage): "\(VPNLimits.prefix)\(number)_\(stage)"
            case .refusal: "vpn_limited"
            }
        }
    }

    /// In the order in which packets meet them; none when there are no limits.
    static func chains(of number: VPNNumber, _ entry: VPNEntry?) -> [Chain] {
        guard let tunnel = entry?.tunnel else { return [] }
        let stages = [
            tunnel.groups.map(groups), tunnel.destinations.isEmpty ? nil : destinations(tunnel.destinations),
            tunnel.ports.isEmpty ? nil : ports(tunnel.ports),
        ].compactMap { $0 }
        return stages.enumerated().map { index, matches in
            let next: RuleExpression = index + 1 < stages.count ? .goTo(.stage(number, index + 1)) : .return
            let chain = Place.stage(number, index)
            return Chain(name: chain.name, rules: matches.map { $0 + [next] } + [[.goTo(.refusal)]])
        }
    }

    /// Whether a chain of the table is one of these.
    static func isLimit(_ chain: String) -> Bool { chain.hasPrefix(prefix) }

    private static let prefix = "limit_"

    private static let register = RuleExpression.register(0)
    /// The device is at one of the ends, and the network behind the peer at the other.
    private static let ends = [NFT_CT_SRC_IP.rawValue, NFT_CT_DST_IP.rawValue]

    private static func groups(_ groups: Set<GroupNumber>) -> [[RuleExpression]] {
        groups.sorted().flatMap { group in
            ends.map { [.conntrack(key: $0, to: register), .member(of: .group(group, .ipv4), from: register)] }
        }
    }

    private static func destinations(_ destinations: [IPv4Prefix]) -> [[RuleExpression]] {
        destinations.flatMap { destination in
            ends.map { end in
                [
                    .conntrack(key: end, to: register),
                    .compare(
                        register, Octets(network: destination.first.bits),
                        Octets(network: destination.last.bits)),
                ]
            }
        }
    }

    private static func ports(_ ports: [PartnerPorts]) -> [[RuleExpression]] {
        ports.map { allowed in
            let `protocol`: UInt8 =
                switch allowed.transport {
                case .icmp: 1
                case .tcp: 6
                case .udp: 17
                }
            let rule: [RuleExpression] = [
                .conntrack(key: NFT_CT_PROTOCOL.rawValue, to: register), .equal(register, [`protocol`]),
            ]
            guard let range = allowed.ports else { return rule }
            return rule + [
                .conntrack(key: NFT_CT_PROTO_DST.rawValue, to: register),
                .compare(register, Octets(network: range.lowerBound), Octets(network: range.upperBound)),
            ]
        }
    }
}

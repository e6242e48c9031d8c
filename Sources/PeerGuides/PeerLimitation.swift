import Domain

/// Something that a VPN asks for and a vendor's devices cannot do.
public struct PeerLimitation: Hashable, Sendable, CustomStringConvertible {
    /// A sentence.
    public let what: String
    /// A sentence: which option of the VPN to change, or what else to do.
    public let remedy: String

    public var description: String { "\(what) \(remedy)" }

    /// What `cordon vpn` calls the options that a remedy names.
    enum Option {
        static func rotation(_ vpn: Name) -> String { "cordon vpn rotate-key \(vpn)" }
        static func update(_ vpn: Name, _ options: String) -> String { "cordon vpn update \(vpn) \(options)" }
        static let encapsulation = "--force-encapsulation"
        static let compatible = "--profile compatible"
        static let pairs = "--pair-selectors"
        static let sharedKey = "--auth psk"
        static let peer = "--peer ADDRESS"
        static let peerIdentity = "--peer-id ADDRESS"
        static let gatewayIdentity = "--gateway-id address"
    }

    static func ofEveryVendor(_ facts: PeerFacts) -> [PeerLimitation] {
        var all: [PeerLimitation] = []
        if facts.deviceBlocks.isEmpty {
            all.append(
                PeerLimitation(
                    what: "The tenant has no addresses for devices yet, so there is nothing to route to.",
                    remedy: "Give it a block: cordon pool."))
        }
        if facts.networks.isEmpty {
            all.append(
                PeerLimitation(
                    what: "The VPN has no network of the enterprise.", remedy: "Name one with --remote-network PREFIX.")
            )
        }
        return all
    }

    /// Of devices that make one CHILD_SA for each pair and take no more selectors in it.
    static func pairs(_ facts: PeerFacts, _ device: String) -> [PeerLimitation] {
        guard facts.pairs.count > 1, !facts.tunnel.pairsSelectors else { return [] }
        return [
            PeerLimitation(
                what: "\(device) takes one pair of networks in each CHILD_SA, and this VPN has "
                    + "\(facts.pairs.count) pairs in one.",
                remedy: "Change the VPN with \(Option.pairs).")
        ]
    }

    static func certificates(_ facts: PeerFacts, _ why: String) -> [PeerLimitation] {
        guard facts.tunnel.authentication == .certificate else { return [] }
        return [PeerLimitation(what: why, remedy: "Change the VPN with \(Option.sharedKey).")]
    }

    static func ipv4Gateway(_ facts: PeerFacts, _ device: String) -> [PeerLimitation] {
        guard facts.gateway.ipv4 == nil else { return [] }
        return [
            PeerLimitation(
                what: "\(device) needs an IPv4 address of the gateway here, and it has none.",
                remedy: "Ask the operator for one.")
        ]
    }

    /// Of devices that write certificates' subjects in a form of their own.
    static func subjects(_ facts: PeerFacts, _ device: String) -> [PeerLimitation] {
        var all: [PeerLimitation] = []
        if case .subject = facts.peerIdentity {
            all.append(
                PeerLimitation(
                    what: "The peer's identity is a certificate's subject, which is not to be typed in on \(device).",
                    remedy: "Change it to an address or a domain name with --peer-id."))
        }
        if case .subject = facts.gateway.identity {
            all.append(
                PeerLimitation(
                    what:
                        "The gateway's identity is a certificate's subject, which is not to be typed in on \(device).",
                    remedy: "Change it to an address or a domain name with --gateway-id."))
        }
        return all
    }
}

/// Everything that stands in the way, so that one change can mend it all.
public struct PeerLimitations: Error, Hashable, Sendable, CustomStringConvertible {
    public let vendor: PeerVendor
    /// Never empty.
    public let limitations: [PeerLimitation]

    public var description: String {
        limitations.map { "\(vendor.title): \($0)" }.joined(separator: "\n")
    }
}

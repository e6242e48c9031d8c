import Domain

extension TunnelFault.Lists {
    var text: String {
        let ours = "The gateway: \(gateway.joined(separator: ", "))."
        return peer.isEmpty ? ours : ours + " The peer: \(peer.joined(separator: ", "))."
    }

    var advice: String {
        if let fitting {
            return "The other profile fits what the peer offers: \(TunnelOption.profile.change(to: fitting.rawValue))."
        }
        let names = Tunnel.Profile.allCases.map(\.rawValue).joined(separator: " or ")
        return "Try the other profile (\(TunnelOption.profile.change(to: "PROFILE")), \(names))."
    }
}

extension TunnelFault.Selectors {
    var words: TunnelFault.Words {
        let theirs =
            peersNetworks.isEmpty && peersDevices.isEmpty
            ? "The peer does not say what it has."
            : "The peer asks for \(peersDevices) here and \(peersNetworks) there."
        return TunnelFault.Words(
            happened:
                "The networks of the two ends (traffic selectors) do not match. The gateway has \(devices.text) "
                + "here and "
                + "\(networks.text) there. \(theirs)",
            cause: "A network is missing or has another length at one end.",
            gateway: "Give the networks behind the peer as the peer has them: \(change).",
            peer: "Configure \(networks.text) as its local and \(devices.text) as its remote networks.")
    }
}

extension TunnelFault.Selectors {
    private var change: String {
        let networks = peersNetworks.split(separator: " ").map(String.init)
        guard !networks.isEmpty, networks.allSatisfy(TunnelOption.isPlain) else {
            return TunnelOption.networks.change(to: "NETWORK")
        }
        return TunnelOption.networks.change(to: networks.joined(separator: " \(TunnelOption.networks.rawValue) "))
    }
}

extension Tunnel.Authentication {
    var text: String {
        switch self {
        case .sharedKey: "a pre-shared key"
        case .certificate: "a certificate"
        }
    }

    var other: Self { self == .sharedKey ? .certificate : .sharedKey }
}

extension [IPv4Prefix] {
    /// `10.0.0.0/24, 10.1.0.0/24 and 3 more`
    var text: String {
        let first = prefix(8).map(\.description).joined(separator: ", ")
        return count > 8 ? "\(first) and \(count - 8) more" : first
    }
}

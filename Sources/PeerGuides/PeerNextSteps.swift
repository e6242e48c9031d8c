import Domain

extension PeerFacts {
    /// What is left to the enterprise, a sentence each, in the order to do it; with what its device runs where that is
    /// known.
    public func nextSteps(for vendor: PeerVendor? = nil) -> [String] {
        [firewall] + certificates + [paste(vendor)] + routes + starting + checking
    }

    private var firewall: String {
        let addresses = gateway.addresses.map(\.description).joined(separator: " and ")
        let way =
            switch starter {
            case .peer: "Let your VPN device send UDP to ports 500 and 4500 of \(addresses), and take the answers."
            case .gateway, .either: "Allow UDP ports 500 and 4500 between your VPN device and \(addresses), both ways."
            }
        let esp =
            tunnel.forcesEncapsulation || isPeerBehindNAT
            ? "ESP travels inside UDP 4500; nothing else is needed."
            : "Allow ESP (IP protocol 50) too, or ask for it in UDP with \(PeerLimitation.Option.encapsulation)."
        return "\(way) \(esp)"
    }

    private var certificates: [String] {
        guard tunnel.authentication == .certificate else { return [] }
        return [
            "Copy \(certificate.authority), \(certificate.certificate) and \(certificate.privateKey) to your VPN "
                + "device, and keep the last one secret."
        ]
    }

    private func paste(_ vendor: PeerVendor?) -> String {
        let key = tunnel.authentication == .sharedKey ? ", and keep the key in it secret" : ""
        guard let vendor else {
            let all = PeerVendor.allCases.map(\.rawValue).joined(separator: "|")
            return "Print the configuration of your VPN device with cordon vpn peer-config \(vpn) --for \(all), "
                + "and paste it there\(key)."
        }
        return
            "Print the configuration for \(vendor.title) with cordon vpn peer-config \(vpn) --for \(vendor.rawValue), "
            + "fill in what stands in <…>, and paste it\(key)."
    }

    private var routes: [String] {
        let blocks = deviceBlocks.list(" and ")
        let inside = networks.list(" and ")
        return [
            "Route \(blocks), where your devices are, to your VPN device from \(inside), and let your firewall pass "
                + "between them what you want to pass.",
            "Exclude \(blocks) from source NAT on that device: the gateway takes packets from \(inside) only.",
            "Hold TCP's maximum segment size to \(maximumSegmentSize) on traffic through the tunnel.",
        ]
    }

    private var starting: [String] {
        switch starter {
        case .gateway: []
        case .either: ["The tunnel is made when either end has something to send."]
        case .peer: ["Start the tunnel on your VPN device: the gateway waits for it and does not call."]
        }
    }

    private var checking: [String] {
        let probe =
            tunnel.probe.map { ["Let \($0) answer echo requests (ping): Cordon tests the tunnel with them."] } ?? []
        return probe + ["See whether it is up with cordon vpn show \(vpn)."]
    }
}

import Domain

/// Commands of the Azure CLI, as a script for a shell, for a route-based gateway that exists.
struct AzureGuide: PeerGuide {
    let documentation =
        "Azure VPN Gateway, custom IPsec/IKE connection policies (2024), and Azure CLI 2 (az network vpn-connection)"
    let comment = "#"

    private static let group = "<resource group>"
    private static let gateway = "<virtual network gateway>"

    func limitations(_ facts: PeerFacts) -> [PeerLimitation] {
        var all = PeerLimitation.ipv4Gateway(facts, "Azure VPN Gateway")
        all += PeerLimitation.certificates(
            facts,
            "Azure takes certificates from its Key Vault and by another way than this, which Cordon does not write.")
        all += PeerLimitation.pairs(facts, "Azure VPN Gateway")
        guard case .address = facts.peerIdentity else {
            all.append(
                PeerLimitation(
                    what: "Azure's end says that it is its public address, and this VPN expects \(facts.peerIdentity).",
                    remedy: "Change the VPN with \(PeerLimitation.Option.peerIdentity)."))
            return all
        }
        return all
    }

    func warnings(_ facts: PeerFacts) -> [String] {
        var all = facts.alternativesWarning
        all.append("a custom policy needs a gateway of the kind VpnGw1 or above, route-based; Basic has none.")
        if case .address = facts.gateway.identity {
        } else {
            all.append(
                "Azure has no setting for what the other end says it is and knows it by its address; if it answers "
                    + "AUTHENTICATION_FAILED, change the VPN with \(PeerLimitation.Option.gatewayIdentity).")
        }
        all.append("Azure's IKE lifetime is 28800 s, not to be changed; each end uses its own.")
        if facts.tunnel.profile == .standard {
            all.append("Azure has ECP-384 and no Curve25519, which is enough.")
        }
        if facts.tunnel.forcesEncapsulation {
            all.append("Azure has no setting that forces ESP in UDP; it follows the gateway, which does.")
        }
        return all
    }

    func blanks(_ facts: PeerFacts) -> [PeerConfiguration.Blank] {
        [
            PeerConfiguration.Blank(placeholder: Self.group, meaning: "of the virtual network gateway"),
            PeerConfiguration.Blank(placeholder: Self.gateway, meaning: "its name"),
        ]
    }

    func files(_ facts: PeerFacts) -> [PeerDraft] {
        let name = "cordon-\(facts.vpn)"
        let (encryption, hash, group, cipher, integrity, pfs) =
            switch facts.tunnel.profile {
            case .standard: ("GCMAES256", "SHA384", "ECP384", "GCMAES256", "GCMAES256", "ECP384")
            case .compatible: ("AES256", "SHA256", "DHGroup14", "AES256", "SHA256", "PFS2048")
            }
        let selectors = facts.tunnel.pairsSelectors ? "true" : "false"
        let lines = [
            "set -eu", "group='\(Self.group)'",
            "az network local-gateway create --resource-group \"$group\" --name \(name) "
                + "--gateway-ip-address \(facts.gateway.ipv4.map(\.description) ?? "") "
                + "--local-address-prefixes \(facts.deviceBlocks.list(" "))",
            "az network vpn-connection create --resource-group \"$group\" --name \(name) "
                + "--vnet-gateway1 '\(Self.gateway)' --local-gateway2 \(name) --shared-key '\(facts.keyText)' "
                + "--use-policy-based-traffic-selectors \(selectors)",
            "az network vpn-connection ipsec-policy add --resource-group \"$group\" --connection-name \(name) "
                + "--ike-encryption \(encryption) --ike-integrity \(hash) --dh-group \(group) "
                + "--ipsec-encryption \(cipher) --ipsec-integrity \(integrity) --pfs-group \(pfs) "
                + "--sa-lifetime \(facts.timing.childSeconds) --sa-max-size 102400000",
            "az network vpn-connection update --resource-group \"$group\" --name \(name) "
                + "--set dpdTimeoutSeconds=\(min(3600, max(30, facts.timing.deadPeerSeconds)))",
        ]
        return [PeerDraft(path: "\(name)-azure.sh", lines: lines)]
    }
}

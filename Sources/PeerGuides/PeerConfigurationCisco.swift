import Domain

/// Commands of IOS XE: IKEv2 and a static virtual tunnel interface whose selectors are an access list's.
struct CiscoGuide: PeerGuide {
    let documentation =
        "Cisco IOS XE 17 Security and VPN Configuration Guide (FlexVPN and IKEv2, Multi-SA for tunnel interfaces)"
    let comment = "!"

    private static let outside = "<interface towards the internet>"
    private static let tunnel = "<number of a free tunnel interface>"

    func limitations(_ facts: PeerFacts) -> [PeerLimitation] {
        PeerLimitation.ipv4Gateway(facts, "The tunnel interface of IOS XE, as it is configured here,")
            + PeerLimitation.pairs(facts, "Cisco IOS XE") + PeerLimitation.subjects(facts, "Cisco IOS XE")
    }

    func warnings(_ facts: PeerFacts) -> [String] {
        var all = facts.alternativesWarning
        all.append("the tunnel interface needs Multi-SA (tunnel protection ipsec policy), in IOS XE since 16.12.")
        all.append(
            "a device with other crypto ikev2 policies offers what is in the one that matches best: "
                + "add the proposal there.")
        if facts.starter != .peer { all.append("the interface also starts the tunnel by itself; that does no harm.") }
        return all
    }

    func blanks(_ facts: PeerFacts) -> [PeerConfiguration.Blank] {
        var all = [
            PeerConfiguration.Blank(placeholder: Self.outside, meaning: "such as GigabitEthernet1"),
            PeerConfiguration.Blank(placeholder: Self.tunnel, meaning: "such as 100"),
        ]
        if facts.tunnel.authentication == .certificate {
            all.append(PeerConfiguration.Blank(placeholder: Self.password, meaning: "of the PKCS #12 file"))
        }
        return all
    }

    private static let password = "<the file's password>"
    private static let nameLimit = 48

    func files(_ facts: PeerFacts) -> [PeerDraft] {
        let name = facts.objectName(limit: Self.nameLimit).uppercased()
        let gateway = facts.gateway.ipv4.map(\.description) ?? ""
        let lines =
            proposal(facts, name) + keyring(facts, name, gateway) + profile(facts, name) + transforms(facts, name)
            + accessList(facts, name) + interface(facts, name, gateway)
        return [PeerDraft(path: "cordon-\(facts.vpn)-iosxe.txt", lines: lines)]
    }

    private func proposal(_ facts: PeerFacts, _ name: String) -> [String] {
        let algorithms =
            switch facts.tunnel.profile {
            case .standard: [" encryption aes-gcm-256", " prf sha384", " group 20"]
            case .compatible: [" encryption aes-cbc-256", " integrity sha256", " group 14"]
            }
        return ["crypto ikev2 proposal \(name)"] + algorithms
            + ["!", "crypto ikev2 policy \(name)", " proposal \(name)", "!"]
    }

    private func keyring(_ facts: PeerFacts, _ name: String, _ gateway: String) -> [String] {
        switch facts.tunnel.authentication {
        case .sharedKey:
            [
                "crypto ikev2 keyring \(name)", " peer \(name)", "  address \(gateway)",
                "  pre-shared-key \(facts.keyText)", "!",
            ]
        case .certificate:
            [
                "! Make one file of the three, and copy it to the device's bootflash: before:",
                "!   openssl pkcs12 -export -in \(facts.certificate.certificate) "
                    + "-inkey \(facts.certificate.privateKey) -certfile \(facts.certificate.authority) "
                    + "-out cordon-\(facts.vpn).p12",
                "crypto pki import \(name) pkcs12 bootflash:cordon-\(facts.vpn).p12 password \(Self.password)",
                "crypto pki trustpoint \(name)", " revocation-check none", "!",
            ]
        }
    }

    private func profile(_ facts: PeerFacts, _ name: String) -> [String] {
        var lines = [
            "crypto ikev2 profile \(name)", " match identity remote \(remote(facts.gateway.identity))",
            " identity local \(local(facts.peerIdentity))",
        ]
        switch facts.tunnel.authentication {
        case .sharedKey:
            lines += [" authentication remote pre-share", " authentication local pre-share", " keyring local \(name)"]
        case .certificate:
            let method = facts.certificate.key == .ecdsa ? "ecdsa-sig" : "rsa-sig"
            lines += [" authentication remote \(method)", " authentication local \(method)", " pki trustpoint \(name)"]
        }
        lines += [
            " lifetime \(facts.timing.ikeSeconds)",
            " dpd \(min(3600, max(10, facts.timing.deadPeerSeconds))) 5 periodic",
        ]
        if facts.tunnel.forcesEncapsulation { lines.append(" nat force-encap") }
        return lines + [" no config-exchange request", "!"]
    }

    private func transforms(_ facts: PeerFacts, _ name: String) -> [String] {
        let (transform, group) =
            switch facts.tunnel.profile {
            case .standard: ("esp-gcm 256", 20)
            case .compatible: ("esp-aes 256 esp-sha256-hmac", 14)
            }
        return [
            "crypto ipsec transform-set \(name) \(transform)", " mode tunnel", "!",
            "crypto ipsec profile \(name)", " set transform-set \(name)", " set pfs group\(group)",
            " set security-association lifetime seconds \(facts.timing.childSeconds)",
            " set ikev2-profile \(name)", "!",
        ]
    }

    private func accessList(_ facts: PeerFacts, _ name: String) -> [String] {
        ["ip access-list extended \(name)"]
            + facts.pairs.map { " permit ip \($0.local.withWildcard) \($0.remote.withWildcard)" } + ["!"]
    }

    private func interface(_ facts: PeerFacts, _ name: String, _ gateway: String) -> [String] {
        [
            "interface Tunnel\(Self.tunnel)", " description Cordon VPN \(facts.vpn)",
            " ip unnumbered \(Self.outside)", " ip mtu \(facts.maximumSegmentSize + 40)",
            " ip tcp adjust-mss \(facts.maximumSegmentSize)", " tunnel source \(Self.outside)",
            " tunnel mode ipsec ipv4", " tunnel destination \(gateway)",
            " tunnel protection ipsec policy ipv4 \(name)", " tunnel protection ipsec profile \(name)", "!",
        ]
            + facts.deviceBlocks.flatMap {
                ["ip route \($0.withMask) Tunnel\(Self.tunnel)", "ip route \($0.withMask) Null0 254"]
            }
    }

    private func remote(_ identity: IKEIdentity) -> String {
        guard case .address(.v4(let address)) = identity else { return local(identity) }
        return "address \(address) 255.255.255.255"
    }

    private func local(_ identity: IKEIdentity) -> String {
        switch identity {
        case .address(let address): "address \(address)"
        case .name(let name): "fqdn \(name)"
        case .mailbox: "email \(identity)"
        case .subject: "dn"
        }
    }
}

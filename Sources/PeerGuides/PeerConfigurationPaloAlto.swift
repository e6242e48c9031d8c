import Domain

/// PAN-OS's set commands, for the CLI after `configure`.
struct PaloAltoGuide: PeerGuide {
    let documentation =
        "PAN-OS 11 (set commands), IPSec VPN Administration (Define IKE Crypto Profiles, Define IPSec Crypto Profiles)"
    let comment = "#"

    private static let outside = "<interface towards the internet>"
    private static let tunnel = "<free tunnel interface>"
    private static let zone = "<zone>"
    private static let router = "<virtual router>"
    /// A name has 31 characters at most, and a route's number takes three.
    private static let nameLimit = 28

    func limitations(_ facts: PeerFacts) -> [PeerLimitation] {
        PeerLimitation.ipv4Gateway(facts, "PAN-OS, as it is configured here,")
            + PeerLimitation.pairs(facts, "PAN-OS (by its proxy IDs)")
            + PeerLimitation.subjects(facts, "a Palo Alto Networks firewall, as it is configured here,")
    }

    func warnings(_ facts: PeerFacts) -> [String] {
        var all = facts.alternativesWarning
        all.append("enter configure first and commit afterwards; the CLI has no comments and refuses these lines.")
        if facts.tunnel.forcesEncapsulation {
            all.append(
                "PAN-OS has no setting that forces ESP in UDP; with nat-traversal it follows the gateway, which does.")
        }
        if facts.tunnel.profile == .standard {
            all.append("AES-GCM for IKE needs PAN-OS 10.0.3; with group20 its pseudorandom function is HMAC-SHA2-384.")
        }
        return all
    }

    func blanks(_ facts: PeerFacts) -> [PeerConfiguration.Blank] {
        [
            PeerConfiguration.Blank(placeholder: Self.outside, meaning: "such as ethernet1/1"),
            PeerConfiguration.Blank(placeholder: Self.tunnel, meaning: "such as tunnel.100"),
            PeerConfiguration.Blank(placeholder: Self.zone, meaning: "of the tunnel; let your policy allow it"),
            PeerConfiguration.Blank(placeholder: Self.router, meaning: "such as default"),
        ]
    }

    func files(_ facts: PeerFacts) -> [PeerDraft] {
        let name = facts.objectName(limit: Self.nameLimit)
        let lines = profiles(facts, name) + gateway(facts, name) + tunnel(facts, name)
        return [PeerDraft(path: "cordon-\(facts.vpn)-panos.txt", lines: lines)]
    }

    private func profiles(_ facts: PeerFacts, _ name: String) -> [String] {
        let ike = "set network ike crypto-profiles ike-crypto-profiles \(name)"
        let ipsec = "set network ike crypto-profiles ipsec-crypto-profiles \(name)"
        let (cipher, hash, authentication, group) =
            switch facts.tunnel.profile {
            case .standard: ("aes-256-gcm", "non-auth", "none", "group20")
            case .compatible: ("aes-256-cbc", "sha256", "sha256", "group14")
            }
        return [
            "\(ike) encryption \(cipher)", "\(ike) hash \(hash)", "\(ike) dh-group \(group)",
            "\(ike) lifetime seconds \(facts.timing.ikeSeconds)", "\(ipsec) esp encryption \(cipher)",
            "\(ipsec) esp authentication \(authentication)", "\(ipsec) dh-group \(group)",
            "\(ipsec) lifetime seconds \(facts.timing.childSeconds)",
        ]
    }

    private func gateway(_ facts: PeerFacts, _ name: String) -> [String] {
        let gateway = "set network ike gateway \(name)"
        var lines = [
            "\(gateway) protocol version ikev2", "\(gateway) protocol ikev2 ike-crypto-profile \(name)",
            "\(gateway) protocol ikev2 dpd enable yes",
            "\(gateway) protocol ikev2 dpd interval \(min(100, max(2, facts.timing.deadPeerSeconds)))",
            "\(gateway) protocol-common nat-traversal enable yes",
            "\(gateway) protocol-common passive-mode no", "\(gateway) local-address interface \(Self.outside)",
            "\(gateway) peer-address ip \(facts.gateway.ipv4.map(\.description) ?? "")",
            "\(gateway) local-id \(identity(facts.peerIdentity))",
            "\(gateway) peer-id \(identity(facts.gateway.identity))",
        ]
        switch facts.tunnel.authentication {
        case .sharedKey: lines.append("\(gateway) authentication pre-shared-key key \"\(facts.keyText)\"")
        case .certificate:
            lines =
                [
                    "# Import \(facts.certificate.authority) as \(name)-ca, and \(facts.certificate.certificate) with",
                    "# \(facts.certificate.privateKey) as \(name), under Device > Certificate Management.",
                    "set shared certificate-profile \(name) CA \(name)-ca",
                ] + lines
            lines += [
                "\(gateway) authentication certificate local-certificate name \(name)",
                "\(gateway) authentication certificate certificate-profile \(name)",
            ]
        }
        return lines
    }

    private func tunnel(_ facts: PeerFacts, _ name: String) -> [String] {
        let tunnel = "set network tunnel ipsec \(name)"
        var lines = [
            // What enters is held to 40 octets less.
            "set network interface tunnel units \(Self.tunnel) mtu \(facts.maximumSegmentSize + 40)",
            "set network virtual-router \(Self.router) interface \(Self.tunnel)",
            "set zone \(Self.zone) network layer3 \(Self.tunnel)",
            "\(tunnel) tunnel-interface \(Self.tunnel)", "\(tunnel) auto-key ike-gateway \(name)",
            "\(tunnel) auto-key ipsec-crypto-profile \(name)",
        ]
        lines += facts.pairs.enumerated().map { index, pair in
            "\(tunnel) auto-key proxy-id net-\(index + 1) local \(pair.local.cidr) remote \(pair.remote.cidr) "
                + "protocol any"
        }
        lines += facts.deviceBlocks.enumerated().map { index, block in
            "set network virtual-router \(Self.router) routing-table ip static-route \(name)-\(index + 1) "
                + "destination \(block.cidr) interface \(Self.tunnel)"
        }
        return lines
    }

    private func identity(_ identity: IKEIdentity) -> String {
        switch identity {
        case .address(let address): "type ipaddr id \(address)"
        case .name(let name): "type fqdn id \(name)"
        case .mailbox: "type ufqdn id \(identity)"
        case .subject(let subject): "type dn id \"\(subject)\""
        }
    }
}

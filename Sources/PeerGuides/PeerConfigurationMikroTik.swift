import Domain

/// A script for RouterOS's terminal or `/import`.
struct MikroTikGuide: PeerGuide {
    let documentation = "RouterOS 7, IPsec (help.mikrotik.com/docs/display/ROS/IPsec)"
    let comment = "#"
    let decodesKeys = true

    func limitations(_ facts: PeerFacts) -> [PeerLimitation] {
        var all = PeerLimitation.pairs(facts, "RouterOS") + PeerLimitation.subjects(facts, "RouterOS")
        if facts.tunnel.profile == .standard {
            all.append(
                PeerLimitation(
                    what: "RouterOS has no AES-GCM for IKE, which the profile default asks for.",
                    remedy: "Change the VPN with \(PeerLimitation.Option.compatible)."))
        }
        if facts.certificate.key == .ecdsa {
            all += PeerLimitation.certificates(
                facts, "RouterOS takes RSA certificates for IKEv2, and this VPN's is ECDSA.")
        }
        return all
    }

    func warnings(_ facts: PeerFacts) -> [String] {
        var all = facts.gateway.addresses.count > 1 ? facts.alternativesWarning : []
        if facts.tunnel.forcesEncapsulation {
            all.append(
                "RouterOS has no setting that forces ESP in UDP; with nat-traversal it follows the gateway, which does."
            )
        }
        if facts.starter != .peer { all.append("RouterOS also starts the tunnel by itself; that does no harm.") }
        return all
    }

    func blanks(_ facts: PeerFacts) -> [PeerConfiguration.Blank] { [] }

    func files(_ facts: PeerFacts) -> [PeerDraft] {
        let name = "cordon-\(facts.vpn)"
        let (integrity, group) = ("sha256", "modp2048")
        let address = facts.gateway.ipv4.map(IPAddress.v4) ?? facts.gateway.address
        let length = facts.gateway.ipv4 == nil ? 128 : 32
        var lines = [
            "/ip ipsec profile add name=\"\(name)\" enc-algorithm=aes-256 hash-algorithm=\(integrity) "
                + "prf-algorithm=\(integrity) dh-group=\(group) lifetime=\(facts.timing.ikeSeconds)s "
                + "dpd-interval=\(facts.timing.deadPeerSeconds)s dpd-maximum-failures=4 nat-traversal=yes",
            "/ip ipsec proposal add name=\"\(name)\" auth-algorithms=\(integrity) enc-algorithms=aes-256-cbc "
                + "pfs-group=\(group) lifetime=\(facts.timing.childSeconds)s",
            "/ip ipsec peer add name=\"\(name)\" address=\(address)/\(length) exchange-mode=ike2 "
                + "profile=\"\(name)\" passive=no send-initial-contact=yes",
        ]
        lines += identity(facts, name)
        lines += facts.pairs.map {
            "/ip ipsec policy add peer=\"\(name)\" tunnel=yes src-address=\($0.local.cidr) "
                + "dst-address=\($0.remote.cidr) action=encrypt level=unique proposal=\"\(name)\""
        }
        // Before source NAT and FastTrack, which would both take packets past the policies.
        lines += facts.pairs.flatMap { [($0.local, $0.remote), ($0.remote, $0.local)] }.map { from, to in
            "/ip firewall raw add chain=prerouting action=notrack src-address=\(from.cidr) dst-address=\(to.cidr) "
                + "comment=\"\(name)\""
        }
        let above = UInt32(facts.maximumSegmentSize) + 1
        lines += ["in", "out"].map {
            "/ip firewall mangle add chain=forward action=change-mss new-mss=\(facts.maximumSegmentSize) "
                + "passthrough=yes protocol=tcp tcp-flags=syn tcp-mss=\(above)-65535 ipsec-policy=\($0),ipsec "
                + "comment=\"\(name)\""
        }
        return [PeerDraft(path: "\(name).rsc", lines: lines)]
    }

    private func identity(_ facts: PeerFacts, _ name: String) -> [String] {
        let identities = "my-id=\(typed(facts.peerIdentity)) remote-id=\(typed(facts.gateway.identity))"
        switch facts.tunnel.authentication {
        case .sharedKey:
            return [
                "/ip ipsec identity add peer=\"\(name)\" auth-method=pre-shared-key secret=\"\(facts.undecodableKeyText)\" \(identities)"
            ]
        case .certificate:
            return [
                "# Upload the three files first.",
                "/certificate import name=\"\(name)-ca\" file-name=\"\(facts.certificate.authority)\" passphrase=\"\"",
                "/certificate import name=\"\(name)\" file-name=\"\(facts.certificate.certificate)\" passphrase=\"\"",
                "/certificate import name=\"\(name)\" file-name=\"\(facts.certificate.privateKey)\" passphrase=\"\"",
                "/ip ipsec identity add peer=\"\(name)\" auth-method=digital-signature certificate=\"\(name)\" "
                    + identities,
            ]
        }
    }

    private func typed(_ identity: IKEIdentity) -> String {
        switch identity {
        case .address(let address): "address:\(address)"
        case .name(let name): "fqdn:\(name)"
        case .mailbox: "user-fqdn:\(identity)"
        case .subject: "dn"
        }
    }
}

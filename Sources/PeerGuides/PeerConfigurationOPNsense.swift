import Domain

/// The fields of OPNsense's page VPN > IPsec > Connections, which become a swanctl.conf.
struct OPNsenseGuide: PeerGuide {
    let documentation = "OPNsense 24.7 and later, VPN > IPsec > Connections (docs.opnsense.org/manual/vpnet.html)"
    let comment = "#"
    let decodesKeys = true

    func limitations(_ facts: PeerFacts) -> [PeerLimitation] {
        // The page's mask of an identity has no space, and none of +/()'.
        let identities = [
            ("The peer's", facts.peerIdentity, "--peer-id"), ("The gateway's", facts.gateway.identity, "--gateway-id"),
        ]
        return identities.filter { !written($0.1).utf8.allSatisfy(Self.isOfIdentity) }.map { whose, _, option in
            PeerLimitation(
                what:
                    "\(whose) identity has characters that OPNsense does not take beside letters, digits and .-,_:=@%.",
                remedy: "Change it to an address or a domain name with \(option).")
        }
    }

    func warnings(_ facts: PeerFacts) -> [String] { [] }
    func blanks(_ facts: PeerFacts) -> [PeerConfiguration.Blank] { [] }

    func files(_ facts: PeerFacts) -> [PeerDraft] {
        let name = "cordon-\(facts.vpn)"
        let lines =
            credentials(facts, name) + connection(facts, name) + ends(facts, name) + children(facts, name)
            + rules(facts)
        return [PeerDraft(path: "\(name)-opnsense.txt", lines: lines)]
    }

    private func credentials(_ facts: PeerFacts, _ name: String) -> [String] {
        switch facts.tunnel.authentication {
        case .sharedKey:
            return section(
                "VPN > IPsec > Pre-Shared Keys > +",
                [
                    ("Local Identifier", written(facts.peerIdentity)),
                    ("Remote Identifier", written(facts.gateway.identity)),
                    ("Pre-Shared Key", facts.undecodableKeyText), ("Type", "PSK"),
                ])
        case .certificate:
            return section(
                "System > Trust > Authorities > +",
                [
                    ("Method", "Import an existing Certificate Authority"), ("Description", "\(name)-ca"),
                    ("Certificate data", "the text of \(facts.certificate.authority)"),
                ])
                + section(
                    "System > Trust > Certificates > +",
                    [
                        ("Method", "Import an existing Certificate"), ("Description", name),
                        ("Certificate data", "the text of \(facts.certificate.certificate)"),
                        ("Private key data", "the text of \(facts.certificate.privateKey)"),
                    ])
        }
    }

    private func connection(_ facts: PeerFacts, _ name: String) -> [String] {
        let proposals =
            switch facts.tunnel.profile {
            case .standard: "aes256gcm16-sha384-ecp384 [DH20, NIST EC]"
            case .compatible: "aes256-sha256-modp2048 [DH14]"
            }
        return section(
            "VPN > IPsec > Connections > + (advanced mode)",
            [
                ("Proposals", proposals), ("Version", "IKEv2"),
                ("MOBIKE", facts.tunnel.peer == .anywhere ? "on" : "off"),
                ("Local addresses", facts.ownAddress?.description ?? "(empty)"),
                ("Remote addresses", facts.gateway.addresses.map(\.description).joined(separator: ",")),
                ("UDP encapsulation", facts.tunnel.forcesEncapsulation ? "on" : "off"),
                ("Rekey time (s)", "\(facts.timing.ikeSeconds)"), ("DPD delay (s)", "\(facts.timing.deadPeerSeconds)"),
                ("Keyingtries", "0"), ("Description", name),
            ])
    }

    private func ends(_ facts: PeerFacts, _ name: String) -> [String] {
        let method = facts.tunnel.authentication == .sharedKey ? "Pre-Shared Key" : "Public Key"
        let certificate = facts.tunnel.authentication == .certificate ? [("Certificates", name)] : []
        return section(
            "Local Authentication > +",
            [("Authentication", method), ("Id", written(facts.peerIdentity))] + certificate)
            + section(
                "Remote Authentication > +", [("Authentication", method), ("Id", written(facts.gateway.identity))])
    }

    private func children(_ facts: PeerFacts, _ name: String) -> [String] {
        let proposals =
            switch facts.tunnel.profile {
            case .standard: "aes256gcm16-ecp384 [DH20, NIST EC]"
            case .compatible: "aes256-sha256-modp2048 [DH14]"
            }
        let actions =
            facts.starter == .peer
            ? [("Start action", "Start"), ("Close action", "Start"), ("DPD action", "Start")]
            : [("Start action", "Trap"), ("Close action", "None"), ("DPD action", "Trap")]
        let selectors =
            facts.tunnel.pairsSelectors
            ? facts.pairs.map { ([$0.local], [$0.remote]) } : [(facts.networks, facts.deviceBlocks)]
        return selectors.enumerated().flatMap { index, pair in
            section(
                "Children > +",
                [("Mode", "Tunnel"), ("Policies", "on"), ("ESP proposals", proposals)] + actions + [
                    ("Local", pair.0.list()), ("Remote", pair.1.list()),
                    ("Rekey time (s)", "\(facts.timing.childSeconds)"), ("Description", "\(name)-\(index + 1)"),
                ])
        }
    }

    private func rules(_ facts: PeerFacts) -> [String] {
        let gateway = facts.gateway.addresses.map(\.description).joined(separator: ", ")
        return section(
            "Firewall > Rules > WAN: pass, source \(gateway), destination WAN address",
            [("Protocols", "UDP 500 (ISAKMP), UDP 4500 (IPsec NAT-T), ESP")])
            + section(
                "Firewall > Rules > IPsec: pass",
                [("Source", facts.deviceBlocks.list(", ")), ("Destination", facts.networks.list(", "))])
            + section(
                "Firewall > Settings > Normalization > +",
                [
                    ("Interface", "IPsec"), ("Protocol", "TCP"), ("Max mss", "\(facts.maximumSegmentSize)"),
                ]) + ["Last: VPN > IPsec > Connections > Enable IPsec, Apply."]
    }

    private func section(_ title: String, _ fields: [(String, String)]) -> [String] {
        [title] + fields.map { "    \($0.0): \($0.1)" } + [""]
    }

    /// A subject without the spaces between its parts.
    private func written(_ identity: IKEIdentity) -> String {
        guard case .subject(let subject) = identity else { return "\(identity)" }
        return subject.attributes.map { "\($0.type.rawValue)=\($0.value)" }.joined(separator: ",")
    }

    private static func isOfIdentity(_ byte: UInt8) -> Bool {
        PeerSharedKey.isAlphanumeric(byte) || ".-,_:=@%".utf8.contains(byte)
    }
}

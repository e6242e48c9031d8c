import Domain

/// swanctl.conf, as one file with its secret.
struct StrongSwanGuide: PeerGuide {
    let documentation = "strongSwan 5.9, swanctl.conf(5)"
    let comment = "#"
    let decodesKeys = true

    func limitations(_ facts: PeerFacts) -> [PeerLimitation] { [] }

    func warnings(_ facts: PeerFacts) -> [String] {
        facts.starter == .peer
            ? []
            : [
                "start_action = trap needs IPsec in the kernel; with the plugin kernel-libipsec traffic from here does "
                    + "not start the tunnel, the gateway or swanctl --initiate does."
            ]
    }

    func blanks(_ facts: PeerFacts) -> [PeerConfiguration.Blank] { [] }

    func files(_ facts: PeerFacts) -> [PeerDraft] {
        let connection = "cordon-\(facts.vpn)"
        var lines = [
            "# Load it with: swanctl --load-all",
            "# That the gateway has died is found after dpd_delay and 165 s of sending again. With retransmit_tries = 3",
            "# in the section charon of strongswan.conf, for all connections, it is dpd_delay and 47 s.",
            "# Hold TCP to what fits, for example with: nft add rule inet filter forward tcp flags syn "
                + "tcp option maxseg size set \(facts.maximumSegmentSize)",
        ]
        if facts.tunnel.authentication == .certificate {
            lines += [
                "# Copy \(facts.certificate.authority) to /etc/swanctl/x509ca/,",
                "# \(facts.certificate.certificate) to /etc/swanctl/x509/, "
                    + "\(facts.certificate.privateKey) to /etc/swanctl/private/.",
            ]
        }
        lines += ["connections {", "    \(connection) {", "        version = 2"]
        lines += (addresses(facts) + timers(facts)).map { "        " + $0 }
        lines += authentication(facts).map { "        " + $0 }
        lines.append("        children {")
        lines += children(facts).map { "            " + $0 }
        lines += ["        }", "    }", "}"]
        if facts.tunnel.authentication == .sharedKey { lines += secrets(facts, connection) }
        return [PeerDraft(path: "/etc/swanctl/conf.d/\(connection).conf", lines: lines)]
    }

    private func addresses(_ facts: PeerFacts) -> [String] {
        var lines: [String] = []
        if let own = facts.ownAddress { lines.append("local_addrs = \(own)") }
        lines.append("remote_addrs = \(facts.gateway.addresses.map(\.description).joined(separator: ","))")
        switch facts.tunnel.profile {
        case .standard: lines.append("proposals = aes256gcm16-prfsha384-ecp384,aes256gcm16-prfsha384-x25519")
        case .compatible: lines.append("proposals = aes256-sha256-modp2048")
        }
        if facts.tunnel.forcesEncapsulation { lines.append("encap = yes") }
        // A peer whose address may change takes the tunnel along (RFC 4555).
        lines.append("mobike = \(facts.tunnel.peer == .anywhere ? "yes" : "no")")
        return lines
    }

    private func timers(_ facts: PeerFacts) -> [String] {
        [
            "rekey_time = \(facts.timing.ikeSeconds)s", "dpd_delay = \(facts.timing.deadPeerSeconds)s",
            "keyingtries = 0",
        ]
    }

    private func authentication(_ facts: PeerFacts) -> [String] {
        switch facts.tunnel.authentication {
        case .sharedKey:
            [
                "local {", "    auth = psk", "    id = \"\(facts.peerIdentity)\"", "}",
                "remote {", "    auth = psk", "    id = \"\(facts.gateway.identity)\"", "}",
            ]
        case .certificate:
            [
                "send_cert = always",
                "local {", "    auth = pubkey", "    certs = \(facts.certificate.certificate)",
                "    id = \"\(facts.peerIdentity)\"", "}",
                "remote {", "    auth = pubkey", "    cacerts = \(facts.certificate.authority)",
                "    id = \"\(facts.gateway.identity)\"", "}",
            ]
        }
    }

    private func children(_ facts: PeerFacts) -> [String] {
        let selectors =
            facts.tunnel.pairsSelectors
            ? facts.pairs.map { ([$0.local], [$0.remote]) } : [(facts.networks, facts.deviceBlocks)]
        let proposals =
            switch facts.tunnel.profile {
            case .standard: "aes256gcm16-ecp384,aes256gcm16-x25519"
            case .compatible: "aes256-sha256-modp2048"
            }
        let actions =
            switch facts.starter {
            case .gateway, .either: ["start_action = trap", "dpd_action = trap"]
            case .peer: ["start_action = start", "dpd_action = restart", "close_action = start"]
            }
        return selectors.enumerated().flatMap { index, pair in
            ["net-\(index + 1) {"]
                + ([
                    "local_ts = \(pair.0.list())", "remote_ts = \(pair.1.list())", "esp_proposals = \(proposals)",
                    "rekey_time = \(facts.timing.childSeconds)s",
                ] + actions).map { "    " + $0 } + ["}"]
        }
    }

    private func secrets(_ facts: PeerFacts, _ connection: String) -> [String] {
        return [
            "", "secrets {", "    ike-\(connection) {",
            "        id-1 = \"\(facts.peerIdentity)\"", "        id-2 = \"\(facts.gateway.identity)\"",
            "        secret = \"\(facts.undecodableKeyText)\"", "    }", "}",
        ]
    }
}

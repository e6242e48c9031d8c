import Domain

/// ipsec.conf's and ipsec.secrets' parts, which the files of the distributions include.
struct LibreswanGuide: PeerGuide {
    let documentation = "Libreswan 4.10, ipsec.conf(5) and ipsec.secrets(5)"
    let comment = "#"

    func limitations(_ facts: PeerFacts) -> [PeerLimitation] { PeerLimitation.pairs(facts, "Libreswan 4") }

    func warnings(_ facts: PeerFacts) -> [String] {
        facts.gateway.addresses.count > 1
            ? [
                "the gateway may also be found at "
                    + "\(facts.gateway.alternatives.map(\.description).joined(separator: ", ")); "
                    + "this configuration has its first address only."
            ] : []
    }

    func blanks(_ facts: PeerFacts) -> [PeerConfiguration.Blank] { [] }

    func files(_ facts: PeerFacts) -> [PeerDraft] {
        let connection = "cordon-\(facts.vpn)"
        var files = [PeerDraft(path: "/etc/ipsec.d/\(connection).conf", lines: settings(facts, connection))]
        if facts.tunnel.authentication == .sharedKey {
            let line = "\(identity(facts.peerIdentity)) \(identity(facts.gateway.identity)) : PSK \"\(facts.keyText)\""
            files.append(PeerDraft(path: "/etc/ipsec.d/\(connection).secrets", lines: [line]))
        }
        return files
    }

    private func settings(_ facts: PeerFacts, _ connection: String) -> [String] {
        let start = facts.starter == .peer ? "start" : "ondemand"
        var lines = [
            "# Load it with: ipsec auto --rereadsecrets; ipsec auto --add \(connection); "
                + "ipsec auto --\(start == "start" ? "up" : "route") \(connection)",
            "# Hold TCP to what fits, for example with: nft add rule inet filter forward tcp flags syn "
                + "tcp option maxseg size set \(facts.maximumSegmentSize)",
        ]
        if facts.tunnel.authentication == .certificate { lines += importing(facts, connection) }
        lines.append("conn \(connection)")
        var values = ["auto=\(start)", "type=tunnel", "ikev2=insist"]
        values += authentication(facts, connection)
        values += [
            "left=\(facts.ownAddress?.description ?? "%defaultroute")", "leftid=\(identity(facts.peerIdentity))",
            "right=\(facts.gateway.address)", "rightid=\(identity(facts.gateway.identity))",
        ]
        values += selectors(facts)
        switch facts.tunnel.profile {
        case .standard:
            // One group for ESP: pluto refuses a connection with several.
            values += [
                "ike=aes_gcm256-sha2_384;dh20,aes_gcm256-sha2_384;dh31",
                "esp=aes_gcm256-null;dh20",
            ]
        case .compatible: values += ["ike=aes256-sha2_256;dh14", "esp=aes256-sha2_256;dh14"]
        }
        values += [
            "pfs=yes", "encapsulation=\(facts.tunnel.forcesEncapsulation ? "yes" : "auto")",
            "ikelifetime=\(facts.timing.ikeSeconds)s", "salifetime=\(facts.timing.childSeconds)s",
            "dpddelay=\(facts.timing.deadPeerSeconds)s",
            "dpdaction=\(facts.starter == .peer ? "restart" : "hold")", "keyingtries=%forever", "rekey=yes",
        ]
        return lines + values.map { "    " + $0 }
    }

    private func selectors(_ facts: PeerFacts) -> [String] {
        guard let only = facts.pairs.first, facts.pairs.count == 1 else {
            return [
                "leftsubnets={\(facts.networks.list(" "))}", "rightsubnets={\(facts.deviceBlocks.list(" "))}",
            ]
        }
        return ["leftsubnet=\(only.local.cidr)", "rightsubnet=\(only.remote.cidr)"]
    }

    private func authentication(_ facts: PeerFacts, _ connection: String) -> [String] {
        switch facts.tunnel.authentication {
        case .sharedKey: ["authby=secret"]
        case .certificate:
            [
                "authby=\(facts.certificate.key == .ecdsa ? "ecdsa" : "rsa-sha2")", "leftcert=\(connection)",
                "leftsendcert=always", "rightca=%same",
            ]
        }
    }

    private func importing(_ facts: PeerFacts, _ connection: String) -> [String] {
        [
            "# Make the certificate and its key known to the NSS database first:",
            "#   openssl pkcs12 -export -name \(connection) -in \(facts.certificate.certificate) "
                + "-inkey \(facts.certificate.privateKey) -certfile \(facts.certificate.authority) "
                + "-out \(connection).p12",
            "#   ipsec import \(connection).p12",
        ]
    }

    /// A name has an @ in front, else it would be looked up.
    private func identity(_ identity: IKEIdentity) -> String {
        switch identity {
        case .name(let name): "@\(name)"
        case .address, .mailbox: "\(identity)"
        case .subject: "\"\(identity)\""
        }
    }
}

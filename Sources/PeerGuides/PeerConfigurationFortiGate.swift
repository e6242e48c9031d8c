import Domain

/// Commands of FortiOS's CLI: a route-based VPN with its addresses, routes and policies.
struct FortiGateGuide: PeerGuide {
    let documentation =
        "FortiOS 7.4 CLI Reference (vpn ipsec phase1-interface, phase2-interface) and Administration Guide"
    let comment = "#"

    private static let outside = "<interface towards the internet>"
    private static let inside = "<interface of the network>"
    private static let authority = "<name of the imported CA certificate>"
    /// Of an interface's name, in characters.
    private static let nameLimit = 15

    func limitations(_ facts: PeerFacts) -> [PeerLimitation] {
        PeerLimitation.ipv4Gateway(facts, "FortiOS, as it is configured here,")
            + (facts.tunnel.authentication == .sharedKey ? PeerLimitation.subjects(facts, "a FortiGate") : [])
    }

    func warnings(_ facts: PeerFacts) -> [String] {
        facts.alternativesWarning
            + (facts.tunnel.authentication == .certificate
                ? ["FortiOS compares the gateway's identity with the common name of its certificate."] : [])
    }

    func blanks(_ facts: PeerFacts) -> [PeerConfiguration.Blank] {
        [
            PeerConfiguration.Blank(placeholder: Self.outside, meaning: "such as wan1"),
            PeerConfiguration.Blank(
                placeholder: Self.inside, meaning: "where the enterprise's networks are, such as lan"),
        ]
            + (facts.tunnel.authentication == .certificate
                ? [
                    PeerConfiguration.Blank(
                        placeholder: Self.authority, meaning: "such as CA_Cert_1, as FortiOS calls it")
                ]
                : [])
    }

    func files(_ facts: PeerFacts) -> [PeerDraft] {
        let name = facts.objectName(limit: Self.nameLimit)
        let lines =
            certificate(facts, name) + addresses(facts, name) + phase1(facts, name) + phase2(facts, name)
            + routes(facts, name) + policies(facts, name)
        return [PeerDraft(path: "cordon-\(facts.vpn)-fortigate.txt", lines: lines)]
    }

    private func certificate(_ facts: PeerFacts, _ name: String) -> [String] {
        guard facts.tunnel.authentication == .certificate else { return [] }
        return [
            "# Import \(facts.certificate.authority) as a CA certificate, and \(facts.certificate.certificate) with",
            "# \(facts.certificate.privateKey) as a local certificate named \(name), under System > Certificates.",
        ]
            + block("config user peer", name, ["set ca \"\(Self.authority)\"", "set cn \"\(commonName(facts))\""])
    }

    private func commonName(_ facts: PeerFacts) -> String {
        guard case .subject(let subject) = facts.gateway.identity else { return "\(facts.gateway.identity)" }
        return subject.attributes.last { $0.type == .commonName }?.value ?? "\(subject)"
    }

    private func addresses(_ facts: PeerFacts, _ name: String) -> [String] {
        var lines = ["config firewall address"]
        for (kind, prefixes) in [("net", facts.networks), ("dev", facts.deviceBlocks)] {
            for (index, prefix) in prefixes.enumerated() {
                lines += [
                    "    edit \"\(name)-\(kind)-\(index + 1)\"", "        set subnet \(prefix.withMask)", "    next",
                ]
            }
        }
        lines += ["end", "config firewall addrgrp"]
        for (kind, prefixes) in [("net", facts.networks), ("dev", facts.deviceBlocks)] {
            let members = prefixes.indices.map { "\"\(name)-\(kind)-\($0 + 1)\"" }.joined(separator: " ")
            lines += ["    edit \"\(name)-\(kind)\"", "        set member \(members)", "    next"]
        }
        return lines + ["end"]
    }

    private func phase1(_ facts: PeerFacts, _ name: String) -> [String] {
        var values = [
            "set type static", "set interface \"\(Self.outside)\"", "set ike-version 2",
            "set remote-gw \(facts.gateway.ipv4.map(\.description) ?? "")", "set net-device disable",
        ]
        switch facts.tunnel.authentication {
        case .sharedKey:
            values += [
                "set authmethod psk", "set psksecret \"\(facts.keyText)\"", "set peertype one",
                "set peerid \"\(facts.gateway.identity)\"",
            ]
        case .certificate:
            values += [
                "set authmethod signature", "set certificate \"\(name)\"", "set peertype peer", "set peer \"\(name)\"",
            ]
        }
        values += localIdentity(facts)
        switch facts.tunnel.profile {
        case .standard: values += ["set proposal aes256gcm-prfsha384", "set dhgrp 20 31"]
        case .compatible: values += ["set proposal aes256-sha256", "set dhgrp 14"]
        }
        values += [
            "set keylife \(facts.timing.ikeSeconds)", "set dpd on-idle", "set dpd-retrycount 3",
            "set dpd-retryinterval \(facts.timing.deadPeerSeconds)",
            "set nattraversal \(facts.tunnel.forcesEncapsulation ? "forced" : "enable")",
        ]
        return block("config vpn ipsec phase1-interface", name, values)
    }

    private func localIdentity(_ facts: PeerFacts) -> [String] {
        switch facts.peerIdentity {
        case .address(let address): ["set localid-type address", "set localid \"\(address)\""]
        case .name(let name): ["set localid-type fqdn", "set localid \"\(name)\""]
        case .mailbox: ["set localid-type user-fqdn", "set localid \"\(facts.peerIdentity)\""]
        case .subject: ["set localid-type asn1dn"]
        }
    }

    private func phase2(_ facts: PeerFacts, _ name: String) -> [String] {
        var common = ["set phase1name \"\(name)\""]
        switch facts.tunnel.profile {
        case .standard: common += ["set proposal aes256gcm", "set pfs enable", "set dhgrp 20 31"]
        case .compatible: common += ["set proposal aes256-sha256", "set pfs enable", "set dhgrp 14"]
        }
        common += [
            "set keylifeseconds \(facts.timing.childSeconds)",
            "set auto-negotiate \(facts.starter == .peer ? "enable" : "disable")",
        ]
        guard facts.tunnel.pairsSelectors || facts.pairs.count == 1 else {
            let names = ["set src-addr-type name", "set src-name \"\(name)-net\"", "set dst-addr-type name"]
            return block(
                "config vpn ipsec phase2-interface", "\(name)-1", common + names + ["set dst-name \"\(name)-dev\""])
        }
        return facts.pairs.enumerated().flatMap { index, pair in
            block(
                "config vpn ipsec phase2-interface", "\(name)-\(index + 1)",
                common + [
                    "set src-addr-type subnet", "set src-subnet \(pair.local.withMask)", "set dst-addr-type subnet",
                    "set dst-subnet \(pair.remote.withMask)",
                ])
        }
    }

    /// The second of each, of a greater distance, keeps what is for devices from leaving in the clear.
    private func routes(_ facts: PeerFacts, _ name: String) -> [String] {
        facts.deviceBlocks.flatMap { block in
            [
                "config router static", "    edit 0", "        set dst \(block.withMask)",
                "        set device \"\(name)\"", "    next", "    edit 0", "        set dst \(block.withMask)",
                "        set blackhole enable", "        set distance 254", "    next", "end",
            ]
        }
    }

    private func policies(_ facts: PeerFacts, _ name: String) -> [String] {
        let ways = [
            ("\(name)-out", Self.inside, name, "net", "dev"), ("\(name)-in", name, Self.inside, "dev", "net"),
        ]
        return ways.flatMap { policy, from, to, source, destination in
            [
                "config firewall policy", "    edit 0", "        set name \"\(policy)\"",
                "        set srcintf \"\(from)\"", "        set dstintf \"\(to)\"",
                "        set srcaddr \"\(name)-\(source)\"", "        set dstaddr \"\(name)-\(destination)\"",
                "        set action accept", "        set schedule \"always\"", "        set service \"ALL\"",
                "        set tcp-mss-sender \(facts.maximumSegmentSize)",
                "        set tcp-mss-receiver \(facts.maximumSegmentSize)", "    next", "end",
            ]
        }
    }

    private func block(_ path: String, _ name: String, _ values: [String]) -> [String] {
        [path, "    edit \"\(name)\""] + values.map { "        " + $0 } + ["    next", "end"]
    }
}

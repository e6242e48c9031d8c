import Domain

/// Commands of the AWS CLI, as a script for a shell.
struct AWSGuide: PeerGuide {
    let documentation =
        "AWS Site-to-Site VPN User Guide (tunnel options, tunnel initiation, customer gateway devices) and AWS CLI 2"
    let comment = "#"

    private static let attachment = "<vgw-… of the VPC>"
    private static let connection = "<vpn-… of the connection>"

    func limitations(_ facts: PeerFacts) -> [PeerLimitation] {
        var all = PeerLimitation.ipv4Gateway(facts, "A customer gateway in AWS")
        all += PeerLimitation.certificates(
            facts, "AWS takes certificates of an AWS Private CA only, not the ones that Cordon gives.")
        if facts.pairs.count > 1 {
            all.append(
                PeerLimitation(
                    what: "AWS takes one pair of networks in a tunnel, and this VPN has \(facts.pairs.count).",
                    remedy: "Name one network that has them all inside, or make a VPN for each."))
        }
        if facts.gateway.ipv4.map({ facts.gateway.identity != .address(.v4($0)) }) ?? false {
            all.append(
                PeerLimitation(
                    what: "AWS knows the gateway by its IPv4 address, and this VPN's gateway says that it is "
                        + "\(facts.gateway.identity).",
                    remedy: "Change the VPN with \(PeerLimitation.Option.gatewayIdentity)."))
        }
        all += addressing(facts)
        if let key = facts.sharedKey?.text, facts.tunnel.authentication == .sharedKey, !Self.isKey(key) {
            all.append(
                PeerLimitation(
                    what:
                        "AWS wants a key of 8 to 64 letters, digits, dots and underscores that does not begin with 0.",
                    remedy: "Make a new one with \(PeerLimitation.Option.rotation(facts.vpn))."))
        }
        return all
    }

    private func addressing(_ facts: PeerFacts) -> [PeerLimitation] {
        let said = "AWS's end says that it is the outside address of its tunnel"
        switch facts.tunnel.peer {
        case .name(let name):
            return [
                PeerLimitation(
                    what: "\(said), and \(name) is a name.",
                    remedy: "Change the VPN with \(PeerLimitation.Option.peer).")
            ]
        case .address(let address) where facts.peerIdentity != .address(address):
            return [
                PeerLimitation(
                    what: "\(said), \(address), and this VPN expects \(facts.peerIdentity).",
                    remedy: "Change the VPN with \(PeerLimitation.Option.peerIdentity).")
            ]
        case .address(.v6):
            return [
                PeerLimitation(
                    what: "\(said), which is of IPv4 here.",
                    remedy: "Change the VPN with \(PeerLimitation.Option.peer).")
            ]
        case .address, .anywhere: return []
        }
    }

    private static func isKey(_ key: String) -> Bool {
        (8...64).contains(key.utf8.count) && !key.hasPrefix("0")
            && key.utf8.allSatisfy { PeerSharedKey.isAlphanumeric($0) || "._".utf8.contains($0) }
    }

    func warnings(_ facts: PeerFacts) -> [String] {
        var all = facts.alternativesWarning
        all.append(
            "AWS makes two tunnels, each with an outside address of its own; this is the first. For the second make "
                + "another VPN, and give policies both, the first healthy one carries.")
        if facts.tunnel.peer == .anywhere {
            all.append(
                "AWS says its outside address when the connection is made; the tunnel is not up before "
                    + PeerLimitation.Option.update(facts.vpn, "--peer OUTSIDE-ADDRESS --peer-id OUTSIDE-ADDRESS."))
        } else if facts.tunnel.initiation != .never {
            all.append("AWS's end waits for the gateway; it does not start the tunnel itself.")
        }
        if facts.tunnel.forcesEncapsulation {
            all.append("AWS has no setting that forces ESP in UDP; it follows the gateway, which does.")
        }
        if facts.timing != clamped(facts.timing) {
            all.append("AWS takes lifetimes of 900 to 28800 s for IKE and 900 to 3600 s for ESP.")
        }
        return all
    }

    func blanks(_ facts: PeerFacts) -> [PeerConfiguration.Blank] {
        facts.tunnel.peer == .anywhere
            ? [
                PeerConfiguration.Blank(
                    placeholder: Self.attachment,
                    meaning: "the virtual private gateway; it has to be attached to the VPC")
            ]
            : [
                PeerConfiguration.Blank(
                    placeholder: Self.connection, meaning: "the one whose tunnel has the outside address")
            ]
    }

    func files(_ facts: PeerFacts) -> [PeerDraft] {
        guard let pair = facts.pairs.first, let gateway = facts.gateway.ipv4 else { return [] }
        let name = "cordon-\(facts.vpn)"
        var lines = ["set -eu", "tunnel='\(options(facts))'"]
        switch facts.tunnel.peer {
        case .anywhere, .name:
            lines += [
                "gateway=$(aws ec2 create-customer-gateway --type ipsec.1 --ip-address \(gateway) --bgp-asn 65000 "
                    + "\(tag("customer-gateway", name)) --query CustomerGateway.CustomerGatewayId --output text)",
                "connection=$(aws ec2 create-vpn-connection --type ipsec.1 --customer-gateway-id \"$gateway\" "
                    + "--vpn-gateway-id '\(Self.attachment)' \(tag("vpn-connection", name)) --options "
                    + "'{\"StaticRoutesOnly\":true,\"LocalIpv4NetworkCidr\":\"\(pair.remote.cidr)\","
                    + "\"RemoteIpv4NetworkCidr\":\"\(pair.local.cidr)\",\"TunnelOptions\":['\"$tunnel\"']}' "
                    + "--query VpnConnection.VpnConnectionId --output text)",
            ]
        case .address(let address):
            lines += [
                "connection='\(Self.connection)'",
                "aws ec2 modify-vpn-connection-options --vpn-connection-id \"$connection\" "
                    + "--local-ipv4-network-cidr \(pair.remote.cidr) --remote-ipv4-network-cidr \(pair.local.cidr)",
                "aws ec2 wait vpn-connection-available --vpn-connection-ids \"$connection\"",
                "aws ec2 modify-vpn-tunnel-options --vpn-connection-id \"$connection\" "
                    + "--vpn-tunnel-outside-ip-address \(address) --tunnel-options \"$tunnel\"",
            ]
        }
        lines += [
            "aws ec2 wait vpn-connection-available --vpn-connection-ids \"$connection\"",
            "aws ec2 create-vpn-connection-route --vpn-connection-id \"$connection\" "
                + "--destination-cidr-block \(pair.remote.cidr)",
            "# The outside address of the first tunnel, for cordon vpn update --peer:",
            "aws ec2 describe-vpn-connections --vpn-connection-ids \"$connection\" "
                + "--query 'VpnConnections[0].Options.TunnelOptions[0].OutsideIpAddress' --output text",
            "# Let the VPC's route tables take it: aws ec2 enable-vgw-route-propagation --gateway-id vgw-… "
                + "--route-table-id rtb-…",
        ]
        return [PeerDraft(path: "\(name)-aws.sh", lines: lines)]
    }

    private func options(_ facts: PeerFacts) -> String {
        let (cipher, integrity, group) =
            switch facts.tunnel.profile {
            case .standard: ("AES256-GCM-16", "SHA2-384", 20)
            case .compatible: ("AES256", "SHA2-256", 14)
            }
        let timing = clamped(facts.timing)
        let starts = facts.tunnel.initiation == .never
        let phases = [1, 2].map { phase in
            "\"Phase\(phase)EncryptionAlgorithms\":[{\"Value\":\"\(cipher)\"}],"
                + "\"Phase\(phase)IntegrityAlgorithms\":[{\"Value\":\"\(integrity)\"}],"
                + "\"Phase\(phase)DHGroupNumbers\":[{\"Value\":\(group)}],"
                + "\"Phase\(phase)LifetimeSeconds\":\(phase == 1 ? timing.ikeSeconds : timing.childSeconds)"
        }
        return "{\"PreSharedKey\":\"\(facts.keyText)\",\"IKEVersions\":[{\"Value\":\"ikev2\"}],"
            + phases.joined(separator: ",")
            // Not how often it asks, but after how long it gives up; 30 is its least.
            + ",\"DPDTimeoutSeconds\":\(max(30, timing.deadPeerSeconds)),"
            + "\"DPDTimeoutAction\":\"\(starts ? "restart" : "clear")\","
            + "\"StartupAction\":\"\(starts ? "start" : "add")\"}"
    }

    private func clamped(_ timing: PeerFacts.Timing) -> PeerFacts.Timing {
        PeerFacts.Timing(
            ikeLifetime: .seconds(min(28_800, max(900, timing.ikeSeconds))),
            childLifetime: .seconds(min(3600, max(900, timing.childSeconds))),
            deadPeerDetection: timing.deadPeerDetection)
    }

    private func tag(_ type: String, _ name: String) -> String {
        "--tag-specifications 'ResourceType=\(type),Tags=[{Key=Name,Value=\(name)}]'"
    }
}

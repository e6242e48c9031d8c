private import Domain

extension TunnelPlan {
    /// `load-conn` for this plan (swanctl.conf(5); each value as charon 5.9.8 takes it). Values that are charon's
    /// defaults are written all the same, where Cordon relies on them.
    package var connection: Commands.LoadConnection { Commands.LoadConnection(identifier, settings) }

    private var settings: Message {
        var settings = Message()
        settings.append("version", "2")
        settings.append("local_addrs", list: Self.texts(localAddresses))
        settings.append("remote_addrs", list: Self.texts(peerAddresses))
        settings.append("proposals", list: tunnel.profile.ikeProposals)
        // With it the peer is told all addresses of the gateway, those in other tenants' blocks among them (RFC 4555
        // §3.6; seen). A peer that moves comes anew.
        settings.append("mobike", flag: false)
        settings.append("fragmentation", flag: true)
        settings.append("encap", flag: tunnel.forcesEncapsulation)
        // Each attempt ends with an answer that can be told; whoever wants another gives the command again.
        settings.append("keyingtries", "1")
        // Of the same two identities, and so of this VPN only: the newer stays when both ends begin at once.
        settings.append("unique", "replace")
        settings.append("dpd_delay", Self.seconds(timers.deadPeerSeconds))
        settings.append("reauth_time", Self.seconds(0))
        settings.append("rekey_time", Self.seconds(timers.ikeSeconds))
        settings.append("over_time", Self.seconds(timers.ikeSeconds / 10))
        settings.append("rand_time", Self.seconds(timers.ikeSeconds / 4))
        switch credentials {
        // Its requests for certificates would name every tenant's CA.
        case .sharedKey: settings.append("send_certreq", flag: false)
        case .certificate: settings.append("send_cert", "always")
        }
        settings.append("local", section: localAuthentication)
        settings.append("remote", section: remoteAuthentication)
        var sections = Message()
        for child in children { sections.append(child.name, section: section(of: child)) }
        if !sections.isEmpty { settings.append("children", section: sections) }
        return settings
    }

    private var localAuthentication: Message {
        var section = Message()
        switch credentials {
        case .sharedKey: section.append("auth", "psk")
        case .certificate(let own, _):
            section.append("auth", "pubkey")
            section.append("certs", octetLists: [own])
        }
        section.append("id", localIdentity.vici)
        return section
    }

    private var remoteAuthentication: Message {
        var section = Message()
        switch credentials {
        case .sharedKey: section.append("auth", "psk")
        case .certificate(_, let authorities):
            section.append("auth", "pubkey")
            // Its CA is one of these, whichever others are loaded for other tenants.
            section.append("cacerts", octetLists: authorities)
        }
        section.append("id", peerIdentity.vici)
        return section
    }

    private func section(of child: Child) -> Message {
        var section = Message()
        section.append("mode", "tunnel")
        section.append("local_ts", list: child.local.map(\.selector))
        section.append("remote_ts", list: child.remote.map(\.selector))
        section.append("esp_proposals", list: tunnel.profile.espProposals)
        section.append("rekey_time", Self.seconds(timers.childSeconds))
        section.append("life_time", Self.seconds(timers.childSeconds + timers.childSeconds / 10))
        section.append("rand_time", Self.seconds(timers.childSeconds / 4))
        section.append("start_action", isTrapped ? "trap" : "none")
        section.append("dpd_action", deadPeerAction)
        section.append("close_action", isTrapped ? "trap" : "none")
        if case .kernel(let interfaceID) = path {
            section.append("if_id_in", "\(interfaceID)")
            section.append("if_id_out", "\(interfaceID)")
        }
        return section
    }

    /// The kernel tells the daemon of the first packet.
    private var isTrapped: Bool {
        switch (tunnel.initiation, path) {
        case (.onDemand, .kernel): !peerAddresses.isEmpty
        case (.onDemand, .userSpace), (.always, _), (.never, _): false
        }
    }

    /// A tunnel that is always to be there is begun anew by the daemon itself, which is sooner than Cordon hears of it.
    private var deadPeerAction: String {
        switch tunnel.initiation {
        case .always: peerAddresses.isEmpty ? "clear" : "restart"
        case .onDemand: isTrapped ? "trap" : "clear"
        case .never: "clear"
        }
    }

    private static func texts(_ addresses: [IPAddress]) -> [String] {
        addresses.isEmpty ? ["%any"] : addresses.map { "\($0)" }
    }

    private static func seconds(_ count: UInt32) -> String { "\(count)s" }
}

extension IPv4Prefix {
    /// With its length always, `10.0.0.1/32`.
    fileprivate var selector: String { "\(address)/\(length)" }
}

extension Tunnel.Profile {
    /// These and no others: without a list charon would offer its own, weaker ones among them.
    package var ikeProposals: [String] {
        switch self {
        case .standard: ["aes256gcm16-prfsha384-ecp384", "aes256gcm16-prfsha384-x25519"]
        case .compatible: ["aes256-sha256-modp2048"]
        }
    }

    /// With a group each, for new keys that do not come of old ones (perfect forward secrecy).
    package var espProposals: [String] {
        switch self {
        case .standard: ["aes256gcm16-ecp384", "aes256gcm16-x25519"]
        case .compatible: ["aes256-sha256-modp2048"]
        }
    }
}

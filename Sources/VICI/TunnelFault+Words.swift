import Domain

extension TunnelFault {
    /// A fault in sentences for who runs either end.
    package struct Words: Hashable, Sendable {
        /// What was seen.
        package let happened: String
        /// Why that most often is.
        package let cause: String
        /// What to change at the gateway, when the fault is here.
        package let gateway: String
        /// What to change at the peer, when it is there.
        package let peer: String
    }

    package var words: Words {
        ofReachability ?? ofProposals ?? ofIdentities ?? ofCertificates ?? ofTraffic
            ?? Words(
                happened: "The VPN daemon says: \(plainReason).",
                cause: "This is none of the faults that Cordon knows.",
                gateway: "Compare the VPN's options with the peer's configuration.",
                peer: "Look for this time in the peer's log.")
    }

    private var plainReason: String {
        if case .other(let text) = self { return text }
        return code
    }

    private var ofReachability: Words? {
        switch self {
        case .noAnswer(let peer):
            Words(
                happened: "The peer at \(peer) does not answer on UDP port 500.",
                cause:
                    "The address is wrong, the peer is off or does not do IKEv2, or a firewall before it drops UDP "
                    + "500.",
                gateway: "Check the address: \(TunnelOption.peer.change(to: "ADDRESS")).",
                peer:
                    "Allow UDP 500 and 4500 from the gateway's address, and check that the VPN there is on and is "
                    + "IKEv2."
            )
        case .noRoute(let reason):
            Words(
                happened: "The gateway could not send to the peer: \(reason).",
                cause: "The gateway's host has no route to the peer's address.",
                gateway:
                    "Check the address (\(TunnelOption.peer.change(to: "ADDRESS"))) and the routes of the gateway's "
                    + "host.",
                peer: "Nothing: no packet left the gateway.")
        case .natTraversalPort(let peer, .gateway):
            Words(
                happened: "The peer at \(peer) answers on UDP port 500 but not on UDP port 4500.",
                cause: "A firewall before the peer, or the peer itself, lets UDP 500 pass and drops UDP 4500.",
                gateway: "Nothing, if UDP 4500 may leave here; IKEv2 needs both ports wherever a NAT may be.",
                peer:
                    "Allow UDP 4500 from the gateway's address, and turn on NAT traversal. If it is open, a device "
                    + "on the way "
                    + "may drop fragments: certificates make large packets.")
        case .natTraversalPort(let peer, .peer):
            Words(
                happened:
                    "The peer at \(peer) called on UDP port 500, was answered, and did not go on to UDP port 4500.",
                cause: "A firewall between them drops UDP 4500, or the gateway's answer did not get back to the peer.",
                gateway: "Check that UDP 4500 may reach the gateway.",
                peer: "Allow UDP 4500 to the gateway's address and answers from it, and turn on NAT traversal.")
        case .nameUnresolved(let name):
            Words(
                happened: "The peer's name \(name) has no address.",
                cause: "The name is misspelt, or its DNS entry is missing, or the resolver cannot be reached.",
                gateway: "Correct the name or give an address: \(TunnelOption.peer.change(to: "NAME|ADDRESS")).",
                peer: "Check that the name is published, and that dynamic DNS is kept up to date if it is used.")
        default: nil
        }
    }

    private var ofProposals: Words? {
        switch self {
        case .noIKEProposal(let lists):
            Words(
                happened: "The two ends have no IKE proposal (phase 1) in common. \(lists.text)",
                cause: lists.peer.isEmpty
                    ? "The peer refused the gateway's algorithms, or has no connection configured for the gateway's "
                        + "address."
                    : "Encryption, integrity, PRF or key exchange group are configured differently.",
                gateway: lists.advice, peer: "Offer for IKE: \(lists.gateway.joined(separator: ", or ")).")
        case .noESPProposal(let lists, let rekeying):
            Words(
                happened:
                    "The two ends have no ESP proposal (phase 2) in common\(rekeying ? " for new keys" : ""). "
                    + "\(lists.text)",
                cause: rekeying
                    ? "Most often the group for perfect forward secrecy (PFS): it is not used for the first keys, "
                        + "so the tunnel "
                        + "came up, and it will fall when its present keys end."
                    : "Encryption, integrity or the group for perfect forward secrecy (PFS) are configured "
                        + "differently.",
                gateway: lists.advice, peer: "Offer for ESP: \(lists.gateway.joined(separator: ", or ")).")
        case .keyExchange(let gateway, let peer):
            Words(
                happened: "The peer asks for the key exchange group \(peer.isEmpty ? "(unknown)" : peer)"
                    + "\(gateway.isEmpty ? "" : " in place of \(gateway)"), which the gateway does not take.",
                cause: "The two ends' key exchange (Diffie-Hellman) groups differ.",
                gateway:
                    "Choose the profile that has the peer's group: \(TunnelOption.profile.change(to: "compatible")).",
                peer: "Choose a group that the gateway offers.")
        default: nil
        }
    }

    private var ofIdentities: Words? {
        switch self {
        case .identity(let expected, let seen):
            Words(
                happened: "The peer says it is \(seen), and the gateway expects \(expected).",
                cause:
                    "The peer's local identity (IKE ID) is not the one configured here. Behind a NAT many devices "
                    + "send their "
                    + "inner address.",
                gateway: "If \(seen) is right: \(TunnelOption.peerIdentity.change(quoting: seen, or: "IDENTITY")).",
                peer: "Set the local identity to \(expected).")
        case .gatewayIdentity(let own, let asked):
            Words(
                happened: "The peer asks for a gateway that is \(asked), and this one is \(own).",
                cause: "The remote identity that the peer expects is not the gateway's.",
                gateway: "Nothing: the gateway's identity is \(own).", peer: "Set the remote identity to \(own).")
        case .key(let peer):
            Words(
                happened: "The peer that says it is \(peer) has another pre-shared key.",
                cause: "The key was mistyped, cut, or changed at one end only.",
                gateway: "Make a new key for both ends: \(TunnelOption.newKey).",
                peer: "Copy the key again, whole and without spaces around it.")
        case .keyMissing(let own, let peer):
            Words(
                happened: "The gateway has no key for \(own) and \(peer).",
                cause: "The key was not given to the VPN daemon, or is stored for another identity.",
                gateway: "Make a new key for both ends: \(TunnelOption.newKey).", peer: "Nothing.")
        case .authenticationMethod(let method):
            Words(
                happened: "The gateway expects the peer to prove itself by \(method.text), and it does otherwise.",
                cause: "One end is configured for a pre-shared key and the other for certificates.",
                gateway: "Choose the peer's way: \(TunnelOption.authentication.change(to: method.other.rawValue)).",
                peer: "Choose \(method.text) for both directions.")
        case .refusedAuthentication(let own, let peer, let method, let unknownAuthority):
            Words(
                happened: "The peer refused to authenticate the gateway.",
                cause: unknownAuthority
                    ? "The peer trusts only an authority (CA) that did not issue the gateway's certificate."
                    : "\(method == .sharedKey ? "Another key" : "A certificate that the peer does not trust"), "
                        + "another identity at "
                        + "either end, or the other way of authentication: IKE does not say which, the peer's log "
                        + "does.",
                gateway: (method == .sharedKey ? "Make a new key for both ends: \(TunnelOption.newKey). " : "")
                    + "Compare the identities: the gateway is \(own), and asks for \(peer) "
                    + "(\(TunnelOption.peerIdentity.change(to: "IDENTITY"))).",
                peer: unknownAuthority
                    ? "Trust the authority of the gateway's certificate."
                    : "Read the log there. Expect the remote identity \(own), be \(peer), and "
                        + (method == .sharedKey
                            ? "have the same key." : "trust the authority of the gateway's certificate."))
        default: nil
        }
    }

    private var ofCertificates: Words? {
        let renew = "Give the peer a certificate that is valid now, and check its clock."
        return switch self {
        case .certificateUntrusted(let subject, let issuer):
            Words(
                happened:
                    "The peer's certificate of \(subject)\(issuer.map { ", issued by \($0)," } ?? "") is not trusted.",
                cause:
                    "It is from an authority (CA) that the VPN was not given, or the peer does not send the "
                    + "intermediate "
                    + "certificate.",
                gateway: "Give the authority that issued it: \(TunnelOption.newAuthority).",
                peer: "Use a certificate of the agreed authority, and send the intermediate ones too.")
        case .certificateExpired(let subject, let until, let ofAuthority):
            Words(
                happened: "\(holder(subject, ofAuthority)) expired on \(until).",
                cause: "It was not renewed, or the new one was not installed.",
                gateway: "Check the clock of the gateway's host.",
                peer: renew)
        case .certificateNotYetValid(let subject, let from, let ofAuthority):
            Words(
                happened: "\(holder(subject, ofAuthority)) is valid only from \(from) on.",
                cause: "It was issued for later, or a clock is wrong.",
                gateway: "Check the clock of the gateway's host.",
                peer: renew)
        case .certificateRevoked(let subject, let time):
            Words(
                happened: "The peer's certificate of \(subject) was revoked on \(time).",
                cause: "Its authority took it back.", gateway: "Nothing.", peer: "Get a new certificate.")
        case .certificateSubject(let expected, let seen):
            Words(
                happened: "The peer's certificate is of \(seen), and the gateway expects \(expected).",
                cause: "The peer uses another certificate or identity than was agreed.",
                gateway: "If \(seen) is right: \(TunnelOption.peerIdentity.change(quoting: seen, or: "IDENTITY")).",
                peer: "Use the certificate of \(expected), and that as local identity.")
        case .signature(let peer):
            Words(
                happened: "The signature of \(peer) does not fit its certificate.",
                cause: "The peer's private key is not that of the certificate.", gateway: "Nothing.",
                peer: "Install the certificate and the private key that belong together.")
        default: nil
        }
    }

    private func holder(_ subject: String, _ ofAuthority: Bool) -> String {
        ofAuthority
            ? "The certificate of the authority that issued \(subject)'s" : "The peer's certificate of \(subject)"
    }

    private var ofTraffic: Words? {
        switch self {
        case .selectors(let both): both.words
        case .notInstalled(let what):
            Words(
                happened: "The two ends agreed, and the gateway could not install it (\(what)).",
                cause:
                    "The gateway's host: with ESP in user space it needs an address of its own among the devices' "
                    + "blocks; or "
                    + "another tunnel has the same traffic selectors.",
                gateway: "See the gateway's log; no option of the VPN changes this.", peer: "Nothing.")
        case .selectorsNarrowed(let missing):
            Words(
                happened: "The tunnel is up, but not for \(missing.text).",
                cause: "The peer is configured for less, or takes one pair of networks for each CHILD_SA (many Cisco).",
                gateway:
                    "Remove what is not behind the peer (\(TunnelOption.networks.change(to: "NETWORK"))), or use a "
                    + "CHILD_SA "
                    + "for each pair: \(TunnelOption.pairs.change()).",
                peer: "Add \(missing.text) to its traffic selectors.")
        case .deadPeer(let peer):
            Words(
                happened: "The peer at \(peer) stopped answering, and the tunnel was given up.",
                cause: "The peer lost power or its connection, has a new address, or restarted and forgot the tunnel.",
                gateway:
                    "Nothing; if the peer's address changes, use its name or any "
                    + "(\(TunnelOption.peer.change(to: "any"))).",
                peer: "Check that it is on and connected, and that its NAT keeps UDP 4500 open.")
        case .peerDeleted(let wholly):
            Words(
                happened: "The peer closed the tunnel\(wholly ? "" : "'s CHILD_SA, and kept the IKE_SA").",
                cause:
                    "It was taken down there, was idle for longer than the peer allows, or its configuration changed.",
                gateway: "If it should come back by itself: \(TunnelOption.initiation.change(to: "always")).",
                peer: "Turn off its idle time-out, and see its log for this time.")
        case .duplicatePeer(let identity, let addresses):
            Words(
                happened: "Two devices take turns as \(identity): \(addresses.joined(separator: ", ")).",
                cause:
                    "A second device, often a copy or the former one, has the same identity; each replaces the other.",
                gateway: "Make a VPN for each device, with an identity of its own.",
                peer: "Turn one off, or give it another local identity.")
        case .noReturnTraffic:
            Words(
                happened: "Packets go into the tunnel, and for \(TunnelRecord.patience / 1000) s none came back.",
                cause:
                    "The hosts there do not answer, or the network there has no route to the devices through the "
                    + "tunnel, or "
                    + "a firewall drops it, or ESP is lost on the way.",
                gateway: "If ESP may be lost: \(TunnelOption.encapsulation.change()).",
                peer: "Route the devices' addresses to the VPN device, and allow them in its firewall.")
        case .probeUnanswered(let address):
            Words(
                happened: "The tunnel is up, but \(address) does not answer the probe.",
                cause: "That host is off or does not answer echo requests, or the network there has no route back.",
                gateway: "Check the probe's address.",
                peer: "Let the host answer, and route the gateway's addresses back.")
        default: nil
        }
    }
}

import Domain

/// What charon has said about one IKE_SA so far, whatever the order; the fault follows from all of it.
struct TunnelEvidence: Hashable, Sendable {
    /// charon's number of the IKE_SA.
    let sa: UInt32
    private var caller: TunnelFault.Caller = .gateway
    var address: String?
    /// `ike-updown` or `child-updown` said that it is over.
    var hasEnded = false
    var childHasEnded = false
    var isEstablished = false
    /// The fault that was last made of it, and what the timeline says of it.
    var reported: TunnelFault?
    var sentence: String?

    private var wasAnswered = false
    private var messageResent: UInt32?
    private var timesResent = 0
    private var gaveUp = false
    private var halfOpenTimedOut = false
    private var unresolved: String?
    private var cannotSend: String?

    private var proposals: [String: String] = [:]
    private var noIKEProposal = false
    private var noESPProposal = false
    private var refusal: String?
    private var childRefusal: String?
    private var hadGroup: String?
    private var wantedGroup: String?
    private var groupRefused = false

    private var soughtOwn: String?
    private var soughtPeer: String?
    private var noConfiguration = false
    private var keyMismatch = false
    private var missingKey: String?
    private var untrusted: String?
    private var otherAuthority = false
    private var noIssuer: String?
    private var issuer: String?
    private var isNotYetValid = false
    private var isOfAuthority = false
    private var certificate: String?
    private var validFrom: String?
    private var validUntil: String?
    private var revokedAt: String?
    private var unknownAuthority = false
    private var signatureWrong = false
    private var peerIs: String?
    private var required: String?
    private var methodDiffers = false
    private var refusedLater = false

    private var selectorsOwn: String?
    private var selectorsPeer: String?
    private var selectorsWrong = false
    private var notInstalled: String?

    private var peerDeleted = false
    private var peerDeletedChild = false
    private var weDeleted = false
    private var wasReplaced = false

    init(sa: UInt32) { self.sa = sa }

    mutating func take(_ message: CharonMessage, at time: Timestamp) {
        switch message {
        case .weCall(let address):
            // The same IKE_SA tries again.
            if gaveUp, !isEstablished { self = Self(sa: sa) }
            (caller, self.address) = (.gateway, address)
        case .peerCalls(let address): if !isEstablished { (caller, self.address) = (.peer, address) }
        case .packet(let address, _):
            self.address = self.address ?? address
            (timesResent, messageResent, wasAnswered) = (0, nil, true)
        case .ikeProposalChosen: (wasAnswered, noIKEProposal) = (true, false)
        case .espProposalChosen: break
        case .peersProposals(let list): proposals[list.hasPrefix("IKE:") ? "peer IKE" : "peer ESP"] = list
        case .gatewaysProposals(let list): proposals[list.hasPrefix("IKE:") ? "IKE" : "ESP"] = list
        case .noCommonIKEProposal: noIKEProposal = true
        case .noCommonESPProposal: noESPProposal = true
        case .refused(let notify): refusal = notify
        case .childRefused(let notify): childRefusal = notify
        case .childBegun: childIsThere()
        case .authenticationRefusedLater: refusedLater = true
        case .otherGroupAskedFor(let had, let wanted): (hadGroup, wantedGroup) = (had, wanted)
        case .groupNotOffered(let wanted): (wantedGroup, groupRefused) = (wanted.isEmpty ? wantedGroup : wanted, true)
        case .noConfiguration(let address): self.address = self.address ?? address
        case .configurationSought(let own, let address, let peer):
            (soughtOwn, soughtPeer, self.address) = (own, peer, self.address ?? address)
        case .noConfigurationMatches: noConfiguration = true
        case .keyMismatch(_, let peer): (keyMismatch, peerIs) = (true, peer)
        case .noKey(_, let peer): missingKey = peer
        case .noPrivateKey: missingKey = ""
        case .untrusted(let identity): untrusted = identity
        case .noIssuer(let subject), .selfSigned(let subject): noIssuer = subject
        case .otherAuthority: otherAuthority = true
        case .issuer(let name): issuer = name
        case .certificateInvalid(let which, let from, let until):
            (validFrom, validUntil, isOfAuthority) = (from, until, which != "subject")
            isNotYetValid = CharonDate.time(from).map { time < $0 } ?? false
        case .peerCertificate(let subject): certificate = subject
        case .certificateRevoked(let time): revokedAt = time
        case .certificateRequestUnknown: unknownAuthority = true
        case .signatureWrong: signatureWrong = true
        case .peerIs(let identity): peerIs = identity
        case .identityRequired(let identity): required = identity
        case .notInstalled(let what): notInstalled = what
        case .methodRequired: methodDiffers = true
        case .selectorsUnacceptable(let own, let peer):
            (selectorsOwn, selectorsPeer, selectorsWrong) = (own, peer, true)
        case .noSelectors: selectorsWrong = true
        case .retransmit(let count, let message):
            (timesResent, messageResent) = (Int(count) ?? 0, UInt32(message) ?? messageResent)
        case .gaveUp, .notResponding: gaveUp = true
        case .halfOpenTimedOut(let address): (halfOpenTimedOut, self.address) = (true, self.address ?? address)
        case .peerDeletes: peerDeleted = true
        case .peerDeletesChild: peerDeletedChild = true
        case .weDelete: weDeleted = true
        case .weDeleteChild: break
        case .replaced: wasReplaced = true
        case .rekeyFailed: break
        case .unresolved(let name): unresolved = name
        case .cannotSend(let reason): cannotSend = reason
        }
    }

    /// A CHILD_SA is there, or begun: what was said of earlier tries for one is over.
    mutating func childIsThere() {
        (noESPProposal, childRefusal, selectorsWrong, childHasEnded, groupRefused) = (false, nil, false, false, false)
        (selectorsOwn, selectorsPeer, notInstalled, peerDeletedChild) = (nil, nil, nil, false)
    }

    /// The fault that all of it comes to, the most telling first.
    func fault(_ terms: TunnelTerms, childIsUp: Bool) -> TunnelFault? {
        ofChild(terms, rekeying: childIsUp)
            ?? (isEstablished ? ofEnd(terms) : ofStart(terms) ?? ofCertificates(terms) ?? ofAuthentication(terms))
    }

    private func ofStart(_ terms: TunnelTerms) -> TunnelFault? {
        if let unresolved { return .nameUnresolved(name: shown(unresolved)) }
        if noIKEProposal || (refusal == "NO_PROPOSAL_CHOSEN" && soughtPeer == nil) {
            return .noIKEProposal(lists(terms, ofIKE: true))
        }
        if refusal == "INVALID_KE_PAYLOAD" { return keyExchange }
        let peer = shown(address ?? "\(terms.peer)")
        if halfOpenTimedOut { return .natTraversalPort(peer: peer, caller: .peer) }
        if gaveUp || timesResent >= 2 {
            if let cannotSend { return .noRoute(reason: shown(cannotSend)) }
            return (messageResent ?? 0) == 0 ? .noAnswer(peer: peer) : .natTraversalPort(peer: peer, caller: .gateway)
        }
        return nil
    }

    private func ofCertificates(_ terms: TunnelTerms) -> TunnelFault? {
        let subject = shown(certificate ?? noIssuer ?? untrusted ?? peerIs ?? "\(terms.peerIdentity)")
        if let revokedAt { return .certificateRevoked(subject: subject, at: shown(revokedAt)) }
        if let validFrom, let validUntil {
            return isNotYetValid
                ? .certificateNotYetValid(subject: subject, from: shown(validFrom), ofAuthority: isOfAuthority)
                : .certificateExpired(subject: subject, until: shown(validUntil), ofAuthority: isOfAuthority)
        }
        guard untrusted != nil || noIssuer != nil || otherAuthority else { return nil }
        if terms.authentication == .sharedKey { return .authenticationMethod(gateway: .sharedKey) }
        if signatureWrong { return .signature(peer: subject) }
        return .certificateUntrusted(subject: subject, issuer: issuer.map { shown($0) })
    }

    private func ofAuthentication(_ terms: TunnelTerms) -> TunnelFault? {
        let own = "\(terms.ownIdentity)"
        let peer = shown(peerIs ?? soughtPeer ?? "\(terms.peerIdentity)")
        if methodDiffers || (missingKey != nil && terms.authentication == .certificate) {
            return .authenticationMethod(gateway: terms.authentication)
        }
        if keyMismatch { return .key(peer: peer) }
        if let missingKey { return .keyMissing(own: own, peer: missingKey.isEmpty ? own : shown(missingKey)) }
        if let required { return identity(expected: shown(required), seen: peer, terms) }
        if noConfiguration, let soughtPeer, let soughtOwn {
            guard soughtPeer.lowercased() == "\(terms.peerIdentity)".lowercased() else {
                return identity(expected: "\(terms.peerIdentity)", seen: shown(soughtPeer), terms)
            }
            guard soughtOwn.lowercased() == own.lowercased() || soughtOwn == "%any" else {
                return .gatewayIdentity(own: own, asked: shown(soughtOwn))
            }
            return .authenticationMethod(gateway: terms.authentication)
        }
        switch refusal {
        case nil: return nil
        case "AUTHENTICATION_FAILED": return refused(terms)
        case let other?: return .other("received \(shown(other)) notify error")
        }
    }

    private func ofChild(_ terms: TunnelTerms, rekeying: Bool) -> TunnelFault? {
        if noESPProposal || childRefusal == "NO_PROPOSAL_CHOSEN" {
            return .noESPProposal(lists(terms, ofIKE: false), rekeying: rekeying)
        }
        if selectorsWrong || childRefusal == "TS_UNACCEPTABLE" {
            return .selectors(
                TunnelFault.Selectors(
                    devices: terms.devices, networks: terms.networks, peersDevices: shown(selectorsOwn ?? ""),
                    peersNetworks: shown(selectorsPeer ?? "")))
        }
        if let notInstalled { return .notInstalled(what: shown(notInstalled)) }
        if groupRefused || childRefusal == "INVALID_KE_PAYLOAD" { return keyExchange }
        if let childRefusal { return .other("received \(shown(childRefusal)) notify, no CHILD_SA built") }
        return nil
    }

    private func ofEnd(_ terms: TunnelTerms) -> TunnelFault? {
        guard !wasReplaced, !weDeleted || refusedLater else { return nil }
        if hasEnded {
            if refusedLater { return refused(terms) }
            if gaveUp { return .deadPeer(peer: shown(address ?? "\(terms.peer)")) }
            if peerDeleted { return .peerDeleted(wholly: true) }
        }
        return childHasEnded && peerDeletedChild ? .peerDeleted(wholly: false) : nil
    }

    private var keyExchange: TunnelFault {
        .keyExchange(gateway: shown(hadGroup ?? ""), peer: shown(wantedGroup ?? ""))
    }

    private func refused(_ terms: TunnelTerms) -> TunnelFault {
        .refusedAuthentication(
            own: "\(terms.ownIdentity)", peer: "\(terms.peerIdentity)", by: terms.authentication,
            unknownAuthority: unknownAuthority && terms.authentication == .certificate)
    }

    private func identity(expected: String, seen: String, _ terms: TunnelTerms) -> TunnelFault {
        terms.authentication == .certificate
            ? .certificateSubject(expected: expected, seen: seen) : .identity(expected: expected, seen: seen)
    }

    private func lists(_ terms: TunnelTerms, ofIKE: Bool) -> TunnelFault.Lists {
        let name = ofIKE ? "IKE" : "ESP"
        let split = { (list: String) in
            list.split(separator: ", ").prefix(8).map {
                let text = shown($0)
                return text.hasPrefix(name + ":") ? String(text.dropFirst(4)) : text
            }
        }
        let peer = proposals["peer " + name].map(split) ?? []
        return TunnelFault.Lists(
            gateway: proposals[name].map(split) ?? (ofIKE ? terms.ikeProposals : terms.espProposals), peer: peer,
            fitting: Tunnel.Profile.allCases.first { $0 != terms.profile && $0.fits(peer, ofIKE: ofIKE) })
    }
}

extension Tunnel.Profile {
    /// Whether one of a peer's proposals, in charon's words, is of this profile.
    fileprivate func fits(_ proposals: [String], ofIKE: Bool) -> Bool {
        let encryption = self == .standard ? "AES_GCM_16_256" : "AES_CBC_256"
        let integrity = self == .standard ? [] : ["HMAC_SHA2_256_128"]
        let groups = self == .standard ? ["ECP_384", "CURVE_25519"] : ["MODP_2048"]
        return proposals.contains { proposal in
            let parts = Set(proposal.split(separator: "/").map(String.init))
            let hasGroup = parts.contains { $0.hasPrefix("MODP_") || $0.hasPrefix("ECP_") || $0.hasPrefix("CURVE_") }
            return parts.contains(encryption) && parts.isSuperset(of: integrity)
                && (!parts.isDisjoint(with: groups) || (!ofIKE && !hasGroup))
        }
    }
}

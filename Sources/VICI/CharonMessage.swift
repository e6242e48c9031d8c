/// What one of charon's messages says, of those that say something about a tunnel. Texts are as charon printed them.
package enum CharonMessage: Hashable, Sendable {
    case weCall(address: String)
    case peerCalls(address: String)
    case packet(address: String, port: String)
    case ikeProposalChosen
    case espProposalChosen
    case peersProposals(String)
    case gatewaysProposals(String)
    case noCommonIKEProposal
    case noCommonESPProposal
    case refused(notify: String)
    case childRefused(notify: String)
    case childBegun
    case authenticationRefusedLater
    case otherGroupAskedFor(had: String, wanted: String)
    case groupNotOffered(String)
    case noConfiguration(address: String)
    case configurationSought(own: String, address: String, peer: String)
    case noConfigurationMatches
    case keyMismatch(own: String, peer: String)
    case noKey(own: String, peer: String)
    case noPrivateKey(String)
    case peerCertificate(subject: String)
    case untrusted(identity: String)
    case noIssuer(subject: String)
    /// Trusted, but for another VPN.
    case otherAuthority
    case issuer(String)
    case selfSigned(subject: String)
    case certificateInvalid(which: String, from: String, until: String)
    case certificateRevoked(at: String)
    case certificateRequestUnknown
    case signatureWrong
    case identityRequired(String)
    case methodRequired(wanted: String, used: String)
    case peerIs(String)
    case selectorsUnacceptable(own: String, peer: String)
    case noSelectors
    case notInstalled(what: String)
    case retransmit(count: String, message: String)
    case gaveUp
    case notResponding
    case halfOpenTimedOut(address: String)
    case peerDeletes
    case peerDeletesChild
    case weDelete
    case weDeleteChild
    case replaced(identity: String)
    case rekeyFailed
    case unresolved(name: String)
    case cannotSend(reason: String)

    /// `nil` for a message that says nothing of this kind, which most don't, and for any other text.
    package init?(_ message: String) {
        let text = Array(message.utf8.prefix(TextPattern.maximumLength + 1))
        for entry in CharonMessageTable.entries {
            if let gaps = entry.pattern.match(text) {
                self = entry.meaning(Gaps(gaps))
                return
            }
        }
        return nil
    }

    /// What stood in a pattern's gaps; one that it has not is empty.
    package struct Gaps {
        private let texts: [String]
        init(_ texts: [String]) { self.texts = texts }
        subscript(_ place: Int) -> String { texts.indices.contains(place) ? texts[place] : "" }
    }
}

/// Why a tunnel did not come up, as far as the daemon's log tells. The result of `initiate` itself says only that it
/// failed.
package enum InitiationFailure: Hashable, Sendable {
    /// No answer on UDP 500.
    case noAnswer
    /// An answer on UDP 500, none to what followed on 4500.
    case noAnswerOn4500
    /// The algorithms, of the IKE_SA or of the CHILD_SA.
    case noProposalChosen(ofChild: Bool)
    /// The peer refuses who the gateway says it is, whom it calls, or its key: peers do not say which.
    case authenticationFailed
    /// The peer's key, or certificate, is not the one.
    case peerAuthenticationWrong
    /// The peer says it is another.
    case peerIdentityWrong(said: String)
    /// The networks.
    case trafficSelectors
    /// A Diffie-Hellman group that is not offered.
    case keyExchange
    /// There is one with these selectors already, or on its way.
    case alreadyThere
    /// The gateway has no address of the peer's.
    case noPeerAddress
    /// The gateway itself cannot install what was agreed on: with ESP in user space, where it has no address in the
    /// tunnel's local blocks.
    case notInstalled

    /// `nil` when no line tells.
    package init?(log: [LogLine]) {
        // Later lines are nearer to the end; a retransmission that was answered is no reason.
        for (index, line) in log.enumerated().reversed() {
            guard let failure = Self(line.text) else { continue }
            let wasAnswered =
                failure.isSilence && log[index...].contains { $0.text.hasPrefix("received packet") }
            if !wasAnswered {
                self = failure
                return
            }
        }
        return nil
    }

    private var isSilence: Bool { self == .noAnswer || self == .noAnswerOn4500 }

    private init?(_ text: String) {
        if text.hasPrefix("received NO_PROPOSAL_CHOSEN notify") {
            self = .noProposalChosen(ofChild: text.hasSuffix("no CHILD_SA built"))
        } else if text.hasPrefix("received AUTHENTICATION_FAILED notify") {
            self = .authenticationFailed
        } else if text.hasPrefix("received TS_UNACCEPTABLE notify") {
            self = .trafficSelectors
        } else if text.hasPrefix("received INVALID_KE_PAYLOAD notify") || text.hasPrefix("requested DH group") {
            self = .keyExchange
        } else if text.hasSuffix("but MAC mismatched") || text.hasPrefix("no trusted")
            || text.hasPrefix("constraint check failed")
        {
            self = .peerAuthenticationWrong
        } else if text.hasPrefix("IDir '"), let end = text.dropFirst(6).firstIndex(of: "'") {
            self = .peerIdentityWrong(said: String(text.dropFirst(6)[..<end]))
        } else if text.hasPrefix("not establishing CHILD_SA"), text.contains("existing duplicate") {
            self = .alreadyThere
        } else if text.hasPrefix("unable to resolve") {
            self = .noPeerAddress
        } else if text.hasPrefix("unable to install") {
            self = .notInstalled
        } else if text.hasPrefix("retransmit "), text.contains(" of request with message ID ") {
            self = text.hasSuffix(" ID 0") ? .noAnswer : .noAnswerOn4500
        } else {
            return nil
        }
    }
}

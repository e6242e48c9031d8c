import Testing
import VICI

@Suite struct InitiationFailureTests {
    struct Case: Sendable {
        /// As charon 5.9.8 logged them, cut to what differs.
        let lines: [String]
        let failure: InitiationFailure?
    }

    private static let sent = "sending packet: from 192.0.2.1[500] to 192.0.2.11[500] (296 bytes)"
    private static let received = "received packet: from 192.0.2.11[500] to 192.0.2.1[500] (304 bytes)"

    @Test(arguments: [
        Case(lines: ["received NO_PROPOSAL_CHOSEN notify error"], failure: .noProposalChosen(ofChild: false)),
        Case(
            lines: [
                "received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built",
                "failed to establish CHILD_SA, keeping IKE_SA",
            ], failure: .noProposalChosen(ofChild: true)),
        Case(lines: ["received AUTHENTICATION_FAILED notify error"], failure: .authenticationFailed),
        Case(
            lines: ["received TS_UNACCEPTABLE notify, no CHILD_SA built"], failure: .trafficSelectors),
        Case(
            lines: ["tried 1 shared key for 'a.gw.test' - 'hq.shared', but MAC mismatched", sent],
            failure: .peerAuthenticationWrong),
        Case(
            lines: [
                "constraint check failed: peer not authenticated by CA 'O=Test, CN=Test CA'",
                "no alternative config found",
            ], failure: .peerAuthenticationWrong),
        Case(lines: ["IDir 'other' does not match to '192.0.2.11'"], failure: .peerIdentityWrong(said: "other")),
        Case(lines: ["unable to resolve %any, initiate aborted"], failure: .noPeerAddress),
        Case(lines: ["unable to install IPsec policies (SPD) in kernel"], failure: .notInstalled),
        Case(
            lines: [
                "not establishing CHILD_SA vpn-18{10} due to existing duplicate {8} with SPIs e39efcdd_i 432f7fbb_o "
                    + "and TS 100.64.1.0/24 === 10.0.0.0/24"
            ], failure: .alreadyThere),
        Case(lines: [sent, "retransmit 1 of request with message ID 0", sent], failure: .noAnswer),
        Case(lines: [sent, received, "retransmit 1 of request with message ID 1"], failure: .noAnswerOn4500),
        // Answered at the second attempt.
        Case(
            lines: [
                sent, "retransmit 1 of request with message ID 0", received, "received AUTHENTICATION_FAILED notify",
            ],
            failure: .authenticationFailed),
        Case(lines: [sent, "retransmit 1 of request with message ID 0", received], failure: nil),
        Case(lines: ["IDir '"], failure: nil),
        Case(lines: [], failure: nil),
    ])
    func `is told by the log`(_ expected: Case) {
        let log = expected.lines.map { LogLine(group: "IKE", text: $0) }
        #expect(InitiationFailure(log: log) == expected.failure)
    }
}

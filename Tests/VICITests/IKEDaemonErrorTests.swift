import Testing
import VICI

@Suite struct IKEDaemonErrorTests {
    @Test func `says what was not done, and the daemon's own words`() {
        let log = [LogLine(group: "IKE", text: "received TS_UNACCEPTABLE notify, no CHILD_SA built")]
        let error = IKEDaemonError(
            .refused(words: "establishing CHILD_SA 'vpn-17' failed", log: log), doing: "initiate")
        #expect(error.code == .refused)
        #expect(error.words == "establishing CHILD_SA 'vpn-17' failed")
        #expect("\(error)" == "the IKE daemon refused initiate: establishing CHILD_SA 'vpn-17' failed")
    }

    struct Case: Sendable {
        let error: ConversationError
        let code: IKEDaemonError.Code
    }

    @Test(arguments: [
        Case(error: .unknownCommand("x"), code: .unsupported),
        Case(error: .unknownEvent("x"), code: .unsupported),
        Case(error: .unencodable(.valueLength(70000)), code: .unsupported),
        Case(error: .tooManyWaiting, code: .unreachable),
        Case(error: .withdrawn, code: .unreachable),
        Case(error: .lost(wasSent: true), code: .unreachable),
        Case(error: .lost(wasSent: false), code: .unreachable),
        Case(error: .malformed(.packetType(9)), code: .malformed),
        Case(error: .unexpectedPacket(type: 5), code: .malformed),
        Case(error: .streamTooLong, code: .malformed),
    ])
    func `has a code for each failure of the connection`(_ expected: Case) {
        let error = IKEDaemonError(.conversation(expected.error), doing: "load-conn")
        #expect(error.code == expected.code)
        #expect(!error.sentence.isEmpty)
        #expect(error.words.isEmpty)
    }

    @Test func `has a code for an answer that is none`() {
        #expect(IKEDaemonError(.malformed(key: "version"), doing: "version").code == .malformed)
    }
}

import Control
import Crypto
import Domain
import PolicyCompiler
import Store
import Synchronization
import Testing

@Suite struct SIMStandingTests {
    typealias Scene = SessionPolicyTests.Scene

    @Test func `by hand, with and without an end, with a policy for it and without`() async throws {
        let clock = TestClock(SessionPolicyTests.start)
        try await Bench.run(now: { clock.now }) { bench in
            let scene = try await Scene(bench)
            let imsi = try Bench.imsi(0)
            let address = try await scene.on()
            _ = try await bench.control.quarantine(imsi, reason: "odd traffic", until: nil, by: .system)
            // The tenant names no policy for it: nothing passes.
            #expect(scene.mark(address) == .blockAll)
            try await scene.set("quarantine: {policy: service-only}")
            #expect(scene.mark(address) == scene.service)
            let found = try #require(try await scene.restriction())
            #expect(found.violations.map(\.reason) == [.byHand] && found.violations.first?.detail == "odd traffic")
            // The next session is in it too.
            #expect(try await scene.on() == address)
            #expect(scene.mark(address) == scene.service)
            _ = try await bench.control.release(imsi, tolerating: nil, by: .system)
            #expect(scene.mark(address) == scene.usual)

            let until = clock.now + TimeSpan(milliseconds: 600_000)
            _ = try await bench.control.quarantine(imsi, reason: "for a while", until: until, by: .system)
            #expect(scene.mark(address) == scene.service)
            #expect(try await scene.restriction()?.until == until)
            clock.advance(minutes: 10)
            try await bench.control.keepSessions()
            try await Bench.wait { scene.mark(address) == scene.usual }
            #expect(scene.mark(address) == scene.usual)
            await #expect(throws: ControlError.self) {
                _ = try await bench.control.quarantine(imsi, reason: "", until: nil, by: .system)
            }
            await #expect(throws: ControlError.self) {
                _ = try await bench.control.quarantine(imsi, reason: "x", until: clock.now, by: .system)
            }
        }
    }

    @Test func `a new SIM is in quarantine until it is approved, one or all`() async throws {
        try await Bench.run { bench in
            let scene = try await Scene(bench)
            try await scene.set("quarantine: {policy: service-only, new-sims: true}")
            let address = try await scene.on()
            let other = try await scene.on(1)
            #expect(scene.mark(address) == scene.service)
            #expect(try await scene.restriction()?.violations.map(\.reason) == [.newSIM])
            _ = try await bench.control.setApproved(true, Bench.imsi(0), by: .system)
            #expect(scene.mark(address) == scene.usual && scene.mark(other) == scene.service)
            let (count, _) = try await bench.control.approveAll(of: scene.acme, group: nil, by: .system)
            #expect(count == 1 && scene.mark(other) == scene.usual)
            _ = try await bench.control.setApproved(false, Bench.imsi(0), by: .system)
            #expect(scene.mark(address) == scene.service)
        }
    }

    @Test func `the first IMEI is shown, and forgotten when told`() async throws {
        try await Bench.run { bench in
            let scene = try await Scene(bench)
            try await scene.set("imei-lock: {mode: locked}\nquarantine: {policy: service-only}")
            let imsi = try Bench.imsi(0)
            let address = try await scene.on()
            try await scene.report(imei: "35999999000001")
            #expect(scene.mark(address) == scene.service)
            let standing = try await bench.control.standing(of: imsi, by: .system)
            #expect(standing.firstIMEI?.value == (try IMEI(parsing: "35123456000001")))
            #expect(standing.lastIMEI?.value == (try IMEI(parsing: "35999999000001")))
            #expect(standing.imeiChanges == 1)
            // Let pass for a time, it is only reported.
            _ = try await bench.control.release(imsi, tolerating: TimeSpan(milliseconds: 60_000), by: .system)
            #expect(scene.mark(address) == scene.usual)
            #expect(try await scene.restriction()?.action == .report)
            _ = try await bench.control.release(imsi, tolerating: nil, by: .system)
            #expect(scene.mark(address) == scene.service)
            _ = try await bench.control.resetIMEI(of: imsi, by: .system)
            #expect(scene.mark(address) == scene.usual)
            #expect(
                try await bench.control.standing(of: imsi, by: .system).firstIMEI?.value
                    == (try IMEI(parsing: "35999999000001")))
            let view = try await bench.control.effectivePolicy(of: imsi, by: .system)
            #expect(view.effective.imeiLocks.map(\.level) == [.tenant] && view.violations.isEmpty)
        }
    }

    @Test func `a list of a hundred thousand IMEIs is brought at once, and decides`() async throws {
        try await Bench.run { bench in
            let scene = try await Scene(bench)
            let name = try Name(parsing: "fleet")
            var lines = "imei,note\n# bought in spring\n"
            for number in 0..<100_000 { lines += "35123456\(String(1_000_000 + number).dropFirst())7,\"meter\"\n" }
            let started = ContinuousClock.now
            let put = try await bench.control.putIMEIList(
                name, text: Array((lines + "35999999\n").utf8), of: scene.acme, by: .system)
            #expect(put.list.count == 100_001)
            #expect(ContinuousClock.now - started < .seconds(20))
            try await scene.set("imei-lock: {mode: list, lists: [fleet], on-violation: block}")
            let address = try await scene.on(imei: "35123456099999")
            #expect(scene.mark(address) == scene.usual)
            try await scene.report(imei: "3512345610000012")
            #expect(scene.mark(address) == .blockAll)
            try await scene.report(imei: "35999999123456")
            #expect(scene.mark(address) == scene.usual)
            // A shorter list is in force at once.
            _ = try await bench.control.putIMEIList(
                name, text: Array("35123456000001\n".utf8), of: scene.acme, by: .system)
            #expect(scene.mark(address) == .blockAll)
            do throws(ControlError) {
                _ = try await bench.control.putIMEIList(
                    name, text: Array("imei\n3512345\n\n12345678901234567\n".utf8), of: scene.acme, by: .system)
                Issue.record("taken")
            } catch {
                #expect(error.problems.map(\.line) == [2, 4])
            }
            await #expect(throws: ControlError.self) {
                try await bench.control.deleteIMEIList(name, of: scene.acme, by: .system)
            }
            _ = try await bench.control.clearSessionPolicy(at: .tenant(scene.acme), by: .system)
            try await bench.control.deleteIMEIList(name, of: scene.acme, by: .system)
            #expect(try await bench.control.imeiLists(of: scene.acme, by: .system).isEmpty)
        }
    }

    /// A hook that answers as the test says, and keeps what it was asked.
    final class ScriptedHook: ApprovalAsking {
        private let state = Mutex<(answer: (status: Int, body: String)?, asked: [ApprovalRequest])>((nil, []))
        struct NoAnswer: Error {}

        func answer(_ status: Int, _ body: String) { state.withLock { $0.answer = (status, body) } }
        var asked: [ApprovalRequest] { state.withLock { $0.asked } }

        func post(_ request: ApprovalRequest) async throws -> (status: Int, body: [UInt8]) {
            state.withLock { $0.asked.append(request) }
            let deadline = ContinuousClock.now + .milliseconds(request.timeout.milliseconds)
            while ContinuousClock.now < deadline {
                if let answer = state.withLock({ $0.answer }) { return (answer.status, Array(answer.body.utf8)) }
                try await Task.sleep(for: .milliseconds(10))
            }
            throw NoAnswer()
        }
    }

    @Test func `a hook that does not answer holds nobody up, and its answer is in force when it comes`() async throws {
        let hook = ScriptedHook()
        try await Bench.run(approval: hook) { bench in
            let scene = try await Scene(bench)
            let secret = Secret(bytes: Array("a secret of some length".utf8))
            _ = try await bench.control.setApprovalHook(
                HTTPSAddress(parsing: "https://billing.example/approve"), secret: secret,
                timeout: TimeSpan(milliseconds: 10_000), cache: TimeSpan(milliseconds: 3_600_000), by: .system)
            try await scene.set(
                """
                approval: {by: hook, on-violation: block, on-no-answer: quarantine}
                quarantine: {policy: service-only}
                """)
            let started = ContinuousClock.now
            let address = try await scene.on()
            _ = try await scene.on(1)
            #expect(ContinuousClock.now - started < .seconds(10))
            #expect(scene.mark(address) == scene.service)
            #expect(try await scene.restriction()?.violations.map(\.reason) == [.approvalUnanswered])
            try await Bench.wait { hook.asked.count >= 2 }
            let asked = try #require(hook.asked.first)
            let text = String(decoding: asked.body, as: UTF8.self)
            #expect(text.contains("\"tenant\":\"acme\"") && text.contains("\"imsi\":\"9997000000000"))
            let code = HMAC<SHA256>.authenticationCode(for: asked.body, using: SymmetricKey(data: secret.bytes))
            #expect(asked.signature == "sha256=" + code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())

            hook.answer(200, #"{"approved": true, "plan": {"name": "gold"}}"#)
            try await Bench.wait { scene.mark(address) == scene.usual }
            #expect(scene.mark(address) == scene.usual)
            // The answer is kept: the next attach asks nobody.
            try await Bench.wait { try await scene.restriction(1) == nil }
            let count = hook.asked.count
            _ = try await scene.on()
            #expect(scene.mark(address) == scene.usual)
            try await Task.sleep(for: .milliseconds(300))
            #expect(hook.asked.count == count)
            await #expect(throws: ControlError.self) { try await bench.control.deleteApprovalHook(by: .system) }
        }
    }

    @Test(arguments: [
        (200, #"{"approved": false}"#, ViolationReason.notApproved), (500, "{}", .approvalUnanswered),
        (200, "approved", .approvalUnanswered), (200, #"{"approved": "maybe"}"#, .approvalUnanswered),
    ])
    func `what a hook says that is no approval`(_ status: Int, _ body: String, _ reason: ViolationReason) async throws {
        let hook = ScriptedHook()
        hook.answer(status, body)
        try await Bench.run(approval: hook) { bench in
            let scene = try await Scene(bench)
            _ = try await bench.control.setApprovalHook(
                HTTPSAddress(parsing: "https://billing.example/"),
                secret: Secret(bytes: Array(repeating: 7, count: 32)),
                timeout: TimeSpan(milliseconds: 500), cache: TimeSpan(milliseconds: 3_600_000), by: .system)
            try await scene.set("approval: {by: hook, on-violation: block, on-no-answer: quarantine}")
            _ = try await scene.on()
            try await Bench.wait { !hook.asked.isEmpty }
            try await Bench.wait { try await scene.restriction()?.violations.first?.reason == reason }
            #expect(try await scene.restriction()?.violations.map(\.reason) == [reason])
        }
    }
}

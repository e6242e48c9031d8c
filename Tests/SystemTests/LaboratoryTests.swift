import Glibc
import Lab
import Testing

/// Bringing the laboratory up and taking it down.
@Suite(.serialized) struct LaboratoryTests {
    private let lab: Laboratory
    private let command: String

    init() throws {
        let layout = try testLayout(prefix: "cordonlab", apiPort: 18081)
        lab = Laboratory(layout: layout)
        command = "\(layout.cordon) lab %s --prefix \(layout.prefix) --api-port \(layout.apiPort)"
    }

    private func lab(_ verb: String) -> String { command.replacing("%s", with: verb) }

    @Test func `up twice is up once, down twice is down, and nothing is left`() async throws {
        #expect(try output(of: lab("up")).contains("is up after"))
        #expect(try output(of: lab("up")).contains("up already"))
        #expect(try output(of: lab("status")).contains("reachable"))
        #expect(try output(of: lab("down")).contains("is down"))
        #expect(try output(of: lab("down")).contains("is down"))
        #expect(lab.remains() == [])
        #expect(throws: ShellFailure.self) { try output(of: lab("status") + " >/dev/null") }
    }

    /// Interrupted at many moments, by a signal that it can answer and by one that it cannot.
    @Test func `an interrupted up leaves nothing, a killed one is cleaned up by the next`() async throws {
        var whole = Duration.seconds(60)
        for _ in 0..<2 {
            let start = ContinuousClock.now
            _ = try output(of: lab("up"))
            whole = min(whole, ContinuousClock.now - start)
            try await lab.down()
        }
        func interrupt(_ signal: String, after part: Double) {
            // Its exit code says no more than that it ended.
            _ = try? output(of: "timeout -s \(signal) \(whole * part / Duration.seconds(1)) \(lab("up")) 2>&1")
        }

        var wasWhole = 0
        for part in stride(from: 0.1, to: 1, by: 0.1) {
            interrupt("INT", after: part)
            // It may have been faster than the signal: then all is there.
            let isWhole = lab.isUp
            if isWhole { wasWhole += 1 } else { #expect(lab.remains() == [], "after \(part) of \(whole)") }
            try await lab.down()
        }
        #expect(wasWhole < 9, "too late to interrupt anything")
        for part in [0.2, 0.5, 0.8] {
            interrupt("KILL", after: part)
            let isWhole = lab.isUp
            #expect(try await lab.up() == (isWhole ? .wasUp : .broughtUp))
            try await lab.down()
            #expect(lab.remains() == [], "killed after \(part) of \(whole)")
        }
    }

    @Test func `a laboratory that lost a process is not whole and is brought up anew`() async throws {
        #expect(try await lab.up() == .broughtUp)
        let status = try output(of: lab("status"))
        let line = try #require(status.split(separator: "\n").first { $0.contains("cordond") })
        let process = try #require(line.split(separator: " ").last.flatMap { pid_t($0) })
        kill(process, SIGKILL)
        while lab.isUp { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await lab.up() == .broughtUp)
        try await lab.down()
        #expect(lab.remains() == [])
    }

    @Test func `another command at the same time is refused`() async throws {
        async let up = lab.up()
        try await Task.sleep(for: .milliseconds(50))
        #expect(throws: ShellFailure.self) { try output(of: lab("down") + " 2>/dev/null") }
        #expect(try await up == .broughtUp)
        try await lab.down()
    }

    @Test(arguments: ["", "Cordon", "../etc", "a-b", "averyveryverylongname", "1lab"])
    func `a prefix that could name something else is refused`(prefix: String) throws {
        #expect(throws: LabError.self) { try LabLayout(prefix: prefix) }
    }
}

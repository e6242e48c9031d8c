import Domain
import Foundation
import Lab
import Testing

extension LabTests {
    private struct Line: Decodable {
        let number: Int
        let code: String
        let tenant: String?
        let subject: String
    }

    /// Somebody follows a SIM's events over a restart of the daemon.
    @Test func `event follow shows a suspension as it happens, and goes on after a restart where it was`() async throws
    {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let layout = lab.layout
        let device = demonstration.fleet.acme[33]
        let file = "\(layout.runDirectory)/event-test"
        let command = """
            eval "$(\(layout.cordon) lab env --prefix \(layout.prefix) --api-port \(layout.apiPort))"
            timeout -s INT 60 \(layout.cordon) event follow --sim \(device.sim.imsi) --kind sim --limit 2 --json | tee \(file)
            """
        let before = try await metric("cordon_event_followers")
        async let followed = Task.detached { try output(of: command) }.value
        for _ in 0..<200 where try await metric("cordon_event_followers") == before {
            try await Task.sleep(for: .milliseconds(25))
        }
        let told = { (try? String(contentsOfFile: file, encoding: .utf8)) ?? "" }
        let started = ContinuousClock.now
        try await lab.cli.run(["sim", "suspend", device.sim.imsi])
        for _ in 0..<200 where !told().contains("suspended") { try await Task.sleep(for: .milliseconds(10)) }
        #expect(told().contains("suspended") && ContinuousClock.now - started < .seconds(5))

        try await lab.restartGateway()
        try await lab.cli.run(["sim", "resume", device.sim.imsi])
        let decoder = JSONDecoder()
        let lines = try await followed.split(separator: "\n").map { try decoder.decode(Line.self, from: Data($0.utf8)) }
        #expect(lines.map(\.code) == ["suspended", "resumed"])
        #expect(lines.allSatisfy { $0.tenant == "acme" && $0.subject == "sim/\(device.sim.imsi)" })

        let listed = try await lab.cli.run([
            "event", "list", "--sim", device.sim.imsi, "--kind", "sim,session", "--after",
            "\((lines.first?.number ?? 1) - 1)",
        ])
        for word in ["suspended", "session-ended", "resumed"] { #expect(listed.contains(" \(word) "), "\(listed)") }
        #expect(try await PacketGateway(lab: lab).attach([device.sim]).map(\.address) == [device.address])
    }
}

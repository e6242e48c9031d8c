import Domain
import Foundation
import Lab
import Testing

extension LabTests {
    private struct Plan: Decodable {
        struct Flow: Decodable {
            let device: String
            let destination: String
            let `protocol`: Int
            let port: Int?
            let rule: String?
            let newRule: String?
        }

        let version: Int
        let sessions: Int
        let flowsCut: Int
        let flows: [Flow]
    }

    private struct Applied: Decodable {
        let version: Int
        let flowsCut: Int
    }

    private struct Verdict: Decodable {
        let verdict: String
        let version: Int
    }

    /// What came of a command line.
    private struct Outcome {
        let status: String
        let text: String

        func json<Answer: Decodable>(_ type: Answer.Type) throws -> Answer {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(type, from: Data(text.utf8))
        }
    }

    /// Runs `cordon policy ARGUMENTS`, whatever its exit code, with a document as standard input.
    private func policy(_ arguments: String, document: String = "") throws -> Outcome {
        let layout = try demonstration().lab.layout
        let encoded = Data(document.utf8).base64EncodedString()
        let text = try output(
            of: """
                eval "$(\(layout.cordon) lab env --prefix \(layout.prefix) --api-port \(layout.apiPort))"
                echo \(encoded) | base64 -d | \(layout.cordon) policy \(arguments) 2>&1; echo "exit $?"
                """)
        let end = try #require(text.range(of: "exit ", options: .backwards))
        return Outcome(status: String(text[end.upperBound...]), text: String(text[..<end.lowerBound]))
    }

    /// Devices send to the sink, the rule is taken away from them and comes back.
    @Test func `a plan says which flows it would cut, apply cuts exactly these, and rollback lets them through again`()
        async throws
    {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let document = try await lab.cli.run(["policy", "show", "meters", "--tenant", "acme"])
        let narrower = document.replacing("[\(Fleet.reportPort)]", with: "[\(Fleet.reportPort + 1)]")
        try #require(narrower != document)
        // What earlier tests have left is gone with this.
        #expect(try policy("apply - --tenant acme", document: narrower).status == "0")
        #expect(try policy("apply - --tenant acme", document: document).status == "0")

        let sinkAddress = try IPv4Address(parsing: LabLayout.sink)
        let sink = try NamespaceSocket(
            .udp, in: lab.layout.name(of: .inet), address: sinkAddress, port: Fleet.reportPort)
        let devices = Array(demonstration.fleet.acme[..<23])
        let sockets = try (devices + demonstration.fleet.globex[..<5]).map {
            try NamespaceSocket(.udp, in: lab.layout.name(of: .ran), address: $0.address, port: 40_200)
        }
        /// How many datagrams reach the sink when each device sends one.
        func arrivals() async throws -> Int {
            while sink.receive() != nil {}
            for socket in sockets { socket.send([1], to: sinkAddress, port: Fleet.reportPort) }
            try await Task.sleep(for: .milliseconds(300))
            var count = 0
            while sink.receive() != nil { count += 1 }
            return count
        }
        #expect(try await arrivals() == sockets.count)

        let planned = try policy("plan - --tenant acme --json", document: narrower)
        #expect(planned.status == "2")
        let plan = try planned.json(Plan.self)
        #expect(plan.sessions == Fleet.size)
        #expect(plan.flowsCut == devices.count)
        #expect(plan.flows.count == 20)
        #expect(Set(plan.flows.map(\.device)).isSubset(of: devices.map { "\($0.address)" }))
        for flow in plan.flows {
            #expect(flow.destination == LabLayout.sink && flow.protocol == 17 && flow.port == Int(Fleet.reportPort))
            #expect(flow.rule == "reports" && flow.newRule == nil)
        }
        let shown = try policy("plan - --tenant acme", document: narrower)
        #expect(shown.status == "2")
        #expect(shown.text.contains("\n~ reports  to ") && shown.text.contains("\n  and 3 more\n"), "\(shown.text)")
        let same = try policy("plan - --tenant acme", document: document)
        #expect(same.status == "0", "\(same.text)")
        // It was only a plan.
        #expect(try await arrivals() == sockets.count)

        let stale = try policy("apply - --tenant acme --if-version \(plan.version - 1)", document: narrower)
        #expect(stale.status == "4")
        #expect(stale.text.contains("version \(plan.version), applied by"), "\(stale.text)")
        let applied = try policy("apply - --tenant acme --if-version \(plan.version) --json", document: narrower)
        #expect(try applied.json(Applied.self).flowsCut == plan.flowsCut)
        #expect(try await arrivals() == sockets.count - devices.count)
        let explain =
            "explain --sim \(devices[0].sim.imsi) --to \(LabLayout.sink):\(Fleet.reportPort)/udp "
            + "--at 2026-11-25T22:31:00Z --json"
        #expect(try policy(explain).json(Verdict.self).verdict == "block")

        let back = try policy("rollback meters --tenant acme --comment test --json").json(Applied.self)
        #expect(back.version == plan.version + 2)
        #expect(back.flowsCut == 0)
        let verdict = try policy(explain).json(Verdict.self)
        #expect(verdict.verdict == "allow" && verdict.version == back.version)
        #expect(try await arrivals() == sockets.count)

        let difference = try policy("diff meters --tenant acme --from \(plan.version) --to \(back.version)")
        #expect(difference.status == "0" && difference.text.contains("no difference"), "\(difference.text)")
        let narrowed = try policy("diff meters --tenant acme --from \(plan.version + 1)")
        #expect(narrowed.text.contains("~ reports  to "), "\(narrowed.text)")
        #expect(try policy("show meters --tenant acme --version \(plan.version)").text.hasSuffix(document))
    }
}

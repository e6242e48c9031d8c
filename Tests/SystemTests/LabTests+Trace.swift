import Domain
import Foundation
import Lab
import Testing

extension LabTests {
    private struct Line: Decodable {
        let type: String
        let direction: String?
        let source: String?
        let destination: String?
        let destinationPort: Int?
        let verdict: String?
        let by: String?
        let policy: String?
        let rule: String?
        let route: String?
        let reason: String?
        let difference: String?
        let leftOut: Int?
    }

    /// A device sends what its policy allows and what it does not, while somebody traces its SIM.
    @Test func `policy trace shows a device's packets as they come, with the rules that decide`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let layout = lab.layout
        let sinkAddress = try IPv4Address(parsing: LabLayout.sink)
        // So that nobody answers that the port is closed.
        let sinks = try [Fleet.reportPort, Fleet.reportPort + 1].map {
            try NamespaceSocket(.udp, in: layout.name(of: .inet), address: sinkAddress, port: $0)
        }
        defer { withExtendedLifetime(sinks) {} }
        let (device, other) = (demonstration.fleet.acme[30], demonstration.fleet.acme[31])
        let sockets = try [device, other].map {
            try NamespaceSocket(.udp, in: layout.name(of: .ran), address: $0.address, port: 40_300)
        }
        let file = "\(layout.runDirectory)/trace-test"
        let trace = { @Sendable (options: String) in
            """
            eval "$(\(layout.cordon) lab env --prefix \(layout.prefix) --api-port \(layout.apiPort))"
            timeout -s INT 20 \(layout.cordon) policy trace --sim \(device.sim.imsi) \(options)
            """
        }
        async let traced = Task.detached {
            try output(of: trace("--seconds 10 --limit 3 --json") + " | tee \(file)")
        }.value
        // Until it says that it traces.
        for _ in 0..<200 where (try? String(contentsOfFile: file, encoding: .utf8))?.contains("status") != true {
            try await Task.sleep(for: .milliseconds(25))
        }
        for socket in sockets {
            socket.send([1], to: sinkAddress, port: Fleet.reportPort)
            socket.send([1], to: sinkAddress, port: Fleet.reportPort)
            socket.send([1], to: sinkAddress, port: Fleet.reportPort + 1)
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let lines = try await traced.split(separator: "\n").map { try decoder.decode(Line.self, from: Data($0.utf8)) }
        let packets = lines.filter { $0.type == "packet" }
        #expect(packets.count == 3)
        #expect(packets.allSatisfy { $0.source == "\(device.address)" && $0.destination == LabLayout.sink })
        #expect(packets.allSatisfy { $0.policy == "meters" && $0.difference == nil }, "\(packets)")
        #expect(packets.map(\.verdict) == ["allow", "allow", "block"])
        #expect(packets.map(\.rule) == ["reports", "reports", nil])
        #expect(packets.map(\.route) == ["internet", "internet", nil])
        #expect(packets.last?.reason == "no rule matches, so the default blocks it")
        #expect(lines.last?.type == "end" && lines.last?.leftOut == 0)

        // For people, ended by Ctrl-C.
        async let shown = Task.detached {
            try output(of: trace("2>&1").replacing("-s INT 20", with: "-s INT --preserve-status 3"))
        }.value
        try await Task.sleep(for: .seconds(2))
        sockets[0].send([1], to: sinkAddress, port: Fleet.reportPort)
        let text = try await shown
        #expect(text.contains("tracing \(device.address)\n"), "\(text)")
        #expect(text.contains("allow meters v") && text.contains("/reports"), "\(text)")

        // A client that is gone is noticed when the next lines are written.
        let tables = { try output(of: "ip netns exec \(layout.name(of: .gw)) nft list tables") }
        for _ in 0..<80 where try tables().contains("cordon_trace") { try await Task.sleep(for: .milliseconds(100)) }
        #expect(try !tables().contains("cordon_trace"))
        #expect(
            try output(of: "\(trace("--seconds 1 2>&1").replacing(device.sim.imsi, with: "001010000019999")); true")
                .contains("there is no SIM"))
    }
}

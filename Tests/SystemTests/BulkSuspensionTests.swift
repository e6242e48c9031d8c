import Domain
import Foundation
import Lab
import Testing

/// Ten thousand SIMs of one tenant, suspended by one command, on the real kernel and with packets of some of them under way.
@Suite(.serialized) struct BulkSuspensionTests {
    private static let sims = 10_000
    private static let watched = 20
    private static let tenant = "fleet"

    @Test func `the last packet of 10,000 SIMs comes within 5 seconds of the command, and resume undoes it`()
        async throws
    {
        let layout = try testLayout(prefix: "cordonbulk", apiPort: 18087, natPublic: "198.19.0.0/25")
        let lab = Laboratory(layout: layout)
        try await lab.down()
        _ = try await lab.up()
        do {
            try await Self.prepare(lab)
            let devices = try await Self.attach(lab)
            #expect(devices.count == Self.sims)
            #expect(try Self.enforced(lab) >= Self.sims)
            try await Self.suspend(lab, devices)
        } catch {
            try await lab.down()
            throw error
        }
        try await lab.down()
        #expect(lab.remains() == [])
    }

    private static func prepare(_ lab: Laboratory) async throws {
        try await lab.cli.run(["tenant", "create", tenant])
        let policy = """
            policy: meters
            rules:
              - {name: all, to: [\(LabLayout.sink)], protocol: udp, ports: [5000-65000], route: internet}

            """
        try await lab.cli.run(["policy", "apply", "-", "--tenant", tenant], input: policy)
        try await lab.cli.run(["group", "create", "meters", "--tenant", tenant, "--policy", "meters"])
        let rows = (0..<sims).map { number in
            let digits = String(repeating: "0", count: 10 - String(number).count) + String(number)
            return "898800000\(digits),00101\(digits),,meters,meter \(number)"
        }
        let csv = (["iccid,imsi,msisdn,group,name"] + rows).joined(separator: "\n") + "\n"
        try await lab.cli.run(["sim", "import", "-", "--tenant", tenant, "--atomic"], input: csv)
        // The P-GW, a script for each request, is not what is measured: it is asked at a port where nobody answers.
        try await lab.cli.run([
            "nas", "set", "lab-pgw", "--disconnect-port", "9", "--attempts", "1", "--first-wait", "100",
            "--requests-per-second", "10000",
        ])
    }

    /// - Returns: the addresses of all that were let in.
    private static func attach(_ lab: Laboratory) async throws -> [IPv4Address] {
        let layout = lab.layout
        let file = "\(layout.runDirectory)/told"
        let load = [
            "nsenter", "--net=/run/netns/\(layout.name(of: .ran))", "\(layout.programs)/RADIUSLoad", "--server",
            LabLayout.gatewaySGi, "--secret-file", layout.runDirectory + "/radius.secret", "--count", "\(sims)",
            "--in-flight", "500", "--phases", "auth", "--write", file,
        ]
        try output(of: load.joined(separator: " "))
        return try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").compactMap { line in
            try line.split(separator: " ").dropFirst().first.map { try IPv4Address(parsing: $0) }
        }
    }

    /// How many devices the kernel knows.
    private static func enforced(_ lab: Laboratory) throws -> Int {
        let listing = try output(
            of: "ip netns exec \(lab.layout.name(of: .gw)) nft list map inet cordon device_policy")
        return listing.matches(of: /[0-9.]+ : 0x/).count
    }

    private static func suspend(_ lab: Laboratory, _ devices: [IPv4Address]) async throws {
        let (ran, port) = (lab.layout.name(of: .ran), UInt16(5555))
        let chosen = stride(from: 0, to: devices.count, by: devices.count / watched).map { devices[$0] }
        for address in chosen { try output(of: "ip -n \(ran) addr add \(address)/32 dev lo") }
        let target = try IPv4Address(parsing: LabLayout.sink)
        let sink = try NamespaceSocket(.udp, in: lab.layout.name(of: .inet), address: target, port: port)
        let sockets = try chosen.map { try NamespaceSocket(.udp, in: ran, address: $0, port: 40_100) }

        let command = Task {
            let started = ContinuousClock.now
            let output = try await lab.cli.run(
                ["sim", "bulk", "suspend", "--tenant", tenant, "--label", "meter *", "--json"])
            return (started, output)
        }
        var last: [UInt8: ContinuousClock.Instant] = [:]
        let begun = ContinuousClock.now
        // Until nothing has come for two seconds.
        while ContinuousClock.now - (last.values.max() ?? begun) < .seconds(2) {
            for (index, socket) in sockets.enumerated() { socket.send([UInt8(index)], to: target, port: port) }
            while let datagram = sink.receive() {
                if let index = datagram.bytes.first { last[index] = .now }
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        let (started, answer) = try await command.value
        // Each of them was heard before, so that it was being cut and not silent already.
        #expect(last.count == chosen.count)
        let latest = try #require(last.values.max()) - started
        print("the last packet of \(sims) suspended SIMs came \(latest) after their command began")
        #expect(latest <= .seconds(5))
        #expect(try enforced(lab) == 0)

        let id = try #require(answer.firstMatch(of: /"id":(\d+)/)).1
        var shown = ""
        for _ in 0..<600 where !shown.contains("finished") {
            shown = try await lab.cli.run(["sim", "bulk", "show", String(id), "--json"])
            try await Task.sleep(for: .milliseconds(100))
        }
        // In force for all, and no NAS has confirmed it.
        #expect(shown.contains("\"unconfirmed\":\(sims)") && shown.contains("finished"), "\(shown)")
        let items = try await lab.cli.run(["sim", "bulk", "items", String(id), "--state", "unconfirmed"])
        #expect(items.split(separator: "\n").count == sims + 1 && items.contains("no answer to 1 datagram"))
        // Resumed, they have their traffic back; twice changes nothing.
        for expected in ["\"done\":\(sims)", "\"unchanged\":\(sims)"] {
            let resumed = try await lab.cli.run(
                ["sim", "bulk", "resume", "--tenant", tenant, "--follow", "--json"])
            #expect(resumed.contains(expected), "\(resumed)")
        }
        #expect(try enforced(lab) >= sims)
    }
}

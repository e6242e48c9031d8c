import Domain
import Lab
import Testing

extension LabTests {
    private struct Usage: Decodable {
        struct Counts: Decodable {
            let octets_up: Int
            let octets_down: Int
        }
        struct Item: Decodable {
            let way: String?
            let rule: String?
            let octets_down: Int
        }
        let total: Counts
        let items: [Item]
    }

    private func usage(_ arguments: [String]) async throws -> Usage {
        let answers = try await demonstration().lab.cli.answers(
            ["usage", "show", "--json"] + arguments, as: Usage.self)
        return try #require(answers.first)
    }

    /// Octets of a transfer are there, through the kernel's counters and a restart in its middle, and once only.
    @Test func `what a device downloads is in its usage, and in its tenant's`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let device = demonstration.fleet.acme[13]
        let sim = ["--imsi", device.sim.imsi, "--step", "total", "--by-way"]
        let before = try await usage(sim).total.octets_down
        let download = try await Download.start(in: lab, by: device)
        try await lab.restartGateway()
        try await Task.sleep(for: .milliseconds(500))
        let octets = download.octets
        try await download.stop()
        // Read each ten seconds here; what was under way when it was stopped belongs to it too.
        var after = 0
        for _ in 0..<60 {
            try await Task.sleep(for: .milliseconds(500))
            let now = try await usage(sim)
            if now.total.octets_down - before >= octets, now.total.octets_down == after { break }
            after = now.total.octets_down
        }
        // 40 octets of headers for each 1,460, and acknowledged data that curl had not written yet.
        #expect(
            after - before >= octets && after - before <= octets * 11 / 10 + 8_000_000, "\(octets) \(after - before)")
        let ways = try await usage(sim)
        #expect(ways.items.contains { $0.way == "internet" && $0.octets_down >= octets })
        #expect(try await usage(["--tenant", "acme", "--step", "month"]).total.octets_down >= after)
        let table = try await lab.cli.run(["usage", "export", "--tenant", "acme", "--sims"]).split(separator: "\n")
        #expect(table.contains { $0.hasPrefix(device.sim.imsi + ",") && $0.contains(",\(after),") })
        let records = try await lab.cli.run(["usage", "records", "--tenant", "acme", "--csv", "--limit", "100000"])
        let own = records.split(separator: "\n").filter { $0.contains(",\(device.sim.imsi),") }
        let sum = own.compactMap { line in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            return fields.count == 12 ? Int(fields[9]) : nil
        }.reduce(0, +)
        #expect(sum == after)
    }

    /// Octets of a rule's flows are there once, through a new version and a restart in a transfer's middle.
    @Test func `what a rule that asks for it lets pass is in its usage`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let device = demonstration.fleet.globex[37]
        let apply = { (rest: String) in
            try await lab.cli.run(
                ["policy", "apply", "-", "--tenant", "globex"],
                input: """
                    policy: counted
                    rules:
                      - {name: web, to: [\(LabLayout.web)], protocol: tcp, ports: [443], route: internet, usage: true}
                    \(rest)
                    """)
        }
        _ = try await apply("")
        try await lab.cli.run(["group", "create", "counted", "--tenant", "globex", "--policy", "counted"])
        try await lab.cli.run(["sim", "set-group", device.sim.imsi, "--group", "counted"])
        let download = try await Download.start(in: lab, by: device)
        _ = try await apply("  - {name: other, to: [\(LabLayout.sink)], protocol: udp, ports: [5000], route: internet}")
        try await lab.restartGateway()
        try await Task.sleep(for: .milliseconds(500))
        let octets = download.octets
        try await download.stop()
        let question = ["--tenant", "globex", "--policy", "counted", "--step", "total"]
        var (usage, after): (Usage?, Int) = (nil, 0)
        for _ in 0..<60 {
            try await Task.sleep(for: .milliseconds(500))
            usage = try await lab.cli.answers(["usage", "rules", "--json"] + question, as: Usage.self).first
            if let now = usage?.total.octets_down, now >= octets, now == after { break }
            after = usage?.total.octets_down ?? 0
        }
        // As of devices.
        #expect(after >= octets && after <= octets * 11 / 10 + 8_000_000, "\(octets) \(after)")
        #expect(usage?.items.map(\.rule) == ["web"] && usage?.items.first?.octets_down == after)
        let table = try await lab.cli.run(["usage", "export", "--rules"] + question).split(separator: "\n")
        #expect(table.count == 2 && table.last?.contains(",counted,web,") == true, "\(table)")
        try await lab.cli.run(["sim", "set-group", device.sim.imsi, "--group", device.sim.group])
        try await lab.cli.run(["group", "delete", "counted", "--tenant", "globex"])
        try await lab.cli.run(["policy", "delete", "counted", "--tenant", "globex"])
        let kept = try await lab.cli.answers(["usage", "rules", "--json"] + question, as: Usage.self).first
        #expect(kept?.total.octets_down == after)
    }
}

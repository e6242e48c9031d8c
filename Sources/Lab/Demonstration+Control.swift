import Domain

extension Demonstration {
    func suspension() async throws(LabError) -> Sight {
        let device = fleet.acme[2]
        let download = try await Download.start(in: lab, by: device)
        let start = ContinuousClock.now
        let answer = try await lab.cli.answers(["sim", "suspend", device.sim.imsi, "--json"], as: Suspension.self)
        let stopped = try await download.lastGrowth() - start
        try await download.stop()
        // As found: the SIM may be used again, and is.
        _ = try await lab.cli.run(["sim", "resume", device.sim.imsi])
        let attached = try await PacketGateway(lab: lab).attach([device.sim])
        let steps = answer.first?.steps ?? []
        return Sight(
            seen: "the last bytes came \(stopped < .zero ? "before" : stopped.inSeconds + " after") the command",
            notes: steps.map { "\($0.afterMilliseconds) ms: \($0.name): \($0.detail)" },
            isAsExpected: stopped < .seconds(1)
                && steps.map(\.name) == ["kernel", "flows", "disconnect", "accounting-stop"]
                && answer.first?.isComplete == true && attached.map(\.address) == [device.address])
    }

    func rejection() async throws(LabError) -> Sight {
        let (suspended, other) = (fleet.acme[3], fleet.acme[4])
        try await lab.cli.run(["sim", "suspend", suspended.sim.imsi])
        let answers = try await PacketGateway(lab: lab).attach([suspended.sim, other.sim])
        let rejects = try await PacketGateway(lab: lab).answers(to: [suspended.sim])
        try await lab.cli.run(["sim", "resume", suspended.sim.imsi])
        let attached = try await PacketGateway(lab: lab).attach([suspended.sim])
        return Sight(
            seen: "\(rejects.first ?? "no answer"); the other SIM: "
                + (answers.map(\.sim) == [other.sim] ? "Access-Accept" : "no Access-Accept"),
            notes: ["resumed, it attaches: \(attached.isEmpty ? "no" : "yes")"],
            isAsExpected: rejects == ["Access-Reject"] && answers.map(\.sim) == [other.sim]
                && attached.map(\.address) == [suspended.address])
    }

    func resumption() async throws(LabError) -> Sight {
        let device = fleet.acme[5]
        let url = "http://\(LabLayout.web):443/whoami"
        try await lab.cli.run(["sim", "suspend", device.sim.imsi])
        let during = try await fetch(url, as: "\(device.address)", in: .ran)
        try await lab.cli.run(["sim", "resume", device.sim.imsi])
        let attached = try await PacketGateway(lab: lab).attach([device.sim])
        let after = try await fetch(url, as: "\(device.address)", in: .ran)
        return Sight(
            seen: "\(attached.first.map { "\($0.address)" } ?? "no address"), "
                + (after.map { "HTTP 200 in \($0.time)" } ?? "no answer"),
            notes: ["while suspended: \(during == nil ? "no answer" : "an answer")"],
            isAsExpected: attached.map(\.address) == [device.address] && during == nil && after != nil)
    }

    func policyChange() async throws(LabError) -> Sight {
        let cut = try await Download.start(in: lab, by: fleet.acme[6])
        let sameTenant = try await Download.start(in: lab, by: fleet.acme[7], from: LabLayout.otherWeb)
        let otherTenant = try await Download.start(in: lab, by: fleet.globex[6])
        let others = [sameTenant, otherTenant]
        let start = ContinuousClock.now
        let answer = try await lab.cli.run(
            ["policy", "apply", "-", "--tenant", "acme", "--comment", "demonstration"], input: Fleet.metersWithoutWeb)
        let stopped = try await cut.lastGrowth() - start
        let sizes = others.map(\.octets)
        try await pause(.milliseconds(500))
        let grown = zip(others, sizes).map { $0.octets - $1 }
        let areRunning = others.map(\.isRunning)
        for download in [cut] + others { try await download.stop() }
        try await lab.cli.run(["policy", "apply", "-", "--tenant", "acme"], input: Fleet.meters)
        return Sight(
            seen: "the last bytes came \(stopped < .zero ? "before" : stopped.inSeconds + " after") the command; "
                + "the others had \(grown.map { "\($0 / 1024) KiB" }.joined(separator: " and ")) more in 500 ms",
            notes: [
                "\(cut.device.address) lost \(LabLayout.web); \(sameTenant.device.address), same policy, keeps "
                    + "\(LabLayout.otherWeb); \(otherTenant.device.address) is the other tenant's",
                answer.trimmed,
            ],
            isAsExpected: stopped < .seconds(1) && grown.allSatisfy { $0 > 100_000 } && areRunning == [true, true])
    }

    private struct Suspension: Decodable {
        struct Step: Decodable {
            let name: String
            let afterMilliseconds: Double
            let detail: String

            enum CodingKeys: String, CodingKey {
                case name
                case afterMilliseconds = "after_ms"
                case detail
            }
        }

        let isComplete: Bool
        let steps: [Step]

        enum CodingKeys: String, CodingKey {
            case isComplete = "is_complete"
            case steps
        }
    }
}

import Domain
import Lab
import Testing

/// Session policies with real RADIUS, a real kernel and the command line.
extension LabTests {
    /// A device's packets to the web server in the internet, by curl.
    private struct Probe {
        let command: String

        init(_ lab: Laboratory, _ device: PacketGateway.Attached) {
            command =
                "ip netns exec \(lab.layout.name(of: .ran)) curl -s -f -m 1 --interface \(device.address) "
                + "http://\(LabLayout.web):443/whoami"
        }

        var passes: Bool { (try? output(of: command))?.hasPrefix(LabLayout.edgeOutside) ?? false }
    }

    @Test func `a swapped IMEI is caught while the session is on, survives a restart, and is over with the right one`()
        async throws
    {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let gateway = PacketGateway(lab: lab)
        let device = demonstration.fleet.globex[33]
        let probe = Probe(lab, device)
        #expect(probe.passes)
        try await lab.cli.run(
            ["session-policy", "set", "-", "--sim", device.sim.imsi],
            input: "imei-lock: {mode: locked, on-violation: block}\n")
        #expect(probe.passes)
        let started = ContinuousClock.now
        try await gateway.interim(device, up: 1, down: 1, saying: ["3GPP-IMEISV": "\"3599999900000101\""])
        let inForce = ContinuousClock.now - started
        #expect(!probe.passes)
        #expect(inForce < .seconds(1))
        print("a violation in a report was in force \(inForce.inSeconds) after radclient began to send it")
        let view = try await lab.cli.run(["sim", "effective", device.sim.imsi])
        #expect(view.contains("imei-changed (block)"))
        #expect(try await lab.cli.run(["session", "list", "--json"]).contains(#""action":"block""#))
        try await lab.restartGateway()
        #expect(!probe.passes)
        try await gateway.interim(device, up: 2, down: 2)
        #expect(probe.passes)
        try await lab.cli.run(["session-policy", "clear", "--sim", device.sim.imsi])
    }

    @Test func `a device that leaves its cells is put into quarantine, and reaches what that allows`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let gateway = PacketGateway(lab: lab)
        let device = demonstration.fleet.globex[34]
        let probe = Probe(lab, device)
        let elsewhere = ["3GPP-User-Location-Info": "0x8200f110000900f1100000ffff"]
        try await lab.cli.run(
            ["policy", "apply", "-", "--tenant", "globex"],
            input: "policy: service-only\nrules: [{name: web, to: [\(LabLayout.web)], route: internet}]\n")
        let place = "location-lock: {allow: {tracking-areas: [00101-1]}, after-reports: 2}\n"
        let quarantine = "quarantine: {policy: service-only}\n"
        try await lab.cli.run(
            ["session-policy", "set", "-", "--sim", device.sim.imsi], input: place + quarantine)
        try await gateway.interim(device, up: 1, down: 1, saying: elsewhere)
        #expect(try await lab.cli.run(["session", "list", "--json"]).contains(#""action":"quarantine""#) == false)
        try await gateway.interim(device, up: 2, down: 2, saying: elsewhere)
        #expect(try await lab.cli.run(["session", "list", "--json"]).contains(#""action":"quarantine""#))
        #expect(probe.passes)
        // Without a policy for it nothing passes.
        try await lab.cli.run(["session-policy", "set", "-", "--sim", device.sim.imsi], input: place)
        #expect(!probe.passes)
        try await gateway.interim(device, up: 3, down: 3)
        try await gateway.interim(device, up: 4, down: 4)
        #expect(probe.passes)
        try await lab.cli.run(["session-policy", "clear", "--sim", device.sim.imsi])
        try await lab.cli.run(["policy", "delete", "service-only", "--tenant", "globex"])
    }

    // MARK: Limits

    @Test func `a limit that is reached cuts a download, an edit opens it again, and a restart loses nothing`()
        async throws
    {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let device = demonstration.fleet.globex[35]
        let probe = Probe(lab, device)
        #expect(probe.passes)
        let set = { (document: String) in
            _ = try await lab.cli.run(["session-policy", "set", "-", "--sim", device.sim.imsi], input: document + "\n")
        }
        // Slow enough to be watched.
        let rate = "bandwidth: {down: 20Mbit/s}\n"
        try await set(rate + "data-limit: {volume: 5MB, per: month, warn-at: [50], on-reached: block}")
        let download = try await Download.start(in: lab, by: device)
        _ = try await download.lastGrowth()
        // No packet more than the volume, and one packet less at most: of a segment that is not cut yet (GSO).
        var volume = try await Self.volume(lab, device)
        #expect(volume.used <= 5_000_000 && volume.used > 5_000_000 - 65_536 - 1500)
        #expect(try await Self.isSoon { !probe.passes })
        let view = try await lab.cli.run(["sim", "effective", device.sim.imsi])
        #expect(view.contains("data-limit-reached (block)"))
        let cut = try await Self.volume(lab, device).used
        try await lab.restartGateway()
        #expect(!probe.passes)
        #expect(try await Self.volume(lab, device).used == cut)

        try await set(rate + "data-limit: {volume: 10MB, per: month, on-reached: block}")
        #expect(probe.passes)
        volume = try await Self.volume(lab, device)
        #expect(volume.used > cut && volume.limit == 10_000_000)
        let topUp = try await lab.cli.run(["sim", "limit", "top-up", device.sim.imsi, "5MB"])
        #expect(topUp.contains("of 15MB are left to the sim"))
        #expect(try await lab.cli.run(["sim", "limit", "reset", device.sim.imsi]).hasPrefix("10MB of 10MB are left"))
        try await download.stop()
        try await lab.cli.run(["session-policy", "clear", "--sim", device.sim.imsi])
    }

    @Test func `a volume that slows does so in the kernel, and a rate is what it says`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let device = demonstration.fleet.globex[36]
        try await lab.cli.run(
            ["session-policy", "set", "-", "--sim", device.sim.imsi],
            input: """
                bandwidth: {down: 20Mbit/s}
                data-limit: {volume: 25MB, per: day, on-reached: slow, slow-rate: 2Mbit/s}

                """)
        let download = try await Download.start(in: lab, by: device)
        // The first second may have the burst.
        try await Task.sleep(for: .seconds(1))
        // As much as that, once the machine has nothing else to do. Headers are of the rate, and not of the file.
        let fast = try await Self.rates(of: download, .seconds(1), until: 0.85...1.05, of: 20_000_000)
        #expect(try await Self.isSoon { try await Self.volume(lab, device).used > 25_000_000 })
        try await Task.sleep(for: .seconds(2))
        let slow = try await Self.rates(of: download, .seconds(5), until: 0.85...1.05, of: 2_000_000)
        #expect(download.isRunning)
        try await download.stop()
        print("a download limited to 20 Mbit/s had \(fast) bit/s of contents, slowed to 2 Mbit/s \(slow)")
        let view = try await lab.cli.run(["sim", "limit", "show", device.sim.imsi])
        #expect(view.contains("rates: up 2Mbit/s, down 2Mbit/s, slowed because the volume from sim is used"))
        try await lab.cli.run(["session-policy", "clear", "--sim", device.sim.imsi])
    }

    private static func volume(
        _ lab: Laboratory, _ device: PacketGateway.Attached
    ) async throws -> (used: Int, limit: Int) {
        let answer = try await lab.cli.run(["sim", "limit", "show", device.sim.imsi, "--json"])
        let number = { (key: String) in
            let text = answer.split(separator: "\"\(key)\":").dropFirst().first?.prefix { $0.isNumber }
            return try #require(text.flatMap { Int($0) })
        }
        return (try number("used"), try number("limit"))
    }

    private static func isSoon(_ isSo: () async throws -> Bool) async throws -> Bool {
        for _ in 0..<100 {
            if try await isSo() { return true }
            try await Task.sleep(for: .milliseconds(100))
        }
        return false
    }

    /// Bits a second in one stretch of time after the other, five at most, until one is as it is to be; in none is there
    /// more than what may have waited behind it.
    private static func rates(
        of download: Download, _ time: Duration, until wanted: ClosedRange<Double>, of limit: Double
    ) async throws -> [Int] {
        var rates: [Double] = []
        repeat {
            let (before, started) = (download.octets, ContinuousClock.now)
            try await Task.sleep(for: time)
            let (octets, passed) = (download.octets - before, ContinuousClock.now - started)
            rates.append(Double(octets) * 8 / (passed / .seconds(1)))
        } while !rates.contains { wanted.contains($0 / limit) } && rates.count < 5
        #expect(rates.contains { wanted.contains($0 / limit) } && rates.allSatisfy { $0 < 1.2 * limit }, "\(rates)")
        return rates.map { Int($0) }
    }
}

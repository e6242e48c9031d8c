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
}

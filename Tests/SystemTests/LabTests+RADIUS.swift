import Domain
import Foundation
import Glibc
import Lab
import Testing

extension LabTests {
    /// Packets as radclient makes them, signed with the laboratory's secret, sent to the gateway by hand.
    private struct Wire {
        let lab: Laboratory
        let socket: NamespaceSocket
        let gateway: IPv4Address

        init(
            _ lab: Laboratory, source: String = LabLayout.packetGateway, in namespace: LabLayout.Namespace = .ran
        ) throws {
            self.lab = lab
            gateway = try IPv4Address(parsing: LabLayout.gatewaySGi)
            socket = try NamespaceSocket(
                .udp, in: lab.layout.name(of: namespace), address: try IPv4Address(parsing: source), port: 41_812)
        }

        /// An Access-Request of this SIM, caught from radclient.
        static func request(_ sim: LabSIM, in lab: Laboratory) async throws -> [UInt8] {
            let address = try IPv4Address(parsing: LabLayout.packetGateway)
            let ran = lab.layout.name(of: .ran)
            let catcher = try NamespaceSocket(.udp, in: ran, address: address, port: 41_900)
            async let run = PacketGateway(lab: lab).send(sim, to: "\(address):41900")
            var bytes: [UInt8] = []
            for _ in 0..<300 where bytes.isEmpty {
                try await Task.sleep(for: .milliseconds(10))
                bytes = catcher.receive()?.bytes ?? []
            }
            try await run
            try #require(bytes.first == 1 && bytes.count > 20, "radclient sent nothing")
            return bytes
        }

        func answer(to packet: [UInt8], within limit: Duration = .milliseconds(500)) async throws -> [UInt8]? {
            socket.send(packet, to: gateway, port: 1812)
            let deadline = ContinuousClock.now + limit
            while ContinuousClock.now < deadline {
                if let datagram = socket.receive() { return datagram.bytes }
                try await Task.sleep(for: .milliseconds(5))
            }
            return nil
        }
    }

    @Test func `a repeated request gets the same answer byte for byte, and no second session`() async throws {
        let demonstration = try demonstration()
        let wire = try Wire(demonstration.lab)
        let request = try await Wire.request(demonstration.fleet.acme[20].sim, in: demonstration.lab)
        let accepts = try await metric(#"cordon_attach_total{result="accept"}"#)
        let first = try #require(try await wire.answer(to: request))
        #expect(first.first == 2)
        // Message-Authenticator comes first: type 80, length 18.
        #expect(first.count > 38 && Array(first[20...21]) == [80, 18])
        for _ in 0..<3 { #expect(try await wire.answer(to: request) == first) }
        #expect(try await metric(#"cordon_attach_total{result="accept"}"#) == accepts + 1)
    }

    @Test func `packets that are wrong get no answer, are counted by reason, and the next right one is answered`()
        async throws
    {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let request = try await Wire.request(demonstration.fleet.acme[21].sim, in: lab)
        let wire = try Wire(lab)

        var tampered = request
        tampered[request.count - 1] ^= 1
        var overlong = request
        overlong[2] = 0xff
        let truncated = Array(request.dropLast(5))
        var wrongAttribute = request
        wrongAttribute[21] = 1
        let stranger = try Wire(lab, source: demonstration.fleet.acme[22].address.description)
        // Where no rule of the kernel stands before the server: on the gateway itself.
        let unknown = try Wire(lab, source: LabLayout.gatewaySGi, in: .gw)
        let before = try await drops()
        for packet in [tampered, overlong, truncated, wrongAttribute, Array(request.prefix(19)), [], [1]] {
            #expect(try await wire.answer(to: packet, within: .milliseconds(100)) == nil)
        }
        // A device may not speak to the gateway at all: the kernel drops it.
        let denied = try await demonstration.counter("device_to_device")
        #expect(try await stranger.answer(to: request, within: .milliseconds(100)) == nil)
        #expect(try await demonstration.counter("device_to_device") == denied + 1)

        #expect(try await unknown.answer(to: request, within: .milliseconds(100)) == nil)

        let after = try await drops()
        let grown = after.filter { $0.value > before[$0.key, default: 0] }.keys.sorted()
        #expect(grown.count >= 4 && grown.contains { $0.contains("unknown") }, "\(grown)")
        #expect(after.values.reduce(0, +) - before.values.reduce(0, +) == 8)
        #expect(try await wire.answer(to: request)?.first == 2)
    }

    /// The drops of the authentication port by reason.
    private func drops() async throws -> [String: Int] {
        let layout = try demonstration().lab.layout
        let text = try output(
            of:
                "curl -s -f -H \"Authorization: Bearer $(cat \(layout.tokenFile))\" \(layout.apiURL)/metrics")
        var drops: [String: Int] = [:]
        for line in text.split(separator: "\n")
        where line.hasPrefix("cordon_radius_dropped_total{") && line.contains("authentication") {
            let parts = line.split(separator: " ")
            drops[String(parts[0])] = parts.last.flatMap { Int($0) }
        }
        return drops
    }
}

extension LabTests {
    private struct Step: Decodable {
        let name: String
        let detail: String
    }

    private struct Suspension: Decodable {
        let steps: [Step]

        subscript(name: String) -> String? { steps.first { $0.name == name }?.detail }
    }

    private func suspend(_ device: PacketGateway.Attached) async throws -> Suspension {
        let output = try await demonstration().lab.cli.run(["sim", "suspend", device.sim.imsi, "--json"])
        return try JSONDecoder().decode(Suspension.self, from: Data(output.utf8))
    }

    private func resume(_ device: PacketGateway.Attached) async throws {
        let lab = try demonstration().lab
        try await lab.cli.run(["sim", "resume", device.sim.imsi])
        #expect(try await PacketGateway(lab: lab).attach([device.sim]).map(\.address) == [device.address])
    }

    @Test func `a NAS that has no such session any more (503) counts as done`() async throws {
        let demonstration = try demonstration()
        let device = demonstration.fleet.globex[30]
        try await PacketGateway(lab: demonstration.lab).forget(device.sim)
        let suspension = try await suspend(device)
        #expect(suspension["disconnect"]?.contains("503") == true, "\(suspension)")
        #expect(try await demonstration.lab.cli.run(["session", "list"]).contains(device.sim.imsi) == false)
        try await resume(device)
    }

    /// The P-GW sleeps for a while: what waits for it then is the same datagram more than once.
    @Test func `an unanswered Disconnect-Request is sent again with the same identifier`() async throws {
        let demonstration = try demonstration()
        let layout = demonstration.lab.layout
        let device = demonstration.fleet.globex[31]
        let status = demonstration.lab.status().first { $0.name == "freeradius" }
        let process = try #require(status?.state.split(separator: " ").last.flatMap { pid_t($0) })
        // Two requests: the second ends the capture. None within ten seconds is found below.
        let sniffer = "timeout 10 ip netns exec \(layout.name(of: .ran)) tcpdump -l -n -c 2 -i sgi udp dst port 3799"
        async let capture = output(of: "\(sniffer) 2>/dev/null")
        try await Task.sleep(for: .milliseconds(500))
        kill(process, SIGSTOP)
        async let suspended = suspend(device)
        let lines = (try? await capture)?.split(separator: "\n") ?? []
        kill(process, SIGCONT)
        let suspension = try await suspended
        let identifiers = lines.compactMap { $0.firstMatch(of: /Disconnect-Request \(40\), id: (0x[0-9a-f]+)/)?.1 }
        #expect(identifiers.count == 2 && Set(identifiers).count == 1, "\(lines)")
        #expect(suspension["disconnect"]?.contains("after 2 datagrams") == true, "\(suspension)")
        try await resume(device)
    }

    @Test func `accounting counts, and its end is the end of the device's traffic`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let gateway = PacketGateway(lab: lab)
        let device = demonstration.fleet.globex[32]
        let probe =
            "ip netns exec \(lab.layout.name(of: .ran)) curl -s -f -m 1 --interface \(device.address) "
            + "http://\(LabLayout.web):443/whoami"
        #expect(try output(of: probe).hasPrefix(LabLayout.edgeOutside))
        try await gateway.interim(device, up: 123_456, down: 7_890_123)
        let listed = try await lab.cli.run(["session", "list", "--json"])
        #expect(listed.contains(#""octets_down":7890123,"octets_up":123456"#))
        try await gateway.detach([device])
        #expect(try await lab.cli.run(["session", "list"]).contains(device.sim.imsi) == false)
        try output(of: "ip -n \(lab.layout.name(of: .ran)) addr add \(device.address)/32 dev lo")
        #expect(throws: ShellFailure.self) { try output(of: probe) }
        #expect(try await gateway.attach([device.sim]).map(\.address) == [device.address])
        #expect(try output(of: probe).hasPrefix(LabLayout.edgeOutside))
    }

    @Test func `Accounting-On ends every session of the NAS, and each SIM gets its address again`() async throws {
        let demonstration = try demonstration()
        let lab = demonstration.lab
        let devices = demonstration.fleet.acme + demonstration.fleet.globex
        let gateway = PacketGateway(lab: lab)
        try await gateway.announceStart()
        #expect(try await lab.cli.run(["session", "list", "--json"]).contains("imsi") == false)
        #expect(try await gateway.attach(devices.map(\.sim)).map(\.address) == devices.map(\.address))
    }
}

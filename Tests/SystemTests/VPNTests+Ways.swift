import Domain
import Foundation
import Lab
import Testing
import VICI

/// Ways in which a tunnel can be, each with a real peer.
extension VPNTests {
    /// strongSwan decodes what begins like these.
    @Test(arguments: ["0s", "0x"])
    func `a key that the peer brings is its characters, whatever it looks like`(_ beginning: String) async throws {
        let rig = try rig()
        let key = beginning + "3q2+7wAAAbcdEFGH0123456789"
        let file = NSTemporaryDirectory() + "cordon-key-\(UUID())"
        try Data(key.utf8).write(to: URL(filePath: file))
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await rig.withVPN(
            "hq", ["--key-file", file], handover: { _ in LabEnterprise.Handover(key: key) }
        ) { _ in
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: "acme")
            try await rig.awaitUp()
        }
    }

    @Test func `a device's first packets make a tunnel that is made on demand`() async throws {
        let rig = try rig()
        try await rig.withVPN("hq", ["--initiate", "on-demand"]) { _ in
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: "acme")
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await rig.show().state == "waiting")
            let start = ContinuousClock.now
            let report = try await NumberedFlow.during(
                from: rig.acme[0], to: [.acme], in: rig.lab, every: .milliseconds(20)
            ) {
                try await eventually("it is up", within: .seconds(8)) { try await rig.show().state == "up" }
                // The kernel is told next, and the device sends on.
                try await Task.sleep(for: .milliseconds(500))
            }
            let first = try #require(report.first(at: .acme, after: start), "nothing arrived")
            print("on demand, the first packet arrived \(first.inSeconds) after the first was sent")
            #expect(!report.returned.isEmpty)
        }
    }

    @Test func `devices see a network at other addresses, both ways`() async throws {
        let rig = try rig()
        try await rig.withVPN("hq", ["--remote-network", "10.0.0.0/24=172.20.0.0/24"]) { enterprise in
            try await rig.route(
                "172.20.0.0/24", by: "vpn:hq", of: "acme",
                "  - {name: maintenance, direction: to-device, via: vpn:hq, from: [172.20.0.10], protocol: tcp, "
                    + "ports: [2222], action: allow}")
            try await rig.awaitUp()
            #expect(try await NumberedFlow.passes(from: rig.acme[0], to: .acme, seenAs: "172.20.0.10", in: rig.lab))
            #expect(try await !NumberedFlow.passes(from: rig.acme[0], to: .acme, in: rig.lab))
            let device = rig.acme[0].address
            let listener = try NamespaceSocket(
                .tcpListener, in: rig.lab.layout.name(of: .ran), address: device, port: 2222)
            defer { withExtendedLifetime(listener) {} }
            #expect(connects(from: LabLayout.Enterprise.acme.host, at: enterprise, to: "\(device):2222"))
        }
    }

    @Test func `maintenance reaches a device's port through the tunnel, and nobody else does`() async throws {
        let rig = try rig()
        try await rig.withVPN { enterprise in
            try await rig.route(
                "10.0.0.0/24", by: "vpn:hq", of: "acme",
                "  - {name: maintenance, direction: to-device, via: vpn:hq, from: [10.0.0.10], protocol: tcp, "
                    + "ports: [2222], action: allow}")
            try await rig.awaitUp()
            try await enterprise.ip(["addr add 10.0.0.11/32 dev lo"])
            let listeners = try [rig.acme[0], rig.globex[0]].flatMap { device in
                try [UInt16(2222), 2223].map { port in
                    try NamespaceSocket(
                        .tcpListener, in: rig.lab.layout.name(of: .ran), address: device.address, port: port)
                }
            }
            defer { withExtendedLifetime(listeners) {} }
            let own = rig.acme[0].address
            let host = LabLayout.Enterprise.acme.host
            #expect(connects(from: host, at: enterprise, to: "\(own):2222"))
            #expect(!connects(from: host, at: enterprise, to: "\(own):2223"))
            #expect(!connects(from: "10.0.0.11", at: enterprise, to: "\(own):2222"))
            #expect(!connects(from: host, at: enterprise, to: "\(rig.globex[0].address):2222"))
            try await enterprise.ip(["addr del 10.0.0.11/32 dev lo"])
        }
    }

    /// Whether a connection comes about within a second (``Patience``).
    private func connects(from source: String, at enterprise: LabEnterprise, to target: String) -> Bool {
        shell(
            "ip netns exec \(enterprise.namespace) socat -u OPEN:/dev/null "
                + "TCP:\(target),bind=\(source),connect-timeout=\(Patience.factor) 2>/dev/null"
        ).status == 0
    }

    @Test func `large transfers fit into the tunnel`() async throws {
        let rig = try rig()
        try await rig.withVPN { enterprise in
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: "acme")
            try await rig.awaitUp()
            let (host, device) = (LabLayout.Enterprise.acme.host, rig.acme[0].address)
            let ran = rig.lab.layout.name(of: .ran)
            // One way and then the other: who echoes waits for room to write while the other does too, and nobody reads.
            let octets = 2_000_000
            let wait = "timeout \(20 * Patience.factor)"
            let listen = "\(wait) ip netns exec \(enterprise.namespace) socat -b 65536 -u"
            let connect = "\(wait) ip netns exec \(ran) socat -b 65536 -u"
            let (there, here) = ("bind=\(host),reuseaddr", "bind=\(device),retry=500,interval=0.02")
            let up = try output(
                of: """
                    (head -c \(octets) /dev/zero | \(connect) - TCP:\(host):8080,\(here)) & \
                    \(listen) TCP-LISTEN:8080,\(there) - | wc -c; wait
                    """)
            #expect(Int(up) == octets)
            let down = try output(
                of: """
                    (head -c \(octets) /dev/zero | \(listen) - TCP-LISTEN:8081,\(there)) & \
                    \(connect) TCP:\(host):8081,\(here) - | wc -c; wait
                    """)
            #expect(Int(down) == octets)
            // Datagrams go in fragments.
            #expect(shell("ip netns exec \(ran) ping -I \(device) -c 1 -W 2 -s 1600 -M dont \(host)").status == 0)
        }
    }

    @Test func `a key is changed at one end, and later at the other, without a break`() async throws {
        let rig = try rig()
        try await rig.withVPN { enterprise in
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: "acme")
            try await rig.awaitUp()
            let charon = try CharonQuestions(rig.lab.layout.gatewayVICIURI)
            let rotate = ["vpn", "rotate-key", "hq", "--tenant", "acme", "--json"]
            let made = try #require(try await rig.lab.cli.answers(rotate, as: LabEnterprise.Handover.self).first)
            #expect(made.key != nil)
            // What is up stays up, and the peer may take its time.
            #expect(try await NumberedFlow.passes(from: rig.acme[0], to: .acme, in: rig.lab))
            let old = try await remake(rig, charon)
            #expect(try await NumberedFlow.passes(from: rig.acme[0], to: .acme, in: rig.lab))
            try await enterprise.load(try await enterprise.configuration(of: "hq", tenant: "acme", made))
            let new = try await remake(rig, charon)
            #expect(try await NumberedFlow.passes(from: rig.acme[0], to: .acme, in: rig.lab))
            print("made anew with the old key in \(old.inSeconds), with the new one in \(new.inSeconds)")
        }
    }

    private func remake(_ rig: VPNRig, _ charon: CharonQuestions) async throws -> Duration {
        let before = Set(try charon.ask(Commands.Associations()).map(\.id))
        try await rig.lab.cli.run(["vpn", "restart", "hq", "--tenant", "acme"])
        let time = try await eventually("it is there anew", within: .seconds(10)) {
            try charon.ask(Commands.Associations()).contains { association in
                !before.contains(association.id) && association.children.contains(where: \.carriesTraffic)
            }
        }
        try await rig.awaitUp()
        return time
    }
}

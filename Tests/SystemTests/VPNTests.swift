import Domain
import Foundation
import Lab
import Testing
import VICI

/// Tenants' VPNs with real peers: the whole product, and strongSwan at enterprises with the configurations that are
/// printed for them. The laboratory is up, with two tenants and their devices, for the suite as a whole; each test
/// leaves it so.
@Suite(.serialized, .withEnterprises) struct VPNTests {
    func rig() throws -> VPNRig { try #require(VPNRig.current, "the laboratory did not come up") }

    @Test func `two tenants with the same network are each with its own, and no packet gets across`() async throws {
        let rig = try rig()
        try await rig.withVPN("hq", of: "acme", at: .acme) { acme in
            try await rig.withVPN("hq", of: "globex", at: .globex) { _ in
                for (tenant, device) in [("acme", rig.acme[0]), ("globex", rig.globex[0])] {
                    try await rig.route("10.0.0.0/24", by: "vpn:hq", of: tenant)
                    try await rig.awaitUp("hq", of: tenant)
                    let report = try await NumberedFlow.during(from: device, to: [.acme, .globex], in: rig.lab) {
                        try await Task.sleep(for: .milliseconds(200))
                    }
                    let own = tenant == "acme" ? LabLayout.Enterprise.acme : .globex
                    #expect(report.sent >= 20 && report.lost() == [])
                    #expect(report.arrivals.allSatisfy { $0.place == own })
                }
                try await forge(at: acme, rig)
            }
        }
    }

    /// From one enterprise's end of its own tunnel, with its keys: to the other tenant's device, and from a network that is
    /// not behind it, each as an answer to what that device has just sent to the same address.
    private func forge(at enterprise: LabEnterprise, _ rig: VPNRig) async throws {
        let forged = try ForgedESP(of: enterprise, in: rig.lab)
        let host = try IPv4Address(parsing: LabLayout.Enterprise.acme.host)
        let ports: (device: UInt16, host: UInt16) = (40_200, 5685)
        func socket(_ device: PacketGateway.Attached) throws -> NamespaceSocket {
            let socket = try NamespaceSocket(
                .udp, in: rig.lab.layout.name(of: .ran), address: device.address, port: ports.device)
            socket.send([1], to: host, port: ports.host)
            return socket
        }
        let own = try socket(rig.acme[1])
        let other = try socket(rig.globex[1])
        try await Task.sleep(for: .milliseconds(200))
        let refused = { try await rig.show().tunnel.packetsRefused ?? 0 }
        let unassigned = { try rig.metric("cordon_vpn_unattributed_packets") }
        let before = (own: try await refused(), unknown: try unassigned())

        var sequence: UInt32 = 1_000_000
        func send(_ octet: UInt8, from source: IPv4Address, to device: PacketGateway.Attached) throws {
            sequence += 1
            try forged.send(
                [octet], from: (source, ports.host), to: (device.address, ports.device), sequence: sequence)
        }
        for _ in 0..<10 {
            try send(7, from: host, to: rig.globex[1])
            try send(8, from: try IPv4Address(parsing: "10.9.0.1"), to: rig.acme[1])
        }
        try send(9, from: host, to: rig.acme[1])
        try await eventually("what may pass passes", within: .seconds(2)) { own.receive()?.bytes == [9] }
        // The kernel's ESP has an interface for each tunnel, which says whose both kinds are. charon's own tells them by
        // their addresses, and a device's of another tenant, at an address that both tenants have, could be of either.
        let (ofVPN, ofNobody) = rig.path == .kernel ? (20, 0) : (10, 10)
        try await eventually("what may not is counted", within: .seconds(10)) {
            try await refused() == before.own + ofVPN && unassigned() == before.unknown + ofNobody
        }
        #expect(own.receive() == nil && other.receive() == nil)
        #expect(try await rig.diagnose().faults.map(\.code) == ["refused-packets"])
    }

    @Test func `new keys of either association, asked for at either end, lose no packet`() async throws {
        let rig = try rig()
        try await rig.withVPN { enterprise in
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: "acme")
            try await rig.awaitUp()
            let charon = try CharonQuestions(rig.lab.layout.gatewayVICIURI)
            let name = try #require(try charon.ask(Commands.Connections()).first)
            let before = try #require(try charon.ask(Commands.Associations(ike: name)).first)
            let report = try await NumberedFlow.during(
                from: rig.acme[0], to: [.acme], in: rig.lab, every: .milliseconds(2)
            ) {
                for _ in 0..<2 {
                    try await enterprise.swanctl(["--rekey", "--child", "net-1"])
                    try await Task.sleep(for: .milliseconds(150))
                    try await enterprise.swanctl(["--rekey", "--ike", "cordon-hq"])
                    try await Task.sleep(for: .milliseconds(150))
                    for what in ["child", "ike"] {
                        try output(of: "swanctl --rekey --\(what) \(name) --uri \(rig.lab.layout.gatewayVICIURI)")
                        try await Task.sleep(for: .milliseconds(150))
                    }
                }
            }
            let after = try #require(try charon.ask(Commands.Associations(ike: name)).first)
            #expect(report.sent > 500)
            #expect(report.lost() == [])
            #expect(report.doubled == [])
            // Old ones are still there for some seconds, for what was on its way.
            let former = Set(before.children.map(\.id))
            #expect(after.id != before.id && after.children.contains { $0.carriesTraffic && !former.contains($0.id) })
            let diagnosis = try await rig.diagnose()
            #expect(diagnosis.vpn.up && diagnosis.faults.isEmpty && diagnosis.vpn.tunnel.lastRekey != nil)
            #expect(diagnosis.timeline.first { $0.sentence == "Its keys were renewed." }.map { $0.count >= 8 } == true)
        }
    }

    @Test func `both ends begin at once, and there is one tunnel`() async throws {
        let rig = try rig()
        try await rig.withVPN { enterprise in
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: "acme")
            let charon = try CharonQuestions(rig.lab.layout.gatewayVICIURI)
            let name = try #require(try charon.ask(Commands.Connections()).first)
            for round in 0..<3 {
                async let gateway: String = rig.lab.cli.run(["vpn", "restart", "hq", "--tenant", "acme"])
                // The gateway's next step is up to a turn later: the peer's call comes before it, with it and after it.
                try await Task.sleep(for: .milliseconds(80 * round))
                // That the other end's call takes its place is no failure of this one.
                _ = try? await enterprise.swanctl(
                    ["--initiate", "--ike", "cordon-hq", "--child", "net-1", "--timeout", "5"])
                _ = try await gateway
                try await eventually("one association in round \(round)", within: .seconds(5)) {
                    let all = try charon.ask(Commands.Associations(ike: name))
                    return all.count == 1 && all.allSatisfy { $0.children.filter(\.carriesTraffic).count == 1 }
                }
                try await rig.awaitUp()
                #expect(try await NumberedFlow.passes(from: rig.acme[0], to: .acme, in: rig.lab), "round \(round)")
            }
            #expect(try await rig.diagnose().faults.map(\.code) == [])
        }
    }

    @Test func `a peer that moves to another address comes back by itself`() async throws {
        let rig = try rig()
        let options = ["--peer", "any", "--peer-id", "fw.acme.example", "--initiate", "never"]
        try await rig.withVPN("hq", options) { enterprise in
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: "acme")
            try await rig.awaitUp()
            #expect(try await NumberedFlow.passes(from: rig.acme[0], to: .acme, in: rig.lab))
            try await move(enterprise, to: "203.0.113.20")
            let outcome: Result<Void, any Error>
            do {
                let time = try await eventually("it is up from there", within: .seconds(20)) {
                    let state = try await rig.show()
                    return state.up && state.tunnel.peerSeen?.address == "203.0.113.20"
                }
                print("a peer was back from its new address after \(time.inSeconds)")
                #expect(try await NumberedFlow.passes(from: rig.acme[0], to: .acme, in: rig.lab))
                #expect(try await rig.show().tunnel.peerSeen?.identity == "fw.acme.example")
                outcome = .success(())
            } catch { outcome = .failure(error) }
            try await move(enterprise, to: enterprise.place.address)
            try outcome.get()
        }
    }

    private func move(_ enterprise: LabEnterprise, to address: String) async throws {
        try await enterprise.ip([
            "addr flush dev wan", "addr add \(address)/24 dev wan", "route add default via \(LabLayout.internetRouter)",
        ])
    }

    @Test func `devices of each of a tenant's blocks pass through one tunnel`() async throws {
        let rig = try rig()
        let sims = (1...300).map { LabSIM(tenant: "initech", tenantNumber: 3, group: "meters", number: $0) }
        let devices = try await VPNRig.attach(sims, in: rig.lab)
        let first = try #require(devices.first)
        let last = try #require(devices.last { $0.address.bits >> 8 != first.address.bits >> 8 })
        try await rig.withVPN("hq", of: "initech", at: .acmePartner) { _ in
            try await rig.route("10.8.0.0/24", by: "vpn:hq", of: "initech")
            try await rig.awaitUp("hq", of: "initech")
            #expect(try await rig.show("hq", of: "initech").tunnel.localBlocks.count == 2)
            for device in [first, last] {
                #expect(try await NumberedFlow.passes(from: device, to: .acmePartner, in: rig.lab), "\(device.address)")
            }
            #expect(try await rig.diagnose("hq", of: "initech").faults.map(\.code) == [])
        }
        try await PacketGateway(lab: rig.lab).detach(devices)
    }
}

import Control
import Domain
import PolicyCompiler
import Testing

/// What `explain` says of a packet that the policy lets pass and a VPN does not.
@Suite struct VPNLimitTests {
    private typealias Cases = TunnelUseCaseTests

    private static let document = """
        policy: meters
        rules:
          - {name: care, to: [10.0.0.0/8], route: vpn:care}
          - name: remote
            direction: to-device
            via: vpn:care
            from: [10.0.0.0/8]
            action: allow
        """

    @Test func `what a partner's VPN stops is said, and why`() async throws {
        try await Cases.run { bench, _ in
            let (control, acme, care) = (bench.control, try Cases.name("acme"), try Cases.name("care"))
            let meters = try Cases.name("meters")
            _ = try await control.createGroup(meters, of: acme, policy: nil, by: .system)
            let partner = Tunnel.Partner(
                name: try Cases.name("carefirm"), destinations: [try IPv4Prefix(parsing: "10.8.0.0/28")],
                ports: [try PartnerPorts(parsing: "tcp/443"), try PartnerPorts(parsing: "icmp")],
                validFrom: Timestamp(milliseconds: 1_000), validUntil: Timestamp(milliseconds: 9_000))
            let tunnel = Tunnel(
                peer: try Tunnel.Peer(parsing: "203.0.113.11"),
                networks: [try Tunnel.RemoteNetwork(parsing: "10.8.0.0/24")],
                devices: .groups([meters]), partner: partner)
            _ = try await control.createTunnel(care, of: acme, tunnel, by: .system)
            _ = try await control.applyPolicy(Self.document, file: "p", comment: "", to: acme, by: .system)
            _ = try await control.setDefaultPolicy(meters, of: acme, by: .system)
            let (member, other) = (try Bench.imsi(0), try Bench.imsi(1))
            _ = try await control.setGroup(meters, ofSIM: member, by: .system)
            let stopped = { (imsi: IMSI, to: String, number: UInt8, port: UInt16?, time: Int64) in
                let explained = try await control.explain(
                    PacketQuery(destination: try IPv4Address(parsing: to), protocol: number, port: port), sim: imsi,
                    at: Timestamp(milliseconds: time), by: .system)
                #expect(explained.stopped.map { $0.vpn == care } ?? true)
                return explained.stopped?.reason
            }
            #expect(try await stopped(member, "10.8.0.5", 6, 443, 5_000) == nil)
            #expect(try await stopped(member, "10.8.0.5", 1, nil, 5_000) == nil)
            #expect(
                try await stopped(member, "10.9.0.5", 6, 443, 5_000)
                    == "10.9.0.5 is in none of its networks (10.8.0.0/24)")
            #expect(
                try await stopped(member, "10.8.0.99", 6, 443, 5_000)
                    == "of partner carefirm only 10.8.0.0/28 is open to devices")
            #expect(
                try await stopped(member, "10.8.0.5", 6, 80, 5_000) == "partner carefirm is open for icmp, tcp/443 only"
            )
            #expect(
                try await stopped(member, "10.8.0.5", 17, 443, 5_000)
                    == "partner carefirm is open for icmp, tcp/443 only")
            #expect(
                try await stopped(other, "10.8.0.5", 6, 443, 5_000)
                    == "it is for group:meters, and the SIM is in no group")
            #expect(try await stopped(member, "10.8.0.5", 6, 443, 500)?.contains("may use it from") == true)
            #expect(try await stopped(member, "10.8.0.5", 6, 443, 9_000)?.contains("might use it until") == true)

            _ = try await bench.attach(member)
            let inward = { (source: String, port: UInt16) in
                try await control.explain(
                    from: try IPAddress(parsing: source), through: care, protocol: 6, port: port, sim: member,
                    at: Timestamp(milliseconds: 5_000), by: .system
                ).stopped?.reason
            }
            #expect(try await inward("10.8.0.5", 443) == nil)
            #expect(try await inward("10.8.0.5", 22) == "partner carefirm is open for icmp, tcp/443 only")
            #expect(try await inward("10.9.0.5", 443) == "10.9.0.5 is in none of its networks (10.8.0.0/24)")
        }
    }
}

import Control
import Domain
import TestSupport
import Testing
import VICI

@Suite struct TunnelChecksTests {
    private static let time = Timestamp(milliseconds: 1_800_000_000_000)

    private static func prefix(_ text: String) throws -> IPv4Prefix { try IPv4Prefix(parsing: text) }

    private static func tunnel(
        _ networks: [String], peer: String = "203.0.113.10", peerID: String? = nil, devices: Tunnel.Devices = .all,
        authentication: Tunnel.Authentication = .sharedKey, gatewayIdentity: Tunnel.GatewayIdentity = .name,
        initiation: Tunnel.Initiation = .always, probe: String? = nil, partner: Tunnel.Partner? = nil
    ) throws -> Tunnel {
        Tunnel(
            peer: try Tunnel.Peer(parsing: peer),
            networks: try networks.map { try Tunnel.RemoteNetwork(parsing: $0) }, devices: devices,
            authentication: authentication, peerIdentity: try peerID.map { try IKEIdentity(parsing: $0) },
            gatewayIdentity: gatewayIdentity, initiation: initiation,
            probe: try probe.map { try IPv4Address(parsing: $0) }, partner: partner)
    }

    private static func checks(others: [String: [String]] = [:]) throws -> TunnelChecks {
        let others = try others.sorted { $0.key < $1.key }.enumerated().map { place, other in
            VPN(
                id: VPN.ID(Int64(place + 1)), tenant: Tenant.ID(1), name: try Name(parsing: other.key),
                number: try #require(VPNNumber(UInt32(place))), way: .tunnel(try tunnel(other.value)),
                createdAt: time)
        }
        return TunnelChecks(
            forbidden: [try prefix("100.64.0.0/10"), try prefix("198.18.0.0/15")], others: others,
            groups: [try Name(parsing: "meters")], gatewayAddresses: [try IPAddress(parsing: "203.0.113.1")],
            hasAuthority: true)
    }

    /// `error remote_networks`, one for each.
    private static func told(_ tunnel: Tunnel, _ checks: TunnelChecks) -> [String] {
        checks.findings(of: tunnel, at: time).map { "\($0.weight.rawValue) \($0.field)" }
    }

    @Test func `a tunnel beside others, to another tenant's networks even, has nothing wrong`() throws {
        #expect(Self.told(try Self.tunnel(["10.0.0.0/24"]), try Self.checks()) == [])
        #expect(Self.told(try Self.tunnel(["10.0.0.0/24"]), try Self.checks(others: ["b": ["10.1.0.0/24"]])) == [])
        #expect(Self.told(try Self.tunnel(["0.0.0.0/0"]), try Self.checks()) == [])
        #expect(
            Self.told(
                try Self.tunnel(["10.0.0.0/24"], peer: "any", peerID: "a.example", initiation: .never),
                try Self.checks())
                == [])
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let about: String
        let tunnel: @Sendable () throws -> Tunnel
        let told: [String]
        let saying: String
        var testDescription: String { about }
    }

    @Test(arguments: [
        Case(
            about: "no network", tunnel: { try tunnel([]) }, told: ["error remote_networks"], saying: "1 to 64 networks"
        ),
        Case(
            about: "devices' addresses", tunnel: { try tunnel(["100.64.0.0/16"]) }, told: ["error remote_networks"],
            saying: "100.64.0.0/10, which devices and the operator have"),
        Case(
            about: "devices' addresses as translation", tunnel: { try tunnel(["10.0.0.0/24=100.64.0.0/24"]) },
            told: ["error remote_networks"], saying: "as in 10.0.0.0/24=172.16.0.0/24"),
        Case(
            about: "two seen as one", tunnel: { try tunnel(["10.0.0.0/24=10.9.0.0/24", "10.9.0.0/25"]) },
            told: ["error remote_networks"], saying: "let them be seen as different ones"),
        Case(
            about: "two that overlap there", tunnel: { try tunnel(["10.0.0.0/24", "10.0.0.0/25=10.9.0.0/25"]) },
            told: ["error remote_networks"], saying: "write the larger alone"),
        Case(
            about: "the gateway's own address", tunnel: { try tunnel(["10.0.0.0/24"], peer: "203.0.113.1") },
            told: ["error peer"], saying: "write the other end's"),
        Case(
            about: "a peer among devices", tunnel: { try tunnel(["10.0.0.0/24"], peer: "100.64.0.1") },
            told: ["error peer"], saying: "is no peer's"),
        Case(
            about: "the gateway's host as peer", tunnel: { try tunnel(["10.0.0.0/24"], peer: "127.0.0.1") },
            told: ["error peer"], saying: "is no peer's"),
        Case(
            about: "a group as peer", tunnel: { try tunnel(["10.0.0.0/24"], peer: "ff02::1") }, told: ["error peer"],
            saying: "is no peer's"),
        Case(
            about: "the link as peer", tunnel: { try tunnel(["10.0.0.0/24"], peer: "fe80::1") }, told: ["error peer"],
            saying: "is no peer's"),
        Case(
            about: "a peer inside", tunnel: { try tunnel(["203.0.113.0/24"]) }, told: ["warning peer"],
            saying: "is in 203.0.113.0/24"),
        Case(
            about: "any, unnamed and called", tunnel: { try tunnel(["10.0.0.0/24"], peer: "any") },
            told: ["error peer_id", "error initiate"], saying: "known by its identity alone"),
        Case(
            about: "a subject with a key",
            tunnel: { try tunnel(["10.0.0.0/24"], peerID: "CN=hq, O=Acme") },
            told: ["warning peer_id"], saying: "unusual identity"),
        Case(
            about: "a probe elsewhere", tunnel: { try tunnel(["10.0.0.0/24"], probe: "10.0.1.1") },
            told: ["error probe"], saying: "write an address that answers in 10.0.0.0/24"),
        Case(
            about: "a probe as devices see it", tunnel: { try tunnel(["10.0.0.0/24=10.7.0.0/24"], probe: "10.7.0.1") },
            told: [], saying: ""),
        Case(
            about: "no such group",
            tunnel: { try tunnel(["10.0.0.0/24"], devices: .groups([try Name(parsing: "pumps")])) },
            told: ["error local_network"], saying: "no group pumps"),
        Case(
            about: "a partner's destination elsewhere",
            tunnel: {
                let partner = Tunnel.Partner(name: try Name(parsing: "p"), destinations: [try prefix("10.0.1.0/28")])
                return try tunnel(["10.0.0.0/24"], partner: partner)
            }, told: ["error partner.destinations"], saying: "write a part of 10.0.0.0/24"),
        Case(
            about: "a period that ends first",
            tunnel: {
                let partner = Tunnel.Partner(
                    name: try Name(parsing: "p"), validFrom: time, validUntil: Timestamp(milliseconds: 1))
                return try tunnel(["10.0.0.0/24"], partner: partner)
            }, told: ["error partner.valid_until"], saying: "before it begins"),
        Case(
            about: "a period that is over",
            tunnel: {
                let partner = Tunnel.Partner(name: try Name(parsing: "p"), validUntil: time)
                return try tunnel(["10.0.0.0/24"], partner: partner)
            }, told: ["warning partner.valid_until"], saying: "stays down"),
        Case(
            about: "too many limits",
            tunnel: {
                let ports = (1...65).map { PartnerPorts(transport: .tcp, ports: $0...$0) }
                return try tunnel(["10.0.0.0/24"], partner: Tunnel.Partner(name: try Name(parsing: "p"), ports: ports))
            }, told: ["error partner"], saying: "at most 64"),
    ])
    func `what is wrong is found, and what to do is said`(_ one: Case) throws {
        let findings = try Self.checks().findings(of: try one.tunnel(), at: Self.time)
        #expect(findings.map { "\($0.weight.rawValue) \($0.field)" } == one.told)
        #expect(one.saying.isEmpty || findings.contains { $0.message.contains(one.saying) }, "\(findings)")
    }

    @Test func `networks of another VPN are refused with a translation that is free`() throws {
        let checks = try Self.checks(others: ["a": ["10.0.0.0/16"], "b": ["172.16.0.0/24"]])
        let finding = try #require(checks.findings(of: try Self.tunnel(["10.0.1.0/24"]), at: Self.time).first)
        #expect(finding.weight == .error && finding.message.contains("10.0.0.0/16 of VPN a"))
        #expect(finding.message.hasSuffix("as in 10.0.1.0/24=172.16.1.0/24"))
        #expect(Self.told(try Self.tunnel(["10.0.1.0/24=172.16.1.0/24"]), checks) == [])
        // The same networks stand in for each other.
        #expect(Self.told(try Self.tunnel(["10.0.0.0/16"]), checks) == ["warning remote_networks"])
    }

    @Test func `without an authority there are no certificates`() throws {
        var checks = try Self.checks()
        checks.hasAuthority = false
        #expect(Self.told(try Self.tunnel(["10.0.0.0/24"], authentication: .certificate), checks) == ["error auth"])
    }

    @Test func `where the peer's identity alone tells VPNs apart no two have the same`() throws {
        var checks = try Self.checks()
        let peer = try IKEIdentity(parsing: "203.0.113.10").comparable
        checks.takenIdentities = [peer]
        let (name, address) = (
            try Self.tunnel(["10.0.0.0/24"]), try Self.tunnel(["10.0.0.0/24"], gatewayIdentity: .address)
        )
        #expect(Self.told(name, checks) == [] && Self.told(address, checks) == ["error gateway_id"])
        checks.reservedIdentities = [peer]
        #expect(Self.told(name, checks) == ["error peer_id"] && Self.told(address, checks) == ["error gateway_id"])
    }

    /// The first that a search through all of them finds.
    private static func naive(_ length: UInt8, besides taken: [IPv4Prefix]) throws -> IPv4Prefix? {
        for space in try ["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"].map(prefix) where space.length <= length {
            for bits in stride(
                from: UInt64(space.first.bits), through: UInt64(space.last.bits), by: 1 << Int(32 - length))
            {
                let candidate = IPv4Prefix(
                    containing: IPv4Address(bits: UInt32(truncatingIfNeeded: bits)), length: length)
                if !taken.contains(where: { $0.overlaps(candidate) }) { return candidate }
            }
        }
        return nil
    }

    @Test func `the free prefix is the one that a search through all finds`() throws {
        try forAll(300) { random in
            let length = UInt8.random(in: 8...24, using: &random)
            let taken = try (0..<Int.random(in: 0...24, using: &random)).map { _ in
                let space = try Self.prefix(random.pick("172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"))
                let own =
                    random.oneIn(8)
                    ? space.length : UInt8.random(in: space.length...(random.oneIn(2) ? 16 : 28), using: &random)
                let offset =
                    random.oneIn(2)
                    ? UInt32.random(in: 0...(space.last.bits - space.first.bits), using: &random)
                    : UInt32.random(in: 0...0xffff, using: &random)
                return IPv4Prefix(containing: IPv4Address(bits: space.first.bits | offset), length: own)
            }
            let expected = try Self.naive(length, besides: taken)
            #expect(TunnelChecks.free(length, besides: taken) == expected, "seed \(random.seed)")
        }
    }
}

import Domain
import PeerGuides
import Testing

@Suite struct PeerLimitationTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let vendor: PeerVendor
        let situation: String
        /// What the sentences have to contain.
        let says: [String]

        var testDescription: String { "\(vendor.rawValue), \(situation)" }
    }

    static let cases = [
        Case(vendor: .mikrotik, situation: "default", says: ["no AES-GCM for IKE", "--profile compatible"]),
        Case(vendor: .mikrotik, situation: "certificate", says: ["RSA", "--auth psk", "--pair-selectors"]),
        Case(vendor: .libreswan, situation: "certificate", says: ["2 pairs", "--pair-selectors"]),
        Case(vendor: .ciscoIOSXE, situation: "certificate", says: ["one pair of networks", "--pair-selectors"]),
        Case(vendor: .paloalto, situation: "certificate", says: ["proxy IDs", "--pair-selectors"]),
        Case(vendor: .aws, situation: "default", says: ["--gateway-id address", "--peer-id ADDRESS"]),
        Case(vendor: .aws, situation: "compatible-pairs", says: ["one pair of networks", "6"]),
        Case(vendor: .aws, situation: "certificate", says: ["AWS Private CA", "--auth psk"]),
        Case(vendor: .aws, situation: "nat", says: ["is a name", "--peer ADDRESS"]),
        Case(vendor: .azure, situation: "default", says: ["public address", "--peer-id ADDRESS"]),
        Case(vendor: .azure, situation: "certificate", says: ["Key Vault", "--auth psk", "--pair-selectors"]),
    ]

    @Test(arguments: cases)
    func `says what the vendor cannot do and what to change`(_ testCase: Case) throws {
        let situation = try #require(Situation.all.first { $0.name == testCase.situation })
        let text = try Self.limitations(testCase.vendor, situation.facts)
        for part in testCase.says { #expect(text.contains(part), "\(text)") }
    }

    @Test(arguments: PeerVendor.allCases)
    func `needs a block of devices and a network`(_ vendor: PeerVendor) throws {
        let gateway = try Self.gateway("203.0.113.1", "203.0.113.1")
        let facts = try Situation.facts(
            peer: .anywhere, networks: [], gateway: gateway, identity: "198.51.100.10", blocks: [])
        let text = try Self.limitations(vendor, facts)
        #expect(text.contains("no addresses for devices"))
        #expect(text.contains("no network of the enterprise"))
    }

    @Test(arguments: [PeerVendor.fortigate, .ciscoIOSXE, .paloalto, .aws, .azure])
    func `needs a gateway with an IPv4 address`(_ vendor: PeerVendor) throws {
        let facts = try Situation.facts(
            peer: .anywhere, networks: ["10.0.0.0/24"], gateway: try Self.gateway("2001:db8::1", "2001:db8::1"),
            identity: "198.51.100.10")
        #expect(try Self.limitations(vendor, facts).contains("IPv4 address of the gateway"))
    }

    @Test(arguments: [PeerVendor.fortigate, .ciscoIOSXE, .paloalto, .mikrotik, .opnsense])
    func `subjects are refused where they cannot be typed in`(_ vendor: PeerVendor) throws {
        let facts = try Situation.facts(
            peer: try Tunnel.Peer(parsing: "198.51.100.10"), networks: ["10.0.0.0/24"], profile: .compatible,
            gateway: try Self.gateway("203.0.113.1", "CN=gw (main), O=Operator"), identity: "CN=hq (main), O=Acme")
        let text = try Self.limitations(vendor, facts)
        #expect(text.contains("peer's identity"))
        #expect(text.contains("gateway's identity"))
    }

    @Test(arguments: ["0leading-zero", "has+plus/slash==", String(repeating: "a", count: 65)])
    func `AWS takes few keys`(_ key: String) throws {
        let facts = try Situation.facts(
            peer: try Tunnel.Peer(parsing: "198.51.100.10"), networks: ["10.0.0.0/24"],
            gateway: try Self.gateway("203.0.113.1", "203.0.113.1"), identity: "198.51.100.10", key: key)
        #expect(try Self.limitations(.aws, facts).contains("does not begin with 0"))
    }

    @Test func `an RSA certificate is a way out on RouterOS`() throws {
        let facts = try Situation.facts(
            peer: try Tunnel.Peer(parsing: "198.51.100.10"), networks: ["10.0.0.0/24"], profile: .compatible,
            authentication: .certificate, gateway: try Self.gateway("203.0.113.1", "gw.example"),
            identity: "hq.example",
            certificate: PeerFacts.Certificate(vpn: try Name(parsing: "hq"), key: .rsa))
        #expect(try PeerConfiguration(of: .mikrotik, for: facts).text.contains("auth-method=digital-signature"))
    }

    /// What a vendor cannot do, or a failure of the test.
    static func limitations(_ vendor: PeerVendor, _ facts: PeerFacts) throws -> String {
        let error = #expect(throws: PeerLimitations.self) { try PeerConfiguration(of: vendor, for: facts) }
        return "\(try #require(error))"
    }

    static func gateway(_ address: String, _ identity: String) throws -> PeerFacts.Gateway {
        PeerFacts.Gateway(
            address: try IPAddress(parsing: address), identity: try IKEIdentity(parsing: identity))
    }
}

import Domain
import PeerGuides

/// A VPN that configurations are written for.
struct Situation: Sendable {
    let name: String
    let facts: PeerFacts

    static let all: [Situation] = {
        // A typing mistake here is a test that fails to find its case.
        do { return try made() } catch { return [] }
    }()

    static let key = "mzxw6ytboi4dsmrrgqztamjvgm2tmnzyhezdgnbvgy3tqojqgezq"

    private static func made() throws -> [Situation] {
        let named = PeerFacts.Gateway(
            address: try IPAddress(parsing: "203.0.113.1"),
            identity: try IKEIdentity(parsing: "hq.acme.vpn.operator.example"))
        let addressed = PeerFacts.Gateway(
            address: try IPAddress(parsing: "203.0.113.1"), identity: try IKEIdentity(parsing: "203.0.113.1"))
        let static4 = try Tunnel.Peer(parsing: "198.51.100.10")
        return [
            Situation(
                name: "default",
                facts: try facts(
                    peer: static4, networks: ["10.0.0.0/24"], gateway: named, identity: "vpn.acme.example")),
            Situation(
                name: "compatible-pairs",
                facts: try facts(
                    peer: static4, networks: ["10.0.0.0/24", "10.20.0.0/16=10.99.0.0/16", "192.0.2.7"],
                    profile: .compatible, initiation: .onDemand, encapsulation: true, pairs: true, probe: "10.0.0.1",
                    gateway: PeerFacts.Gateway(
                        address: named.address, alternatives: [try IPAddress(parsing: "203.0.113.2")],
                        identity: named.identity),
                    identity: "vpn@acme.example", blocks: ["100.64.0.0/20", "100.66.4.0/22"], key: nil)),
            Situation(
                name: "certificate",
                facts: try facts(
                    peer: static4, networks: ["10.0.0.0/24", "10.1.0.0/24"], authentication: .certificate,
                    gateway: named, identity: "vpn.acme.example")),
            Situation(
                name: "certificate-one",
                facts: try facts(
                    peer: static4, networks: ["10.0.0.0/24"], authentication: .certificate, gateway: named,
                    identity: "vpn.acme.example")),
            Situation(
                name: "dynamic",
                facts: try facts(
                    peer: .anywhere, networks: ["10.0.0.0/24"], initiation: .never, gateway: named,
                    identity: "hq.acme.peer.operator.example")),
            Situation(
                name: "nat",
                facts: try facts(
                    peer: try Tunnel.Peer(parsing: "vpn.acme.example"), networks: ["10.0.0.0/24"],
                    profile: .compatible, gateway: named, identity: "vpn.acme.example", nat: true)),
            Situation(
                name: "address",
                facts: try facts(
                    peer: static4, networks: ["10.0.0.0/24"], initiation: .never, gateway: addressed,
                    identity: "198.51.100.10")),
            Situation(
                name: "address-compatible",
                facts: try facts(
                    peer: static4, networks: ["10.0.0.0/24"], profile: .compatible, initiation: .onDemand,
                    encapsulation: true, gateway: addressed, identity: "198.51.100.10", key: nil)),
            Situation(
                name: "address-unknown",
                facts: try facts(
                    peer: .anywhere, networks: ["10.0.0.0/24"], gateway: addressed, identity: "198.51.100.10")),
        ]
    }

    static func facts(
        peer: Tunnel.Peer, networks: [String], profile: Tunnel.Profile = .standard,
        authentication: Tunnel.Authentication = .sharedKey, initiation: Tunnel.Initiation = .always,
        encapsulation: Bool = false, pairs: Bool = false, probe: String? = nil, gateway: PeerFacts.Gateway,
        identity: String, nat: Bool = false, blocks: [String] = ["100.64.0.0/20"], key: String? = Self.key,
        certificate: PeerFacts.Certificate? = nil
    ) throws -> PeerFacts {
        PeerFacts(
            vpn: try Name(parsing: "hq"), tenant: try Name(parsing: "acme"),
            tunnel: Tunnel(
                peer: peer, networks: try networks.map { try Tunnel.RemoteNetwork(parsing: $0) }, profile: profile,
                authentication: authentication, initiation: initiation, forcesEncapsulation: encapsulation,
                pairsSelectors: pairs, probe: try probe.map { try IPv4Address(parsing: $0) }),
            gateway: gateway, peerIdentity: try IKEIdentity(parsing: identity), isPeerBehindNAT: nat,
            deviceBlocks: try blocks.map { try IPv4Prefix(parsing: $0) },
            sharedKey: try key.map { try PeerSharedKey(parsing: $0) }, certificate: certificate)
    }
}

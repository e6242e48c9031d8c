import Domain
import Store
import TestSupport

extension Tunnel {
    static func test(_ networks: String..., peer: String = "198.51.100.1") throws -> Tunnel {
        Tunnel(
            peer: try Peer(parsing: peer),
            networks: try (networks.isEmpty ? ["10.0.0.0/24"] : networks).map { try RemoteNetwork(parsing: $0) })
    }

    /// Of every case one, and of every list an empty one, one of one and one of several.
    static func forms() throws -> [Tunnel] {
        let identities = [
            "203.0.113.9", "2001:db8::9", "hq.acme.example", "vpn@acme.example", "C=SE, O=Acme AB, CN=hq (north)",
        ]
        return [
            try test(),
            try test("10.0.0.0/24=192.168.7.0/24", "10.1.0.0/16", "10.2.0.1/32", peer: "vpn.acme.example"),
            Tunnel(
                peer: try Peer(parsing: "2001:db8::1"), networks: [], devices: .groups([try .test("meters")]),
                profile: .compatible, authentication: .certificate, initiation: .onDemand, forcesEncapsulation: true,
                probe: try IPv4Address(parsing: "10.0.0.9"),
                partner: Partner(name: try .test("initech"), validFrom: noon)),
            Tunnel(
                peer: .anywhere, networks: [RemoteNetwork(try .test("0.0.0.0/0"))],
                devices: .groups([try .test("gates"), try .test("meters")]), initiation: .never, pairsSelectors: true,
                partner: Partner(
                    name: try .test("hooli"), destinations: [try .test("10.0.0.8/32"), try .test("10.0.0.0/30")],
                    ports: [
                        PartnerPorts(transport: .tcp, ports: 443...443),
                        PartnerPorts(transport: .udp, ports: 1...65535),
                        PartnerPorts(transport: .icmp, ports: nil), PartnerPorts(transport: .tcp, ports: nil),
                    ],
                    validFrom: noon, validUntil: noon.plus(seconds: 1))),
        ]
            + (try identities.map { text in
                Tunnel(peer: .anywhere, networks: [], peerIdentity: try IKEIdentity(parsing: text))
            })
    }

    static func random(_ random: inout Generator) throws -> Tunnel {
        let forms = try forms()
        func pick() -> Tunnel { forms.randomElement(using: &random) ?? forms[0] }
        func prefix(_ length: UInt8, _ bits: UInt32) throws -> IPv4Prefix {
            try .test("\(IPv4Address(bits: bits & ~(UInt32.max >> length)))/\(length)")
        }
        var networks: [RemoteNetwork] = []
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            let length = UInt8.random(in: 0...32, using: &random)
            let network = try prefix(length, .random(in: 0 ... .max, using: &random))
            let seenAs = try prefix(length, .random(in: 0 ... .max, using: &random))
            networks.append(
                Bool.random(using: &random)
                    ? RemoteNetwork(network) : RemoteNetwork(network, seenAs: seenAs) ?? RemoteNetwork(network))
        }
        return Tunnel(
            peer: pick().peer, networks: networks, devices: pick().devices,
            profile: Profile.allCases.randomElement(using: &random) ?? .standard,
            authentication: Authentication.allCases.randomElement(using: &random) ?? .sharedKey,
            peerIdentity: pick().peerIdentity, initiation: pick().initiation,
            forcesEncapsulation: .random(using: &random), pairsSelectors: .random(using: &random),
            probe: Bool.random(using: &random) ? IPv4Address(bits: .random(in: 0 ... .max, using: &random)) : nil,
            partner: pick().partner)
    }
}

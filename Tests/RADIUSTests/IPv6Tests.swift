import Domain
import RADIUS
import TestSupport
import Testing

/// RFC 3162, RFC 4818 and what 3GPP TS 29.061 says of both.
@Suite struct IPv6Tests {
    private static func accept(
        _ prefixes: SessionPrefixes, address: String? = "100.64.0.7", servers: [String] = []
    ) throws -> [(type: UInt8, value: [UInt8])] {
        let request = try Packets.accessRequest(Captures.accessRequest)
        let accept = AccessAccept(
            address: try address.map { try IPv4Address(parsing: $0) }, token: SessionToken(bits: 1),
            dnsServers: [try IPv4Address(parsing: "198.18.0.1")], interimSeconds: nil, prefixes: prefixes,
            dnsServers6: try servers.map { try IPv6Address(parsing: $0) })
        return Packets.attributes(
            of: try accept.encoded(
                answering: request.echo(in: Captures.accessRequest.span), secret: Packets.secret))
    }

    @Test func `an accept of both families has the prefix with its length, and its resolvers`() throws {
        let prefixes = SessionPrefixes(network: 0x2001_0db8_6400_0007, delegatedLength: nil)
        let attributes = try Self.accept(prefixes, servers: ["2001:db8::53", "2001:db8::54", "2001:db8::55"])
        #expect(attributes.map(\.type) == [80, 6, 7, 8, 9, 25, 26, 97, 26, 33])
        #expect(attributes[3].value == [100, 64, 0, 7])
        // Reserved, length in bits, eight octets.
        #expect(attributes[7].value == [0, 64, 0x20, 0x01, 0x0d, 0xb8, 0x64, 0x00, 0x00, 0x07])
        // 3GPP-IPv6-DNS-Servers: the vendor's header, then two addresses.
        let server = { (last: UInt8) in [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [last] }
        #expect(attributes[8].value == [0, 0, 0x28, 0xaf, 17, 34] + server(0x53) + server(0x54))
    }

    @Test func `an accept of IPv6 alone names no IPv4 address, netmask or resolver`() throws {
        let prefixes = SessionPrefixes(network: 0x2001_0db8_6400_0020, delegatedLength: 60)
        let attributes = try Self.accept(prefixes, address: nil)
        #expect(attributes.map(\.type) == [80, 6, 7, 25, 97, 123, 33])
        #expect(attributes[4].value == [0, 64, 0x20, 0x01, 0x0d, 0xb8, 0x64, 0x00, 0x00, 0x20])
        // Eight octets hold sixty bits.
        #expect(attributes[5].value == [0, 60, 0x20, 0x01, 0x0d, 0xb8, 0x64, 0x00, 0x00, 0x30])
    }

    @Test func `the prefix of an accept comes back in accounting`() throws {
        try forAll(300) { random in
            let network = UInt64.random(in: 1...UInt64.max, using: &random)
            let length = Bool.random(using: &random) ? UInt8.random(in: 60...64, using: &random) : nil
            let unit = length.map { UInt64(2) << (64 - UInt64($0)) } ?? 1
            let prefixes = SessionPrefixes(network: network & ~(unit - 1), delegatedLength: length)
            let attributes = try Self.accept(prefixes)
            let echoed = attributes.filter { $0.type == 97 || $0.type == 123 }
                .flatMap { Packets.attribute($0.type, $0.value) }
            let packet = Packets.packet(4, Packets.attribute(40, [0, 0, 0, 1]) + echoed)
            let request = try Packets.accountingRequest(packet)
            let report = request.report(
                from: NAS.ID(1), received: Timestamp(milliseconds: 0), in: packet.span)
            #expect(report.prefix == prefixes.link, "seed \(random.seed)")
            #expect(request.bearer.delegatedIPv6Prefix?.length == length, "seed \(random.seed)")
            #expect(
                request.bearer.delegatedIPv6Prefix.map { IPv6Address(bits: $0.bits) } == prefixes.delegated?.address,
                "seed \(random.seed)")
        }
    }

    @Test func `what a report says of the link is a 64, or an address in it`() throws {
        func prefix(_ value: [UInt8]) throws -> String? {
            let packet = Packets.packet(4, Packets.attribute(40, [0, 0, 0, 3]) + Packets.attribute(97, value))
            return try Packets.accountingRequest(packet).report(
                from: NAS.ID(1), received: Timestamp(milliseconds: 0), in: packet.span
            ).prefix?.description
        }
        let network: [UInt8] = [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2]
        #expect(try prefix([0, 64] + network) == "2001:db8:1:2::/64")
        #expect(try prefix([0, 64] + network + [0, 0, 0, 0, 0, 0, 0, 0]) == "2001:db8:1:2::/64")
        #expect(try prefix([0, 128] + network + [0, 0, 0, 0, 0, 0, 0, 9]) == "2001:db8:1:2::/64")
        #expect(try prefix([0, 56] + network) == nil)
        #expect(throws: PacketError.self) { try prefix([0, 129] + network) }
        #expect(throws: PacketError.self) { try prefix([0]) }
    }

    @Test(
        arguments: [
            (nil, PDNType.ipv4), (0, .ipv4), (1, .ipv4), (2, .ipv6), (3, .ipv4v6), (4, .other), (5, .other),
            (6, .other),
            (77, .other),
        ] as [(UInt8?, PDNType)])
    func `what is asked for is what 3GPP-PDP-Type says`(number: UInt8?, type: PDNType) throws {
        let packet = Packets.packet(1, number.map { Packets.threeGPP(3, [0, 0, 0, $0]) } ?? [])
        let request = try Packets.accessRequest(packet)
        #expect(request.attachRequest(from: NAS.ID(1), in: packet.span).pdnType == type)
    }

    @Test func `a session without IPv4 is named by its prefix`() throws {
        let prefix = SessionPrefixes(network: 0x2001_0db8_0000_0001, delegatedLength: nil).link
        let packet = try DisconnectMessage(kind: .disconnect, attributes: [.messageAuthenticator, .prefix(prefix)])
            .encoded(identifier: 1, secret: Packets.secret)
        let attributes = Packets.attributes(of: packet)
        #expect(attributes.map(\.type) == [80, 97])
        #expect(attributes[1].value == [0, 64, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1])
    }
}

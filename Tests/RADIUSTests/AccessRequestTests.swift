import Domain
import RADIUS
import Testing

@Suite struct AccessRequestTests {
    private static let rfcSecret = Secret(bytes: Array("xyzzy5461".utf8))
    /// RFC 2865 §7.1: user nemo logs in, password arctangent.
    private static let nemo = hex(
        """
        01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d 93 d4 13 ce
        31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03
        """)
    /// RFC 2865 §7.2: user flopsy with CHAP, password arctangent.
    private static let flopsy = hex(
        """
        01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2 01 08 66 6c 6f 70 73 79 03 13 16 e9 75 57 c3 16
        18 58 95 f2 93 ff 63 44 07 72 75 04 06 c0 a8 01 10 05 06 00 00 00 14 06 06 00 00 00 02 07 06 00 00 00 01
        """)

    @Test func `RFC 2865 section 7-1 decodes, and its password is arctangent`() throws {
        let request = try Packets.accessRequest(Self.nemo)
        #expect(request.header.identifier == 0)
        #expect(request.header.length == 56)
        #expect(request.bearer.userName(in: Self.nemo.span) == "nemo")
        #expect(request.bearer.nasAddress?.description == "192.168.1.16")
        #expect(request.password(in: Self.nemo.span, secret: Self.rfcSecret) == Array("arctangent".utf8))
        #expect(request.password(in: Self.nemo.span, secret: Packets.secret) != Array("arctangent".utf8))
        #expect(request.isCHAPResponse(of: [], in: Self.nemo.span) == nil)
        #expect(!request.hasMessageAuthenticator)
    }

    @Test func `RFC 2865 section 7-2 decodes, and its CHAP response is that of arctangent`() throws {
        let request = try Packets.accessRequest(Self.flopsy)
        #expect(request.bearer.userName(in: Self.flopsy.span) == "flopsy")
        #expect(request.bearer.serviceType == 2)
        #expect(request.bearer.framedProtocol == 1)
        #expect(request.isCHAPResponse(of: Array("arctangent".utf8), in: Self.flopsy.span) == true)
        #expect(request.isCHAPResponse(of: Array("arctangenT".utf8), in: Self.flopsy.span) == false)
        #expect(request.password(in: Self.flopsy.span, secret: Self.rfcSecret) == nil)
    }

    @Test func `the response authenticators of RFC 2865 section 7 are found again`() throws {
        let answers = [
            (Self.nemo, "0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103"),
            (
                Self.flopsy,
                """
                0201003815efbc7dab26cfa3dc34d9c03c8601a4060600000002070600000001
                0806fffffffe0a06000000020d06000000010c06000005dc
                """
            ),
        ]
        for (request, answer) in answers {
            let packet = hex(answer)
            let header = try Header(decoding: request.span)
            let digest = Authenticator.digest(
                of: packet.span, authenticator: header.authenticator, secret: Self.rfcSecret)
            #expect(try Header(decoding: packet.span).authenticator == digest)
        }
    }

    @Test func `the Message-Authenticator of RFC 5997 section 6-1 is found again`() {
        let packet = hex(
            "0cda00268a54f4686fb394c52866e302185d062350125a665e2e1e8411f3e243822097c84fa3")
        let isRight = Authenticator.isMessageAuthenticator(at: 22, of: packet.span, secret: Self.rfcSecret)
        #expect(isRight)
        let isRightForAnother = Authenticator.isMessageAuthenticator(at: 22, of: packet.span, secret: Packets.secret)
        #expect(!isRightForAnother)
    }

    @Test func `every attribute of radclient's request is decoded`() throws {
        let packet = Captures.accessRequest
        let request = try Packets.accessRequest(packet)
        try request.verify(packet.span, secret: Packets.secret, requiringMessageAuthenticator: true)
        let bearer = request.bearer
        #expect(bearer.userName(in: packet.span) == "882010000001")
        #expect(bearer.nasAddress?.description == "198.18.0.2")
        #expect(bearer.nasIdentifier(in: packet.span) == "lab-pgw")
        #expect(bearer.nasPortType == 18)
        #expect(bearer.serviceType == 2)
        #expect(bearer.framedProtocol == 7)
        #expect(bearer.apn(in: packet.span)?.description == "iot.example")
        #expect(bearer.msisdn?.description == "882010000001")
        #expect(bearer.proxyStates(in: packet.span) == [Array("proxy".utf8)])
        #expect(request.password(in: packet.span, secret: Packets.secret) == Array("gprs".utf8))

        let attributes = bearer.threeGPP
        #expect(attributes.imsi?.description == "001010000010001")
        #expect(attributes.chargingID == 305_419_896)
        #expect(attributes.pdpType == .ipv4v6)
        #expect(attributes.qosProfile(in: packet.span) == Array("08-090003000003E8000003E8".utf8))
        #expect(attributes.servingNode?.description == "192.0.2.1")
        #expect(attributes.gateway?.description == "192.0.2.2")
        #expect(attributes.servingNodeIPv6 == UInt128(0x2001_0db8) << 96 | 1)
        #expect(attributes.gatewayIPv6 == UInt128(0x2001_0db8) << 96 | 2)
        #expect(attributes.homeNetwork?.description == "00101")
        #expect(attributes.gatewayNetwork?.description == "001001")
        #expect(attributes.nsapi == 5)
        #expect(attributes.selectionMode == 0)
        #expect(attributes.chargingCharacteristics == 0x0800)
        #expect(attributes.visitedNetwork?.mcc == "310")
        #expect(attributes.visitedNetwork?.mnc == "150")
        #expect(attributes.imei?.description == "35145120000001")
        #expect(attributes.softwareVersion == 2)
        #expect(attributes.rat == .nbIoT)
        let location = attributes.location(in: packet.span)
        #expect(location?.kind == .taiAndECGI)
        #expect(location?.network?.description == "00101")
        #expect(attributes.timeZone?.quarters == 32)
        #expect(attributes.timeZone?.daylightSavingHours == 1)
        #expect(attributes.negotiatedDSCP == 0x2e)
        #expect(attributes.allocateIPType == 4)
        #expect(attributes.externalIdentifier(in: packet.span) == "meter@12")
        #expect(attributes.locationTimeSeconds == 0xe100_0001)
        #expect(attributes.secondaryRATUsage(in: packet.span) == [[1, 2, 3, 4, 5]])

        let attach = request.attachRequest(from: NAS.ID(3), in: packet.span)
        #expect(attach.imsi == attributes.imsi)
        #expect(attach.equipment.imei == attributes.imei)
        #expect(attach.equipment.location == location)
    }

    @Test func `radclient's CHAP is that of its password, with the Request Authenticator as challenge`() throws {
        let packet = Captures.chapRequest
        let request = try Packets.accessRequest(packet)
        #expect(request.isCHAPResponse(of: Array("gprs".utf8), in: packet.span) == true)
        #expect(request.isCHAPResponse(of: Array("wrong".utf8), in: packet.span) == false)
        try request.verify(packet.span, secret: Packets.secret, requiringMessageAuthenticator: true)
    }

    @Test func `a changed octet anywhere makes the Message-Authenticator wrong or the form`() throws {
        for offset in Captures.accessRequest.indices {
            var packet = Captures.accessRequest
            packet[offset] ^= 0x10
            #expect(throws: PacketError.self, "octet \(offset)") {
                let request = try Packets.accessRequest(packet)
                try request.verify(packet.span, secret: Packets.secret, requiringMessageAuthenticator: true)
            }
        }
    }

    @Test func `without Message-Authenticator only an excepted NAS is heard, and Proxy-State never`() throws {
        let plain = Packets.packet(1, Packets.threeGPP(1, Array("001010000010001".utf8)))
        let request = try Packets.accessRequest(plain)
        #expect(throws: PacketError.messageAuthenticatorMissing) {
            try request.verify(plain.span, secret: Packets.secret, requiringMessageAuthenticator: true)
        }
        try request.verify(plain.span, secret: Packets.secret, requiringMessageAuthenticator: false)
        let proxied = Packets.packet(1, Packets.attribute(33, [1, 2, 3]))
        let other = try Packets.accessRequest(proxied)
        #expect(throws: PacketError.proxyStateUnprotected) {
            try other.verify(proxied.span, secret: Packets.secret, requiringMessageAuthenticator: false)
        }
    }

    @Test func `padding after the packet is not part of it`() throws {
        let padded = Captures.accessRequest + [UInt8](repeating: 0xff, count: 40)
        let request = try Packets.accessRequest(padded)
        #expect(request.header.length == Captures.accessRequest.count)
        try request.verify(padded.span, secret: Packets.secret, requiringMessageAuthenticator: true)
    }

    struct Malformed: CustomTestStringConvertible {
        let name: String
        let packet: [UInt8]
        let error: PacketError
        var testDescription: String { name }
    }

    static let malformed: [Malformed] = {
        let p = { (attributes: [UInt8]) in Packets.packet(1, attributes) }
        let a = { (type: UInt8, value: [UInt8]) in Packets.packet(1, Packets.attribute(type, value)) }
        let v = { (type: UInt8, value: [UInt8]) in Packets.packet(1, Packets.threeGPP(type, value)) }
        let bytes = { (count: Int) in [UInt8](repeating: 0x31, count: count) }
        let wrong = { (type: UInt8) in PacketError.attributeLength(type: type) }
        var cases: [Malformed] = [
            .init(name: "nothing", packet: [], error: .truncated),
            .init(name: "19 octets", packet: bytes(19), error: .truncated),
            .init(name: "4097 octets", packet: bytes(4097), error: .overlong),
            .init(name: "length 19", packet: [1, 0, 0, 19] + bytes(16), error: .lengthField),
            .init(name: "length beyond the datagram", packet: [1, 0, 0, 21] + bytes(16), error: .truncated),
            .init(name: "an accounting request", packet: Packets.packet(4, []), error: .unexpectedCode(4)),
            .init(name: "code 0", packet: Packets.packet(0, []), error: .unexpectedCode(0)),
            .init(name: "a lone type", packet: p([1]), error: wrong(1)),
            .init(name: "attribute of length 0", packet: p([1, 0, 0, 0]), error: wrong(1)),
            .init(name: "attribute of length 1", packet: p([1, 1]), error: wrong(1)),
            .init(name: "attribute beyond the packet", packet: p([1, 5, 0x61]), error: wrong(1)),
            .init(name: "empty User-Name", packet: p([1, 2]), error: wrong(1)),
            .init(name: "User-Password of 15", packet: a(2, bytes(15)), error: wrong(2)),
            .init(name: "User-Password of 17", packet: a(2, bytes(17)), error: wrong(2)),
            .init(name: "User-Password of 144", packet: a(2, bytes(144)), error: wrong(2)),
            .init(name: "CHAP-Password of 16", packet: a(3, bytes(16)), error: wrong(3)),
            .init(name: "NAS-IP-Address of 3", packet: a(4, bytes(3)), error: wrong(4)),
            .init(name: "Service-Type of 5", packet: a(6, bytes(5)), error: wrong(6)),
            .init(name: "Framed-IP-Address of 16", packet: a(8, bytes(16)), error: wrong(8)),
            .init(name: "vendor without type", packet: a(26, [0, 0, 0x28, 0xaf]), error: wrong(26)),
            .init(name: "vendor attribute too long", packet: a(26, [0, 0, 0x28, 0xaf, 1, 9, 0x31]), error: wrong(1)),
            .init(name: "vendor attribute of length 1", packet: a(26, [0, 0, 0x28, 0xaf, 1, 1, 1]), error: wrong(1)),
            .init(name: "half a second one", packet: a(26, [0, 0, 0x28, 0xaf, 1, 3, 0x31, 2]), error: wrong(2)),
            .init(name: "CHAP-Challenge of 4", packet: a(60, bytes(4)), error: wrong(60)),
            .init(name: "Message-Authenticator of 15", packet: a(80, bytes(15)), error: wrong(80)),
            .init(
                name: "two Message-Authenticators",
                packet: p(Packets.attribute(80, bytes(16)) + Packets.attribute(80, bytes(16))),
                error: .attributeRepeated(type: 80)),
            .init(name: "NAS-IPv6-Address of 15", packet: a(95, bytes(15)), error: wrong(95)),
            .init(name: "Framed-Interface-Id of 7", packet: a(96, bytes(7)), error: wrong(96)),
            .init(name: "prefix of 129 bits", packet: a(97, [0, 129]), error: wrong(97)),
            .init(name: "prefix of 17 octets", packet: a(97, [0, 64] + bytes(17)), error: wrong(97)),
        ]
        let lengths: [(UInt8, Int)] = [
            (2, 3), (3, 5), (6, 3), (7, 16), (10, 2), (11, 2), (12, 2), (13, 3), (15, 4), (16, 15), (17, 15), (19, 2),
            (21, 2), (22, 0), (23, 1), (26, 2), (27, 4), (30, 3),
        ]
        cases += lengths.map { type, count in
            .init(name: "3GPP \(type) of \(count)", packet: v(type, bytes(count)), error: wrong(type))
        }
        return cases
    }()

    @Test(arguments: malformed)
    func `a malformed packet is refused with its reason`(_ malformed: Malformed) {
        #expect(throws: malformed.error) { try Packets.accessRequest(malformed.packet) }
    }

    @Test func `text that does not parse leaves its value out`() throws {
        let attributes =
            Packets.threeGPP(1, Array("00101x".utf8)) + Packets.threeGPP(20, Array("35145".utf8))
            + Packets.threeGPP(18, Array("31".utf8)) + Packets.threeGPP(10, [0xff])
            + Packets.attribute(30, [0xff, 0xfe]) + Packets.attribute(31, Array("+41".utf8))
            + Packets.attribute(1, [0xc0, 0x80])
        let packet = Packets.packet(1, attributes)
        let bearer = try Packets.accessRequest(packet).bearer
        #expect(bearer.threeGPP.imsi == nil)
        #expect(bearer.threeGPP.imei == nil)
        #expect(bearer.threeGPP.visitedNetwork == nil)
        #expect(bearer.threeGPP.nsapi == nil)
        #expect(bearer.apn(in: packet.span) == nil)
        #expect(bearer.userName(in: packet.span) == nil)
    }

    @Test func `of what occurs several times the last counts, unless all do`() throws {
        let report = { (value: [UInt8]) in [31, UInt8(value.count + 2)] + value }
        let server = { (last: UInt8) in [UInt8](repeating: 0, count: 15) + [last] }
        let attributes: [[UInt8]] = [
            Packets.attribute(33, [1, 2]), Packets.attribute(1, Array("first".utf8)),
            Packets.threeGPP(17, server(9)), Packets.threeGPP(17, server(1) + server(2)),
            // Two reports in one vendor's attribute, and one of another vendor's with the same type.
            Packets.attribute(26, [0, 0, 0x28, 0xaf] + report([1]) + [21, 3, 6] + report([])),
            Packets.attribute(26, [0, 0, 1, 55] + report([7])), Packets.attribute(33, []),
            Packets.attribute(1, Array("last".utf8)), Packets.threeGPP(31, [2, 3]), Packets.threeGPP(33, [8]),
            Packets.attribute(33, [3]),
        ]
        // What follows the packet is padding, though it looks like attributes.
        let packet = Packets.packet(1, attributes.flatMap { $0 }) + Packets.attribute(33, [4])
        let bearer = try Packets.accessRequest(packet).bearer
        #expect(bearer.userName(in: packet.span) == "last")
        #expect(bearer.proxyStates(in: packet.span) == [[1, 2], [], [3]])
        #expect(bearer.threeGPP.secondaryRATUsage(in: packet.span) == [[1], [], [2, 3]])
        #expect(bearer.threeGPP.dnsServersIPv6(in: packet.span) == [1, 2])
    }

    @Test func `several vendor attributes in one, a NUL after text and other vendors are taken as they come`() throws {
        let vendor: [UInt8] =
            [0, 0, 0x28, 0xaf] + [1, 18] + Array("001010000010001".utf8) + [0] + [21, 3, 6]
        let attributes = Packets.attribute(26, vendor) + Packets.attribute(26, [0, 0, 0, 9, 0xff])
        let bearer = try Packets.accessRequest(Packets.packet(1, attributes)).bearer
        #expect(bearer.threeGPP.imsi?.description == "001010000010001")
        #expect(bearer.threeGPP.rat == .eutran)
    }

    @Test func `IMEISV of zeros is an identity of its own kind, and unknown values are kept`() throws {
        let attributes =
            Packets.threeGPP(20, Array("0000000000000000".utf8)) + Packets.threeGPP(21, [200])
            + Packets.threeGPP(22, [99, 1, 2]) + Packets.threeGPP(3, [0, 0, 0, 77])
        let packet = Packets.packet(1, attributes)
        let found = try Packets.accessRequest(packet).bearer.threeGPP
        #expect(found.imei?.isAllZeros == true)
        #expect(found.rat?.rawValue == 200)
        #expect(found.location(in: packet.span)?.octets == [99, 1, 2])
        #expect(found.location(in: packet.span)?.elements == [])
        #expect(found.pdpType?.rawValue == 77)
    }
}

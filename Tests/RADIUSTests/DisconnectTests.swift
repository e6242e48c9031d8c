import Domain
import RADIUS
import Testing

@Suite struct DisconnectTests {
    private static func message(_ key: DisconnectMessage.Key) throws -> [UInt8] {
        try DisconnectMessage(key: key, eventTimestamp: 0x6000_0001).encoded(identifier: 9, secret: Packets.secret)
    }

    private static func answer(
        _ code: UInt8, to request: [UInt8], attributes: [UInt8] = [], secret: Secret = Packets.secret
    ) throws -> [UInt8] {
        var packet = Packets.packet(code, attributes)
        packet[1] = request[1]
        let header = try Header(decoding: request.span)
        let digest = Authenticator.digest(of: packet.span, authenticator: header.authenticator, secret: secret)
        packet.replaceSubrange(4..<20, with: withUnsafeBytes(of: digest.bigEndian, Array.init))
        return packet
    }

    @Test func `names the session in one way, and is signed`() throws {
        let imsi = try IMSI(parsing: "001010000010001")
        let cases: [(DisconnectMessage.Key, [UInt8])] = [
            (.imsi(imsi, nsapi: 5), [80, 26, 26, 55]),
            (.imsi(imsi, nsapi: nil), [80, 26, 55]),
            (.accountingSessionID("c6120002"), [80, 44, 55]),
            (.apn(try APN(parsing: "iot"), address: IPv4Address(bits: 0x6440_0007)), [80, 30, 8, 55]),
        ]
        for (key, types) in cases {
            let packet = try Self.message(key)
            let attributes = Packets.attributes(of: packet)
            #expect(packet[0] == 40 && packet[1] == 9)
            #expect(attributes.map(\.type) == types)
            #expect(attributes.last?.value == [0x60, 0, 0, 1])
            // RFC 5176 §2.3: as in accounting, with zero octets in the authenticator's place.
            #expect(
                try Header(decoding: packet.span).authenticator
                    == Authenticator.digest(of: packet.span, authenticator: 0, secret: Packets.secret))
            let mac = Authenticator.messageAuthenticator(
                of: packet.span, at: 22, authenticator: 0, secret: Packets.secret)
            #expect(withUnsafeBytes(of: mac.bigEndian, Array.init) == attributes[0].value)
        }
        let attributes = Packets.attributes(of: try Self.message(.imsi(imsi, nsapi: 15)))
        #expect(attributes[1].value == [0, 0, 0x28, 0xaf, 1, 17] + Array("001010000010001".utf8))
        #expect(attributes[2].value == [0, 0, 0x28, 0xaf, 10, 3] + Array("f".utf8))
    }

    @Test func `the same request twice is the same octets`() throws {
        let key = DisconnectMessage.Key.accountingSessionID("x")
        #expect(try Self.message(key) == Self.message(key))
    }

    @Test func `answers are taken when they answer, and from who knows the secret`() throws {
        let request = try Self.message(.accountingSessionID("x"))
        let authenticator = try Header(decoding: request.span).authenticator
        func decode(_ packet: [UInt8]) throws -> DisconnectAnswer {
            try DisconnectAnswer(decoding: packet.span) { $0 == 9 ? (authenticator, Packets.secret) : nil }
        }
        let ack = try decode(Self.answer(41, to: request))
        #expect(ack.isAcknowledged && ack.errorCause == nil && ack.identifier == 9)
        let cause = Packets.attribute(101, [0, 0, 1, 0xf7])
        let nak = try decode(Self.answer(42, to: request, attributes: cause))
        #expect(!nak.isAcknowledged && nak.errorCause == .sessionContextNotFound && nak.kind == .disconnect)

        let forged = try Self.answer(41, to: request, secret: Secret(bytes: [1]))
        #expect(throws: PacketError.authenticatorWrong) { try decode(forged) }
        var other = try Self.answer(41, to: request)
        other[1] = 10
        #expect(throws: PacketError.authenticatorWrong) { try decode(other) }
        let short = try Self.answer(42, to: request, attributes: Packets.attribute(101, [1, 0xf7]))
        #expect(throws: PacketError.attributeLength(type: 101)) { try decode(short) }
        let request2 = try Self.answer(40, to: request)
        #expect(throws: PacketError.unexpectedCode(40)) { try decode(request2) }
    }

    @Test func `carries what the profile says, in that order, and a change what it changes`() throws {
        let imsi = try IMSI(parsing: "001010000010001")
        let message = DisconnectMessage(
            kind: .change,
            attributes: [
                .userName(imsi), .msisdn(try MSISDN(parsing: "46700000001")), .token(SessionToken(bits: 7)),
                .chargingID(9), .nasAddress(IPv4Address(bits: 0xC612_0002)), .teardown,
            ], changes: [.interimInterval(seconds: 60), .sessionTimeout(seconds: 5), .idleTimeout(seconds: 7)])
        let packet = try message.encoded(identifier: 3, secret: Packets.secret)
        let attributes = Packets.attributes(of: packet)
        #expect(packet[0] == 43 && packet[1] == 3)
        // Without Message-Authenticator where the profile leaves it out; then the authenticator alone proves the sender.
        #expect(attributes.map(\.type) == [1, 31, 25, 26, 4, 26, 85, 27, 28])
        #expect(attributes[3].value == [0, 0, 0x28, 0xaf, 2, 6, 0, 0, 0, 9])
        #expect(attributes[5].value == [0, 0, 0x28, 0xaf, 19, 3, 1])
        #expect(attributes[6].value == [0, 0, 0, 60])
        #expect(
            try Header(decoding: packet.span).authenticator
                == Authenticator.digest(of: packet.span, authenticator: 0, secret: Packets.secret))
    }

    @Test(arguments: [(UInt8(44), true), (45, false)])
    func `a change is answered by its own codes`(code: UInt8, isAcknowledged: Bool) throws {
        let request = try Self.message(.accountingSessionID("x"))
        let authenticator = try Header(decoding: request.span).authenticator
        let cause = Packets.attribute(101, [0, 0, 1, 0xfc])
        let packet = try Self.answer(code, to: request, attributes: cause)
        let answer = try DisconnectAnswer(decoding: packet.span) { _ in (authenticator, Packets.secret) }
        #expect(answer.isAcknowledged == isAcknowledged && answer.kind == .change)
        #expect(answer.errorCause == .multipleSessionSelectionUnsupported)
        #expect(answer.errorCause?.words.cure?.contains("one way only") == true)
    }
}

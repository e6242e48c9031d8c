import Domain
import RADIUS
import TestSupport
import Testing

@Suite struct AnswerTests {
    private static func isSigned(_ answer: [UInt8], _ request: Header) throws -> Bool {
        let digest = Authenticator.digest(
            of: answer.span, authenticator: request.authenticator, secret: Packets.secret)
        return try Header(decoding: answer.span).authenticator == digest
    }

    @Test func `an accept has Message-Authenticator first, then the session's attributes, then Proxy-State`() throws {
        let request = try Packets.accessRequest(Captures.accessRequest)
        let accept = AccessAccept(
            address: try IPv4Address(parsing: "100.64.0.7"), token: SessionToken(bits: 0x0102),
            dnsServers: [try IPv4Address(parsing: "198.18.0.1"), try IPv4Address(parsing: "198.18.0.5")],
            interimSeconds: 600)
        let packet = try accept.encoded(
            answering: request.echo(in: Captures.accessRequest.span), secret: Packets.secret)
        let header = try Header(decoding: packet.span)
        #expect(header.code == .accessAccept)
        #expect(header.identifier == request.header.identifier)
        #expect(header.length == packet.count)
        let attributes = Packets.attributes(of: packet)
        #expect(attributes.map(\.type) == [80, 6, 7, 8, 9, 25, 26, 26, 85, 33])
        let values = attributes.map(\.value)
        #expect(values[1] == [0, 0, 0, 2])
        #expect(values[2] == [0, 0, 0, 7])
        #expect(values[3] == [100, 64, 0, 7])
        #expect(values[4] == [255, 255, 255, 255])
        #expect(values[5] == Array("CRD1".utf8) + [UInt8](repeating: 0, count: 14) + [1, 2])
        // Vendor 311, types 28 and 29 (RFC 2548 §2.7.1).
        #expect(values[6] == [0, 0, 1, 55, 28, 6, 198, 18, 0, 1])
        #expect(values[7] == [0, 0, 1, 55, 29, 6, 198, 18, 0, 5])
        #expect(values[8] == [0, 0, 2, 88])
        #expect(values[9] == Array("proxy".utf8))
        #expect(try Self.isSigned(packet, request.header))
        let expected = Authenticator.messageAuthenticator(
            of: packet.span, at: 22, authenticator: request.header.authenticator, secret: Packets.secret)
        #expect(withUnsafeBytes(of: expected.bigEndian, Array.init) == values[0])
    }

    @Test func `a reject says why, protected alike`() throws {
        let request = try Packets.accessRequest(Captures.accessRequest)
        let packet = try AccessReject(reason: .simSuspended).encoded(
            answering: request.echo(in: Captures.accessRequest.span), secret: Packets.secret)
        #expect(packet.first == 3)
        let attributes = Packets.attributes(of: packet)
        #expect(attributes.map(\.type) == [80, 18, 33])
        #expect(attributes[1].value == Array("sim-suspended".utf8))
        #expect(try Self.isSigned(packet, request.header))
    }

    @Test func `an accounting response is signed, and empty but for Proxy-State`() throws {
        let request = try Packets.accountingRequest(Captures.accountingStop)
        let packet = try AccountingResponse().encoded(
            answering: request.echo(in: Captures.accountingStop.span), secret: Packets.secret)
        #expect(packet.count == 20)
        #expect(packet.first == 5)
        #expect(try Self.isSigned(packet, request.header))
    }

    @Test func `an answer that Proxy-States make longer than a packet is not sent`() throws {
        // A request of 4087 octets, nearly all of them Proxy-State; the answer's own attributes take 64.
        let states = (0..<15).flatMap { Packets.attribute(33, [UInt8](repeating: UInt8($0), count: 253)) }
        let packet = Packets.packet(1, states + Packets.attribute(33, [UInt8](repeating: 7, count: 240)))
        let echo = try Packets.accessRequest(packet).echo(in: packet.span)
        let accept = AccessAccept(
            address: IPv4Address(bits: 1), token: SessionToken(bits: 1), dnsServers: [], interimSeconds: nil)
        #expect(throws: PacketError.answerTooLong) {
            try accept.encoded(answering: echo, secret: Packets.secret)
        }
    }

    @Test func `the token of an accept comes back in accounting`() throws {
        let echo = try Packets.accessRequest(Captures.accessRequest).echo(in: Captures.accessRequest.span)
        try forAll(500) { random in
            let token = SessionToken(bits: UInt128.random(in: 1...UInt128.max, using: &random))
            let accept = AccessAccept(
                address: IPv4Address(bits: UInt32.random(in: 0...UInt32.max, using: &random)), token: token,
                dnsServers: [], interimSeconds: nil)
            let packet = try accept.encoded(answering: echo, secret: Packets.secret)
            let value = Packets.attributes(of: packet).filter { $0.type == 25 }.flatMap(\.value)
            let accounting = Packets.packet(
                4, Packets.attribute(40, [0, 0, 0, 1]) + Packets.attribute(25, value))
            #expect(try Packets.accountingRequest(accounting).bearer.token == token, "seed \(random.seed)")
        }
    }
}

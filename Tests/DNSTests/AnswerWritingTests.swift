import DNS
import Domain
import TestSupport
import Testing

/// What devices are sent.
@Suite struct AnswerWritingTests {
    private static func local(
        _ answer: LocalAnswer, _ octets: [UInt8], error: ExtendedError? = ExtendedError(.filtered, "no")
    ) throws -> [UInt8] {
        var written: [UInt8] = []
        let query = try QueryMessage(decoding: octets.span)
        query.writeAnswer(answer, for: 30, error, to: octets.span, into: &written)
        return written
    }

    private static func passed(
        _ upstream: UpstreamAnswer, _ octets: [UInt8], age: UInt32 = 0, limit: Int = 65_535
    ) throws -> [UInt8] {
        var written: [UInt8] = []
        let query = try QueryMessage(decoding: octets.span)
        query.writeAnswer(upstream, age: age, limit: limit, to: octets.span, into: &written)
        return written
    }

    @Test func `a name that is blocked does not exist, and may be remembered (RFC 2308 §3)`() throws {
        let written = try Self.local(.nxdomain, Messages.query("MQTT.acme.example"))
        let soa = Messages.RR(
            owner: [0xc0, 17], type: 6, ttl: 30,
            data: [0, 0] + Messages.u32(1) + Messages.u32(3600) + Messages.u32(600) + Messages.u32(86_400)
                + Messages.u32(30))
        #expect(written == Messages.answer("MQTT.acme.example", flags: 0x8183, authority: [soa]))
        // As any resolver reads it.
        let read = try UpstreamAnswer(decoding: written.span, to: Messages.question())
        #expect(read.responseCode == .nameError)
        #expect(read.lifetime == 30)
    }

    @Test(arguments: ["example", "."])
    func `whose name above is the root's`(name: String) throws {
        let written = try Self.local(.nodata, Messages.query(name))
        let read = try UpstreamAnswer(decoding: written.span, to: Messages.question(name))
        #expect(read.responseCode == .noError)
        #expect(read.lifetime == 30)
    }

    @Test func `with EDNS it says why (RFC 8914), without it does not`() throws {
        let query = Messages.query(additional: [.opt(isDNSSECOK: true)])
        let written = try Self.local(.refused, query)
        let why = Messages.option(15, Messages.u16(17) + Array("no".utf8))
        #expect(written == Messages.answer(flags: 0x8185, additional: [.opt(isDNSSECOK: true, options: why)]))
        #expect(try Self.local(.refused, Messages.query()) == Messages.answer(flags: 0x8185))
    }

    @Test func `an address is given to who asks for its family`() throws {
        let v4 = IPAddress.v4(IPv4Address(bits: 0x0a00_0001))
        let written = try Self.local(.address(v4), Messages.query())
        #expect(written == Messages.answer([.a([10, 0, 0, 1], ttl: 30)]))
        let other = try Self.local(.address(v4), Messages.query(type: 28))
        let read = try UpstreamAnswer(decoding: other.span, to: Messages.question(type: 28))
        #expect(read.responseCode == .noError && read.review.addresses == [] && read.lifetime == 30)
        let v6 = IPAddress.v6(IPv6Address(bits: 1))
        let six = try Self.local(.address(v6), Messages.query(type: 28))
        #expect(try UpstreamAnswer(decoding: six.span, to: Messages.question(type: 28)).review.addresses == [v6])
    }

    @Test func `records of our own are the question's name's, as many as fit`() throws {
        let octets = Messages.query("MQTT.acme.example", type: 16)
        let query = try QueryMessage(decoding: octets.span)
        var written: [UInt8] = []
        let text: (type: UInt16, seconds: UInt32, data: [UInt8]) = (16, 60, [2, 104, 105])
        query.writeAnswer(records: [text, text], nil, limit: 512, to: octets.span, into: &written)
        let record = Messages.RR(type: 16, ttl: 60, data: [2, 104, 105])
        #expect(written == Messages.answer("MQTT.acme.example", type: 16, [record, record]))
        query.writeAnswer(
            records: Array(repeating: text, count: 40), nil, limit: 512, to: octets.span, into: &written)
        #expect(written == Messages.answer("MQTT.acme.example", type: 16, flags: 0x8380))
    }

    @Test func `an upstream's answer comes with the device's id, case and flags`() throws {
        let upstream = try Messages.upstream([.a([192, 0, 2, 1])], additional: [.opt()])
        let written = try Self.passed(upstream, Messages.query("mQtT.Acme.EXAMPLE", id: 7, flags: 0x0110))
        #expect(
            written == Messages.answer("mQtT.Acme.EXAMPLE", id: 7, flags: 0x8190, [.a([192, 0, 2, 1])]))
        let edns = try Self.passed(upstream, Messages.query(additional: [.opt(payload: 4096)]))
        #expect(edns == Messages.answer([.a([192, 0, 2, 1])], additional: [.opt()]))
    }

    @Test func `AD is told to who asks (RFC 6840 §5.7)`() throws {
        let upstream = try Messages.upstream(flags: 0x81a0, [.a([192, 0, 2, 1])])
        #expect(try Self.passed(upstream, Messages.query())[3] & 0x20 == 0)
        #expect(try Self.passed(upstream, Messages.query(flags: 0x0120))[3] & 0x20 != 0)
        #expect(try Self.passed(upstream, Messages.query(additional: [.opt(isDNSSECOK: true)]))[3] & 0x20 != 0)
    }

    @Test func `times to live run down to zero, and OPT is none of them`() throws {
        let upstream = try Messages.upstream(
            [.cname(to: "a.example", ttl: 100), .a(Messages.name("a.example"), [1, 2, 3, 4], ttl: 20)],
            additional: [.opt(options: Messages.option(15, Messages.u16(3)))])
        #expect(upstream.lifetime == 20)
        let query = Messages.query(additional: [.opt()])
        let written = try Self.passed(upstream, query, age: 30)
        #expect(
            written
                == Messages.answer(
                    [.cname(to: "a.example", ttl: 70), .a(Messages.name("a.example"), [1, 2, 3, 4], ttl: 0)],
                    additional: [.opt(options: Messages.option(15, Messages.u16(3)))]))
    }

    @Test func `what does not fit is truncated to the question (RFC 2181 §9)`() throws {
        let many = (0..<60).map { Messages.RR.a([192, 0, 2, UInt8($0)]) }
        let upstream = try Messages.upstream(many)
        let plain = Messages.query()
        #expect(try Self.passed(upstream, plain, limit: 512) == Messages.answer(flags: 0x8380))
        let edns = Messages.query(additional: [.opt(payload: 600)])
        #expect(try Self.passed(upstream, edns, limit: 600) == Messages.answer(flags: 0x8380, additional: [.opt()]))
        // 12 + 23 + 60 × 16 octets, and 11 of OPT.
        #expect(try Self.passed(upstream, plain, limit: 995).count == 995)
        #expect(try Self.passed(upstream, plain, limit: 994).count < 100)
        #expect(try Self.passed(upstream, edns, limit: 1006).count == 1006)
        #expect(try Self.passed(upstream, edns, limit: 1005).count < 100)
    }

    @Test func `a response code beyond 15 needs EDNS`() throws {
        let upstream = try Messages.upstream(flags: 0x8187, additional: [.opt(code: 1)])
        #expect(upstream.responseCode == ResponseCode(rawValue: 23))
        #expect(try Self.passed(upstream, Messages.query()) == Messages.answer(flags: 0x8182))
        let edns = try Self.passed(upstream, Messages.query(additional: [.opt()]))
        #expect(edns == Messages.answer(flags: 0x8187, additional: [.opt(code: 1)]))
    }

    @Test func `records of every type pass unchanged (RFC 3597)`() throws {
        var random = Generator(seed: 3597)
        for type in 1..<65_536 where type != 41 && !(249...254).contains(type) {
            // Of types that are looked into, what is in them must be right.
            guard ![1, 5, 28, 39, 64, 65].contains(type) else { continue }
            let count = Int.random(in: 0...40, using: &random)
            let data = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let record = Messages.RR(type: type, data: data)
            let authority = Messages.RR(owner: Messages.name("acme.example"), type: type, data: data)
            let upstream = try Messages.upstream(type: type, [record, record], authority: [authority])
            let written = try Self.passed(upstream, Messages.query(type: type))
            guard written == Messages.answer(type: type, [record, record], authority: [authority]) else {
                Issue.record("type \(type) is changed")
                return
            }
        }
    }

    @Test func `what nobody asked for is left out`() throws {
        let poison = Messages.RR.a(Messages.name("bank.example"), [6, 6, 6, 6])
        let upstream = try Messages.upstream([.a([192, 0, 2, 1])], additional: [poison, .opt()])
        #expect(!upstream.review.hasStrayAddresses)
        #expect(try Self.passed(upstream, Messages.query()) == Messages.answer([.a([192, 0, 2, 1])]))
    }
}

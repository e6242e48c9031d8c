import DNS
import Domain
import TestSupport
import Testing

@Suite struct UpstreamAnswerTests {
    @Test func `a question to an upstream is one that we would take`() throws {
        try forAll { random in
            let question = Question(
                name: Messages.wireName("mqtt-7.acme.example"), type: UInt16.random(in: 1...40, using: &random),
                isDNSSECOK: Bool.random(using: &random), isCheckingDisabled: Bool.random(using: &random))
            let octets = question.encoded(id: 77, casing: UInt128.random(in: 0...(.max), using: &random))
            let query = try QueryMessage(decoding: octets.span)
            #expect(query.id == 77 && query.type == question.type && query.isDNSSECOK == question.isDNSSECOK)
            #expect(query.isCheckingDisabled == question.isCheckingDisabled && query.isRecursionDesired)
            #expect(query.name(in: octets.span) == question.name)
            #expect(query.datagramLimit(ceiling: 4096) == 1232)
        }
    }

    @Test func `an answer matches by id, question and case`() throws {
        let query = Messages.question().encoded(id: 0x1234, casing: 0b1011)
        let sent = "MQtT.acme.example"
        let match = { (octets: [UInt8]) in AnswerMatch(octets.span, to: query.span, isCaseExact: true) }
        #expect(match(Messages.answer(sent)) == .matches)
        #expect(match(Messages.answer(sent, id: 0x1235)) == .otherID)
        #expect(match(Messages.answer("mqtt.acme.example")) == .otherCase)
        #expect(match(Messages.answer("mqtt.acme.exbmple")) == .otherQuestion)
        #expect(match(Messages.answer("mqtt.acme")) == .otherQuestion)
        #expect(match(Messages.answer(sent, type: 28)) == .otherQuestion)
        #expect(match(Messages.query(sent)) == .noAnswer)
        #expect(match([0x12, 0x34]) == .noAnswer)
        #expect(match(Messages.u16(0x1234) + [0x81, 0x80, 0, 0, 0, 0, 0, 0, 0, 0]) == .otherQuestion)
        #expect(AnswerMatch(Messages.answer().span, to: query.span, isCaseExact: false) == .matches)
        // The case of the type's octets is no case: 0x41 and 0x61 are two types.
        let type = Messages.question(type: 0x0041).encoded(id: 0x1234, casing: 0)
        #expect(
            AnswerMatch(Messages.answer(type: 0x0061).span, to: type.span, isCaseExact: false) == .otherQuestion)
    }

    struct Kept {
        let what: String
        let answer: [UInt8]
        let seconds: UInt32
    }

    static let kept: [Kept] = [
        Kept(
            what: "the least time", answer: Messages.answer([.a([1, 1, 1, 1], ttl: 90), .a([1, 1, 1, 2], ttl: 60)]),
            seconds: 60),
        Kept(what: "a day at most", answer: Messages.answer([.a([1, 1, 1, 1], ttl: 1_000_000)]), seconds: 86_400),
        Kept(what: "zero", answer: Messages.answer([.a([1, 1, 1, 1], ttl: 0)]), seconds: 0),
        Kept(
            what: "highest bit (RFC 2181 §8)", answer: Messages.answer([.a([1, 1, 1, 1], ttl: 0x8000_0001)]), seconds: 0
        ),
        Kept(
            what: "no such name, by MINIMUM (RFC 2308 §5)",
            answer: Messages.answer(flags: 0x8183, authority: [.soa("acme.example", ttl: 900, minimum: 60)]),
            seconds: 60),
        Kept(
            what: "no such name, by the SOA's own time",
            answer: Messages.answer(flags: 0x8183, authority: [.soa("acme.example", ttl: 40, minimum: 60)]), seconds: 40
        ),
        Kept(
            what: "no such type (§2.2)",
            answer: Messages.answer(authority: [.soa("acme.example", ttl: 900, minimum: 33)]), seconds: 33),
        Kept(
            what: "no such type behind an alias",
            answer: Messages.answer(
                [.cname(to: "a.example", ttl: 20)], authority: [.soa("example", ttl: 900, minimum: 33)]), seconds: 20),
        Kept(what: "nothing without SOA (§5)", answer: Messages.answer(flags: 0x8183), seconds: 0),
        Kept(what: "no such type without SOA", answer: Messages.answer(), seconds: 0),
        Kept(what: "a failure (§7.1)", answer: Messages.answer(flags: 0x8182), seconds: 5),
        Kept(what: "refused", answer: Messages.answer(flags: 0x8185), seconds: 0),
        Kept(what: "truncated", answer: Messages.answer(flags: 0x8380, [.a([1, 1, 1, 1])]), seconds: 0),
    ]

    @Test(arguments: kept.indices)
    func `is kept as long as it is good`(index: Int) throws {
        let kept = Self.kept[index]
        let answer = try UpstreamAnswer(decoding: kept.answer.span, to: Messages.question())
        #expect(answer.lifetime == kept.seconds, "\(kept.what)")
    }

    @Test func `a forged answer is known by what the upstream says (RFC 8914)`() throws {
        let failed = { (code: Int) throws in
            try Messages.upstream(
                flags: 0x8182, additional: [.opt(options: Messages.option(15, Messages.u16(code)))])
        }
        #expect(try failed(6).isBogus)
        #expect(try !failed(22).isBogus)
    }

    @Test func `what is cut off anywhere is refused`() throws {
        let whole = Messages.answer(
            [.cname(to: "a.example"), .a(Messages.name("a.example"), [1, 2, 3, 4])],
            authority: [.soa("example", ttl: 1, minimum: 1)], additional: [.opt()])
        _ = try UpstreamAnswer(decoding: whole.span, to: Messages.question())
        for count in whole.indices {
            #expect(throws: AnswerError.self) {
                try UpstreamAnswer(decoding: Array(whole.prefix(count)).span, to: Messages.question())
            }
        }
    }
}

import DNS
import Testing

@Suite struct QueryMessageTests {
    @Test func `a plain query (RFC 1035 §4)`() throws {
        let octets = Messages.query("MQTT.Acme.example", type: 28, flags: 0x0130)
        let query = try QueryMessage(decoding: octets.span)
        #expect(query.id == 0x1234)
        #expect(query.type == 28)
        #expect(query.recordClass == 1)
        #expect(query.isRecursionDesired)
        #expect(query.isAuthenticDataWanted)
        #expect(query.isCheckingDisabled)
        #expect(query.edns == nil)
        #expect(query.name(in: octets.span) == Messages.wireName("mqtt.acme.example"))
        #expect(query.datagramLimit(ceiling: 1232) == 512)
    }

    @Test func `the root can be asked for, and a name of 255 octets`() throws {
        _ = try QueryMessage(decoding: Messages.query(".", type: 2).span)
        let labels = [63, 63, 63, 61].map { String(repeating: "a", count: $0) }.joined(separator: ".")
        let octets = Messages.query(labels)
        let query = try QueryMessage(decoding: octets.span)
        #expect(query.name(in: octets.span).octets.count == 255)
    }

    @Test func `EDNS (RFC 6891 §6.1)`() throws {
        let octets = Messages.query(additional: [.opt(payload: 4096, isDNSSECOK: true)])
        let query = try QueryMessage(decoding: octets.span)
        #expect(query.isDNSSECOK)
        #expect(query.datagramLimit(ceiling: 1232) == 1232)
        // §6.2.3: what is below 512 is 512.
        let small = try QueryMessage(decoding: Messages.query(additional: [.opt(payload: 100)]).span)
        #expect(small.datagramLimit(ceiling: 1232) == 512)
        #expect(!small.isDNSSECOK)
    }

    @Test func `records that a query may have beside OPT are passed over`() throws {
        let key = Messages.RR(owner: Messages.name("key."), type: 250, recordClass: 255, ttl: 0, data: [1, 2, 3])
        let query = try QueryMessage(decoding: Messages.query(additional: [.opt(), key]).span)
        #expect(query.edns != nil)
    }

    struct Refused {
        let what: String
        let octets: [UInt8]
        let error: MessageError
        var code: ResponseCode? = .formatError
    }

    static let refused: [Refused] = {
        let plain = Messages.query()
        let long = [UInt8](repeating: 63, count: 1) + [UInt8](repeating: 97, count: 63)
        let head = { (questions: Int) in Messages.u16(1) + [1, 0] + Messages.u16(questions) + [0, 0, 0, 0, 0, 0] }
        let ask: [UInt8] = [0, 1, 0, 1]
        var answers = plain
        answers[7] = 1
        return [
            Refused(what: "nothing", octets: [], error: .truncated),
            Refused(what: "eleven octets", octets: Array(plain.prefix(11)), error: .truncated),
            Refused(what: "an answer", octets: Messages.answer(), error: .direction, code: nil),
            Refused(
                what: "a notification", octets: Messages.query(flags: 0x2000), error: .operation(4),
                code: .notImplemented),
            Refused(what: "no question", octets: head(0), error: .questionCount(0)),
            Refused(what: "two questions", octets: head(2) + [0] + ask + [0] + ask, error: .questionCount(2)),
            Refused(what: "an answer section", octets: answers, error: .queryWithRecords),
            Refused(what: "a cut question", octets: Array(plain.dropLast()), error: .truncated),
            Refused(what: "a cut name", octets: Array(plain.prefix(16)), error: .truncated),
            Refused(what: "a pointer to itself", octets: head(1) + [0xc0, 12] + ask, error: .pointer),
            Refused(what: "a pointer ahead", octets: head(1) + [0xc0, 20] + ask + [0, 0, 0], error: .pointer),
            Refused(what: "a pointer into the header", octets: head(1) + [1, 97, 0xc0, 4] + ask, error: .pointer),
            Refused(what: "a pointer into its own name", octets: head(1) + [1, 97, 0xc0, 12] + ask, error: .pointer),
            Refused(what: "half a pointer", octets: head(1) + [0xc0], error: .truncated),
            Refused(what: "a label type of 1999", octets: head(1) + [0x41, 1, 0] + ask, error: .labelType),
            Refused(what: "a label type 2", octets: head(1) + [0x80, 0] + ask, error: .labelType),
            Refused(
                what: "256 octets of name",
                octets: head(1) + long + long + long + [62] + Array(repeating: 97, count: 62) + [0] + ask,
                error: .nameTooLong),
            Refused(what: "OPT as a question", octets: Messages.query(type: 41), error: .questionType(41)),
            Refused(what: "a zone", octets: Messages.query(type: 252), error: .questionType(252)),
            Refused(what: "two OPT", octets: Messages.query(additional: [.opt(), .opt()]), error: .optRecord),
            Refused(
                what: "OPT of a name",
                octets: Messages.query(additional: [.init(owner: Messages.pointer, type: 41, data: [])]),
                error: .optRecord),
            Refused(
                what: "version 1", octets: Messages.query(additional: [.opt(version: 1)]), error: .ednsVersion(1),
                code: .badVersion),
            Refused(
                what: "half an option", octets: Messages.query(additional: [.opt(options: [0, 10, 0])]),
                error: .optionLength(0)),
            Refused(
                what: "an option beyond the end", octets: Messages.query(additional: [.opt(options: [0, 3, 0, 9, 1])]),
                error: .optionLength(3)),
            Refused(
                what: "a cookie of 9 octets (RFC 7873 §5.2.2)",
                octets: Messages.query(
                    additional: [.opt(options: Messages.option(10, Array(repeating: 1, count: 9)))]),
                error: .optionLength(10)),
            Refused(
                what: "a cookie of 41 octets",
                octets: Messages.query(
                    additional: [.opt(options: Messages.option(10, Array(repeating: 1, count: 41)))]),
                error: .optionLength(10)),
        ]
    }()

    @Test(arguments: refused.indices)
    func `what is no query is refused, and answered as its RFC has it`(index: Int) {
        let refused = Self.refused[index]
        #expect(Messages.error(of: refused.octets) == refused.error, "\(refused.what)")
        #expect(refused.error.responseCode == refused.code)
        var answer: [UInt8] = [1, 2, 3]
        let isAnswered = QueryMessage.writeError(refused.error, answering: refused.octets.span, into: &answer)
        #expect(isAnswered == (refused.octets.count >= 12 && refused.code != nil))
        guard isAnswered, let code = refused.code else { return }
        #expect(answer.prefix(2) == refused.octets.prefix(2))
        #expect(answer[2] & 0xf8 == 0x80 | refused.octets[2] & 0x78)
        #expect(UInt16(answer[3] & 0xf) == code.rawValue & 0xf)
        if answer[5] == 1 {
            // The question as it was.
            let question = answer.dropFirst(12).dropLast(answer[11] == 1 ? 11 : 0)
            #expect(question == refused.octets[12..<12 + question.count])
        }
        if code == .badVersion { #expect(Array(answer.suffix(11)) == [0, 0, 41, 4, 0xd0, 1, 0, 0, 0, 0, 0]) }
    }

    @Test func `an error has an OPT record when the query has one (RFC 6891 §7)`() {
        var answer: [UInt8] = []
        let notify = Messages.query(flags: 0x2000, additional: [.opt()])
        #expect(QueryMessage.writeError(.operation(4), answering: notify.span, into: &answer))
        #expect(answer == Messages.answer(flags: 0xa084, additional: [.opt()]))
        let cookie = Messages.query(additional: [.opt(options: Messages.option(10, [1]))])
        #expect(QueryMessage.writeError(.optionLength(10), answering: cookie.span, into: &answer))
        #expect(answer == Messages.answer(flags: 0x8181, additional: [.opt()]))
    }

    @Test(arguments: [8, 16, 24, 40])
    func `cookies pass (RFC 7873)`(count: Int) throws {
        let option = Messages.option(10, Array(repeating: 7, count: count))
        _ = try QueryMessage(decoding: Messages.query(additional: [.opt(options: option)]).span)
    }

    @Test func `a chain of pointers ends`() {
        // Each leads to the one before, more of them than a name has labels.
        var octets = Messages.u16(1) + [1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0]
        // At 17, after the root's question and an owner of the root: 200 pointers, and a record whose owner is the last.
        octets += [0, 99, 0, 1, 0, 0, 0, 0] + Messages.u16(400)
        var previous = 12
        for _ in 0..<200 {
            let here = octets.count
            octets += Messages.u16(0xc000 | previous)
            previous = here
        }
        octets[11] = 2
        octets += Messages.RR(owner: Messages.u16(0xc000 | previous), type: 1, data: [1, 2, 3, 4]).octets
        #expect(Messages.error(of: octets) == .pointer)
    }
}

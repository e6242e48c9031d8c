import DNS
import Domain
import TestSupport
import Testing

/// Every decoder over messages that were right once. That this ends is the test: a trap ends the process.
@Suite struct MessageMutationTests {
    private static let queries: [[UInt8]] = [
        Messages.query(),
        Messages.query(
            "a.b.c.d.example", type: 65,
            additional: [.opt(isDNSSECOK: true, options: Messages.option(10, Array(0..<8)))]),
    ]

    private static let answers: [[UInt8]] = {
        let hints = Messages.u16(4) + Messages.u16(8) + [192, 0, 2, 1, 192, 0, 2, 2]
        return [
            Messages.answer(
                [
                    .cname(to: "cdn.net"), .cname(Messages.name("cdn.net"), to: "edge.cdn.net"),
                    .a(Messages.name("edge.cdn.net"), [192, 0, 2, 1]),
                ], additional: [.opt(options: Messages.option(15, Messages.u16(3) + Array("old".utf8)))]),
            Messages.answer(
                flags: 0x8183, authority: [.soa("acme.example", ttl: 900, minimum: 60)], additional: [.opt()]),
            Messages.answer(
                type: 65,
                [
                    .init(owner: Messages.name("acme.example"), type: 39, data: Messages.name("acme.net")),
                    .init(owner: Messages.name("mqtt.acme.net"), type: 65, data: Messages.u16(1) + [0xc0, 12] + hints),
                    .init(type: 16, data: [3, 97, 98, 99]),
                ]),
        ]
    }()

    @Test func `a million mutated messages through every decoder, without a trap`() {
        var random = Generator(seed: 1035)
        var taken = 0
        var refused = 0
        var scratch: [UInt8] = []
        let seeds = Self.queries + Self.answers
        let ours = Messages.query(additional: [.opt(isDNSSECOK: true)])
        guard let query = try? QueryMessage(decoding: ours.span) else {
            Issue.record("the query of the test is none")
            return
        }
        let sent = Messages.question().encoded(id: 0x1234, casing: 0)
        for round in 0..<1_000_000 * Int(seedFactor) {
            var message = seeds[round % seeds.count]
            Self.mutate(&message, using: &random)
            let isTaken =
                Self.takeQuery(message, &scratch) || Self.takeAnswer(message, to: query, ours, sent: sent, &scratch)
            if isTaken { taken += 1 } else { refused += 1 }
        }
        // Both ways were gone, or the mutations are too mild or too wild to show anything.
        #expect(taken > 100_000)
        #expect(refused > 100_000)
    }

    private static func takeQuery(_ message: [UInt8], _ scratch: inout [UInt8]) -> Bool {
        do throws(MessageError) {
            let query = try QueryMessage(decoding: message.span)
            _ = query.name(in: message.span).domainName
            query.writeAnswer(.nxdomain, for: 1, ExtendedError(.blocked, "no"), to: message.span, into: &scratch)
            // What we make of it is an answer to it, wherever it was broken.
            let question = Question(name: query.name(in: message.span), type: query.type)
            return (try? UpstreamAnswer(decoding: scratch.span, to: question))?.responseCode == .nameError
        } catch {
            _ = QueryMessage.writeError(error, answering: message.span, into: &scratch)
            return false
        }
    }

    private static func takeAnswer(
        _ message: [UInt8], to query: QueryMessage, _ octets: [UInt8], sent: [UInt8], _ scratch: inout [UInt8]
    ) -> Bool {
        let match = AnswerMatch(message.span, to: sent.span, isCaseExact: true)
        do throws(AnswerError) {
            let answer = try UpstreamAnswer(decoding: message.span, to: Messages.mutationQuestion)
            // Only what matches is ever passed on: the name's length is that of the question.
            if match == .matches {
                query.writeAnswer(answer, age: 7, limit: 1232, to: octets.span, into: &scratch)
                query.writeAnswer(answer, age: 0, limit: 512, to: octets.span, into: &scratch)
            }
            return true
        } catch {
            return false
        }
    }

    private static func mutate(_ message: inout [UInt8], using random: inout Generator) {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            guard !message.isEmpty else { return }
            let offset = Int.random(in: 0..<message.count, using: &random)
            switch Int.random(in: 0...7, using: &random) {
            case 0: message[offset] = UInt8.random(in: .min ... .max, using: &random)
            case 1: message[offset] = random.pick(0, 1, 63, 0xc0)
            case 2: message.removeSubrange(offset..<min(message.count, offset + Int.random(in: 1...8, using: &random)))
            case 3:
                let copied = message[offset..<min(message.count, offset + Int.random(in: 1...30, using: &random))]
                message.insert(contentsOf: Array(copied), at: Int.random(in: 0...message.count, using: &random))
            case 4: message.removeLast(message.count - offset)
            case 5: message[offset] ^= 1 << UInt8.random(in: 0...7, using: &random)
            case 6 where offset + 1 < message.count:
                // A pointer to somewhere in the message.
                message[offset] = 0xc0
                message[offset + 1] = UInt8.random(in: 0...UInt8(clamping: message.count), using: &random)
            default: if message.count > 12 { message[Int.random(in: 4..<12, using: &random)] ^= 1 }
            }
        }
    }
}

extension Messages {
    static let mutationQuestion = question()
}

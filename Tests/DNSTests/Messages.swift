import DNS
import Domain

/// Messages written by hand, octet by octet, as anybody may send them.
enum Messages {
    /// A name without compression, in the case given; `.` is the root.
    static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    static func u16(_ number: Int) -> [UInt8] { [UInt8(number >> 8 & 0xff), UInt8(number & 0xff)] }
    static func u32(_ number: Int) -> [UInt8] { u16(number >> 16) + u16(number & 0xffff) }

    /// To the question's name.
    static let pointer: [UInt8] = [0xc0, 12]

    struct RR {
        var owner: [UInt8] = Messages.pointer
        var type: Int
        var recordClass = 1
        var ttl = 300
        var data: [UInt8]

        var octets: [UInt8] {
            owner + Messages.u16(type) + Messages.u16(recordClass) + Messages.u32(ttl) + Messages.u16(data.count) + data
        }

        static func a(_ octets: [UInt8], ttl: Int = 300) -> RR { a(Messages.pointer, octets, ttl: ttl) }

        static func a(_ owner: [UInt8], _ octets: [UInt8], ttl: Int = 300) -> RR {
            RR(owner: owner, type: 1, ttl: ttl, data: octets)
        }

        static func cname(_ owner: [UInt8] = Messages.pointer, to target: String, ttl: Int = 300) -> RR {
            RR(owner: owner, type: 5, ttl: ttl, data: Messages.name(target))
        }

        static func soa(_ owner: String, ttl: Int, minimum: Int) -> RR {
            RR(
                owner: Messages.name(owner), type: 6, ttl: ttl,
                data: Messages.name("ns.\(owner)") + Messages.name("hostmaster.\(owner)") + Messages.u32(7)
                    + Messages.u32(3600) + Messages.u32(600) + Messages.u32(86_400) + Messages.u32(minimum))
        }

        static func opt(
            payload: Int = 1232, code: Int = 0, version: Int = 0, isDNSSECOK: Bool = false, options: [UInt8] = []
        ) -> RR {
            RR(
                owner: [0], type: 41, recordClass: payload,
                ttl: code << 24 | version << 16 | (isDNSSECOK ? 0x8000 : 0), data: options)
        }
    }

    static func option(_ code: Int, _ value: [UInt8]) -> [UInt8] { u16(code) + u16(value.count) + value }

    static func query(
        _ name: String = "mqtt.acme.example", type: Int = 1, recordClass: Int = 1, id: Int = 0x1234,
        flags: Int = 0x0100,
        additional: [RR] = []
    ) -> [UInt8] {
        u16(id) + u16(flags) + u16(1) + u16(0) + u16(0) + u16(additional.count) + Messages.name(name) + u16(type)
            + u16(recordClass) + additional.flatMap(\.octets)
    }

    static func answer(
        type: Int = 1, id: Int = 0x1234, flags: Int = 0x8180, _ answers: [RR] = [], authority: [RR] = [],
        additional: [RR] = []
    ) -> [UInt8] {
        answer(
            "mqtt.acme.example", type: type, id: id, flags: flags, answers, authority: authority, additional: additional
        )
    }

    static func answer(
        _ name: String, type: Int = 1, id: Int = 0x1234, flags: Int = 0x8180, _ answers: [RR] = [],
        authority: [RR] = [], additional: [RR] = []
    ) -> [UInt8] {
        u16(id) + u16(flags) + u16(1) + u16(answers.count) + u16(authority.count) + u16(additional.count)
            + Messages.name(name) + u16(type) + u16(1) + (answers + authority + additional).flatMap(\.octets)
    }

    static func wireName(_ text: String) -> WireName { WireName(name(text)) ?? .root }

    static func question(_ name: String = "mqtt.acme.example", type: UInt16 = 1) -> Question {
        Question(name: wireName(name), type: type)
    }

    static func upstream(
        type: Int = 1, flags: Int = 0x8180, _ answers: [RR] = [], authority: [RR] = [], additional: [RR] = []
    ) throws(AnswerError) -> UpstreamAnswer {
        try upstream(
            "mqtt.acme.example", type: type, flags: flags, answers, authority: authority, additional: additional)
    }

    static func upstream(
        _ name: String, type: Int = 1, flags: Int = 0x8180, _ answers: [RR] = [],
        authority: [RR] = [], additional: [RR] = []
    ) throws(AnswerError) -> UpstreamAnswer {
        try UpstreamAnswer(
            decoding: answer(
                name, type: type, flags: flags, answers, authority: authority, additional: additional
            ).span,
            to: question(name, type: UInt16(type)))
    }

    /// The error that reading has.
    static func error(of query: [UInt8]) -> MessageError? {
        do throws(MessageError) {
            _ = try QueryMessage(decoding: query.span)
            return nil
        } catch {
            return error
        }
    }
}

/// The first twelve octets of a message (RFC 1035 §4.1.1, RFC 4035 §3.2 for AD and CD).
struct MessageHeader {
    static let octets = 12

    let id: UInt16
    let flags: UInt16
    let questions: UInt16
    let answers: UInt16
    let authorities: UInt16
    let additionals: UInt16

    init(decoding bytes: Span<UInt8>) throws(MessageError) {
        guard bytes.count >= Self.octets else { throw .truncated }
        id = bytes.uint16(at: 0)
        flags = bytes.uint16(at: 2)
        questions = bytes.uint16(at: 4)
        answers = bytes.uint16(at: 6)
        authorities = bytes.uint16(at: 8)
        additionals = bytes.uint16(at: 10)
    }

    enum Flag {
        static let answer: UInt16 = 0x8000
        static let truncated: UInt16 = 0x0200
        static let recursionDesired: UInt16 = 0x0100
        static let recursionAvailable: UInt16 = 0x0080
        static let authenticData: UInt16 = 0x0020
        static let checkingDisabled: UInt16 = 0x0010
    }

    var isAnswer: Bool { flags & Flag.answer != 0 }
    var operation: UInt8 { UInt8(flags >> 11 & 0xf) }
}

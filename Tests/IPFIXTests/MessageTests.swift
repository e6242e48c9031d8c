import IPFIX
import Testing

/// RFC 7011, Appendix A.
@Suite struct MessageTests {
    /// A.2.1 and A.3.1: addresses of a flow, next hop, packets, octets.
    private static let template = Template(
        id: 256,
        fields: [
            Template.Field(8, length: 4), Template.Field(12, length: 4), Template.Field(15, length: 4),
            Template.Field(2, length: 4), Template.Field(1, length: 4),
        ])
    private static let header: [UInt8] = [
        // Version 10, length (filled in), export time, sequence number, observation domain: §3.1.
        0, 10, 0, 0, 0x5a, 0x46, 0x2c, 0x80, 0, 0, 0, 7, 0, 0, 0x30, 0x39,
    ]
    private static let templateSet: [UInt8] = [
        0, 2, 0, 28, 1, 0, 0, 5, 0, 8, 0, 4, 0, 12, 0, 4, 0, 15, 0, 4, 0, 2, 0, 4, 0, 1, 0, 4,
    ]
    private static let records: [[UInt8]] = [
        [192, 0, 2, 12, 192, 0, 2, 254, 192, 0, 2, 1, 0, 0, 0x13, 0x91, 0, 0x51, 0x8c, 0x81],
        [192, 0, 2, 27, 192, 0, 2, 23, 192, 0, 2, 2, 0, 0, 0x02, 0xec, 0, 0x05, 0xef, 0x46],
        [192, 0, 2, 56, 192, 0, 2, 65, 192, 0, 2, 3, 0, 0, 0, 5, 0, 0, 0x19, 0x86],
    ]

    private func message(limit: Int = 1400) -> Message {
        Message(limit: limit, exportSeconds: 0x5a46_2c80, sequence: 7, observationDomain: 12_345)
    }

    private func withLength(_ sets: [UInt8]) -> [UInt8] {
        var octets = Self.header + sets
        octets[3] = UInt8(octets.count)
        return octets
    }

    @Test func `a template set is as in A.2.1, a data set as in A.3.1`() {
        var message = message()
        #expect(message.isEmpty)
        message.append([Self.template])
        let isTaken = Self.records.map { message.append($0, of: Self.template) }
        #expect(isTaken == [true, true, true])
        #expect(!message.isEmpty)
        #expect(message.encoded() == withLength(Self.templateSet + [1, 0, 0, 64] + Self.records.joined()))
        #expect(Self.template.recordLength == 20)
    }

    @Test func `records of another template begin another set`() {
        let other = Template(id: 300, fields: [Template.Field(230, length: 1)])
        var message = message()
        let isTaken = [
            message.append([16], of: other), message.append([17], of: other),
            message.append(Self.records[0], of: Self.template), message.append([3], of: other),
        ]
        #expect(!isTaken.contains(false))
        let sets: [UInt8] = [1, 44, 0, 6, 16, 17, 1, 0, 0, 24] + Self.records[0] + [1, 44, 0, 5, 3]
        #expect(message.encoded() == withLength(sets))
    }

    @Test(arguments: 39...41)
    func `what has no room is not taken, and the message is as before`(limit: Int) {
        var message = message(limit: limit)
        // 16 of the header, 4 of the set, 20 of the record.
        let isTaken = (0..<2).map { _ in message.append(Self.records[0], of: Self.template) }
        #expect(isTaken == [limit >= 40, false])
        #expect(message.encoded().count == (limit >= 40 ? 40 : 16))
    }
}

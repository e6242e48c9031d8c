import TestSupport
import Testing
import VICI

@Suite struct MessageTests {
    /// The README's example, "Encoding example".
    private static let exampleOctets: [UInt8] =
        [3, 4] + Array("key1".utf8) + [0, 6] + Array("value1".utf8)
        + [1, 8] + Array("section1".utf8) + [1, 11] + Array("sub-section".utf8)
        + [3, 4] + Array("key2".utf8) + [0, 6] + Array("value2".utf8) + [2]
        + [4, 5] + Array("list1".utf8) + [5, 0, 5] + Array("item1".utf8) + [5, 0, 5] + Array("item2".utf8) + [6, 2]

    private static var example: Message {
        var sub = Message()
        sub.append("key2", "value2")
        var section = Message()
        section.append("sub-section", section: sub)
        section.append("list1", list: ["item1", "item2"])
        var message = Message()
        message.append("key1", "value1")
        message.append("section1", section: section)
        return message
    }

    @Test func `encodes and decodes the README's example`() throws {
        var octets: [UInt8] = []
        try Self.example.encode(into: &octets)
        #expect(octets == Self.exampleOctets)
        #expect(try Message(decoding: octets.span) == Self.example)
    }

    @Test func `is read by key`() throws {
        let message = try Message(decoding: Self.exampleOctets.span)
        #expect(message["key1"] == "value1")
        #expect(message[octets: "key1"] == Array("value1".utf8))
        #expect(message[section: "section1"]?[section: "sub-section"]?["key2"] == "value2")
        #expect(message[section: "section1"]?[list: "list1"] == ["item1", "item2"])
        #expect(message.sections.map(\.key) == ["section1"])
        #expect(message["section1"] == nil)
        #expect(message["key2"] == nil)
        #expect(message[list: "key1"] == [])
        #expect(message[section: "key1"] == nil)
    }

    @Test func `reads numbers and flags as the daemon writes them`() {
        var message = Message()
        message.append("bytes-in", "18446744073709551615")
        message.append("rekey-time", "-12")
        message.append("spi-in", "fd8dc1f4")
        message.append("encap", "yes")
        message.append("empty", "")
        message.append("binary", octets: [0xff, 0xfe])
        #expect(message[number: "bytes-in"] == UInt64.max)
        #expect(message[number: "bytes-in", as: UInt32.self] == nil)
        #expect(message[number: "rekey-time"] == Int64(-12))
        #expect(message[hexadecimal: "spi-in"] == UInt32(0xfd8d_c1f4))
        #expect(message[flag: "encap"])
        #expect(!message[flag: "empty"])
        #expect(message[number: "empty", as: Int.self] == nil)
        #expect(message["binary"] == nil)
    }

    struct Wrong: Sendable {
        let octets: [UInt8]
        let error: WireError
    }

    @Test(arguments: [
        Wrong(octets: [3], error: .truncated(at: 1)),
        Wrong(octets: [3, 2, 0x61], error: .truncated(at: 2)),
        Wrong(octets: [3, 0], error: .name(at: 1)),
        Wrong(octets: [3, 1, 0xff, 0, 0], error: .name(at: 1)),
        Wrong(octets: [3, 1, 0x61, 0], error: .truncated(at: 4)),
        Wrong(octets: [3, 1, 0x61, 0xff, 0xff, 1], error: .truncated(at: 5)),
        Wrong(octets: [0], error: .element(0, at: 0)),
        Wrong(octets: [7], error: .element(7, at: 0)),
        Wrong(octets: [2], error: .element(2, at: 0)),
        Wrong(octets: [5, 0, 0], error: .element(5, at: 0)),
        Wrong(octets: [6], error: .element(6, at: 0)),
        Wrong(octets: [1, 1, 0x61], error: .unclosed(at: 3)),
        Wrong(octets: [4, 1, 0x61], error: .unclosed(at: 3)),
        Wrong(octets: [4, 1, 0x61, 3, 1, 0x61, 0, 0], error: .element(3, at: 3)),
        Wrong(octets: [1, 1, 0x61, 2, 2], error: .element(2, at: 4)),
    ])
    func `tells where it is wrong`(_ wrong: Wrong) {
        #expect(throws: wrong.error) { try Message(decoding: wrong.octets.span) }
    }

    @Test func `takes sixteen nested sections and no more`() throws {
        let open: [UInt8] = [1, 1, 0x61]
        func nested(_ depth: Int) -> [UInt8] {
            Array(repeatElement(open, count: depth).joined()) + [UInt8](repeating: 2, count: depth)
        }
        let deepest = try Message(decoding: nested(16).span)
        var octets: [UInt8] = []
        try deepest.encode(into: &octets)
        #expect(octets == nested(16))
        #expect(throws: WireError.depth(at: 48)) { try Message(decoding: nested(17).span) }
        var tooDeep = Message()
        tooDeep.append("a", section: deepest)
        #expect(throws: WireError.depth(at: 48)) {
            var octets: [UInt8] = []
            try tooDeep.encode(into: &octets)
        }
    }

    @Test func `half a megabyte of section starts ends at the seventeenth`() {
        let octets = [UInt8](repeating: 1, count: Packet.maximumLength)
        #expect(throws: WireError.depth(at: 48)) { try Message(decoding: octets.span) }
    }

    @Test func `has no octets when a key or a value is too long, or a key is empty`() {
        func error(_ key: String, _ count: Int) -> WireError? {
            var message = Message()
            message.append(key, octets: [UInt8](repeating: 0, count: count))
            var octets: [UInt8] = []
            do throws(WireError) {
                try message.encode(into: &octets)
                return nil
            } catch {
                return error
            }
        }
        #expect(error("", 0) == .nameLength(0))
        #expect(error(String(repeating: "k", count: 256), 0) == .nameLength(256))
        #expect(error(String(repeating: "k", count: 255), 65535) == nil)
        #expect(error("k", 65536) == .valueLength(65536))
    }

    @Test func `shows itself without secrets and without what is no text`() {
        var message = Message()
        message.append("id", "vpn-17")
        message.append("data", "secret")
        message.append("binary", octets: [0xff])
        message.append("owners", list: ["fqdn:hq.example"])
        message.append("local", section: Self.example)
        #expect(
            "\(message)" == """
                id = vpn-17 data = (6 octets) binary = (1 octets) owners = [fqdn:hq.example] local { key1 = value1 \
                section1 { sub-section { key2 = value2 } list1 = [item1, item2] } }
                """)
        #expect(!String(reflecting: message).contains("secret"))
    }

    @Test func `decodes what it encodes`() throws {
        try forAll { random in
            let message = random.message()
            var octets: [UInt8] = []
            try message.encode(into: &octets)
            #expect(try Message(decoding: octets.span) == message, "seed \(random.seed)")
        }
    }
}

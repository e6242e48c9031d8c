import Domain
import TestSupport
import Testing

@Suite struct HostileInputTests {
    private static let readers: [(kind: String, read: @Sendable (String) throws(ParseError) -> String)] = [
        ("an IPv4 address", { text throws(ParseError) in try IPv4Address(parsing: text).description }),
        ("an IPv4 prefix", { text throws(ParseError) in try IPv4Prefix(parsing: text).description }),
        ("an IPv6 address", { text throws(ParseError) in try IPv6Address(parsing: text).description }),
        ("an IPv6 prefix", { text throws(ParseError) in try IPv6Prefix(parsing: text).description }),
        ("a domain name", { text throws(ParseError) in try DomainName(parsing: text).description }),
        ("a host name", { text throws(ParseError) in try HostPattern(parsing: text).description }),
        ("an IMSI", { text throws(ParseError) in try IMSI(parsing: text).description }),
        ("an ICCID", { text throws(ParseError) in try ICCID(parsing: text).description }),
        ("an MSISDN", { text throws(ParseError) in try MSISDN(parsing: text).description }),
        ("an IMEI", { text throws(ParseError) in try IMEI(parsing: text).description }),
        ("an APN", { text throws(ParseError) in try APN(parsing: text).description }),
        ("a name", { text throws(ParseError) in try Name(parsing: text).description }),
        ("a PLMN", { text throws(ParseError) in try PLMN(parsing: text).description }),
    ]

    @Test func `whatever the octets, each reader gives a value that it reads back, or one short sentence`() throws {
        var read: [String: Int] = [:]
        try forAll(20_000) { random in
            let text = String(decoding: Self.octets(using: &random), as: UTF8.self)
            for (kind, reader) in Self.readers {
                let printed: String
                do throws(ParseError) {
                    printed = try reader(text)
                } catch {
                    try #require(error.text.unicodeScalars.count <= 80)
                    try #require(
                        error.kind == kind || kind == "an IPv4 prefix" && error.kind == "an IPv4 address"
                            || kind == "an IPv6 prefix" && error.kind == "an IPv6 address")
                    continue
                }
                read[kind, default: 0] += 1
                try #require(try reader(printed) == printed, "\(text)")
            }
        }
        for (kind, _) in Self.readers { #expect(read[kind, default: 0] > 20, "\(kind): \(read[kind, default: 0])") }
    }

    @Test func `octets off the wire are read as their text is`() throws {
        try forAll(20_000) { random in
            let octets = Self.octets(using: &random)
            let text = String(decoding: octets, as: UTF8.self)
            // The reason of a refusal is the other test's matter.
            try #require(IMSI(utf8: octets) == (try? IMSI(parsing: text)))
            try #require(MSISDN(utf8: octets) == (text.hasPrefix("+") ? nil : try? MSISDN(parsing: text)))
            try #require(IMEI(utf8: octets) == (try? IMEI(parsing: text)))
            try #require(PLMN(utf8: octets) == (try? PLMN(parsing: text)))
            try #require(APN(utf8: octets) == (try? APN(parsing: text)))
            _ = SessionToken(hex: text)
        }
    }

    @Test func `a long text is quoted in short, however its scalars combine`() {
        for scalar in ["x", "\u{301}", "\u{1F468}\u{200D}"] {
            let text = "a" + String(repeating: scalar, count: 100_000)
            for (_, reader) in Self.readers {
                let error = #expect(throws: ParseError.self) { try reader(text) }
                #expect(error?.text == String(text.unicodeScalars.prefix(77)) + "...")
            }
        }
        let error = ParseError(kind: "a name", text: String(repeating: "x", count: 80), expected: "write less")
        #expect(error.description == "\"\(String(repeating: "x", count: 80))\" is not a name: write less")
    }

    /// Anything, or something near what the readers take.
    private static func octets(using random: inout Generator) -> [UInt8] {
        let alphabet = random.pick(
            Array(UInt8(0)...255), Array("0123456789".utf8), Array("0123456789".utf8),
            Array("0123456789+ ./-aAfFé".utf8),
            Array("abc.-019".utf8), Array("abc.*_".utf8), Array("0123456789abcdefABCDEF:::::::::::.%/".utf8))
        if random.oneIn(4) {
            let groups = (0..<random.pick(8, 8, 7, 6, 2)).map { _ in
                random.pick("", "0", String(UInt32.random(in: 0...0x10fff, using: &random), radix: 16))
            }
            return Array((groups.joined(separator: ":") + random.pick("", "", "/128", "/0", "/64", "/129")).utf8)
        }
        if random.oneIn(4) {
            let numbers = (0..<random.pick(4, 4, 4, 3, 5)).map { _ in
                "\(Int.random(in: 0...(random.oneIn(9) ? 300 : 255), using: &random))"
            }
            let length = random.pick("", "", "/32", "/31", "/0", "/24", "/33")
            return Array((numbers.joined(separator: ".") + length).utf8)
        }
        let start: [UInt8] = random.oneIn(6) ? Array("89".utf8) : []
        return start
            + (0..<Int.random(in: 0...22, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0 }
    }
}

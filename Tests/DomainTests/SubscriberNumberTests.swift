import Domain
import TestSupport
import Testing

@Suite struct SubscriberNumberTests {
    private static func zeros(_ count: Int) -> String { String(repeating: "0", count: count) }
    private static func nines(_ count: Int) -> String { String(repeating: "9", count: count) }

    @Test func `an IMSI has six to fifteen digits`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try IMSI(parsing: text) },
            accepts: [
                "999700000000001": "999700000000001", "001010": "001010", "000000000000000": "000000000000000",
                "999999999999999": "999999999999999",
            ],
            refuses: [
                (
                    hostileTexts + [
                        "00101", "9997000000000012", Self.nines(19), Self.nines(20), Self.nines(300), "99970000000000a",
                        "999 700000000001", "+99970000000001", "999700000000001\n",
                    ], "an IMSI: write 6 to 15 digits"
                )
            ].map { (texts: $0.0.filter { $0.utf8.count <= 80 }, sentence: $0.1) }
        ).verify()
        #expect(try IMSI(parsing: "001010") != IMSI(parsing: "0001010"))
        #expect(try IMSI(parsing: "999999") < IMSI(parsing: "0000000"))
    }

    @Test func `an IMSI and its key are one`() throws {
        var keys: [Int64: IMSI] = [:]
        try forAll(5000) { random in
            let digits = (0..<Int.random(in: 6...15, using: &random)).map { _ in
                "\(Int.random(in: 0...(random.oneIn(2) ? 0 : 9), using: &random))"
            }
            let imsi = try IMSI(parsing: digits.joined())
            try #require(imsi.description == digits.joined())
            try #require(IMSI(key: imsi.key) == imsi)
            try #require(keys.updateValue(imsi, forKey: imsi.key) ?? imsi == imsi)
        }
        #expect(try IMSI(parsing: "001010").key == 1010 << 4 | 6)
    }

    @Test func `what is no key of an IMSI is none`() throws {
        for key: Int64 in [
            0, -1, .min, .max, 5, 1 << 4 | 5, 1_000_000 << 4 | 6, 1_000_000_000_000_000 << 4 | 15,
        ] {
            #expect(IMSI(key: key) == nil, "\(key)")
        }
        #expect(IMSI(key: 999_999 << 4 | 6)?.description == "999999")
        #expect(IMSI(key: 15)?.description == "000000000000000")
        try forAll(5000) { random in
            let key = Int64(truncatingIfNeeded: random.next()) >> Int64.random(in: 0...40, using: &random)
            try #require(IMSI(key: key).map { $0.key == key } ?? true, "\(key)")
        }
    }

    @Test func `an MSISDN has three to fifteen digits and may start with a plus`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try MSISDN(parsing: text) },
            accepts: [
                "491701234567": "491701234567", "+491701234567": "491701234567", "112": "112", "+000": "000",
                "882390000000001": "882390000000001",
            ],
            refuses: [
                (
                    hostileTexts.filter { Int($0) == nil || $0.utf8.count < 3 } + [
                        "12", "+12", "1234567890123456", "++491701234567", "49 170", "0049-170", "+", "491701234567+",
                        "+\u{301}491701234567",
                    ], "an MSISDN: write 3 to 15 digits, country code first, without spaces"
                )
            ]
        ).verify()
    }

    @Test func `an ICCID has eighteen to twenty digits and starts with 89`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try ICCID(parsing: text) },
            accepts: [
                "8944501234567890123": "8944501234567890123", "894450123456789012": "894450123456789012",
                "89445012345678901234": "89445012345678901234", "8944abcdef567890123f": "8944ABCDEF567890123F",
            ],
            refuses: [
                (
                    hostileTexts + [
                        "89445012345678901", "894450123456789012345", "9844501234567890123", "8944501234567890g23",
                        "89 44501234567890123", "8944501234567890123\n", "８９44501234567", "894450123456789012\u{301}",
                    ], "an ICCID: write 18 to 20 digits that start with 89"
                )
            ]
        ).verify()
        #expect(try ICCID(parsing: "8944abcdef567890123f") == ICCID(parsing: "8944ABCDEF567890123F"))
    }
}

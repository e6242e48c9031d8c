import Domain
import TestSupport
import Testing

@Suite struct TimestampTests {
    @Test func `prints as RFC 3339 in UTC`() {
        let cases: KeyValuePairs<Int64, String> = [
            0: "1970-01-01T00:00:00.000Z",
            1: "1970-01-01T00:00:00.001Z",
            999: "1970-01-01T00:00:00.999Z",
            -1: "1969-12-31T23:59:59.999Z",
            -86_400_000: "1969-12-31T00:00:00.000Z",
            -86_400_001: "1969-12-30T23:59:59.999Z",
            951_782_400_000: "2000-02-29T00:00:00.000Z",
            951_868_800_000: "2000-03-01T00:00:00.000Z",
            1_709_164_800_000: "2024-02-29T00:00:00.000Z",
            1_709_251_199_999: "2024-02-29T23:59:59.999Z",
            1_740_787_199_000: "2025-02-28T23:59:59.000Z",
            1_740_787_200_000: "2025-03-01T00:00:00.000Z",
            4_107_542_399_999: "2100-02-28T23:59:59.999Z",
            4_107_542_400_000: "2100-03-01T00:00:00.000Z",
            -2_203_891_200_000: "1900-03-01T00:00:00.000Z",
            -2_203_891_200_001: "1900-02-28T23:59:59.999Z",
            1_735_689_599_999: "2024-12-31T23:59:59.999Z",
            1_764_109_860_123: "2025-11-25T22:31:00.123Z",
            253_402_300_799_999: "9999-12-31T23:59:59.999Z",
            -62_135_596_800_000: "0001-01-01T00:00:00.000Z",
            -62_167_219_200_000: "0000-01-01T00:00:00.000Z",
            -62_167_219_200_001: "-0001-12-31T23:59:59.999Z",
        ]
        for (milliseconds, text) in cases {
            #expect(Timestamp(milliseconds: milliseconds).description == text)
        }
    }

    @Test func `the ends of the range print too`() {
        #expect(Timestamp(milliseconds: .max).description == "292278994-08-17T07:12:55.807Z")
        #expect(Timestamp(milliseconds: .min).description == "-292275055-05-16T16:47:04.192Z")
    }

    /// A calendar of its own, in the plainest way: day after day.
    @Test func `every day from 1600 to 2400 has its date`() {
        var (year, month, day) = (1600, 1, 1)
        var wrong = 0
        for number in Int64(-135_140)...157_054 {
            let text = Timestamp(milliseconds: number * 86_400_000 + 43_200_000).description
            let date = [(year, 4), (month, 2), (day, 2)].map { number, width in
                String(repeating: "0", count: width - "\(number)".utf8.count) + "\(number)"
            }
            if text != date.joined(separator: "-") + "T12:00:00.000Z" { wrong += 1 }
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let days = month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
            day += 1
            if day > days { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        #expect(wrong == 0)
        #expect(year == 2400)
    }

    @Test func `what is printed is read, in every zone`() throws {
        try forAll(2000) { random in
            let time = Self.time(using: &random)
            try #require(try Timestamp(parsing: time.description) == time)
        }
        let time = Timestamp(milliseconds: 1_795_395_570_120)
        for text in [
            "2026-11-23T00:59:30.12Z", "2026-11-23t00:59:30.1209z", "2026-11-23T01:59:30.120+01:00",
            "2026-11-22 20:29:30.12-04:30",
        ] {
            #expect(try Timestamp(parsing: text) == time, "\(text)")
        }
        #expect(try Timestamp(parsing: "2024-02-29T23:59:60Z").description == "2024-03-01T00:00:00.000Z")
    }

    @Test(arguments: [
        "", "Z", "2026-11-23", "2026-11-23T00:59Z", "2026-11-23T00:59:30", "2026-11-23T00:59:30.Z",
        "2026-11-23T00:59:30+1:00", "2026-11-23T00:59:30+24:00", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "+026-01-01T00:00:00Z", "2026-01-01T00:00:00Zz",
        "2026-01-01T00:00:00.1234567890123", "é026-01-01T00:00:00Z",
    ])
    func `what is no time is refused`(_ text: String) {
        #expect(throws: ParseError.self) { try Timestamp(parsing: text) }
    }

    @Test func `times of four-digit years sort as their texts do`() throws {
        try forAll(2000) { random in
            let (a, b) = (Self.time(using: &random), Self.time(using: &random))
            try #require((a < b) == (a.description < b.description) && a.description.utf8.count == 24)
        }
    }

    private static func time(using random: inout Generator) -> Timestamp {
        Timestamp(milliseconds: Int64.random(in: -62_167_219_200_000...253_402_300_799_999, using: &random))
    }
}

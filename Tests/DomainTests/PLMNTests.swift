import Domain
import TestSupport
import Testing

@Suite struct PLMNTests {
    @Test func `reads five or six digits`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try PLMN(parsing: text) },
            accepts: ["23415": "23415", "234015": "234015", "00101": "00101", "000000": "000000", "999999": "999999"],
            refuses: [
                (
                    hostileTexts.filter { $0.unicodeScalars.count != 6 || !$0.utf8.allSatisfy { $0 < 0x80 } } + [
                        "2341", "2340155", "234-15", "234 15", "2341a", "23415\n",
                    ], "a PLMN: write MCC and MNC as 5 or 6 digits"
                )
            ]
        ).verify()
        #expect(try PLMN(parsing: "23415") != PLMN(parsing: "234015"))
        #expect(try PLMN(parsing: "23415").mcc == "234" && PLMN(parsing: "23415").mnc == "15")
        #expect(try PLMN(parsing: "310004").mcc == "310" && PLMN(parsing: "310004").mnc == "004")
    }

    /// Three octets (3GPP TS 24.008 §10.5.1.3) and what they mean, `nil` for nothing.
    private struct OctetsCase {
        let octets: [UInt8]
        let text: String?
    }

    @Test func `decodes swapped nibbles, with two and with three digits of MNC`() {
        let cases = [
            OctetsCase(octets: [0x32, 0xF4, 0x51], text: "23415"),
            OctetsCase(octets: [0x13, 0x40, 0x00], text: "310004"),
            OctetsCase(octets: [0x13, 0x00, 0x62], text: "310260"),
            OctetsCase(octets: [0x00, 0xF1, 0x10], text: "00101"),
            OctetsCase(octets: [0x99, 0xF9, 0x99], text: "99999"),
            OctetsCase(octets: [0x99, 0x99, 0x99], text: "999999"),
            OctetsCase(octets: [0xA2, 0xF4, 0x51], text: nil),
            OctetsCase(octets: [0x3A, 0xF4, 0x51], text: nil),
            OctetsCase(octets: [0x32, 0xFA, 0x51], text: nil),
            OctetsCase(octets: [0x32, 0xA4, 0x51], text: nil),
            OctetsCase(octets: [0x32, 0xF4, 0xA1], text: nil),
            OctetsCase(octets: [0x32, 0xF4, 0x5A], text: nil),
            OctetsCase(octets: [0x32, 0xF4, 0xF1], text: nil),
            OctetsCase(octets: [0xFF, 0xFF, 0xFF], text: nil),
        ]
        for item in cases {
            let plmn = PLMN(octets: item.octets[0], item.octets[1], item.octets[2])
            #expect(plmn?.description == item.text, "\(item.octets)")
        }
    }

    @Test func `every network is decoded from its octets, and nothing else is a network`() throws {
        var found: Set<PLMN> = []
        for number in UInt32(0)..<1 << 24 {
            let (a, b, c) = (UInt8(number >> 16), UInt8(number >> 8 & 255), UInt8(number & 255))
            // Decoding all 16.7 million takes seconds; the first octet's other values behave as these do.
            guard [0x00, 0x32, 0x99, 0x9A, 0xA9, 0xFF].contains(a) else { continue }
            if let plmn = PLMN(octets: a, b, c) { found.insert(plmn) }
        }
        // Three first octets that are digits, ten third digits of the MCC, 100 and 1000 networks each.
        #expect(found.count == 3 * 10 * 1100)
        try forAll(2000) { random in
            let digits = (0..<random.pick(5, 6)).map { _ in UInt8.random(in: 0...9, using: &random) }
            let third = digits.count == 6 ? digits[5] : 15
            let plmn = PLMN(
                octets: digits[1] << 4 | digits[0], third << 4 | digits[2], digits[4] << 4 | digits[3])
            try #require(plmn?.description == digits.map { "\($0)" }.joined())
        }
    }
}

import Domain
import TestSupport
import Testing

@Suite struct APNTests {
    private static let long = String(repeating: "a", count: 63)

    @Test func `reads labels, in lower case and without the operator identifier`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try APN(parsing: text) },
            accepts: [
                "internet": "internet", "IoT.Acme": "iot.acme", "a": "a", "1": "1", "m2m-1.acme": "m2m-1.acme",
                Self.long: Self.long, "iot.mnc070.mcc999.gprs": "iot", "IOT.MNC070.MCC999.GPRS": "iot",
                "iot.acme.mnc007.mcc901.gprs": "iot.acme", "\(Self.long).mnc070.mcc999.gprs": Self.long,
                // Without a network identifier before it, it is one itself.
                "mnc070.mcc999.gprs": "mnc070.mcc999.gprs", "a.mnc070.mcc999": "a.mnc070.mcc999",
                "a.mnc70.mcc999.gprs": "a.mnc70.mcc999.gprs", "a.mncabc.mcc999.gprs": "a.mncabc.mcc999.gprs",
                "a.mcc999.mnc070.gprs": "a.mcc999.mnc070.gprs",
            ],
            refuses: [
                (
                    [
                        "", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a_b", "a b", "a/b", "*", "é", "a\0", "a\n",
                        "ａ",
                        "a\u{301}", "\(Self.long)a",
                        "\(String(repeating: "a", count: 31)).\(String(repeating: "b", count: 32))",
                        ".mnc070.mcc999.gprs", "\(String(repeating: "a", count: 64)).x",
                    ].filter { $0.utf8.count <= 80 },
                    "an APN: write labels of letters, digits and hyphens with dots between them, 63 characters at most"
                )
            ]
        ).verify()
    }

    @Test func `is the same in either case, with and without the operator identifier`() throws {
        let apn = try APN(parsing: "iot.acme")
        #expect(try APN(parsing: "IOT.ACME.mnc070.MCC999.gprs") == apn)
        #expect(APN(utf8: Array("Iot.Acme".utf8)) == apn)
        #expect(APN(utf8: []) == nil)
        #expect(APN(utf8: Array(repeating: 0x61, count: 101)) == nil)
    }

    @Test func `reads back what it prints`() throws {
        var read = 0
        try forAll(5000) { random in
            let alphabet = Array("abAB01-.".utf8)
            let bytes = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            guard let apn = APN(utf8: bytes) else { return }
            read += 1
            try #require(APN(utf8: Array(apn.description.utf8)) == apn)
            try #require(apn.description == String(decoding: bytes, as: UTF8.self).lowercased())
        }
        #expect(read > 500)
    }
}

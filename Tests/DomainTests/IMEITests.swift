import Domain
import TestSupport
import Testing

@Suite struct IMEITests {
    @Test func `keeps the fourteen digits that identify`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try IMEI(parsing: text) },
            accepts: [
                "35209900176148": "35209900176148", "352099001761481": "35209900176148",
                "3520990017614823": "35209900176148", "00000000000000": "00000000000000",
                "9999999999999999": "99999999999999", "00000000000000ab".replacing("ab", with: "12"): "00000000000000",
            ],
            refuses: [
                (
                    hostileTexts + [
                        "3520990017614", "35209900176148231", "35-209900-176148", "35209900176148 ", "352099001761ab",
                        "3520990017614812345678901234567890",
                    ], "an IMEI: write 14, 15 or 16 digits"
                )
            ]
        ).verify()
    }

    @Test func `the same device is the same in each length`() throws {
        let bare = try IMEI(parsing: "35209900176148")
        #expect(try IMEI(parsing: "352099001761481") == bare)
        #expect(try IMEI(parsing: "3520990017614801") == bare)
        #expect(try IMEI(parsing: "3520990017614899") == bare)
        #expect(try IMEI(parsing: "35209900176149") != bare)
    }

    @Test func `names the model`() throws {
        #expect(try IMEI(parsing: "352099001761481").tac == "35209900")
        #expect(try IMEI(parsing: "00000001000000").tac == "00000001")
    }

    @Test func `all zeros names no device, in each length`() throws {
        for count in 14...16 { #expect(try IMEI(parsing: String(repeating: "0", count: count)).isAllZeros) }
        #expect(try IMEI(parsing: "0000000000000099").isAllZeros)
        #expect(try !IMEI(parsing: "00000000000001").isAllZeros)
        #expect(try !IMEI(parsing: "352099001761481").isAllZeros)
    }

    @Test func `reads back what it prints, with any check digit or software version`() throws {
        try forAll(2000) { random in
            let digits = (0..<14).map { _ in "\(Int.random(in: 0...9, using: &random))" }.joined()
            let imei = try IMEI(parsing: digits)
            try #require(imei.description == digits)
            let (check, version) = (Int.random(in: 0...9, using: &random), Int.random(in: 10...99, using: &random))
            try #require(try IMEI(parsing: "\(digits)\(check)") == imei && IMEI(parsing: "\(digits)\(version)") == imei)
        }
    }
}

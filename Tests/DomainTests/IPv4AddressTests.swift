import Domain
import TestSupport
import Testing

@Suite struct IPv4AddressTests {
    @Test func `reads dotted decimal and nothing else`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try IPv4Address(parsing: text) },
            accepts: [
                "0.0.0.0": "0.0.0.0", "255.255.255.255": "255.255.255.255", "192.0.2.10": "192.0.2.10",
                "10.0.0.1": "10.0.0.1", "1.20.30.249": "1.20.30.249",
            ],
            refuses: [
                (
                    hostileTexts + [
                        "1", "1.2.3", "1.2.3.", ".1.2.3", "1.2.3.4.", "1.2.3.4.5", "1..2.3", "256.0.0.0", "1.2.3.999",
                        "01.2.3.4", "1.2.3.04", "00.0.0.0", "1.2.3.4 ", " 1.2.3.4", "1.2.3.a", "0x1.2.3.4", "1.2.3.-4",
                        "1.2.3.4/32", "1.2.3.99999999999999999999", "::1", "1.2.3.4\n", "1.2.3.4\0", "1,2,3,4",
                    ], "an IPv4 address: write four numbers from 0 to 255 with dots between them"
                )
            ]
        ).verify()
        #expect(try IPv4Address(parsing: "192.0.2.10").bits == 0xC000_020A)
    }

    @Test func `orders by number`() throws {
        #expect(try IPv4Address(parsing: "9.0.0.0") < IPv4Address(parsing: "10.0.0.0"))
        #expect(IPv4Address(bits: 0x7FFF_FFFF) < IPv4Address(bits: 0x8000_0000))
    }

    @Test func `what is printed is read back`() throws {
        try forAll(2000) { random in
            let address = IPv4Address(bits: UInt32.random(in: 0...UInt32.max, using: &random))
            try #require(try IPv4Address(parsing: "\(address)") == address)
        }
    }
}

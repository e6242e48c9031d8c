import Domain
import TestSupport
import Testing

@Suite struct IPv6AddressTests {
    private static let sentence =
        "an IPv6 address: write eight groups of up to four hex digits with colons between them, "
        + "and :: once for groups of zeros"

    @Test func `reads the forms of RFC 4291 section 2.2 and prints that of RFC 5952`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try IPv6Address(parsing: text) },
            accepts: [
                // RFC 4291 §2.2.
                "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789": "abcd:ef01:2345:6789:abcd:ef01:2345:6789",
                "2001:DB8:0:0:8:800:200C:417A": "2001:db8::8:800:200c:417a", "FF01:0:0:0:0:0:0:101": "ff01::101",
                "0:0:0:0:0:0:0:1": "::1", "0:0:0:0:0:0:0:0": "::", "::": "::", "::1": "::1", "1::": "1::",
                "0:0:0:0:0:0:13.1.68.3": "::d01:4403", "::FFFF:129.144.52.38": "::ffff:129.144.52.38",
                "::13.1.68.3": "::d01:4403", "64:ff9b::192.0.2.33": "64:ff9b::c000:221",
                // RFC 5952 §4: one group is not shortened, the longest run is, the first of equal ones.
                "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1", "2001:db8::1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
                "2001:0:0:1:0:0:0:1": "2001:0:0:1::1", "2001:db8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
                "2001:0db8::0001": "2001:db8::1", "2001:DB8::aB": "2001:db8::ab", "0:0:0:0:0:0:0:0001": "::1",
                "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0", "::2:3:4:5:6:7:8": "0:2:3:4:5:6:7:8",
                "::ffff:0:1": "::ffff:0.0.0.1", "fe80:0:0:0:204:61ff:254.157.241.86": "fe80::204:61ff:fe9d:f156",
            ],
            refuses: [
                (
                    hostileTexts + [
                        "1.2.3.4", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
                        "1:::2", ":::", "1::2::3", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "1:", ":", ":1", "12345::",
                        "g::", "::g", "::1%eth0", "fe80::1%1", "[::1]", "::1/128", " ::1", "::1 ", "::1\n", "::\0",
                        "::1.2.3", "::1.2.3.4.5", "::256.1.1.1", "::01.2.3.4", "1.2.3.4::", "::1.2.3.4:5",
                        "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:1.2.3.4", "::-1", "::+1", "::0x1", "1;2;3;4;5;6;7;8",
                        "::ffff:1.2.3.4444", "00001::",
                    ], Self.sentence
                )
            ]
        ).verify()
    }

    @Test func `knows an IPv4 address in its clothes`() throws {
        #expect(try IPv6Address(parsing: "::ffff:192.0.2.1").isIPv4Mapped)
        #expect(try !IPv6Address(parsing: "::192.0.2.1").isIPv4Mapped)
        #expect(try !IPv6Address(parsing: "::1:ffff:c000:201").isIPv4Mapped)
    }

    @Test func `orders by number`() throws {
        #expect(try IPv6Address(parsing: "9::") < IPv6Address(parsing: "10::"))
        #expect(IPv6Address(bits: UInt128.max >> 1) < IPv6Address(bits: UInt128.max))
    }

    @Test func `what is printed is read back, and so is every longer way of writing it`() throws {
        try forAll(5000) { random in
            let groups = (0..<8).map { _ in random.pick(0, 0, UInt16.random(in: 0...UInt16.max, using: &random), 1) }
            let bits = groups.reduce(UInt128(0)) { $0 << 16 | UInt128($1) }
            let address = IPv6Address(bits: bits)
            try #require(try IPv6Address(parsing: "\(address)") == address, "\(address)")
            let long = groups.map { group in
                let digits = String(group, radix: 16, uppercase: random.oneIn(2))
                return String(repeating: "0", count: random.oneIn(2) ? 4 - digits.utf8.count : 0) + digits
            }
            try #require(try IPv6Address(parsing: long.joined(separator: ":")) == address)
            // Whatever run of zeros is left out.
            let run = groups.indices.filter { groups[$0] == 0 }
            if let start = run.randomElement(using: &random) {
                let end = groups[start...].firstIndex { $0 != 0 } ?? 8
                let short = long[..<start].joined(separator: ":") + "::" + long[end...].joined(separator: ":")
                try #require(try IPv6Address(parsing: short) == address, "\(short)")
            }
        }
    }
}

import Domain
import TestSupport
import Testing

@Suite struct IPv6PrefixTests {
    @Test func `reads a length behind a slash and refuses host bits`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try IPv6Prefix(parsing: text) },
            accepts: [
                "::/0": "::/0", "2001:DB8::/32": "2001:db8::/32", "2001:db8::1": "2001:db8::1",
                "2001:db8::1/128": "2001:db8::1", "8000::/1": "8000::/1", "2001:db8::fffe/127": "2001:db8::fffe/127",
                "::ffff:0.0.0.0/96": "::ffff:0.0.0.0/96",
            ],
            refuses: [
                (
                    [
                        "::/129", "::/", "::/a", "::/-1", "::/+8", "::/ 8", "::/08", "::/00", "::/256", "::/300",
                        "::/8/8", "::/99999999999999999999", "::/٨", "::/ffff::",
                    ], "an IPv6 prefix: the length after the slash is a number from 0 to 128"
                ),
                (
                    ["2001:db8::1/64"],
                    "an IPv6 prefix: bits after the first 64 must be zero; write 2001:db8::/64"
                ),
                (["::1/0"], "an IPv6 prefix: bits after the first 0 must be zero; write ::/0"),
                (["::3/127"], "an IPv6 prefix: bits after the first 127 must be zero; write ::2/127"),
            ]
        ).verify()
    }

    @Test func `a wrong address is told as such`() {
        for (text, address) in ["10.0.0.0/8": "10.0.0.0", "/8": "", "2001:db8/32": "2001:db8", "a/b": "a"] {
            let error = #expect(throws: ParseError.self) { try IPv6Prefix(parsing: text) }
            #expect(error?.kind == "an IPv6 address")
            #expect(error?.text == address)
        }
    }

    @Test func `knows its ends`() throws {
        let prefix = try IPv6Prefix(parsing: "2001:db8::40/122")
        #expect("\(prefix.first) \(prefix.last)" == "2001:db8::40 2001:db8::7f")
        #expect("\(IPv6Prefix.any.last)" == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
        #expect(IPv6Prefix(containing: IPv6Address(bits: 7), length: 255).length == 128)
    }

    @Test func `contains and overlaps as the addresses say`() throws {
        try forAll(3000) { random in
            let (a, b) = (Self.prefix(using: &random), Self.prefix(using: &random))
            let holds = { (prefix: IPv6Prefix, address: IPv6Address) in
                prefix.first <= address && address <= prefix.last
            }
            try #require(try IPv6Prefix(parsing: "\(a)") == a)
            try #require(a.contains(b) == (holds(a, b.first) && holds(a, b.last)), "\(a) \(b)")
            try #require(a.overlaps(b) == (a.first <= b.last && b.first <= a.last), "\(a) \(b)")
            try #require(a.overlaps(b) == b.overlaps(a))
            let address = random.pick(
                b.first, b.last, IPv6Address(bits: a.first.bits &- 1), IPv6Address(bits: a.last.bits &+ 1))
            try #require(a.contains(address) == holds(a, address), "\(a) \(address)")
        }
    }

    @Test func `sorts a prefix directly before those inside it`() throws {
        try forAll(500) { random in
            let sorted = (0..<20).map { _ in Self.prefix(using: &random) }.sorted()
            for (index, prefix) in sorted.enumerated() {
                let inside = sorted[index...].map(prefix.contains)
                try #require(inside == inside.sorted { $0 && !$1 }, "\(sorted)")
                try #require(sorted[..<index].allSatisfy { !prefix.contains($0) || prefix == $0 }, "\(sorted)")
            }
        }
    }

    /// Mostly in 2001:db8::/125, so that two of them meet.
    private static func prefix(using random: inout Generator) -> IPv6Prefix {
        let bits =
            random.oneIn(4)
            ? UInt128.random(in: 0...UInt128.max, using: &random)
            : 0x2001_0db8 << 96 | UInt128.random(in: 0...7, using: &random)
        return IPv6Prefix(
            containing: IPv6Address(bits: bits),
            length: random.oneIn(3)
                ? UInt8.random(in: 0...128, using: &random) : UInt8.random(in: 124...128, using: &random))
    }
}

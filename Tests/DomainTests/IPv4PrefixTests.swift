import Domain
import TestSupport
import Testing

@Suite struct IPv4PrefixTests {
    @Test func `reads CIDR notation and refuses host bits`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try IPv4Prefix(parsing: text) },
            accepts: [
                "0.0.0.0/0": "0.0.0.0/0", "10.0.0.0/8": "10.0.0.0/8", "100.64.0.0/10": "100.64.0.0/10",
                "192.0.2.254/31": "192.0.2.254/31", "192.0.2.1/32": "192.0.2.1", "192.0.2.1": "192.0.2.1",
                "128.0.0.0/1": "128.0.0.0/1",
            ],
            refuses: [
                (
                    [
                        "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/a", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8",
                        "10.0.0.0/08",
                        "10.0.0.0/00", "10.0.0.0/256", "10.0.0.0/264", "10.0.0.0/8/8", "10.0.0.0/99999999999999999999",
                        "10.0.0.0/٨", "10.0.0.0/255.0.0.0",
                    ], "an IPv4 prefix: the length after the slash is a number from 0 to 32"
                ),
                (["10.0.0.1/8"], "an IPv4 prefix: bits after the first 8 must be zero; write 10.0.0.0/8"),
                (["192.0.2.1/0"], "an IPv4 prefix: bits after the first 0 must be zero; write 0.0.0.0/0"),
                (["192.0.2.255/31"], "an IPv4 prefix: bits after the first 31 must be zero; write 192.0.2.254/31"),
            ]
        ).verify()
    }

    @Test func `a wrong address is told as such`() {
        for (text, address) in ["10.0.0/8": "10.0.0", "/8": "", "2001:db8::/32": "2001:db8::", "a/b": "a"] {
            let error = #expect(throws: ParseError.self) { try IPv4Prefix(parsing: text) }
            #expect(error?.kind == "an IPv4 address")
            #expect(error?.text == address)
        }
    }

    @Test func `knows its ends and its size`() throws {
        let prefix = try IPv4Prefix(parsing: "198.51.100.64/26")
        #expect("\(prefix.first) \(prefix.last) \(prefix.count)" == "198.51.100.64 198.51.100.127 64")
        #expect("\(IPv4Prefix.any.first) \(IPv4Prefix.any.last)" == "0.0.0.0 255.255.255.255")
        #expect(IPv4Prefix.any.count == 1 << 32)
        #expect(IPv4Prefix(containing: IPv4Address(bits: 7), length: 32).count == 1)
        #expect(IPv4Prefix(containing: IPv4Address(bits: 7), length: 255).length == 32)
    }

    @Test func `what is printed is read back`() throws {
        try forAll(2000) { random in
            let prefix = Self.prefix(using: &random)
            try #require(try IPv4Prefix(parsing: "\(prefix)") == prefix)
            try #require(try IPv4Prefix(parsing: "\(prefix.address)/\(prefix.length)") == prefix)
        }
    }

    @Test func `contains and overlaps as the addresses say`() throws {
        try forAll(3000) { random in
            let (a, b) = (Self.prefix(using: &random), Self.prefix(using: &random))
            let holds = { (prefix: IPv4Prefix, address: IPv4Address) in
                prefix.first <= address && address <= prefix.last
            }
            try #require(a.contains(b) == (holds(a, b.first) && holds(a, b.last)), "\(a) \(b)")
            try #require(a.overlaps(b) == (a.first <= b.last && b.first <= a.last), "\(a) \(b)")
            try #require(a.overlaps(b) == b.overlaps(a))
            let address = random.pick(
                b.first, b.last, IPv4Address(bits: a.first.bits &- 1), IPv4Address(bits: a.last.bits &+ 1))
            try #require(a.contains(address) == holds(a, address), "\(a) \(address)")
            try #require(UInt64(a.last.bits) - UInt64(a.first.bits) + 1 == a.count)
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

    /// Mostly in 10.0.0.0/29, so that two of them meet.
    private static func prefix(using random: inout Generator) -> IPv4Prefix {
        let bits =
            random.oneIn(4)
            ? UInt32.random(in: 0...UInt32.max, using: &random)
            : 0x0A00_0000 | UInt32.random(in: 0...7, using: &random)
        return IPv4Prefix(
            containing: IPv4Address(bits: bits),
            length: random.oneIn(3)
                ? UInt8.random(in: 0...32, using: &random) : UInt8.random(in: 28...32, using: &random))
    }
}

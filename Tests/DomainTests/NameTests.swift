import Domain
import Testing

@Suite struct NameTests {
    private static let sentence =
        "a name: write 1 to 63 lower-case letters, digits and hyphens, a letter or digit at both ends"

    @Test func `reads what can stand in a path, a label and a chain's name`() throws {
        let long = String(repeating: "a", count: 63)
        try ReadingTable(
            read: { text throws(ParseError) in try Name(parsing: text) },
            accepts: ["a": "a", "0": "0", "acme": "acme", "pgw-1": "pgw-1", "a--b": "a--b", long: long],
            refuses: [
                (
                    [
                        "", "-", "-a", "a-", "A", "a b", "a_b", "a.b", "a/b", "é", "a\n", "a\0", " a", "..", "a\u{301}",
                        "а",
                        "\(long)a",
                    ], Self.sentence
                )
            ]
        ).verify()
    }

    @Test func `orders by code point`() throws {
        #expect(
            try ["b", "a-b", "a0", "a", "0"].map(Name.init(parsing:)).sorted().map(\.description)
                == ["0", "a", "a-b", "a0", "b"])
    }
}

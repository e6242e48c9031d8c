import Domain
import TestSupport
import Testing

@Suite struct DomainNameTests {
    private static let label = String(repeating: "a", count: 63)
    /// 253 octets.
    private static let long = "\(label).\(label).\(label).\(String(repeating: "b", count: 61))"
    private static let sentence =
        "a domain name: write labels of letters, digits, hyphens and underscores with dots between them, "
        + "253 characters at most, and other scripts as xn--"

    @Test func `reads labels, in lower case and without the dot at the end`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try DomainName(parsing: text) },
            accepts: [
                "mqtt.acme.example": "mqtt.acme.example", "MQTT.Acme.Example.": "mqtt.acme.example",
                "example": "example", "a.b.c.d.e.f.g.h.example": "a.b.c.d.e.f.g.h.example", "3com.com": "3com.com",
                "_mqtt._tcp.acme.example": "_mqtt._tcp.acme.example", "xn--bcher-kva.example": "xn--bcher-kva.example",
                "a--b.example": "a--b.example", "1.2.3.4.5x": "1.2.3.4.5x", "in-addr.arpa": "in-addr.arpa",
                Self.long: Self.long, "\(Self.long).": Self.long, "\(Self.label).x": "\(Self.label).x",
            ],
            refuses: [
                (
                    hostileTexts.filter { !["0x10", "1e5", "1_000"].contains($0) }
                        + [
                            ".", "..", "a..b", ".a", "a..", "-a.example", "a-.example", "a.-", "a b.example", "a/b",
                            "a.example/x", "*.example", "*", "a.exa$mple", "bücher.example", "a.example:443",
                            "@.example",
                            "1.2.3.4", "256.1.1.1", "a.1", "a.example\n", "a.example\0", "\\097.example", "Ａ.example",
                            "\(String(repeating: "a", count: 64))",
                        ].filter { $0.utf8.count <= 80 }, Self.sentence
                )
            ]
        ).verify()
        let tooLong = [
            "\(Self.long)b", "\(Self.label)a.example", "a.\(Self.long)", String(repeating: "a.", count: 200),
            String(repeating: "a", count: 1_000_000),
        ]
        for text in tooLong {
            let error = #expect(throws: ParseError.self) { try DomainName(parsing: text) }
            #expect(error?.kind == "a domain name")
        }
    }

    @Test func `a name is below each that it ends with, label by label`() throws {
        let name = try DomainName(parsing: "a.b.example")
        let isBelow = { (text: String) in name.isBelow(try DomainName(parsing: text)) }
        #expect(try isBelow("b.example") && isBelow("example"))
        #expect(try !isBelow("a.b.example") && !isBelow("c.a.b.example") && !isBelow("le") && !isBelow("c.example"))
        #expect(try !DomainName(parsing: "notb.example").isBelow(DomainName(parsing: "b.example")))
        #expect(name.parent?.description == "b.example" && name.parent?.parent?.parent == nil)
    }

    @Test func `reads back what it prints, and its ancestors are names`() throws {
        var read = 0
        try forAll(5000) { random in
            let alphabet = Array("abAZ09-_..".utf8)
            let bytes = (0..<Int.random(in: 1...30, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            guard let name = DomainName(utf8: bytes) else { return }
            read += 1
            try #require(DomainName(utf8: Array("\(name)".utf8)) == name)
            var next = name.parent
            while let parent = next {
                try #require(try DomainName(parsing: "\(parent)") == parent && name.isBelow(parent))
                next = parent.parent
            }
        }
        #expect(read > 500)
    }
}

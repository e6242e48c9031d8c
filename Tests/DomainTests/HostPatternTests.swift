import Domain
import TestSupport
import Testing

@Suite struct HostPatternTests {
    @Test func `reads a name, and a star for all names below one`() throws {
        try ReadingTable(
            read: { text throws(ParseError) in try HostPattern(parsing: text) },
            accepts: [
                "mqtt.acme.example": "mqtt.acme.example", "*.Acme.Example.": "*.acme.example",
                "*.example": "*.example", "*._tcp.acme.example": "*._tcp.acme.example",
            ],
            refuses: [
                (
                    ["*", "a.*", "*a.example", "a.*.example", "**.example"],
                    "a host name: * may only stand for whole labels in front, as in *.acme.example"
                ),
                (
                    ["localhost", "any", "example", "example."],
                    "a host name: write the whole name with its domain, as in mqtt.acme.example"
                ),
                (
                    ["", "*.", "*..example", "*.*.example", "*.*", "1.2.3.4", "*.1", "a..example", "bücher.example"],
                    "a host name: write labels of letters, digits, hyphens and underscores with dots between them, "
                        + "253 characters at most, and other scripts as xn--"
                ),
            ]
        ).verify()
    }

    @Test func `matches any depth below a name, but not the name itself`() throws {
        let below = try HostPattern(parsing: "*.acme.example")
        for (text, matches) in [
            "a.acme.example": true, "b.a.acme.example": true, "acme.example": false, "example": false,
            "notacme.example": false, "acme.example.com": false,
        ] {
            #expect(try below.matches(DomainName(parsing: text)) == matches, "\(text)")
        }
        let exact = try HostPattern(parsing: "acme.example")
        #expect(try exact.matches(DomainName(parsing: "ACME.example.")))
        #expect(try !exact.matches(DomainName(parsing: "a.acme.example")))
    }

    @Test func `one covers another when every name of that is one of its own`() throws {
        let labels = ["a", "b", "c.a", "b.a", "c.b.a"]
        let names = try labels.map { try DomainName(parsing: "\($0).x") } + [DomainName(parsing: "d.c.b.a.x")]
        let patterns = names.flatMap { [HostPattern.exact($0), .below($0)] }
        for a in patterns {
            for b in patterns {
                let isSeen = names.filter(b.matches).allSatisfy(a.matches)
                // A pattern also means names that are not in the list: only another star can cover a star.
                switch (a, b) {
                case (.exact, .below): #expect(!a.covers(b))
                case (_, .exact): #expect(a.covers(b) == isSeen, "\(a) \(b)")
                case (.below(let a), .below(let b)):
                    #expect(HostPattern.below(a).covers(.below(b)) == (a == b || b.isBelow(a)))
                }
                if a.covers(b) { #expect(isSeen, "\(a) \(b)") }
            }
        }
    }

    @Test func `sorts a name before those below it`() throws {
        let texts = ["*.b.example", "b.example", "*.a.example"]
        #expect(
            try texts.map(HostPattern.init(parsing:)).sorted().map(\.description)
                == ["*.a.example", "b.example", "*.b.example"])
    }
}

import Domain
import Testing

@Suite struct EventTests {
    @Test func `codes are kebab-case, each has a kind, and those of verdicts are the rejections'`() {
        for code in Event.Code.allCases {
            #expect(code.rawValue.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == UInt8(ascii: "-") }, "\(code)")
            #expect(!code.rawValue.hasPrefix("-") && !code.rawValue.hasSuffix("-"), "\(code)")
        }
        #expect(AttachRejection.allCases.map { Event.Code($0).rawValue } == AttachRejection.allCases.map(\.rawValue))
        #expect(
            Set(AttachRejection.allCases.map(Event.Code.init))
                == Set(Event.Code.allCases.filter { $0.kind == .verdict }))
    }

    @Test func `words, details and subjects are cut to their limits between characters`() throws {
        let long = String(repeating: "ä", count: 500)
        let news = Event.News(
            .vpnUp, of: nil, about: Event.Subject(.vpn, long), at: Timestamp(milliseconds: 0), words: "a\r\n\t" + long,
            details: (0..<20).map { _ in Event.Detail("key", long) })
        #expect(news.words.utf8.count == 399 && news.words.hasPrefix("a  ä") && news.words.hasSuffix("ä"))
        #expect(news.details.count == Event.detailsLimit && news.details.first?.value.utf8.count == 200)
        #expect(news.subject.name.utf8.count == 128)
    }

    @Test func `a subject is read as it is written`() {
        for kind in Event.Subject.Kind.allCases {
            let subject = Event.Subject(kind, "a/b")
            #expect(subject.description == "\(kind.rawValue)/a/b" && Event.Subject("\(subject)") == subject)
        }
        for text in ["", "vpn", "VPN/x", "/x"] { #expect(Event.Subject(text) == nil, "\(text)") }
    }
}

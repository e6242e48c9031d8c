import Domain
import Testing

/// What a type reads and what it refuses.
struct ReadingTable<Value: Hashable & Comparable & CustomStringConvertible> {
    let read: (String) throws(ParseError) -> Value
    /// Texts, and how the value prints then.
    let accepts: KeyValuePairs<String, String>
    /// Texts, and what is said after the quoted text.
    let refuses: [(texts: [String], sentence: String)]

    func verify(sourceLocation: SourceLocation = #_sourceLocation) throws {
        for (text, printed) in accepts {
            let value = try read(text)
            #expect(value.description == printed, "\(text)", sourceLocation: sourceLocation)
            #expect(try read(printed) == value, "\(text)", sourceLocation: sourceLocation)
            #expect(!(value < value), sourceLocation: sourceLocation)
        }
        for (texts, sentence) in refuses {
            for text in texts { refuse(text, sentence, sourceLocation) }
        }
    }

    private func refuse(_ text: String, _ sentence: String, _ sourceLocation: SourceLocation) {
        do throws(ParseError) {
            let value = try read(text)
            Issue.record("\"\(text)\" was read as \(value)", sourceLocation: sourceLocation)
        } catch {
            #expect(error.description == "\"\(text)\" is not \(sentence)", sourceLocation: sourceLocation)
        }
    }
}

/// Texts that no number and no name is, whatever its length.
let hostileTexts = [
    "", " ", "\0", "\n", "-1", "+1", "١٢٣٤٥٦", "１２３４５６", "1_000", "0x10", "1e5", "é", "\u{301}", "🙂", ".", "/", "*",
]

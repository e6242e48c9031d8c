/// A sentence with gaps, as charon's formats are: `unable to resolve *, initiate aborted`. Each `*` takes what stands
/// up to the first place where the text after it follows; the last takes what is left. Whatever is matched, it takes
/// time in proportion to the pattern's gaps and the text's length.
package struct TextPattern: Hashable, Sendable {
    private let parts: [[UInt8]]

    /// More of a text than this is not looked at.
    package static let maximumLength = 4096

    package init(_ pattern: StaticString) {
        parts = pattern.description.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map {
            Array($0)
        }
    }

    /// What stands in the gaps, when the whole text is of this form.
    package func match(_ text: [UInt8]) -> [String]? {
        guard let first = parts.first, let last = parts.last, text.count <= Self.maximumLength,
            text.starts(with: first)
        else { return nil }
        guard parts.count > 1 else { return text.count == first.count ? [] : nil }
        var gaps: [String] = []
        var place = first.count
        for part in parts.dropFirst().dropLast() {
            guard let found = Self.find(part, in: text, from: place) else { return nil }
            gaps.append(String(decoding: text[place..<found], as: UTF8.self))
            place = found + part.count
        }
        let end = text.count - last.count
        guard end >= place, text[end...].elementsEqual(last) else { return nil }
        gaps.append(String(decoding: text[place..<end], as: UTF8.self))
        return gaps
    }

    private static func find(_ part: [UInt8], in text: [UInt8], from start: Int) -> Int? {
        guard start + part.count <= text.count else { return nil }
        return (start...text.count - part.count).first { text[$0..<$0 + part.count].elementsEqual(part) }
    }
}

/// A document's text, made safe to hand to the YAML library.
///
/// Aliases let a short document stand for an endless one, and the library follows them (it hashes and compares keys,
/// and frees the tree recursively). So the three characters that start an anchor, an alias or a tag are veiled: each is
/// replaced by one from the private-use area, which to YAML is a letter. Quoted text gets its characters back, and
/// plain text that begins with one is where an anchor, an alias or a tag stood.
enum YAMLText {
    /// What a character is replaced by, `nil` for one that stays.
    private static func veil(of plain: Unicode.Scalar) -> Unicode.Scalar? {
        switch plain {
        case "&": "\u{E026}"
        case "*": "\u{E02A}"
        case "!": "\u{E021}"
        default: nil
        }
    }

    private static func plain(of veil: Unicode.Scalar) -> Unicode.Scalar? {
        switch veil {
        case "\u{E026}": "&"
        case "\u{E02A}": "*"
        case "\u{E021}": "!"
        default: nil
        }
    }

    static let noIndirection =
        "YAML anchors (&), aliases (*) and tags (!) are not supported: write the value itself, "
        + "in quotation marks if it starts so"

    static func isVeil(_ scalar: Unicode.Scalar) -> Bool { plain(of: scalar) != nil }

    static func unveiled(_ text: String) -> String {
        // The first octet of every veil.
        guard text.utf8.contains(0xee) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(plain(of: scalar) ?? scalar) }
        return String(result)
    }

    struct BadCharacter: Error {
        let place: SourcePlace
        let message: String
    }

    static func veiled(_ text: String) throws(BadCharacter) -> String {
        // A byte order mark is allowed where files have it.
        var text = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
        text.makeContiguousUTF8()
        let scalars = text.unicodeScalars
        var result = ""
        var rest = text.startIndex
        var next = rest
        // Nearly all of a document is ASCII that stays as it is, and passed over without a look at each character.
        while let index = firstNotHarmless(in: text, from: next) {
            let scalar = scalars[index]
            next = scalars.index(after: index)
            guard isPrintable(scalar), !isVeil(scalar) else {
                throw BadCharacter(
                    place: place(of: index, in: text),
                    message: "the character U+\(hexadecimal(scalar)) may not stand in a document: "
                        + "remove it, and save the document as UTF-8")
            }
            guard scalar != "\\" || !isZeroEscape(scalars[next...]) else {
                throw BadCharacter(
                    place: place(of: index, in: text),
                    message: "the character U+0000 may not stand in a document, nor be escaped in it")
            }
            guard let veil = veil(of: scalar) else { continue }
            result += text[rest..<index]
            result.unicodeScalars.append(veil)
            rest = next
        }
        result += text[rest...]
        result.makeContiguousUTF8()
        return result
    }

    private static func firstNotHarmless(in text: String, from start: String.Index) -> String.Index? {
        let passed = text.utf8.distance(from: text.startIndex, to: start)
        // A view of text that was made contiguous has its octets side by side.
        let found = text.utf8.withContiguousStorageIfAvailable { octets in
            octets[passed...].firstIndex { !isHarmless($0) }
        }
        return found.flatMap { $0 }.map { text.utf8.index(text.startIndex, offsetBy: $0) }
    }

    private static func place(of index: String.Index, in text: String) -> SourcePlace {
        let lines = lines(of: String(text[..<index]))
        return SourcePlace(line: lines.count, column: (lines.last?.count ?? 0) + 1)
    }

    /// The lines as the YAML library counts them (YAML 1.1 §5.5), without what ends them.
    static func lines(of text: String) -> [Substring.UnicodeScalarView] {
        let scalars = text.unicodeScalars
        var lines: [Substring.UnicodeScalarView] = []
        var start = scalars.startIndex
        var index = start
        while index < scalars.endIndex {
            let next = scalars.index(after: index)
            if isBreak(scalars[index]) {
                lines.append(scalars[start..<index])
                let isPair = scalars[index] == "\r" && next < scalars.endIndex && scalars[next] == "\n"
                start = isPair ? scalars.index(after: next) : next
                index = start
            } else {
                index = next
            }
        }
        return lines + [scalars[start...]]
    }

    private static func isBreak(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": true
        default: false
        }
    }

    /// An octet of ASCII that may stand anywhere and is left alone.
    private static func isHarmless(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!"), UInt8(ascii: "\\"): false
        case 0x09, 0x0a, 0x0d, 0x20...0x7e: true
        default: false
        }
    }

    /// YAML 1.2 §5.1, without the byte order mark.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0a, 0x0d, 0x20...0x7e, 0x85, 0xa0...0xd7ff, 0xe000...0xfefe, 0xff00...0xfffd: true
        case 0x10000...0x10ffff: true
        default: false
        }
    }

    /// The YAML library hands out text as C strings: what follows an escaped zero would be lost without a word.
    private static func isZeroEscape(_ rest: Substring.UnicodeScalarView) -> Bool {
        guard let kind = rest.first else { return false }
        let digits =
            switch kind {
            case "0": 0
            case "x": 2
            case "u": 4
            case "U": 8
            default: -1
            }
        let tail = rest.dropFirst().prefix(max(0, digits))
        return digits >= 0 && tail.count == digits && tail.allSatisfy { $0 == "0" }
    }

    private static func hexadecimal(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }
}

/// A document's text, made safe to hand to the YAML library.
///
/// Aliases let a short document stand for an endless one, and the library follows them (it hashes and compares keys,
/// and frees the tree recursively). So the three characters that start an anchor, an alias or a tag are veiled: each is
/// replaced by one from the private-use area, which to YAML is a letter. Quoted text gets its characters back, and
/// plain text that begins with one is where an anchor, an alias or a tag stood.
enum YAMLText {
    private static let veils: [(plain: Unicode.Scalar, veil: Unicode.Scalar)] = [
        ("&", "\u{E026}"), ("*", "\u{E02A}"), ("!", "\u{E021}"),
    ]

    static let noIndirection =
        "YAML anchors (&), aliases (*) and tags (!) are not supported: write the value itself, "
        + "in quotation marks if it starts so"

    static func isVeil(_ scalar: Unicode.Scalar) -> Bool { veils.contains { $0.veil == scalar } }

    static func unveiled(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(veils.first { $0.veil == scalar }?.plain ?? scalar) }
        return String(result)
    }

    struct BadCharacter: Error {
        let place: SourcePlace
        let message: String
    }

    static func veiled(_ text: String) throws(BadCharacter) -> String {
        let scalars = Array(text.unicodeScalars)
        var result = ""
        result.reserveCapacity(text.utf8.count + 64)
        var (line, column) = (1, 1)
        for (index, scalar) in scalars.enumerated() {
            // A byte order mark is allowed where files have it.
            if index == 0 && scalar == "\u{FEFF}" { continue }
            guard isPrintable(scalar), !isVeil(scalar) else {
                throw BadCharacter(
                    place: SourcePlace(line: line, column: column),
                    message: "the character U+\(hexadecimal(scalar)) may not stand in a policy document: "
                        + "remove it, and save the document as UTF-8")
            }
            guard scalar != "\\" || !isZeroEscape(scalars[(index + 1)...]) else {
                throw BadCharacter(
                    place: SourcePlace(line: line, column: column),
                    message: "the character U+0000 may not stand in a policy document, nor be escaped in it")
            }
            result.unicodeScalars.append(veils.first { $0.plain == scalar }?.veil ?? scalar)
            if isBreak(scalar) {
                let isSecondHalf = scalar == "\n" && index > 0 && scalars[index - 1] == "\r"
                (line, column) = (isSecondHalf ? line : line + 1, 1)
            } else {
                column += 1
            }
        }
        result.makeContiguousUTF8()
        return result
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

    /// YAML 1.2 §5.1, without the byte order mark.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0a, 0x0d, 0x20...0x7e, 0x85, 0xa0...0xd7ff, 0xe000...0xfefe, 0xff00...0xfffd: true
        case 0x10000...0x10ffff: true
        default: false
        }
    }

    /// The YAML library hands out text as C strings: what follows an escaped zero would be lost without a word.
    private static func isZeroEscape(_ rest: ArraySlice<Unicode.Scalar>) -> Bool {
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

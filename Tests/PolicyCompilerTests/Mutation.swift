import TestSupport

/// Documents that were right before something happened to them.
enum Mutation {
    /// What means something to YAML, to a policy, or to those who print what they were sent.
    private static let alphabet = Array(
        "[]{},:-?&*!|>'\"%@`#\n\r \t\\0/.9aZ~<=\u{0}\u{85}\u{2028}\u{FEFF}\u{E02A}é😀".unicodeScalars)
    private static let lines = [
        "default: allow", "rules:", "  - name: x", "    to: any", "    route: internet", "    ports: [1-2]", "---",
        "...",
        "mode: monitor", "    direction: to-device", "    via: vpn:hq", "    to: [\"*.a.example\", list:plant]",
        "    services: [https]", "    schedule: {days: [sat-mon], from: \"22:00\", to: \"06:00\"}", "    log: true",
        "dns: {deny: [a.example]}", "    action: allow", "? x", "<<: *a", "%YAML 1.1", "- - - a", "\t",
        "    protocol: tcp", "# note",
    ]

    /// One of `seeds` or a random document, changed in one to six places, most often in one.
    static func document(from seeds: [String], using random: inout Generator) -> String {
        let original =
            switch Int.random(in: 0..<4, using: &random) {
            case 0: RandomPolicy.document(using: &random)
            case 1: RandomPolicy.wholeDocument(using: &random).yaml
            default: seeds.randomElement(using: &random) ?? ""
            }
        return document(mutating: original, using: &random)
    }

    static func document(mutating original: String, using random: inout Generator) -> String {
        var scalars = Array(original.unicodeScalars)
        for _ in 0..<random.pick(1, 1, 1, 1, 2, 3, 6) { change(&scalars, using: &random) }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }

    private static func change(_ scalars: inout [Unicode.Scalar], using random: inout Generator) {
        let place = Int.random(in: 0...scalars.count, using: &random)
        let other = Int.random(in: 0...scalars.count, using: &random)
        let scalar = alphabet.randomElement(using: &random) ?? "x"
        switch Int.random(in: 0..<8, using: &random) {
        case 0: scalars.insert(scalar, at: place)
        case 1 where place < scalars.count: scalars.remove(at: place)
        case 2 where place < scalars.count: scalars[place] = scalar
        case 3: scalars.removeLast(min(scalars.count - place, Int.random(in: 0...40, using: &random)))
        case 4: scalars.insert(contentsOf: scalars[min(place, other)..<max(place, other)].prefix(60), at: place)
        case 5 where place < scalars.count && other < scalars.count: scalars.swapAt(place, other)
        case 6: scalars.removeSubrange(wholeLine(around: place, in: scalars))
        default:
            let line = (lines.randomElement(using: &random) ?? "") + "\n"
            scalars.insert(contentsOf: line.unicodeScalars, at: wholeLine(around: place, in: scalars).lowerBound)
        }
    }

    private static func wholeLine(around place: Int, in scalars: [Unicode.Scalar]) -> Range<Int> {
        let start = scalars[..<place].lastIndex(of: "\n").map { $0 + 1 } ?? 0
        let end = scalars[place...].firstIndex(of: "\n").map { $0 + 1 } ?? scalars.count
        return start..<end
    }

    /// The lines of a document as YAML 1.1 §5.5 counts them, without what ends them and without a byte order mark.
    static func lines(of text: String) -> [[Unicode.Scalar]] {
        var lines: [[Unicode.Scalar]] = [[]]
        var previous: Unicode.Scalar?
        for (index, scalar) in text.unicodeScalars.enumerated() {
            switch scalar {
            case "\u{FEFF}" where index == 0: break
            case "\n" where previous == "\r": break
            case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": lines.append([])
            default: lines[lines.count - 1].append(scalar)
            }
            previous = scalar
        }
        return lines
    }
}

extension SourceNode {
    /// The piece as a document of its own: read again it is the same, but for places. Comments are lost.
    var yaml: String {
        var lines = ""
        switch content {
        case .scalar(let text): lines = Self.scalar(text) + "\n"
        case .sequence, .mapping: write(to: &lines, indent: 0)
        }
        return lines
    }

    private func write(to text: inout String, indent: Int) {
        let margin = String(repeating: " ", count: indent)
        switch content {
        case .scalar(let value): text += "\(margin)\(Self.scalar(value))\n"
        case .sequence(let items):
            for item in items {
                if let short = item.onOneLine {
                    text += "\(margin)- \(short)\n"
                } else {
                    // The first line goes behind the dash.
                    var inner = ""
                    item.write(to: &inner, indent: indent + 2)
                    text += "\(margin)- \(inner.dropFirst(indent + 2))"
                }
            }
        case .mapping(let pairs):
            for pair in pairs {
                if let short = pair.value.onOneLine {
                    text += "\(margin)\(Self.scalar(pair.key)): \(short)\n"
                } else {
                    text += "\(margin)\(Self.scalar(pair.key)):\n"
                    pair.value.write(to: &text, indent: indent + 2)
                }
            }
        }
    }

    /// A value, or a short list of values.
    private var onOneLine: String? {
        switch content {
        case .scalar(let text): return Self.scalar(text)
        case .sequence(let items):
            let texts = items.compactMap { if case .scalar(let text) = $0.content { Self.scalar(text) } else { nil } }
            guard texts.count == items.count, texts.reduce(0, { $0 + $1.utf8.count + 2 }) <= 80 || items.isEmpty else {
                return nil
            }
            return "[\(texts.joined(separator: ", "))]"
        case .mapping(let pairs): return pairs.isEmpty ? "{}" : nil
        }
    }

    /// Plain where nothing in it means something to YAML anywhere.
    private static func scalar(_ text: String) -> String {
        let isLetter = { (octet: UInt8) in
            (0x30...0x39).contains(octet) || (0x41...0x5a).contains(octet) || (0x61...0x7a).contains(octet)
        }
        let isPlain = { (octet: UInt8) in isLetter(octet) || "._/-:".utf8.contains(octet) }
        let octets = text.utf8
        if let first = octets.first, let last = octets.last, isLetter(first), last != UInt8(ascii: ":"),
            octets.count <= 80, octets.allSatisfy(isPlain)
        {
            return text
        }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": quoted += "\\\\"
            case "\"": quoted += "\\\""
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case " "..."~": quoted.unicodeScalars.append(scalar)
            default:
                let isShort = scalar.value <= 0xffff
                let digits = String(scalar.value, radix: 16)
                let zeros = String(repeating: "0", count: (isShort ? 4 : 8) - digits.utf8.count)
                quoted += (isShort ? "\\u" : "\\U") + zeros + digits
            }
        }
        return quoted + "\""
    }
}

/// Writes JSON (RFC 8259) in as many ways as there are.
enum JSONText {
    static func object(_ members: [String], using random: inout Generator) -> String {
        let inner = members.shuffled(using: &random).joined(separator: "\(space(using: &random)),")
        return "{\(space(using: &random))\(inner)\(space(using: &random))}"
    }

    static func list(_ items: [String], using random: inout Generator) -> String {
        "[\(space(using: &random))\(items.joined(separator: ",\(space(using: &random))"))]"
    }

    /// A key and its colon stand on one line, which YAML demands and every writer of JSON does.
    static func member(_ key: String, _ value: String, using random: inout Generator) -> String {
        let before = random.pick("", "", " ")
        return "\(space(using: &random))\(string(key, using: &random))\(before):\(space(using: &random))\(value)"
    }

    /// A number where the text is one, else a string.
    static func value(_ text: String, using random: inout Generator) -> String {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } && !random.oneIn(3) ? text : string(text, using: &random)
    }

    static func string(_ text: String, using random: inout Generator) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if random.oneIn(20) {
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            } else {
                result += scalar == "/" && random.oneIn(2) ? "\\/" : String(scalar)
            }
        }
        return "\"\(result)\""
    }

    private static func space(using random: inout Generator) -> String {
        random.pick("", "", " ", "\n", "\n\t", "\r\n  ")
    }
}

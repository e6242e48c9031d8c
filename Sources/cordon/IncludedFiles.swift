import FoundationEssentials

/// Puts the texts of files in place of their names, in a document that is sent: `file: sims.csv` becomes
/// `file: {"name": "sims.csv", "text": "…"}`, on the same line, so that places in the document stay what they are.
///
/// A document may come from a customer. So a file lies beside the document or below it, and is named without `..`.
enum IncludedFiles {
    struct Refusal: Error {
        let line: Int
        let message: String
    }

    /// - Parameter read: what the file of a name holds.
    static func inlined(_ document: String, read: (String) throws -> [UInt8]) throws -> String {
        let lines = document.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        var result: [String] = []
        for (index, scalars) in lines.enumerated() {
            var line = String(scalars)
            // From the last to the first: places before a change stay.
            for name in isComment(line) ? [] : names(in: line).reversed() {
                let path = String(line[name.value])
                guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
                    throw Refusal(line: index + 1, message: "\(path): a file must lie beside the document, or below it")
                }
                guard let text = String(validating: try read(path), as: UTF8.self) else {
                    throw Refusal(line: index + 1, message: "\(path): the file is not UTF-8 text")
                }
                let content = try json(text)
                line.replaceSubrange(name.whole, with: "{\"name\": \(try json(path)), \"text\": \(content)}")
            }
            result.append(line)
        }
        return result.joined(separator: "\n")
    }

    private static func isComment(_ line: String) -> Bool { line.first { $0 != " " } == "#" }

    /// Where the values of keys `file` stand, and with their quotation marks.
    private static func names(in line: String) -> [(whole: Range<String.Index>, value: Range<String.Index>)] {
        let pattern =
            /(?:^|[\s{,])(?:file|"file")\s*:\s*(?<whole>"(?<quoted>[A-Za-z0-9._\/ -]+)"|(?<plain>[A-Za-z0-9._\/-]+))(?=\s*(?:$|[,}]|\s#))/
        return line.matches(of: pattern).compactMap { match in
            let whole = match.output.whole
            guard let value = match.output.quoted ?? match.output.plain else { return nil }
            return (whole.startIndex..<whole.endIndex, value.startIndex..<value.endIndex)
        }
    }

    /// As JSON has it, which YAML takes too.
    private static func json(_ text: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return String(decoding: try encoder.encode(text), as: UTF8.self)
    }
}

/// One thing that is wrong, or doubtful, at one place of a policy document.
public struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
    /// What the document was called by who gave it: a path, or the policy's name.
    public let file: String
    /// From 1.
    public let line: Int
    /// From 1, in Unicode scalars.
    public let column: Int
    /// The place inside the document, as `rules[1].ports[0]`; empty for the document as a whole.
    public let field: String
    /// What is wrong and what would be right. One line, without a full stop.
    public let message: String

    init(file: String, place: SourcePlace, field: FieldPath, message: String) {
        self.file = file
        line = place.line
        column = place.column
        self.field = field.description.onOneLine
        self.message = message.onOneLine
    }

    /// The same of a document that is a part of another, at `parent` there.
    func inside(_ parent: FieldPath) -> Diagnostic {
        let path = parent.description
        return Diagnostic(
            file: file, line: line, column: column, field: field.isEmpty ? path : "\(path).\(field)", message: message)
    }

    private init(file: String, line: Int, column: Int, field: String, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.field = field
        self.message = message
    }

    /// `meters.yaml:7:12: rules[1].ports[0]: "0" is not a port: ...`
    public var description: String {
        "\(file):\(line):\(column): \(field.isEmpty ? "" : "\(field): ")\(message)"
    }
}

/// Everything that is wrong with a policy document, in the order of the document.
public struct PolicyError: Error, Hashable, CustomStringConvertible {
    /// Never empty.
    public let diagnostics: [Diagnostic]

    /// So many are listed; a document that is something else altogether has no use for a longer list.
    static let limit = 100

    init(_ found: [Diagnostic]) {
        let sorted = found.sorted { ($0.line, $0.column, $0.field) < ($1.line, $1.column, $1.field) }
        var listed = Array(sorted.prefix(Self.limit))
        if sorted.count > Self.limit {
            let next = sorted[Self.limit]
            listed.append(
                Diagnostic(
                    file: next.file, place: SourcePlace(line: next.line, column: next.column), field: .document,
                    message: "\(sorted.count - Self.limit) more errors from here on"))
        }
        diagnostics = listed
    }

    /// One line per diagnostic.
    public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}

extension String {
    /// The text with line breaks, control characters and invisible direction marks written as escapes, so that a quote
    /// from a document can neither break a line of a log nor disguise what it says.
    var onOneLine: String {
        var result = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// In quotation marks, cut to 80 Unicode scalars (one character can hold any number of them).
    var quoted: String { "\"\(cut(to: 80))\"" }

    /// The path of `key` inside the mapping at this path. Keys are cut to 40 Unicode scalars: each thing that is wrong
    /// below a key repeats it, so a long key over a long list would multiply.
    func path(to key: String) -> String { isEmpty ? key.cut(to: 40) : "\(self).\(key.cut(to: 40))" }

    private func cut(to limit: Int) -> String {
        unicodeScalars.count > limit ? String(unicodeScalars.prefix(limit - 3)) + "..." : self
    }
}

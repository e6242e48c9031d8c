import Yams

/// A line and a column, both from 1; columns count Unicode scalars.
struct SourcePlace: Hashable, Comparable, Sendable {
    let line: Int
    let column: Int
    static let start = SourcePlace(line: 1, column: 1)

    init(line: Int, column: Int) {
        self.line = max(1, line)
        self.column = max(1, column)
    }

    static func < (a: Self, b: Self) -> Bool { (a.line, a.column) < (b.line, b.column) }

    init(_ mark: Mark?) { self.init(line: mark?.line ?? 1, column: mark?.column ?? 1) }

    /// The mark, or the end of the document when it lies behind it: to the library the end is a line of its own.
    init(_ mark: Mark, inside lines: [Substring.UnicodeScalarView]) {
        if mark.line <= lines.count {
            self.init(line: mark.line, column: mark.column)
        } else {
            self.init(line: lines.count, column: (lines.last?.count ?? 0) + 1)
        }
    }
}

/// A piece of a document with its place. Scalars are their text: YAML's rules that `no` is false and `1:30` is ninety
/// have no say here.
struct SourceNode: Hashable, Sendable {
    let place: SourcePlace
    let content: Content

    enum Content: Hashable, Sendable {
        case scalar(String)
        case sequence([SourceNode])
        case mapping([Pair])
    }

    struct Pair: Hashable, Sendable {
        let key: String
        let place: SourcePlace
        let value: SourceNode
    }

    /// What it is, for messages.
    var kind: String {
        switch content {
        case .scalar(let text): text.isEmpty ? "nothing" : "text"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// Turns the tree of the YAML library into ours, refusing what a document has no use for.
struct SourceReader {
    let file: String
    private(set) var diagnostics: [Diagnostic] = []

    /// A policy needs four: document, rules, rule, list. The rest of the eight is for better messages.
    private static let maximumDepth = 8
    static let tooDeep = "nested more than \(maximumDepth) deep, which no part of a document is"

    init(file: String) { self.file = file }

    mutating func read(_ node: Node, field: FieldPath = .document, depth: Int = 0) -> SourceNode {
        let place = SourcePlace(node.mark)
        guard depth < Self.maximumDepth else {
            report(place, field, Self.tooDeep)
            return SourceNode(place: place, content: .scalar(""))
        }
        switch node {
        case .scalar(let scalar):
            let text = text(of: scalar, field: field)
            return SourceNode(place: place, content: .scalar(text))
        case .sequence(let sequence):
            var items: [SourceNode] = []
            for (index, item) in sequence.enumerated() {
                items.append(read(item, field: field[index], depth: depth + 1))
            }
            return SourceNode(place: place, content: .sequence(items))
        case .mapping(let mapping):
            var pairs: [SourceNode.Pair] = []
            for (key, value) in mapping {
                let keyPlace = SourcePlace(key.mark)
                guard case .scalar(let scalar) = key else {
                    report(keyPlace, field, "a key must be text, not a list or a mapping")
                    continue
                }
                let name = text(of: scalar, field: field)
                let value = read(value, field: field[name], depth: depth + 1)
                pairs.append(.init(key: name, place: keyPlace, value: value))
            }
            return SourceNode(place: place, content: .mapping(pairs))
        case .alias:
            report(place, field, YAMLText.noIndirection)
            return SourceNode(place: place, content: .scalar(""))
        }
    }

    private mutating func text(of scalar: Node.Scalar, field: FieldPath) -> String {
        if scalar.style == .plain, let first = scalar.string.unicodeScalars.first, YAMLText.isVeil(first) {
            report(SourcePlace(scalar.mark), field, YAMLText.noIndirection)
        }
        return YAMLText.unveiled(scalar.string)
    }

    private mutating func report(_ place: SourcePlace, _ field: FieldPath, _ message: String) {
        diagnostics.append(Diagnostic(file: file, place: place, field: field, message: message))
    }
}

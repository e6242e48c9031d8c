import Domain

/// Reads pieces of a document, noting what is wrong as it goes on.
protocol PieceReader {
    var file: String { get }
    var diagnostics: [Diagnostic] { get set }
}

extension PieceReader {
    mutating func report(_ place: SourcePlace, _ field: FieldPath, _ message: String) {
        diagnostics.append(Diagnostic(file: file, place: place, field: field, message: message))
    }

    /// The values of a mapping by key; keys that do not belong are reported.
    mutating func entries(of node: SourceNode, field: FieldPath, known: [String]) -> MappingEntries? {
        guard case .mapping(let pairs) = node.content else {
            report(node.place, field, "expected keys and values, found \(node.kind): write \(known[0]): ...")
            return nil
        }
        for pair in pairs where !known.contains(pair.key) {
            report(
                pair.place, field[pair.key],
                "unknown key \(pair.key.quoted)\(Suggestion.text(for: pair.key, among: known)): "
                    + "known here are \(known.joined(separator: ", "))")
        }
        return MappingEntries(pairs: pairs)
    }

    mutating func required(
        _ key: String, in entries: MappingEntries, of node: SourceNode, field: FieldPath, example: String
    ) -> SourceNode? {
        if let value = entries[key] { return value }
        report(node.place, field, "\"\(key)\" is missing: write \(example)")
        return nil
    }

    mutating func text(_ node: SourceNode, field: FieldPath, example: @autoclosure () -> String) -> String? {
        guard case .scalar(let text) = node.content, !text.isEmpty else {
            report(node.place, field, "expected one value, found \(node.kind): write \(example())")
            return nil
        }
        return text
    }

    mutating func name(_ node: SourceNode, field: FieldPath) -> Name? {
        guard let text = text(node, field: field, example: "a name") else { return nil }
        return parsed(text, node, field: field, by: Name.init(parsing:))
    }

    /// The value of the text; what its reader throws is reported.
    mutating func parsed<Value>(
        _ text: String, _ node: SourceNode, field: FieldPath, by read: (String) throws(ParseError) -> Value
    ) -> Value? {
        do throws(ParseError) {
            return try read(text)
        } catch {
            report(node.place, field, error.description)
            return nil
        }
    }

    /// A value by its text.
    mutating func value<Value>(
        _ node: SourceNode, field: FieldPath, example: String, by read: (String) throws(ParseError) -> Value
    ) -> Value? {
        text(node, field: field, example: example).flatMap { parsed($0, node, field: field, by: read) }
    }

    mutating func number(_ node: SourceNode, field: FieldPath, of range: ClosedRange<UInt32>) -> UInt32? {
        let example = "a number from \(range.lowerBound) to \(range.upperBound)"
        guard let text = text(node, field: field, example: example) else { return nil }
        if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt32(text), range.contains(number) {
            return number
        }
        report(node.place, field, "\(text.quoted) is not \(example)")
        return nil
    }

    mutating func flag(_ node: SourceNode, field: FieldPath) -> Bool? {
        guard let text = text(node, field: field, example: "true or false") else { return nil }
        if let flag = Bool(text) { return flag }
        report(node.place, field, "\(text.quoted) is neither true nor false")
        return nil
    }

    /// One of a few words.
    mutating func choice<Value: RawRepresentable<String> & CaseIterable>(
        _ node: SourceNode, field: FieldPath, kind: String, of type: Value.Type
    ) -> Value? {
        var words: [String] { Value.allCases.map(\.rawValue) }
        var example: String { words.joined(separator: " or ") }
        guard let text = text(node, field: field, example: example) else { return nil }
        if let value = Value(rawValue: text) { return value }
        report(
            node.place, field,
            "\(text.quoted) is not \(kind)\(Suggestion.text(for: text, among: words)): write \(example)")
        return nil
    }

    /// A name of something that exists. Everything but a name that is known is reported.
    mutating func reference<Known: Collection<Name>>(
        _ text: String, kind: String, among known: @autoclosure () -> Known, isKnown: (Name) -> Bool,
        _ node: SourceNode, field: FieldPath
    ) -> Name? {
        guard let name = parsed(text, node, field: field, by: Name.init(parsing:)) else { return nil }
        if isKnown(name) { return name }
        let names = known().map(\.description).sorted()
        let listing =
            switch names.count {
            case 0: ": none is known here"
            case 1...8: ": known here are \(names.joined(separator: ", "))"
            default: ""
            }
        report(
            node.place, field, "there is no \(kind) \"\(name)\"\(Suggestion.text(for: text, among: names))\(listing)")
        return nil
    }

    /// The items of a list; a single value is a list of one.
    /// - Parameter empty: what follows from a list without items; `nil` when that is no mistake.
    mutating func list(
        _ node: SourceNode, field: FieldPath, atMost limit: Int, example: String,
        empty: String? = "so the rule could never match"
    ) -> [ListedText]? {
        let items: [SourceNode]
        let isList: Bool
        switch node.content {
        case .scalar: (items, isList) = ([node], false)
        case .sequence(let nodes): (items, isList) = (nodes, true)
        case .mapping:
            report(node.place, field, "expected a list, found a mapping: write \(example)")
            return nil
        }
        if items.isEmpty, let empty {
            report(node.place, field, "the list is empty, \(empty): write \(example)")
            return nil
        }
        guard items.count <= limit else {
            report(node.place, field, "\(items.count) items; at most \(limit) are allowed")
            return nil
        }
        var result: [ListedText] = []
        for (index, item) in items.enumerated() {
            let path = isList ? field[index] : field
            if let text = text(item, field: path, example: example) {
                result.append(ListedText(text: text, node: item, field: path))
            }
        }
        return result
    }
}

/// The pairs of a mapping, of which only those with known keys are asked for. Few: they are sooner looked through than
/// hashed.
struct MappingEntries {
    let pairs: [SourceNode.Pair]

    subscript(key: String) -> SourceNode? { pairs.last { $0.key == key }?.value }
}

/// One item of a list in the document.
struct ListedText {
    let text: String
    let node: SourceNode
    let field: FieldPath
}

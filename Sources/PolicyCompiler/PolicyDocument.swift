import Yams

/// A policy as its author wrote it, read as YAML (of which JSON is a part) but not yet understood: it has a structure,
/// and every piece of it knows its place. ``validated()`` makes a policy of it.
public struct PolicyDocument: Hashable, Sendable {
    /// What the document is called in diagnostics.
    public let file: String
    let root: SourceNode

    /// 256 KiB.
    public static let maximumOctets = 262_144

    /// Reads one YAML or JSON document.
    /// - Parameters:
    ///   - text: at most ``maximumOctets`` octets of UTF-8.
    ///   - file: the name for diagnostics.
    /// - Throws: ``PolicyError`` when the text is no YAML, or uses what a policy has no use for: several documents,
    ///   anchors, aliases, tags, one key twice.
    public init(parsing text: String, file: String) throws(PolicyError) {
        let root = try SourceNode.root(
            of: text, file: file, atMost: Self.maximumOctets, empty: "write at least policy: and rules:")
        self.init(root: root, file: file)
    }

    /// A part of another document.
    init(root: SourceNode, file: String) {
        self.root = root
        self.file = file
    }
}

extension SourceNode {
    /// Reads one document.
    /// - Parameter empty: what to write in place of nothing.
    static func root(
        of text: String, file: String, atMost maximumOctets: Int, empty: String
    ) throws(PolicyError) -> SourceNode {
        let failure = { (place: SourcePlace, message: String) in
            PolicyError([Diagnostic(file: file, place: place, field: .document, message: message)])
        }
        guard text.utf8.count <= maximumOctets else {
            throw failure(
                .start, "the document has \(text.utf8.count) octets; at most \(maximumOctets) are allowed")
        }
        let veiled: String
        do throws(YAMLText.BadCharacter) {
            veiled = try YAMLText.veiled(text)
        } catch {
            throw failure(error.place, error.message)
        }
        let node: Node?
        do {
            node = try compose(yaml: veiled, .basic, .default, .utf8)
        } catch {
            let (place, message) = Self.explain(error, in: veiled)
            throw failure(place, message)
        }
        guard let node else { throw failure(.start, "the document is empty: \(empty)") }
        var reader = SourceReader(file: file)
        let root = reader.read(node)
        guard reader.diagnostics.isEmpty else { throw PolicyError(reader.diagnostics) }
        return root
    }

    private static func explain(_ error: any Error, in text: String) -> (SourcePlace, String) {
        guard let error = error as? YamlError else { return (.start, "not YAML: \(error)") }
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _):
            let lines = YAMLText.lines(of: text)
            let place = SourcePlace(mark, inside: lines)
            let line = lines[place.line - 1]
            if line.dropFirst(place.column - 1).first == "\t" {
                return (place, "a tab cannot indent YAML: write spaces")
            }
            if problem.hasPrefix("Maximum nesting level") { return (place, SourceReader.tooDeep) }
            let cure =
                line.contains(where: YAMLText.isVeil)
                ? ". \(YAMLText.noIndirection)" : YAMLText.cure(for: problem).map { ": \($0)" } ?? ""
            return (place, "not YAML: \(problem)\(cure)")
        case .composer(_, _, let mark, _):
            // The library composes with aliases and several documents; aliases do not reach it.
            return (SourcePlace(mark), "a second document starts here: write one document in a file")
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { YAMLText.unveiled($0).quoted }.joined(separator: ", ")
            return (SourcePlace(context.mark), "\(names) is written more than once in this mapping: write it once")
        case .reader(let problem, _, _, _), .writer(let problem), .emitter(let problem), .representer(let problem):
            return (.start, "not YAML: \(problem)")
        case .no, .memory, .dataCouldNotBeDecoded:
            return (.start, "not readable as YAML")
        }
    }
}

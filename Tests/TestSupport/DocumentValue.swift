/// A piece of a document before it is written as YAML or JSON.
indirect enum DocumentValue: Sendable {
    case text(String)
    /// `true`, `false`: without quotation marks in JSON.
    case literal(String)
    case texts([String])
    case mapping([(key: String, value: DocumentValue)])
    case mappings([[(key: String, value: DocumentValue)]])

    // MARK: YAML

    /// Lines for a key and this value, in the layout of the documentation.
    func yaml(_ key: String) -> [String] {
        switch self {
        case .text(let text): ["\(key): \(Self.yamlScalar(text))"]
        case .literal(let text): ["\(key): \(text)"]
        case .texts(let texts): ["\(key): [\(texts.map(Self.yamlScalar).joined(separator: ", "))]"]
        case .mapping(let members):
            members.isEmpty ? ["\(key): {}"] : ["\(key):"] + Self.yamlLines(members).map { "  \($0)" }
        case .mappings(let items):
            items.isEmpty
                ? ["\(key): []"]
                : ["\(key):"]
                    + items.flatMap { members in
                        Self.yamlLines(members).enumerated().map { ($0.offset == 0 ? "  - " : "    ") + $0.element }
                    }
        }
    }

    static func yamlLines(_ members: [(key: String, value: DocumentValue)]) -> [String] {
        members.flatMap { $0.value.yaml($0.key) }
    }

    private static func yamlScalar(_ text: String) -> String {
        text.hasPrefix("*") || text.contains("::") ? "\"\(text)\"" : text
    }

    // MARK: JSON

    func json(using random: inout Generator) -> String {
        switch self {
        case .text(let text): return JSONText.value(text, using: &random)
        case .literal(let text): return text
        case .texts(let texts):
            var values: [String] = []
            for text in texts { values.append(JSONText.value(text, using: &random)) }
            return JSONText.list(values, using: &random)
        case .mapping(let members): return Self.json(members, using: &random)
        case .mappings(let items):
            var values: [String] = []
            for members in items { values.append(Self.json(members, using: &random)) }
            return JSONText.list(values, using: &random)
        }
    }

    static func json(_ members: [(key: String, value: DocumentValue)], using random: inout Generator) -> String {
        var texts: [String] = []
        for (key, value) in members {
            texts.append(JSONText.member(key, value.json(using: &random), using: &random))
        }
        return JSONText.object(texts, using: &random)
    }
}

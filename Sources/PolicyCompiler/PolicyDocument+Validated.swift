import Domain

extension PolicyDocument {
    /// Makes a policy of the document.
    /// - Throws: ``PolicyError`` with everything that is wrong, not only the first.
    public func validated() throws(PolicyError) -> ValidatedPolicy {
        var reader = PolicyReader(file: file)
        let policy = reader.policy(root)
        guard let policy, reader.diagnostics.isEmpty else { throw PolicyError(reader.diagnostics) }
        return policy
    }
}

/// Reads the parts of a policy from a document, noting what is wrong as it goes on.
struct PolicyReader {
    let file: String
    private(set) var diagnostics: [Diagnostic] = []

    private static let keys = ["policy", "default", "rules"]
    /// Parts of the document that a later version has.
    private static let laterKeys: Set = ["mode", "lists", "dns"]

    init(file: String) { self.file = file }

    /// `nil` only after something was reported.
    mutating func policy(_ root: SourceNode) -> ValidatedPolicy? {
        guard let entries = entries(of: root, field: "", known: Self.keys, later: Self.laterKeys) else { return nil }
        var name: Name?
        if let node = required("policy", in: entries, of: root, field: "", example: "policy: meters") {
            name = self.name(node, field: "policy")
        }
        if let node = entries["default"], let text = text(node, field: "default", example: "default: block"),
            text != "block"
        {
            report(node.place, "default", "\(text.quoted) is not supported: the only default is block")
        }
        guard
            let list = required("rules", in: entries, of: root, field: "", example: "rules: [] to block everything")
        else { return nil }
        let places = rulePlaces(list)
        let rules = self.rules(list)
        guard let name, let rules, diagnostics.isEmpty else { return nil }
        let boxes = rules.reduce(0) { $0 + RuleBoxes($1).count }
        guard boxes <= ValidatedPolicy.maximumBoxes else {
            report(
                list.place, "rules",
                "the rules make \(boxes) combinations of destinations and port ranges; "
                    + "at most \(ValidatedPolicy.maximumBoxes) are allowed")
            return nil
        }
        let warnings = shadowedRules(rules).map { index in
            Diagnostic(
                file: file, place: places[index], field: "rules[\(index)]",
                message: "rule \"\(rules[index].name)\" never matches: earlier rules take all its packets")
        }
        return ValidatedPolicy(name: name, rules: rules, warnings: warnings)
    }

    private func rulePlaces(_ list: SourceNode) -> [SourcePlace] {
        guard case .sequence(let items) = list.content else { return [] }
        return items.map(\.place)
    }

    private mutating func rules(_ list: SourceNode) -> [ValidatedPolicy.Rule]? {
        guard case .sequence(let items) = list.content else {
            report(list.place, "rules", "expected a list of rules, found \(list.kind): write [] for no rules")
            return nil
        }
        guard items.count <= ValidatedPolicy.maximumRules else {
            report(
                list.place, "rules", "\(items.count) rules; at most \(ValidatedPolicy.maximumRules) are allowed")
            return nil
        }
        var rules: [ValidatedPolicy.Rule] = []
        var indexes: [Name: Int] = [:]
        for (index, item) in items.enumerated() {
            let field = "rules[\(index)]"
            let named = self.rule(item, field: field)
            if let (name, place) = named.name {
                if let earlier = indexes[name] {
                    report(
                        place, "\(field).name",
                        "\"\(name)\" is the name of rules[\(earlier)] already: give each rule a name of its own")
                } else {
                    indexes[name] = index
                }
            }
            if let rule = named.rule { rules.append(rule) }
        }
        return rules
    }

    mutating func name(_ node: SourceNode, field: String) -> Name? {
        guard let text = text(node, field: field, example: "a name") else { return nil }
        do throws(ParseError) {
            return try Name(parsing: text)
        } catch {
            report(node.place, field, error.description)
            return nil
        }
    }

    // MARK: Pieces

    mutating func report(_ place: SourcePlace, _ field: String, _ message: String) {
        diagnostics.append(Diagnostic(file: file, place: place, field: field, message: message))
    }

    /// The values of a mapping by key; keys that do not belong are reported.
    mutating func entries(
        of node: SourceNode, field: String, known: [String], later: Set<String>
    ) -> [String: SourceNode]? {
        guard case .mapping(let pairs) = node.content else {
            report(node.place, field, "expected keys and values, found \(node.kind): write \(known[0]): ...")
            return nil
        }
        var entries: [String: SourceNode] = [:]
        for pair in pairs {
            let path = field.path(to: pair.key)
            if known.contains(pair.key) {
                entries[pair.key] = pair.value
            } else if later.contains(pair.key) {
                report(pair.place, path, "\"\(pair.key)\" is not supported by this version")
            } else {
                report(
                    pair.place, path,
                    "unknown key \(pair.key.quoted)\(Suggestion.text(for: pair.key, among: known)): "
                        + "known here are \(known.joined(separator: ", "))")
            }
        }
        return entries
    }

    mutating func required(
        _ key: String, in entries: [String: SourceNode], of node: SourceNode, field: String, example: String
    ) -> SourceNode? {
        if let value = entries[key] { return value }
        report(node.place, field, "\"\(key)\" is missing: write \(example)")
        return nil
    }

    mutating func text(_ node: SourceNode, field: String, example: String) -> String? {
        guard case .scalar(let text) = node.content, !text.isEmpty else {
            report(node.place, field, "expected one value, found \(node.kind): write \(example)")
            return nil
        }
        return text
    }

    /// The items of a list; a single value is a list of one.
    mutating func list(
        _ node: SourceNode, field: String, atMost limit: Int, example: String
    ) -> [(text: String, node: SourceNode, field: String)]? {
        let items: [SourceNode]
        let isList: Bool
        switch node.content {
        case .scalar: (items, isList) = ([node], false)
        case .sequence(let nodes): (items, isList) = (nodes, true)
        case .mapping:
            report(node.place, field, "expected a list, found a mapping: write \(example)")
            return nil
        }
        guard !items.isEmpty else {
            report(node.place, field, "the list is empty, so the rule could never match: write \(example)")
            return nil
        }
        guard items.count <= limit else {
            report(node.place, field, "\(items.count) items; at most \(limit) are allowed")
            return nil
        }
        var result: [(text: String, node: SourceNode, field: String)] = []
        for (index, item) in items.enumerated() {
            let path = isList ? "\(field)[\(index)]" : field
            if let text = text(item, field: path, example: example) { result.append((text, item, path)) }
        }
        return result
    }
}

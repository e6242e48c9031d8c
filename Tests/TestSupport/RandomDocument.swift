/// A policy document in pieces, so that a test can write it in several ways or change one piece.
public struct RandomDocument: Sendable {
    public var name = "random"
    public var rules: [Rule] = []

    public struct Rule: Sendable {
        public var name: String
        public var to: [String]
        /// Empty when the document does not say.
        public var `protocol`: String
        /// Empty when the document does not say.
        public var ports: [String]
        public var isBlocking: Bool
    }

    public init() {}

    /// In the layout of the documentation.
    public var yaml: String {
        (["policy: \(name)", "default: block", rules.isEmpty ? "rules: []" : "rules:"] + rules.flatMap(\.yamlLines))
            .joined(separator: "\n") + "\n"
    }

    /// The same as JSON, with keys in random order, random white space and some letters escaped.
    public func json(using random: inout Generator) -> String {
        var items: [String] = []
        for rule in rules { items.append(rule.json(using: &random)) }
        let members = [
            JSONText.member("policy", JSONText.string(name, using: &random), using: &random),
            JSONText.member("default", "\"block\"", using: &random),
            JSONText.member("rules", JSONText.list(items, using: &random), using: &random),
        ]
        return JSONText.object(members, using: &random)
    }
}

extension RandomDocument.Rule {
    fileprivate var yamlLines: [String] {
        var lines = ["  - name: \(name)", "    to: [\(to.joined(separator: ", "))]"]
        if !`protocol`.isEmpty { lines.append("    protocol: \(`protocol`)") }
        if !ports.isEmpty { lines.append("    ports: [\(ports.joined(separator: ", "))]") }
        lines.append(isBlocking ? "    action: block" : "    route: internet")
        return lines
    }

    fileprivate func json(using random: inout Generator) -> String {
        var destinations: [String] = []
        for text in to { destinations.append(JSONText.string(text, using: &random)) }
        var members = [
            JSONText.member("name", JSONText.string(name, using: &random), using: &random),
            JSONText.member("to", JSONText.list(destinations, using: &random), using: &random),
        ]
        if !`protocol`.isEmpty {
            members.append(JSONText.member("protocol", JSONText.value(`protocol`, using: &random), using: &random))
        }
        if !ports.isEmpty {
            var values: [String] = []
            for port in ports { values.append(JSONText.value(port, using: &random)) }
            members.append(JSONText.member("ports", JSONText.list(values, using: &random), using: &random))
        }
        let (key, value) = isBlocking ? ("action", "block") : ("route", "internet")
        members.append(JSONText.member(key, JSONText.string(value, using: &random), using: &random))
        return JSONText.object(members, using: &random)
    }
}

import Domain
import Yams

/// A mapping of `cordon.yaml` that is read strictly: a key nobody asks for is an error, not ignored.
struct ConfigurationSection {
    private let file: String
    private let path: String
    private let line: Int?
    private let values: [String: Node]
    private var asked: Set<String> = []

    init(parsing text: String, file: String) throws(ConfigurationError) {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            throw ConfigurationError(file: file, line: nil, key: "", message: "this is not YAML: \(error)")
        }
        try self.init(root, file: file, path: "")
    }

    private init(_ node: Node?, file: String, path: String) throws(ConfigurationError) {
        self.file = file
        self.path = path
        line = node?.mark?.line
        guard let node, node.null == nil else {
            values = [:]
            return
        }
        guard let mapping = node.mapping else {
            throw ConfigurationError(
                file: file, line: node.mark?.line, key: path, message: "write keys and values here")
        }
        var values: [String: Node] = [:]
        for (key, value) in mapping {
            guard let name = key.string else {
                throw ConfigurationError(file: file, line: key.mark?.line, key: path, message: "a key must be a text")
            }
            values[name] = value
        }
        self.values = values
    }

    /// Reads one value with `parse`; `fallback` when the key is absent.
    mutating func value<Value>(
        _ key: String, or fallback: Value? = nil, _ parse: (String) throws -> Value
    ) throws(ConfigurationError) -> Value {
        asked.insert(key)
        guard let node = values[key] else {
            guard let fallback else { throw error(key, line, "this key is required") }
            return fallback
        }
        guard let text = node.scalar?.string else { throw error(key, node.mark?.line, "write a single value") }
        do { return try parse(text) } catch let failure {
            throw error(key, node.mark?.line, "\(failure)")
        }
    }

    mutating func optional<Value>(
        _ key: String, _ parse: (String) throws -> Value
    ) throws(ConfigurationError) -> Value? {
        guard values[key] != nil else {
            asked.insert(key)
            return nil
        }
        return try value(key, parse)
    }

    mutating func list<Value>(
        _ key: String, or fallback: [Value], _ parse: (String) throws -> Value
    ) throws(ConfigurationError) -> [Value] {
        asked.insert(key)
        guard let node = values[key] else { return fallback }
        guard let sequence = node.sequence else { throw error(key, node.mark?.line, "write a list: [a, b]") }
        var result: [Value] = []
        for item in sequence {
            guard let text = item.scalar?.string else { throw error(key, item.mark?.line, "write single values") }
            do { result.append(try parse(text)) } catch let failure {
                throw error(key, item.mark?.line, "\(failure)")
            }
        }
        return result
    }

    mutating func section(_ key: String) throws(ConfigurationError) -> ConfigurationSection {
        asked.insert(key)
        return try ConfigurationSection(values[key], file: file, path: full(key))
    }

    mutating func sections(_ key: String) throws(ConfigurationError) -> [ConfigurationSection]? {
        asked.insert(key)
        guard let node = values[key] else { return nil }
        guard let sequence = node.sequence else { throw error(key, node.mark?.line, "write a list of - items") }
        var result: [ConfigurationSection] = []
        for item in sequence { result.append(try ConfigurationSection(item, file: file, path: full(key) + "[]")) }
        return result
    }

    /// Every key must have been asked for.
    func finish() throws(ConfigurationError) {
        for key in values.keys.sorted() where !asked.contains(key) {
            throw error(
                key, values[key]?.mark?.line, "unknown key; known here: \(asked.sorted().joined(separator: ", "))")
        }
    }

    private func full(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    private func error(_ key: String, _ line: Int?, _ message: String) -> ConfigurationError {
        ConfigurationError(file: file, line: line, key: full(key), message: message)
    }
}

extension ConfigurationSection {
    mutating func string(_ key: String, or fallback: String? = nil) throws(ConfigurationError) -> String {
        try value(key, or: fallback) { $0 }
    }

    mutating func flag(_ key: String, or fallback: Bool) throws(ConfigurationError) -> Bool {
        try value(key, or: fallback) { text in
            guard let flag = Bool(text) else {
                throw ParseError(kind: "true or false", text: text, expected: "write true or false")
            }
            return flag
        }
    }

    mutating func number<Number: FixedWidthInteger>(
        _ key: String, or fallback: Number, in range: ClosedRange<Number>
    ) throws(ConfigurationError) -> Number {
        try value(key, or: fallback) { text in
            guard let number = Number(text), range.contains(number) else {
                throw ParseError(
                    kind: "a number", text: text, expected: "write one from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }
}

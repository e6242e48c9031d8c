import Foundation

/// As much of JSON Schema 2020-12 as the policy's schema and the API's description use.
public struct SchemaChecker {
    public let root: [String: Any]
    /// What references with a path of their own lead to.
    private let documents: [String: [String: Any]]
    /// Whether fields that an object's schema does not list are wrong even where it allows them.
    private let isClosed: Bool

    public init(root: [String: Any], documents: [String: [String: Any]] = [:], isClosed: Bool = false) {
        self.root = root
        self.documents = documents
        self.isClosed = isClosed
    }

    /// The first thing that does not fit, with its path; `nil` when all does.
    /// - Parameter schema: the root unless given.
    public func complaint(about value: Any, schema: [String: Any]? = nil) -> String? {
        complaint(value, schema ?? root, "$", isClosed: isClosed)
    }

    private func complaint(_ value: Any, _ schema: [String: Any], _ path: String, isClosed: Bool) -> String? {
        if isClosed, let object = value as? [String: Any], schema["properties"] != nil || schema["allOf"] != nil {
            let known = keys(of: schema)
            if let key = object.keys.sorted().first(where: { !known.contains($0) }) { return "\(path): unknown \(key)" }
        }
        for (keyword, rule) in schema.sorted(by: { $0.key < $1.key }) {
            guard let fits = check(value, keyword, rule, schema, path, isClosed) else {
                return "\(path): unknown keyword \(keyword)"
            }
            if let complaint = fits { return complaint }
        }
        return nil
    }

    /// The outer optional is `nil` for a keyword that this does not know.
    private func check(
        _ value: Any, _ keyword: String, _ rule: Any, _ schema: [String: Any], _ path: String, _ isClosed: Bool
    ) -> String?? {
        let failure = { (isRight: Bool) -> String? in isRight ? nil : "\(path): not \(keyword) \(rule)" }
        let object = value as? [String: Any]
        switch keyword {
        case "$schema", "$defs", "title", "description", "default", "format", "writeOnly", "then", "else":
            return .some(nil)
        case "$ref":
            let reference = "\(rule)"
            // A document of its own has references of its own.
            if let document = documents[reference] { return SchemaChecker(root: document).complaint(about: value) }
            guard let definition = definition(reference) else { return "\(path): nothing is at \(reference)" }
            return complaint(value, definition, path, isClosed: isClosed)
        case "type":
            let types = rule as? [String] ?? [rule as? String].compactMap { $0 }
            return failure(types.contains { isOfType(value, $0) })
        case "const": return failure(value as? String == rule as? String)
        case "enum": return failure((value as? String).map { (rule as? [String])?.contains($0) == true } ?? false)
        case "required":
            return failure(
                object.map { object in (rule as? [String])?.allSatisfy { object[$0] != nil } == true } ?? true)
        case "additionalProperties":
            let known = schema["properties"] as? [String: Any] ?? [:]
            return failure(object.map { $0.keys.allSatisfy { known[$0] != nil } } ?? true)
        case "dependentRequired":
            let needs = rule as? [String: [String]] ?? [:]
            return failure(
                object.map { object in
                    needs.allSatisfy { need in object[need.key] == nil || need.value.allSatisfy { object[$0] != nil } }
                } ?? true)
        case "oneOf":
            let fitting = schemas(rule).filter { complaint(value, $0, path, isClosed: isClosed) == nil }
            return failure(fitting.count == 1)
        case "anyOf":
            return failure(schemas(rule).contains { complaint(value, $0, path, isClosed: isClosed) == nil })
        case "allOf":
            return .some(schemas(rule).lazy.compactMap { complaint(value, $0, path, isClosed: false) }.first)
        case "if":
            let holds = complaint(value, rule as? [String: Any] ?? [:], path, isClosed: false) == nil
            guard let consequence = schema[holds ? "then" : "else"] as? [String: Any] else { return .some(nil) }
            return complaint(value, consequence, path, isClosed: false)
        case "items":
            let schema = rule as? [String: Any] ?? [:]
            return .some(
                (value as? [Any] ?? []).enumerated().lazy.compactMap {
                    complaint($0.element, schema, "\(path)[\($0.offset)]", isClosed: self.isClosed)
                }.first)
        case "properties":
            let schemas = rule as? [String: [String: Any]] ?? [:]
            return .some(
                (object ?? [:]).lazy.compactMap { key, value in
                    schemas[key].flatMap { complaint(value, $0, "\(path).\(key)", isClosed: self.isClosed) }
                }.first)
        default: return isWithinBounds(value, keyword, rule).map(failure)
        }
    }

    /// `nil` for a keyword that is no bound.
    private func isWithinBounds(_ value: Any, _ keyword: String, _ rule: Any) -> Bool? {
        let limit = rule as? Int ?? Int.min
        let text = value as? String
        let list = value as? [Any]
        switch keyword {
        case "pattern":
            return text.map { $0.range(of: rule as? String ?? "", options: .regularExpression) != nil } ?? true
        case "minLength": return text.map { $0.count >= limit } ?? true
        case "maxLength": return text.map { $0.count <= limit } ?? true
        case "minimum": return number(value).map { $0 >= Double(limit) } ?? true
        case "maximum": return number(value).map { $0 <= Double(limit) } ?? true
        case "minItems": return list.map { $0.count >= limit } ?? true
        case "maxItems": return list.map { $0.count <= limit } ?? true
        case "minProperties": return (value as? [String: Any]).map { $0.count >= limit } ?? true
        default: return nil
        }
    }

    private func schemas(_ rule: Any) -> [[String: Any]] { rule as? [[String: Any]] ?? [] }

    /// What is at `#/A/B` in the document, `nil` when nothing is.
    public func definition(_ reference: String) -> [String: Any]? {
        guard reference.hasPrefix("#/") else { return nil }
        return reference.dropFirst(2).split(separator: "/").reduce(root as [String: Any]?) { place, key in
            place?[String(key)] as? [String: Any]
        }
    }

    /// The fields that a schema lists, itself or by what it is put together from.
    public func keys(of schema: [String: Any]) -> Set<String> {
        var keys = Set((schema["properties"] as? [String: Any] ?? [:]).keys)
        if let reference = schema["$ref"] as? String, let found = definition(reference) {
            keys.formUnion(self.keys(of: found))
        }
        for part in schemas(schema["allOf"] ?? []) { keys.formUnion(self.keys(of: part)) }
        return keys
    }

    private func isOfType(_ value: Any, _ type: String?) -> Bool {
        switch type {
        case "object": value is [String: Any]
        case "array": value is [Any]
        case "string": value is String
        case "boolean": isBoolean(value)
        case "integer": value is Int && !isBoolean(value)
        case "number": number(value) != nil
        case "null": value is NSNull
        default: false
        }
    }

    private func number(_ value: Any) -> Double? {
        guard !isBoolean(value) else { return nil }
        return (value as? Int).map { Double($0) } ?? value as? Double
    }

    private func isBoolean(_ value: Any) -> Bool {
        value is Bool && !(value is String) && "\(type(of: value))".contains("Bool")
    }

    // MARK: Keys

    /// The path of every key of the schema, as `rules[].schedule.days`.
    public var paths: Set<String> { paths(root, below: "") }

    private func paths(_ schema: [String: Any], below path: String) -> Set<String> {
        var paths: Set<String> = []
        if let reference = schema["$ref"] as? String, let definition = definition(reference) {
            paths.formUnion(self.paths(definition, below: path))
        }
        if let items = schema["items"] as? [String: Any] { paths.formUnion(self.paths(items, below: "\(path)[]")) }
        for (key, schema) in schema["properties"] as? [String: [String: Any]] ?? [:] {
            let own = path.isEmpty ? key : "\(path).\(key)"
            paths.insert(own)
            paths.formUnion(self.paths(schema, below: own))
        }
        return paths
    }
}

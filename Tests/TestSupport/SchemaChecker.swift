import Foundation

/// As much of JSON Schema 2020-12 as the policy's schema uses.
struct SchemaChecker {
    let root: [String: Any]

    /// The first thing that does not fit, with its path; `nil` when all does.
    func complaint(about value: Any, path: String = "$") -> String? { complaint(value, root, path) }

    private func complaint(_ value: Any, _ schema: [String: Any], _ path: String) -> String? {
        for (keyword, rule) in schema.sorted(by: { $0.key < $1.key }) {
            guard let fits = check(value, keyword, rule, schema, path) else { return "\(path): unknown \(keyword)" }
            if let complaint = fits { return complaint }
        }
        return nil
    }

    /// The outer optional is `nil` for a keyword that this does not know.
    private func check(
        _ value: Any, _ keyword: String, _ rule: Any, _ schema: [String: Any], _ path: String
    ) -> String?? {
        let failure = { (isRight: Bool) -> String? in isRight ? nil : "\(path): not \(keyword) \(rule)" }
        let object = value as? [String: Any]
        let list = value as? [Any]
        let text = value as? String
        switch keyword {
        case "$schema", "$defs", "title", "description", "default": return .some(nil)
        case "$ref": return complaint(value, definition(rule), path)
        case "type": return failure(isOfType(value, rule as? String))
        case "const": return failure(text == rule as? String)
        case "enum": return failure(text.map { (rule as? [String])?.contains($0) == true } ?? false)
        case "pattern":
            return failure(text.map { $0.range(of: rule as? String ?? "", options: .regularExpression) != nil } ?? true)
        case "minLength": return failure(text.map { $0.count >= integer(rule) } ?? true)
        case "minimum": return failure((value as? Int).map { $0 >= integer(rule) } ?? true)
        case "maximum": return failure((value as? Int).map { $0 <= integer(rule) } ?? true)
        case "minItems": return failure(list.map { $0.count >= integer(rule) } ?? true)
        case "maxItems": return failure(list.map { $0.count <= integer(rule) } ?? true)
        case "minProperties": return failure(object.map { $0.count >= integer(rule) } ?? true)
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
            let fitting = (rule as? [[String: Any]] ?? []).filter { complaint(value, $0, path) == nil }
            return failure(fitting.count == 1)
        case "items":
            let schema = rule as? [String: Any] ?? [:]
            return .some(
                (list ?? []).enumerated().lazy.compactMap { complaint($0.element, schema, "\(path)[\($0.offset)]") }
                    .first)
        case "properties":
            let schemas = rule as? [String: [String: Any]] ?? [:]
            return .some(
                (object ?? [:]).lazy.compactMap { key, value in
                    schemas[key].flatMap { complaint(value, $0, "\(path).\(key)") }
                }.first)
        default: return nil
        }
    }

    private func definition(_ reference: Any) -> [String: Any] {
        let name = (reference as? String ?? "").replacingOccurrences(of: "#/$defs/", with: "")
        return (root["$defs"] as? [String: Any])?[name] as? [String: Any] ?? ["missing definition \(name)": true]
    }

    private func isOfType(_ value: Any, _ type: String?) -> Bool {
        switch type {
        case "object": value is [String: Any]
        case "array": value is [Any]
        case "string": value is String
        case "boolean": isBoolean(value)
        case "integer": value is Int && !isBoolean(value)
        default: false
        }
    }

    private func isBoolean(_ value: Any) -> Bool {
        value is Bool && !(value is String) && "\(type(of: value))".contains("Bool")
    }

    private func integer(_ rule: Any) -> Int { rule as? Int ?? Int.min }

    // MARK: Keys

    /// The path of every key of the schema, as `rules[].schedule.days`.
    var paths: Set<String> { paths(root, below: "") }

    private func paths(_ schema: [String: Any], below path: String) -> Set<String> {
        var paths: Set<String> = []
        if let reference = schema["$ref"] { paths.formUnion(self.paths(definition(reference), below: path)) }
        if let items = schema["items"] as? [String: Any] { paths.formUnion(self.paths(items, below: "\(path)[]")) }
        for (key, schema) in schema["properties"] as? [String: [String: Any]] ?? [:] {
            let own = path.isEmpty ? key : "\(path).\(key)"
            paths.insert(own)
            paths.formUnion(self.paths(schema, below: own))
        }
        return paths
    }
}

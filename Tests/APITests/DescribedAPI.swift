import Foundation
import HTTPTypes
import PolicyCompiler
import TestSupport

import API

/// The API as ``OpenAPI`` describes it, to hold requests and answers against. It is JSON that nobody changes: sendable.
struct DescribedAPI: @unchecked Sendable {
    let document: [String: Any]
    /// For answers: it knows every field that they may have.
    let checker: SchemaChecker
    private let paths: [String: [String: [String: Any]]]

    static let shared: DescribedAPI = {
        do { return try DescribedAPI() } catch { preconditionFailure("the description cannot be read: \(error)") }
    }()

    private init() throws {
        let object = { (text: String) in
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
        }
        document = try object(OpenAPI.text)
        paths = document["paths"] as? [String: [String: [String: Any]]] ?? [:]
        checker = SchemaChecker(
            root: document, documents: ["/v1/schemas/policy.json": try object(PolicySchema.json)], isClosed: true)
    }

    /// As `GET /v1/tenants`.
    var endpoints: Set<String> {
        Set(paths.flatMap { path, methods in methods.keys.map { "\($0.uppercased()) \(path)" } })
    }

    struct Operation {
        let endpoint: String
        let fields: [String: Any]

        var id: String { fields["operationId"] as? String ?? "" }
        var path: String { String(endpoint.split(separator: " ").last ?? "") }
        private var parameters: [[String: Any]] { fields["parameters"] as? [[String: Any]] ?? [] }
        func parameters(in place: String) -> Set<String> {
            Set(parameters.filter { $0["in"] as? String == place }.compactMap { $0["name"] as? String })
        }
        var body: [String: [String: Any]]? {
            (fields["requestBody"] as? [String: Any])?["content"] as? [String: [String: Any]]
        }
        var responses: [String: [String: Any]] { fields["responses"] as? [String: [String: Any]] ?? [:] }
    }

    var operations: [Operation] {
        paths.flatMap { path, methods in
            methods.map { Operation(endpoint: "\($0.key.uppercased()) \(path)", fields: $0.value) }
        }.sorted { $0.endpoint < $1.endpoint }
    }

    /// Literal paths win over templates, as OpenAPI has it and the router does.
    func operation(_ method: HTTPRequest.Method, _ target: String) -> Operation? {
        let parts = Self.parts(String(target.prefix { $0 != "?" }))
        let verb = method.rawValue.lowercased()
        var found: (path: String, fields: [String: Any])?
        for (path, methods) in paths {
            let template = Self.parts(path)
            guard let fields = methods[verb], template.count == parts.count,
                zip(template, parts).allSatisfy({ $0.hasPrefix("{") || $0 == $1 })
            else { continue }
            // One that is all literal is the target itself.
            if found == nil || !path.contains("{") { found = (path, fields) }
        }
        return found.map { Operation(endpoint: "\(verb.uppercased()) \($0.path)", fields: $0.fields) }
    }

    private static func parts(_ path: String) -> [String] { path.split(separator: "/").map(String.init) }

    /// What of a request that was taken, or of its answer, is not as described; `nil` when all is.
    func complaint(
        about answer: TestAPI.Answer, to method: HTTPRequest.Method, _ target: String, type: String?, body: String
    ) -> String? {
        guard let operation = operation(method, target) else {
            return answer.status < 400 ? "\(method) \(target) is not described" : complaint(problem: answer)
        }
        if answer.status < 300, let complaint = complaint(about: operation, target, type, body) { return complaint }
        guard var response = operation.responses["\(answer.status)"] ?? operation.responses["default"] else {
            return "\(operation.id): \(answer.status) is not described"
        }
        if answer.status < 400, operation.responses["\(answer.status)"] == nil {
            return "\(operation.id): \(answer.status) is described as a problem only"
        }
        if let reference = response["$ref"] as? String { response = checker.definition(reference) ?? [:] }
        let headers = response["headers"] as? [String: Any] ?? [:]
        for name in ["Location", "ETag", "Link", "WWW-Authenticate", "Retry-After"] {
            guard let field = HTTPField.Name(name), answer.headers[field] != nil else { continue }
            guard headers[name] != nil else { return "\(operation.id): \(name) is not described" }
        }
        return complaint(content: answer, response["content"] as? [String: [String: Any]] ?? [:], operation.id)
    }

    private func complaint(content answer: TestAPI.Answer, _ content: [String: [String: Any]], _ id: String) -> String?
    {
        guard let type = answer.mediaType else {
            return content.isEmpty && answer.text.isEmpty ? nil : "\(id): \(answer.status) has no body"
        }
        guard let schema = content[type]?["schema"] as? [String: Any] else { return "\(id): \(type) is not described" }
        guard type.hasSuffix("json") else { return nil }
        return json(answer.text).flatMap { checker.complaint(about: $0, schema: schema) }.map { "\(id): \($0)" }
    }

    private func complaint(problem answer: TestAPI.Answer) -> String? {
        guard !answer.text.isEmpty else { return nil }
        let content = ["application/problem+json": ["schema": ["$ref": "#/components/schemas/Problem"]]]
        return complaint(content: answer, content, "an answer from nowhere")
    }

    private func complaint(about operation: Operation, _ target: String, _ type: String?, _ body: String) -> String? {
        let query = target.split(separator: "?", maxSplits: 1).dropFirst().joined()
        for parameter in query.split(separator: "&").compactMap({ $0.split(separator: "=").first }) {
            guard operation.parameters(in: "query").contains(String(parameter)) else {
                return "\(operation.id): the parameter \(parameter) is not described"
            }
        }
        guard let content = operation.body else { return nil }
        let media = type?.split(separator: ";").first.map(String.init) ?? "no type"
        guard let schema = content[media]?["schema"] as? [String: Any] else {
            return "\(operation.id): a body of \(media) is not described"
        }
        guard media == "application/json" else { return nil }
        return json(body).flatMap { checker.complaint(about: $0, schema: schema) }.map { "\(operation.id): body \($0)" }
    }

    private func json(_ text: String) -> Any? {
        // What is no JSON was refused, or fails the expectations on its fields.
        try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    }
}

extension TestAPI.Answer {
    var mediaType: String? {
        headers[.contentType]?.split(separator: ";").first.map(String.init)
    }
}

import HTTPTypes

/// The API's description for programs (OpenAPI 3.1.1). It is written beside the routes, not made from them; tests hold it
/// to the router's routes, and every answer that tests get to its schemas.
package enum OpenAPI {
    /// The document, as ``path`` answers it.
    package static let text = document.text

    static let path = "/v1/openapi.json"
    static let policySchemaPath = "/v1/schemas/policy.json"

    private static var document: JSONTree {
        var paths: [String: [String: JSONTree]] = [:]
        for operation in operations {
            paths[operation.path, default: [:]][operation.method.rawValue.lowercased()] = operation.json
        }
        return [
            "openapi": "3.1.1",
            "info": [
                "title": "Cordon", "version": "1", "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
                "description": .string(introduction),
            ],
            "servers": [["url": "/"]],
            "security": [["token": []]],
            "paths": .object(paths.mapValues { .object($0) }),
            "components": [
                "securitySchemes": [
                    "token": [
                        "type": "http", "scheme": "bearer",
                        "description": "A token of the operator or of a tenant, made by POST /v1/tokens (RFC 6750).",
                    ]
                ],
                "headers": JSONTree(constant: headers), "responses": JSONTree(constant: responses),
                "schemas": JSONTree(constant: schemas),
            ],
        ]
    }

    private static let introduction = """
        Times are RFC 3339 in UTC, octets and packets are whole numbers, names ending in _ms are milliseconds. A field \
        without a value is left out. Fields that are not described are refused, and so are parameters where there are any. \
        HEAD goes where GET goes. Answers may get more fields.
        """

    private static let headers = #"""
        {
          "Location": {"description": "Where what was made is.", "schema": {"type": "string"}},
          "ETag": {
            "description": "The policy's version between quotation marks, for If-Match.",
            "schema": {"type": "string", "pattern": "^\"[1-9][0-9]*\"$"}
          },
          "Link": {"description": "The next page, where JSON has next_cursor (RFC 8288).", "schema": {"type": "string"}},
          "WWW-Authenticate": {"schema": {"type": "string"}},
          "Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}
        }
        """#

    private static let responses = #"""
        {
          "Unauthenticated": {
            "description": "There is no token, or it is not known.",
            "headers": {"WWW-Authenticate": {"$ref": "#/components/headers/WWW-Authenticate"}},
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
          },
          "Problem": {
            "description": "Why not (RFC 9457): 400 what was sent is wrong, 403 not with this token, 404 not there, 405 not with this method, 409 not as things are, 410 not kept any more, 412 another version is in force, 413 too long, 415 of another type, 429 too many at once, 503 not now.",
            "headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}},
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
          }
        }
        """#
}

extension OpenAPI {
    /// One method of one path.
    struct Operation {
        let method: HTTPRequest.Method
        let path: String
        let id: String
        let summary: String
        let tag: String
        var parameters: [Parameter] = []
        var body: [Content] = []
        let answers: [Answer]
        /// Whether it needs no token.
        var isOpen = false

        var json: JSONTree {
            var fields: [String: JSONTree] = [
                "operationId": .string(id), "summary": .string(summary), "tags": [.string(tag)],
            ]
            let all = Parameter.ofPath(path) + parameters
            if !all.isEmpty { fields["parameters"] = .array(all.map(\.json)) }
            if !body.isEmpty { fields["requestBody"] = ["required": true, "content": Content.json(of: body)] }
            var responses = Dictionary(answers.map { ("\($0.status)", $0.json) }) { first, _ in first }
            if isOpen {
                fields["security"] = []
            } else {
                responses["401"] = ["$ref": "#/components/responses/Unauthenticated"]
                responses["default"] = ["$ref": "#/components/responses/Problem"]
            }
            fields["responses"] = .object(responses)
            return .object(fields)
        }
    }

    /// A body of one media type.
    struct Content {
        let type: String
        let schema: JSONTree

        static func json(of all: [Content]) -> JSONTree {
            .object(Dictionary(all.map { ($0.type, ["schema": $0.schema]) }) { first, _ in first })
        }

        static func object(_ name: String) -> Self { Self(type: "application/json", schema: .reference(name)) }

        static func page(_ name: String) -> Self {
            Self(
                type: "application/json",
                schema: [
                    "type": "object", "required": ["items"],
                    "properties": [
                        "items": ["type": "array", "items": .reference(name)],
                        "next_cursor": [
                            "type": "string", "description": "There when more may follow: ask again with it as cursor.",
                        ],
                    ],
                ])
        }

        static func text(_ type: String) -> Self { Self(type: type, schema: ["type": "string"]) }

        /// YAML and JSON are the same document.
        static let policy = ["application/yaml", "application/json"].map {
            Self(type: $0, schema: ["$ref": .string(policySchemaPath)])
        }
    }

    struct Answer {
        let status: Int
        let description: String
        var content: [Content] = []
        var headers: [String] = []

        var json: JSONTree {
            var fields: [String: JSONTree] = ["description": .string(description)]
            if !content.isEmpty { fields["content"] = Content.json(of: content) }
            if !headers.isEmpty {
                let references = headers.map { ($0, ["$ref": .string("#/components/headers/\($0)")] as JSONTree) }
                fields["headers"] = .object(Dictionary(references) { first, _ in first })
            }
            return .object(fields)
        }

        static func ok(_ name: String, headers: [String] = []) -> Self {
            Self(status: 200, description: "Done.", content: [.object(name)], headers: headers)
        }
        static func page(_ name: String) -> Self {
            Self(status: 200, description: "All, or one page.", content: [.page(name)])
        }
        static func created(_ name: String, headers: [String] = []) -> Self {
            Self(status: 201, description: "Made.", content: [.object(name)], headers: ["Location"] + headers)
        }
        static let noContent = Self(status: 204, description: "Done.")
    }

    struct Parameter {
        let name: String
        let place: String
        let description: String
        let schema: JSONTree
        var isRequired = false

        var json: JSONTree {
            [
                "name": .string(name), "in": .string(place), "description": .string(description), "schema": schema,
                "required": .bool(isRequired),
            ]
        }

        static func query(_ name: String, _ description: String, _ schema: JSONTree, isRequired: Bool = false) -> Self {
            Self(name: name, place: "query", description: description, schema: schema, isRequired: isRequired)
        }

        static let limit = query(
            "limit", "How many at most.",
            ["type": "integer", "minimum": 1, "maximum": .integer(Int64(Limits.page)), "default": 100])
        static let cursor = query("cursor", "next_cursor of the page before.", ["type": "string"])
        static let pages = [limit, cursor]
        static let file = query(
            "file", "The document's name, for messages.", ["type": "string", "default": "policy"])
        static let comment = query("comment", "Why, for the list of versions.", ["type": "string", "maxLength": 1000])
        static let ifMatch = Self(
            name: "If-Match", place: "header", description: "Only when this version is in force; *: any.",
            schema: ["type": "string", "pattern": "^(\\*|\"[0-9]+\")$"])
        static let ifNoneMatch = Self(
            name: "If-None-Match", place: "header", description: "*: only when there is no such policy.",
            schema: ["const": "*"])

        /// What is in braces in a path.
        static func ofPath(_ path: String) -> [Self] {
            path.split(separator: "/").filter { $0.hasPrefix("{") }.map { part in
                let name = String(part.dropFirst().dropLast())
                let schema = [
                    "imsi": "IMSI", "session": "Number", "operation": "Number", "version": "Number",
                    "prefix": "IPPrefix",
                    "pattern": "HostPattern", "apn": "APNName",
                ][
                    name]
                return Self(
                    name: name, place: "path", description: descriptions[name] ?? "The \(name)'s name.",
                    schema: .reference(schema ?? "Name"), isRequired: true)
            }
        }

        private static let descriptions = [
            "imsi": "The SIM's IMSI.", "session": "The number that the list of sessions shows.",
            "operation": "The number that beginning it answered.",
            "version": "The version's number.", "prefix": "The pool's prefix, its slash as %2F.",
            "pattern": "A name, or *. in front of one for all below it.",
        ]
    }
}

extension JSONTree {
    static func reference(_ schema: String) -> Self { ["$ref": .string("#/components/schemas/\(schema)")] }
}

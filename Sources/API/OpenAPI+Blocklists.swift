import HTTPTypes

extension OpenAPI {
    static let blocklists: [Operation] =
        blocklists(
            under: "/v1/blocklists", suffix: "OperatorBlocklist", whose: "of the operator's",
            who: "; to change only for the operator")
        + blocklists(
            under: "/v1/tenants/{tenant}/blocklists", suffix: "Blocklist", whose: "of the tenant's", who: "")
        + [
            Operation(
                method: .get, path: "/v1/blocklists/{blocklist}/hits", id: "showOperatorBlocklistHits",
                summary: "How often a list of the operator's has decided, for all tenants; only for the operator.",
                tag: "blocklists", answers: [.ok("BlocklistHits")]),
            Operation(
                method: .get, path: "/v1/tenants/{tenant}/blocklists/{blocklist}/hits", id: "showBlocklistHits",
                summary: "How often the list that policies mean by this name has decided for the tenant: its own, "
                    + "else the operator's.",
                tag: "blocklists", answers: [.ok("BlocklistHits")]),
            Operation(
                method: .get, path: "/v1/tenants/{tenant}/dns/exceptions", id: "listDNSExceptions",
                summary: "Names that no blocklist refuses the tenant's devices.", tag: "blocklists",
                answers: [.page("DNSException")]),
            Operation(
                method: .put, path: "/v1/tenants/{tenant}/dns/exceptions/{pattern}", id: "putDNSException",
                summary: "Makes a name one that no blocklist refuses the tenant's devices.", tag: "blocklists",
                answers: [.ok("DNSException")]),
            Operation(
                method: .delete, path: "/v1/tenants/{tenant}/dns/exceptions/{pattern}", id: "deleteDNSException",
                summary: "Ends an exception.", tag: "blocklists", answers: [.noContent]),
        ]

    private static func blocklists(under path: String, suffix: String, whose: String, who: String) -> [Operation] {
        let one = path + "/{blocklist}"
        return [
            Operation(
                method: .get, path: path, id: "list\(suffix)s", summary: "Blocklists \(whose), by name.",
                tag: "blocklists", answers: [.page("Blocklist")]),
            Operation(
                method: .post, path: path, id: "create\(suffix)", summary: "Makes a blocklist \(whose)\(who).",
                tag: "blocklists", body: [.object("NewBlocklist")], answers: [.created("Blocklist")]),
            Operation(
                method: .get, path: one, id: "show\(suffix)",
                summary: "A blocklist \(whose), and what has become of it.", tag: "blocklists",
                answers: [.ok("Blocklist")]),
            Operation(
                method: .put, path: one, id: "set\(suffix)",
                summary: "Says anew what a blocklist \(whose) is; its text stays until there is another\(who).",
                tag: "blocklists", body: [.object("BlocklistSettings")], answers: [.ok("Blocklist")]),
            Operation(
                method: .put, path: one + "/text", id: "upload\(suffix)",
                summary: "Brings the text of a blocklist \(whose) that is not fetched\(who).", tag: "blocklists",
                body: ["text/plain", "text/dns", "application/octet-stream"].map(Content.text),
                answers: [.ok("Blocklist")]),
            Operation(
                method: .post, path: one + "/refresh", id: "refresh\(suffix)",
                summary: "Has a blocklist \(whose) fetched now; tried_at tells when that was done\(who).",
                tag: "blocklists",
                answers: [
                    Answer(status: 202, description: "It will be.", content: [.object("Blocklist")])
                ]),
            Operation(
                method: .delete, path: one, id: "delete\(suffix)",
                summary: "Deletes a blocklist \(whose) that no policy in force names\(who).", tag: "blocklists",
                answers: [.noContent]),
        ]
    }

    static let blocklistSchemas = #"""
          "HostPattern": {
            "description": "A host name, or *. in front of one for every name below it.",
            "type": "string",
            "maxLength": 255
          },
          "BlocklistFormat": {
            "description": "auto: what the first line that says something looks like.",
            "enum": ["rpz", "hosts", "plain", "auto"]
          },
          "BlocklistSettings": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "format": {"$ref": "#/components/schemas/BlocklistFormat"},
              "url": {
                "description": "Where the text is fetched from; absent: it is uploaded.",
                "type": "string", "pattern": "^https://", "maxLength": 2048
              },
              "interval_seconds": {
                "description": "Of fetches; a day unless given.", "type": "integer", "minimum": 300,
                "maximum": 2592000
              },
              "sha256": {
                "description": "What the text has to be.", "type": "string", "pattern": "^[0-9a-fA-F]{64}$"
              },
              "maximum_bytes": {
                "description": "Of the text; 67108864, of a tenant's 33554432 unless given.",
                "type": "integer", "minimum": 1
              }
            }
          },
          "NewBlocklist": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "format": {"$ref": "#/components/schemas/BlocklistFormat"},
              "url": {"type": "string", "pattern": "^https://", "maxLength": 2048},
              "interval_seconds": {"type": "integer", "minimum": 300, "maximum": 2592000},
              "sha256": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
              "maximum_bytes": {"type": "integer", "minimum": 1}
            }
          },
          "Blocklist": {
            "description": "Of a list of the operator's, tenants do not see where it comes from nor what is wrong with it.",
            "type": "object",
            "required": ["name", "format", "updated_at", "state"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "format": {"$ref": "#/components/schemas/BlocklistFormat"},
              "url": {"type": "string"},
              "interval_seconds": {"$ref": "#/components/schemas/Count"},
              "sha256": {"type": "string"},
              "maximum_bytes": {"$ref": "#/components/schemas/Count"},
              "author": {"type": "string"},
              "updated_at": {"$ref": "#/components/schemas/Time"},
              "state": {
                "description": "empty: there was no text yet; loading: it is being read; ready: it is in force.",
                "enum": ["empty", "loading", "ready"]
              },
              "read_as": {"$ref": "#/components/schemas/BlocklistFormat"},
              "names": {"$ref": "#/components/schemas/Count"},
              "wildcards": {"$ref": "#/components/schemas/Count"},
              "prefixes": {"$ref": "#/components/schemas/Count"},
              "repeated": {"description": "Lines that were there before.", "$ref": "#/components/schemas/Count"},
              "junk_lines": {"description": "Lines that nothing could be done with.", "$ref": "#/components/schemas/Count"},
              "junk": {
                "description": "The first of them.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["line", "text", "reason"],
                  "properties": {
                    "line": {"$ref": "#/components/schemas/Number"},
                    "text": {"type": "string"},
                    "reason": {"type": "string"}
                  }
                }
              },
              "bytes": {"description": "Of the text that holds.", "$ref": "#/components/schemas/Count"},
              "text_sha256": {"description": "Of the text that holds.", "type": "string"},
              "good_at": {
                "description": "When that text was brought, or found to be the newest.",
                "$ref": "#/components/schemas/Time"
              },
              "tried_at": {"description": "When it was fetched last, or uploaded.", "$ref": "#/components/schemas/Time"},
              "error": {"description": "Why that failed; the text before holds.", "type": "string"}
            }
          },
          "BlocklistHits": {
            "type": "object",
            "required": ["total", "top"],
            "properties": {
              "total": {"description": "Since the daemon started.", "$ref": "#/components/schemas/Count"},
              "top": {
                "description": "Entries that decided most since the text was read; counts of the rarer ones may be high.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["entry", "hits"],
                  "properties": {
                    "entry": {"type": "string"},
                    "hits": {"$ref": "#/components/schemas/Count"}
                  }
                }
              },
              "tenants": {
                "description": "Of a list of the operator's, asked for as such.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["tenant", "hits"],
                  "properties": {
                    "tenant": {"$ref": "#/components/schemas/Name"},
                    "hits": {"$ref": "#/components/schemas/Count"}
                  }
                }
              }
            }
          },
          "DNSException": {
            "type": "object",
            "required": ["pattern", "author", "created_at"],
            "properties": {
              "pattern": {"$ref": "#/components/schemas/HostPattern"},
              "author": {"type": "string"},
              "created_at": {"$ref": "#/components/schemas/Time"}
            }
          }
        """#
}

import HTTPTypes

extension OpenAPI {
    static let bulk: [Operation] = [
        Operation(
            method: .post, path: "/v1/sims/bulk", id: "startBulk",
            summary: "Begins one action on all SIMs that match, in the background. At least one condition is given.",
            tag: "sims",
            parameters: [
                .query("dry_run", "Say what it would do, and do nothing.", ["type": "boolean", "default": false])
            ], body: [.object("NewBulk")],
            answers: [
                Answer(status: 200, description: "What it would do.", content: [.object("BulkPreview")]),
                Answer(
                    status: 202, description: "It has begun.", content: [.object("Bulk")], headers: ["Location"]),
            ]),
        Operation(
            method: .get, path: "/v1/sims/bulk", id: "listBulks", summary: "Operations on many SIMs, newest first.",
            tag: "sims", parameters: Parameter.pages, answers: [.page("Bulk")]),
        Operation(
            method: .get, path: "/v1/sims/bulk/{operation}", id: "showBulk", summary: "How far an operation is.",
            tag: "sims", answers: [.ok("Bulk")]),
        Operation(
            method: .get, path: "/v1/sims/bulk/{operation}/items", id: "listBulkItems",
            summary: "What became of each SIM of an operation.", tag: "sims",
            parameters: [.query("state", "Only these.", .reference("BulkItemState"))] + Parameter.pages,
            answers: [.page("BulkItem")]),
        Operation(
            method: .post, path: "/v1/sims/bulk/{operation}/cancel", id: "cancelBulk",
            summary: "Leaves undone what an operation has not done yet.", tag: "sims", answers: [.ok("Bulk")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/terminate", id: "terminateSIM",
            summary: "Stops a SIM's traffic, then its sessions, for good.", tag: "sims",
            answers: [.ok("StateChange")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/test", id: "testSIM",
            summary: "Begins a manufacturing test: active for a time and a volume, then rejected until activated.",
            tag: "sims", body: [.object("Test")], answers: [.ok("StateChange")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/activate", id: "activateSIM",
            summary: "Ends a manufacturing test: the SIM is active.", tag: "sims", answers: [.ok("StateChange")]),
    ]

    static let bulkSchemas = #"""
          "Test": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "days": {"type": "integer", "minimum": 1, "maximum": 3650, "default": 30},
              "octets": {
                "description": "In both directions together, as the NAS reports them.",
                "type": "integer", "minimum": 1, "default": 5000000
              }
            }
          },
          "TestAllowance": {
            "type": "object",
            "required": ["until", "octets_used"],
            "properties": {
              "until": {"$ref": "#/components/schemas/Time"},
              "octets": {"description": "Absent: any number.", "$ref": "#/components/schemas/Count"},
              "octets_used": {"$ref": "#/components/schemas/Count"}
            }
          },
          "BulkAction": {
            "enum": ["suspend", "resume", "terminate", "activate", "test", "set-group", "set-label"]
          },
          "NewBulk": {
            "type": "object",
            "required": ["action"],
            "additionalProperties": false,
            "properties": {
              "action": {"$ref": "#/components/schemas/BulkAction"},
              "tenant": {"$ref": "#/components/schemas/Name"},
              "group": {"description": "With tenant.", "$ref": "#/components/schemas/Name"},
              "state": {"$ref": "#/components/schemas/SIMState"},
              "label": {"description": "The SIM's name, with * for any characters and ? for one.", "type": "string"},
              "sims": {"description": "IMSIs or ICCIDs.", "type": "array", "items": {"type": "string"}},
              "new_group": {
                "description": "Of set-group; null for none.",
                "oneOf": [{"$ref": "#/components/schemas/Name"}, {"type": "null"}]
              },
              "new_label": {"description": "Of set-label.", "type": "string", "maxLength": 100},
              "test_days": {"type": "integer", "minimum": 1, "maximum": 3650, "default": 30},
              "test_octets": {"type": "integer", "minimum": 1, "default": 5000000}
            }
          },
          "BulkPreview": {
            "type": "object",
            "required": ["matching", "unchanged", "first", "missing"],
            "properties": {
              "matching": {"$ref": "#/components/schemas/Count"},
              "unchanged": {"description": "Of these, as wanted already.", "$ref": "#/components/schemas/Count"},
              "first": {"type": "array", "items": {"$ref": "#/components/schemas/IMSI"}},
              "missing": {"description": "Named, and no SIM that matches.", "type": "array", "items": {"type": "string"}}
            }
          },
          "Bulk": {
            "type": "object",
            "required": [
              "id", "action", "filter", "author", "state", "created_at", "total", "waiting", "applied", "done",
              "unchanged", "unconfirmed", "failed"
            ],
            "properties": {
              "id": {"$ref": "#/components/schemas/Number"},
              "action": {"$ref": "#/components/schemas/BulkAction"},
              "argument": {"type": "string"},
              "filter": {"description": "In words.", "type": "string"},
              "author": {"type": "string"},
              "state": {"enum": ["running", "finished", "cancelled"]},
              "created_at": {"$ref": "#/components/schemas/Time"},
              "applied_at": {
                "description": "When it was in force for all: no packet passes that must not, from then on.",
                "$ref": "#/components/schemas/Time"
              },
              "finished_at": {"$ref": "#/components/schemas/Time"},
              "total": {"$ref": "#/components/schemas/Count"},
              "waiting": {"$ref": "#/components/schemas/Count"},
              "applied": {"description": "In force; the NAS is to be told.", "$ref": "#/components/schemas/Count"},
              "done": {"$ref": "#/components/schemas/Count"},
              "unchanged": {"$ref": "#/components/schemas/Count"},
              "unconfirmed": {
                "description": "In force, and the NAS has not confirmed the end of a session.",
                "$ref": "#/components/schemas/Count"
              },
              "failed": {"$ref": "#/components/schemas/Count"}
            }
          },
          "BulkItemState": {"enum": ["waiting", "applied", "done", "unchanged", "unconfirmed", "failed"]},
          "BulkItem": {
            "type": "object",
            "required": ["number", "sim", "state"],
            "properties": {
              "number": {"$ref": "#/components/schemas/Number"},
              "sim": {"description": "The IMSI, or what was named.", "type": "string"},
              "state": {"$ref": "#/components/schemas/BulkItemState"},
              "detail": {"type": "string"}
            }
          }
        """#
}

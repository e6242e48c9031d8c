import HTTPTypes

extension OpenAPI {
    static let simLimits: [Operation] = [
        Operation(
            method: .get, path: "/v1/sims/{imsi}/limit", id: "showSIMLimit",
            summary: "A SIM's volumes of data and rates, and what is used.", tag: "sims", answers: [.ok("SIMLimit")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/limit/reset", id: "resetSIMLimit",
            summary: "Begins a volume anew: nothing of it is used, and nothing is added.", tag: "sims",
            body: [.object("LimitReset")], answers: [.ok("VolumeChange")]),
        Operation(
            method: .post, path: "/v1/sims/{imsi}/limit/top-up", id: "topUpSIMLimit",
            summary: "Adds to a volume, for the period that is now.", tag: "sims", body: [.object("TopUp")],
            answers: [.ok("VolumeChange")]),
    ]

    /// Those of volumes of data: more members of the object that ``schemas`` is.
    static let limitSchemas = #"""
          "Volume": {
            "description": "Of data; octets.",
            "type": "object",
            "required": [
              "level", "pool", "limit", "added", "used", "remaining", "period", "zone", "period_start", "warn_at", "on_reached"
            ],
            "properties": {
              "level": {"description": "Who has limited it.", "$ref": "#/components/schemas/SessionPolicyLevel"},
              "pool": {"description": "Whose it is.", "enum": ["sim", "group", "tenant"]},
              "limit": {"description": "With what was added.", "$ref": "#/components/schemas/Count"},
              "added": {"$ref": "#/components/schemas/Count"},
              "used": {"$ref": "#/components/schemas/Count"},
              "remaining": {"$ref": "#/components/schemas/Count"},
              "period": {"enum": ["day", "week", "month", "prepaid"]},
              "zone": {"type": "string"},
              "period_start": {"$ref": "#/components/schemas/Time"},
              "period_end": {"description": "Absent of a prepaid volume.", "$ref": "#/components/schemas/Time"},
              "warn_at": {"description": "Percent.", "type": "array", "items": {"type": "integer"}},
              "on_reached": {"enum": ["block", "quarantine", "slow"]},
              "slow_rate": {"type": "string"},
              "reached_at": {"description": "Absent while something is left.", "$ref": "#/components/schemas/Time"}
            }
          },
          "Rates": {
            "description": "In force.",
            "type": "object",
            "properties": {
              "up": {"type": "string"},
              "down": {"type": "string"},
              "burst": {"$ref": "#/components/schemas/Count"},
              "slowed_by": {"description": "The level of a volume that is used and slows.", "$ref": "#/components/schemas/SessionPolicyLevel"}
            }
          },
          "SIMLimit": {
            "type": "object",
            "required": ["imsi", "volumes"],
            "properties": {
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "volumes": {"type": "array", "items": {"$ref": "#/components/schemas/Volume"}},
              "rates": {"$ref": "#/components/schemas/Rates"}
            }
          },
          "LimitReset": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "level": {"description": "Which; may be absent when there is one.", "$ref": "#/components/schemas/SessionPolicyLevel"}
            }
          },
          "TopUp": {
            "type": "object",
            "required": ["volume"],
            "additionalProperties": false,
            "properties": {
              "volume": {"description": "50MB, 2GB.", "type": "string"},
              "level": {"description": "Which; may be absent when there is one.", "$ref": "#/components/schemas/SessionPolicyLevel"}
            }
          },
          "VolumeChange": {
            "type": "object",
            "required": ["imsi", "volume", "sessions", "in_force_ms", "flows_cut", "total_ms"],
            "properties": {
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "volume": {"$ref": "#/components/schemas/Volume"},
              "sessions": {"description": "That were judged by it.", "$ref": "#/components/schemas/Count"},
              "in_force_ms": {"$ref": "#/components/schemas/Milliseconds"},
              "flows_cut": {"$ref": "#/components/schemas/Count"},
              "total_ms": {"$ref": "#/components/schemas/Milliseconds"}
            }
          }
        """#
}

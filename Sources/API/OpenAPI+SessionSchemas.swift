extension OpenAPI {
    /// What goes in and what comes out of sessions and of the NAS that they are at.
    static let sessionSchemas = #"""
          "Session": {
            "type": "object",
            "required": [
              "id", "imsi", "tenant", "apn", "started_at", "updated_at", "online", "last_seen_at",
              "octets_up", "octets_down", "packets_up", "packets_down", "seconds"
            ],
            "properties": {
              "id": {"$ref": "#/components/schemas/Number"},
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "tenant": {"$ref": "#/components/schemas/Name"},
              "apn": {"type": "string"},
              "address": {
                "description": "Absent of a session that has IPv6 alone.",
                "$ref": "#/components/schemas/IPv4Address"
              },
              "prefix": {
                "description": "The /64 of the link; absent of a session that has IPv4 alone.",
                "$ref": "#/components/schemas/IPv6Prefix"
              },
              "delegated_prefix": {
                "description": "What the device may give on to networks behind it.",
                "$ref": "#/components/schemas/IPv6Prefix"
              },
              "nas": {"description": "Only for the operator.", "$ref": "#/components/schemas/Name"},
              "nat": {
                "description": "What the internet sees of the device, behind NAT 1.",
                "type": "object",
                "required": ["address", "first_port", "last_port"],
                "properties": {
                  "address": {"$ref": "#/components/schemas/IPv4Address"},
                  "first_port": {"$ref": "#/components/schemas/Port"},
                  "last_port": {"$ref": "#/components/schemas/Port"}
                }
              },
              "imei": {"type": "string"},
              "rat": {"type": "string"},
              "visited_network": {"type": "string"},
              "location": {
                "description": "The octets of 3GPP-User-Location-Info.",
                "type": "string",
                "pattern": "^([0-9a-f]{2})*$"
              },
              "accounting_session_id": {"type": "string"},
              "started_at": {"$ref": "#/components/schemas/Time"},
              "updated_at": {"$ref": "#/components/schemas/Time"},
              "ended_at": {"description": "Absent while it lasts.", "$ref": "#/components/schemas/Time"},
              "end_cause": {"enum": ["stopped", "replaced", "nas-started", "nas-stopped", "stale", "unknown-to-nas", "test-over"]},
              "online": {"type": "boolean"},
              "last_seen_at": {
                "description": "The later of the last report and the last packet.",
                "$ref": "#/components/schemas/Time"
              },
              "last_packet_at": {
                "description": "In either direction; absent where nothing is known of it. In lists up to ten seconds old.",
                "$ref": "#/components/schemas/Time"
              },
              "bearers": {
                "description": "Where it has had several; the session's counters are their sum.",
                "type": "array",
                "items": {"$ref": "#/components/schemas/Bearer"}
              },
              "places": {
                "description": "Where and in which equipment it was, oldest first, when that has changed: the last 100.",
                "type": "array",
                "items": {"$ref": "#/components/schemas/SessionPlace"}
              },
              "octets_up": {"$ref": "#/components/schemas/Count"},
              "octets_down": {"$ref": "#/components/schemas/Count"},
              "packets_up": {"$ref": "#/components/schemas/Count"},
              "packets_down": {"$ref": "#/components/schemas/Count"},
              "seconds": {"$ref": "#/components/schemas/Count"},
              "counted": {
                "description": "What passed here, where the session's own counts are what its NAS reports. Only of one session.",
                "$ref": "#/components/schemas/UsageCounts"
              },
              "restriction": {"$ref": "#/components/schemas/Restriction"}
            }
          },
          "NewNAS": {
            "type": "object",
            "required": ["name", "address", "secret"],
            "additionalProperties": false,
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "address": {"$ref": "#/components/schemas/IPv4Address"},
              "secret": {"description": "Goes in and never comes out again.", "type": "string", "writeOnly": true},
              "requires_message_authenticator": {"type": "boolean", "default": true},
              "disconnect_port": {"type": "integer", "minimum": 0, "maximum": 65535, "default": 3799},
              "disconnect_key": {"enum": ["imsi-nsapi", "acct-session-id", "apn-address"], "default": "imsi-nsapi"}
            }
          },
          "NAS": {
            "type": "object",
            "required": [
              "name", "address", "requires_message_authenticator", "disconnect_port", "disconnect_key", "attributes",
              "attempts", "first_wait_ms", "requests_per_second", "coa", "coa_port", "interim_seconds",
              "stale_intervals", "idle_minutes"
            ],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "address": {"$ref": "#/components/schemas/IPv4Address"},
              "requires_message_authenticator": {"type": "boolean"},
              "disconnect_port": {"$ref": "#/components/schemas/Port"},
              "disconnect_key": {"enum": ["imsi-nsapi", "acct-session-id", "apn-address"]},
              "attributes": {
                "description": "What a Disconnect- or CoA-Request carries.",
                "type": "array",
                "items": {"$ref": "#/components/schemas/SessionAttribute"}
              },
              "attempts": {"description": "Datagrams.", "type": "integer", "minimum": 1, "maximum": 10},
              "first_wait_ms": {
                "description": "For the first one's answer; for each next one twice as long.",
                "type": "integer", "minimum": 100, "maximum": 60000
              },
              "requests_per_second": {"type": "integer", "minimum": 1, "maximum": 65535},
              "coa": {"description": "Whether it takes CoA-Requests.", "type": "boolean"},
              "coa_port": {"description": "Where those go.", "type": "integer", "minimum": 1, "maximum": 65535},
              "interim_seconds": {
                "description": "Acct-Interim-Interval of its sessions.", "type": "integer", "minimum": 60, "maximum": 86400
              },
              "stale_intervals": {
                "description": "After so many without a report a session may be lost; 0: never.",
                "type": "integer", "minimum": 0, "maximum": 65535
              },
              "idle_minutes": {
                "description": "And it is, when its device has had no packet for so long.",
                "type": "integer", "minimum": 1, "maximum": 4294967295
              }
            }
          },
          "NASChange": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "secret": {"description": "Goes in and never comes out again.", "type": "string", "writeOnly": true},
              "requires_message_authenticator": {"type": "boolean"},
              "disconnect_port": {"$ref": "#/components/schemas/Port"},
              "disconnect_key": {"enum": ["imsi-nsapi", "acct-session-id", "apn-address"]},
              "attributes": {
                "description": "What a Disconnect- or CoA-Request carries. Empty: what disconnect_key says.",
                "type": "array",
                "items": {"$ref": "#/components/schemas/SessionAttribute"}
              },
              "attempts": {"description": "Datagrams.", "type": "integer", "minimum": 1, "maximum": 10},
              "first_wait_ms": {
                "description": "For the first one's answer; for each next one twice as long.",
                "type": "integer", "minimum": 100, "maximum": 60000
              },
              "requests_per_second": {"type": "integer", "minimum": 1, "maximum": 65535},
              "coa": {"description": "Whether it takes CoA-Requests.", "type": "boolean"},
              "coa_port": {"description": "Where those go.", "type": "integer", "minimum": 1, "maximum": 65535},
              "interim_seconds": {
                "description": "Acct-Interim-Interval of its sessions.", "type": "integer", "minimum": 60, "maximum": 86400
              },
              "stale_intervals": {
                "description": "After so many without a report a session may be lost; 0: never.",
                "type": "integer", "minimum": 0, "maximum": 65535
              },
              "idle_minutes": {
                "description": "And it is, when its device has had no packet for so long.",
                "type": "integer", "minimum": 1, "maximum": 4294967295
              }
            }
          },
          "SessionAttribute": {
            "enum": [
              "message-authenticator", "imsi", "nsapi", "acct-session-id", "apn", "framed-ip-address",
              "calling-station-id", "user-name", "class", "charging-id", "nas-ip-address", "teardown-indicator",
              "event-timestamp"
            ]
          },
          "SessionChange": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "interim_seconds": {"type": "integer", "minimum": 60, "maximum": 86400},
              "session_timeout_seconds": {"type": "integer", "minimum": 0, "maximum": 4294967295},
              "idle_timeout_seconds": {"type": "integer", "minimum": 0, "maximum": 4294967295},
              "or_disconnect": {
                "description": "End the session where the NAS takes no such change.", "type": "boolean", "default": false
              }
            }
          },
          "SessionOrder": {
            "type": "object",
            "required": ["session", "is_complete", "steps"],
            "properties": {
              "session": {"$ref": "#/components/schemas/Number"},
              "is_complete": {"description": "Whether the NAS has confirmed it.", "type": "boolean"},
              "steps": {"type": "array", "items": {"$ref": "#/components/schemas/Step"}}
            }
          },
          "Step": {
            "type": "object",
            "required": ["name", "after_ms", "detail"],
            "properties": {
              "name": {"type": "string"},
              "after_ms": {"$ref": "#/components/schemas/Milliseconds"},
              "detail": {"type": "string"}
            }
          },
          "Bearer": {
            "type": "object",
            "required": ["started_at", "updated_at", "octets_up", "octets_down"],
            "properties": {
              "nsapi": {"type": "integer", "minimum": 0, "maximum": 15},
              "accounting_session_id": {"type": "string"},
              "started_at": {"$ref": "#/components/schemas/Time"},
              "updated_at": {"$ref": "#/components/schemas/Time"},
              "ended_at": {"description": "Absent while it lasts.", "$ref": "#/components/schemas/Time"},
              "octets_up": {"$ref": "#/components/schemas/Count"},
              "octets_down": {"$ref": "#/components/schemas/Count"}
            }
          },
          "SessionPlace": {
            "type": "object",
            "required": ["since"],
            "properties": {
              "since": {"$ref": "#/components/schemas/Time"},
              "imei": {"type": "string"},
              "rat": {"type": "string"},
              "visited_network": {"type": "string"},
              "location": {
                "description": "The octets of 3GPP-User-Location-Info.",
                "type": "string",
                "pattern": "^([0-9a-f]{2})*$"
              }
            }
          }
        """#
}

extension OpenAPI {
    /// What goes in and what comes out. The policy's own schema has a path of its own.
    static let schemas = #"""
        {
          "Name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
          "IMSI": {"type": "string", "pattern": "^[0-9]{6,15}$"},
          "ICCID": {"type": "string", "pattern": "^89[0-9A-F]{16,18}$"},
          "MSISDN": {"type": "string", "pattern": "^[0-9]{3,15}$"},
          "IPv4Address": {"type": "string", "format": "ipv4"},
          "IPv4Prefix": {"type": "string", "pattern": "^[0-9.]+/[0-9]{1,2}$"},
          "IPv6Prefix": {"type": "string", "pattern": "^[0-9a-f:]+/[0-9]{1,3}$"},
          "IPPrefix": {
            "oneOf": [{"$ref": "#/components/schemas/IPv4Prefix"}, {"$ref": "#/components/schemas/IPv6Prefix"}]
          },
          "Number": {"type": "integer", "minimum": 1},
          "Count": {"type": "integer", "minimum": 0},
          "Port": {"type": "integer", "minimum": 0, "maximum": 65535},
          "Milliseconds": {"type": "number", "minimum": 0},
          "Time": {
            "type": "string", "format": "date-time",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"
          },
          "TimeGiven": {"type": "string", "format": "date-time", "description": "RFC 3339, with any offset."},
          "Problem": {
            "description": "RFC 9457.",
            "type": "object",
            "required": ["type", "title", "status", "detail", "code", "problems"],
            "properties": {
              "type": {"const": "about:blank"},
              "title": {"type": "string"},
              "status": {"type": "integer", "minimum": 400, "maximum": 599},
              "detail": {"description": "For people.", "type": "string"},
              "code": {
                "description": "For programs.",
                "enum": [
                  "invalid", "not-found", "conflict", "precondition-failed", "forbidden", "exhausted", "unavailable",
                  "unauthenticated", "unsupported-media-type", "too-large", "method-not-allowed", "too-many", "gone",
                  "internal"
                ]
              },
              "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Place"}}
            }
          },
          "Place": {
            "description": "One place in what was sent, and what is wrong or doubtful there.",
            "type": "object",
            "required": ["field", "message"],
            "properties": {
              "line": {"$ref": "#/components/schemas/Number"},
              "column": {"$ref": "#/components/schemas/Number"},
              "file": {"description": "Of several texts, when it is not the first.", "type": "string"},
              "field": {"type": "string"},
              "message": {"type": "string"}
            }
          },
          "Enforcement": {
            "description": "What a change did, with its times from the call on.",
            "type": "object",
            "required": ["sessions", "in_force_ms", "flows_cut", "total_ms"],
            "properties": {
              "sessions": {"$ref": "#/components/schemas/Count"},
              "in_force_ms": {"$ref": "#/components/schemas/Milliseconds"},
              "flows_cut": {"$ref": "#/components/schemas/Count"},
              "total_ms": {"$ref": "#/components/schemas/Milliseconds"}
            }
          },
          "NewTenant": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {"name": {"$ref": "#/components/schemas/Name"}}
          },
          "Tenant": {
            "type": "object",
            "required": ["name", "created_at"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "default_policy": {"$ref": "#/components/schemas/Name"},
              "created_at": {"$ref": "#/components/schemas/Time"}
            }
          },
          "PolicyChoice": {
            "type": "object",
            "required": ["policy"],
            "additionalProperties": false,
            "properties": {
              "policy": {
                "description": "null for none.",
                "oneOf": [{"$ref": "#/components/schemas/Name"}, {"type": "null"}]
              }
            }
          },
          "GroupChoice": {
            "type": "object",
            "required": ["group"],
            "additionalProperties": false,
            "properties": {
              "group": {
                "description": "null for none.",
                "oneOf": [{"$ref": "#/components/schemas/Name"}, {"type": "null"}]
              }
            }
          },
          "Block": {
            "type": "object",
            "required": ["prefix"],
            "properties": {"prefix": {"$ref": "#/components/schemas/IPPrefix"}}
          },
          "NewGroup": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "policy": {"$ref": "#/components/schemas/Name"}
            }
          },
          "Group": {
            "type": "object",
            "required": ["name"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "policy": {"$ref": "#/components/schemas/Name"}
            }
          },
          "NewSIM": {
            "type": "object",
            "required": ["imsi", "iccid"],
            "additionalProperties": false,
            "properties": {
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "iccid": {"$ref": "#/components/schemas/ICCID"},
              "msisdn": {"type": "string", "pattern": "^\\+?[0-9]{3,15}$"},
              "group": {"$ref": "#/components/schemas/Name"},
              "name": {"description": "For people; 100 octets at most.", "type": "string", "maxLength": 100}
            }
          },
          "SIM": {
            "type": "object",
            "required": ["imsi", "iccid", "tenant", "name", "state", "created_at"],
            "properties": {
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "iccid": {"$ref": "#/components/schemas/ICCID"},
              "msisdn": {"$ref": "#/components/schemas/MSISDN"},
              "tenant": {"$ref": "#/components/schemas/Name"},
              "group": {"$ref": "#/components/schemas/Name"},
              "name": {"type": "string"},
              "state": {"$ref": "#/components/schemas/SIMState"},
              "test": {
                "description": "Of a SIM in a manufacturing test.", "$ref": "#/components/schemas/TestAllowance"
              },
              "created_at": {"$ref": "#/components/schemas/Time"}
            }
          },
          "SIMState": {"enum": ["active", "suspended", "terminated", "test"]},
          "SIMDetail": {
            "allOf": [
              {"$ref": "#/components/schemas/SIM"},
              {
                "type": "object",
                "required": ["addresses", "sessions"],
                "properties": {
                  "addresses": {
                    "description": "They stay the SIM's between sessions.",
                    "type": "array",
                    "items": {
                      "type": "object",
                      "required": ["apn", "address"],
                      "properties": {
                        "apn": {"type": "string"},
                        "address": {"$ref": "#/components/schemas/IPv4Address"},
                        "prefix": {
                          "description": "Absent until a session has asked for IPv6.",
                          "$ref": "#/components/schemas/IPv6Prefix"
                        },
                        "delegated_prefix": {"$ref": "#/components/schemas/IPv6Prefix"}
                      }
                    }
                  },
                  "sessions": {
                    "description": "The active ones.",
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/Session"}
                  }
                }
              }
            ]
          },
          "Import": {
            "type": "object",
            "required": ["imported", "problems"],
            "properties": {
              "imported": {"$ref": "#/components/schemas/Count"},
              "problems": {
                "description": "Rows that were not taken.",
                "type": "array",
                "items": {"$ref": "#/components/schemas/Place"}
              }
            }
          },
          "StateChange": {
            "type": "object",
            "required": ["imsi", "state", "is_complete", "steps"],
            "properties": {
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "state": {"$ref": "#/components/schemas/SIMState"},
              "is_complete": {"description": "Whether every step came to its end.", "type": "boolean"},
              "steps": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/Step"}
              }
            }
          },
          "PortBlock": {
            "type": "object",
            "required": ["public_address", "first_port", "last_port", "address", "imsi", "valid_from"],
            "properties": {
              "public_address": {"$ref": "#/components/schemas/IPv4Address"},
              "first_port": {"$ref": "#/components/schemas/Port"},
              "last_port": {"$ref": "#/components/schemas/Port"},
              "address": {"$ref": "#/components/schemas/IPv4Address"},
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "tenant": {"description": "Absent once it is deleted.", "$ref": "#/components/schemas/Name"},
              "valid_from": {"$ref": "#/components/schemas/Time"},
              "valid_to": {"description": "Absent while it lasts.", "$ref": "#/components/schemas/Time"}
            }
          },
          "NewPool": {
            "type": "object",
            "required": ["prefix"],
            "additionalProperties": false,
            "properties": {
              "prefix": {"$ref": "#/components/schemas/IPPrefix"},
              "block_length": {
                "description": "Of the blocks that tenants get; 24 (of IPv6: 48), or what fits, unless given.",
                "type": "integer",
                "minimum": 0,
                "maximum": 255
              },
              "delegated_length": {
                "description": "Of IPv6: each session is delegated a prefix of this length beside its /64, 60 to 64.",
                "type": "integer",
                "minimum": 0,
                "maximum": 255
              }
            }
          },
          "Pool": {
            "type": "object",
            "required": ["prefix", "block_length", "blocks", "blocks_given", "addresses_leased"],
            "properties": {
              "prefix": {"$ref": "#/components/schemas/IPPrefix"},
              "block_length": {"type": "integer", "minimum": 0, "maximum": 64},
              "delegated_length": {"type": "integer", "minimum": 60, "maximum": 64},
              "blocks": {"$ref": "#/components/schemas/Count"},
              "blocks_given": {"$ref": "#/components/schemas/Count"},
              "addresses_leased": {
                "description": "Of IPv6: leases of prefixes.",
                "$ref": "#/components/schemas/Count"
              }
            }
          },
          "NewToken": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "tenant": {"description": "Absent: a token of the operator.", "$ref": "#/components/schemas/Name"}
            }
          },
          "Token": {
            "type": "object",
            "required": ["name", "role", "created_at"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "role": {"enum": ["operator", "tenant"]},
              "tenant": {"$ref": "#/components/schemas/Name"},
              "created_at": {"$ref": "#/components/schemas/Time"}
            }
          },
          "TokenWithSecret": {
            "allOf": [
              {"$ref": "#/components/schemas/Token"},
              {
                "type": "object",
                "required": ["secret"],
                "properties": {"secret": {"description": "Shown this once.", "type": "string"}}
              }
            ]
          },
          "AuditRecord": {
            "type": "object",
            "required": ["id", "time", "actor", "action", "target", "detail"],
            "properties": {
              "id": {"$ref": "#/components/schemas/Number"},
              "time": {"$ref": "#/components/schemas/Time"},
              "actor": {"type": "string"},
              "action": {"type": "string"},
              "target": {"type": "string"},
              "detail": {"type": "string"}
            }
          },
          "Status": {
            "type": "object",
            "required": ["is_ready", "tenants", "sims", "active_sessions", "policies", "counters"],
            "properties": {
              "is_ready": {"type": "boolean"},
              "tenants": {"$ref": "#/components/schemas/Count"},
              "sims": {"$ref": "#/components/schemas/Count"},
              "active_sessions": {"$ref": "#/components/schemas/Count"},
              "policies": {"$ref": "#/components/schemas/Count"},
              "counters": {
                "description": "Of the kernel.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["name", "packets", "octets"],
                  "properties": {
                    "name": {"type": "string"},
                    "packets": {"$ref": "#/components/schemas/Count"},
                    "octets": {"$ref": "#/components/schemas/Count"}
                  }
                }
              }
            }
          },
        """# + policySchemas + "," + sessionSchemas + "," + bulkSchemas + "," + blocklistSchemas + ","
        + vpnSchemas + "," + onboardingSchemas + "," + sessionPolicySchemas + "," + eventSchemas + "," + limitSchemas
        + "," + usageSchemas + "}"
}

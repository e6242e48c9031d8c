extension OpenAPI {
    /// Those of policies, lists and services: the members of the object that ``schemas`` is.
    static let policySchemas = #"""
          "Explanation": {
            "type": "object",
            "required": ["imsi", "packet", "verdict", "would_block", "passed", "vpns", "learned", "text"],
            "properties": {
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "packet": {"type": "string"},
              "verdict": {"enum": ["allow", "block"]},
              "would_block": {"description": "It passes only in monitor mode.", "type": "boolean"},
              "route": {"type": "string"},
              "policy": {"description": "Absent: the SIM has none.", "$ref": "#/components/schemas/Name"},
              "version": {"$ref": "#/components/schemas/Number"},
              "rule": {"description": "Absent: the default decided.", "$ref": "#/components/schemas/Name"},
              "passed": {
                "description": "The rules before, and why they do not match.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["rule", "reason"],
                  "properties": {"rule": {"$ref": "#/components/schemas/Name"}, "reason": {"type": "string"}}
                }
              },
              "vpns": {
                "description": "Those that it may take, in their order.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["name", "state"],
                  "properties": {"name": {"$ref": "#/components/schemas/Name"}, "state": {"enum": ["up", "down"]}}
                }
              },
              "learned": {
                "description": "To a name: the addresses that the policy's devices were told. To an address: its names.",
                "type": "array",
                "items": {"$ref": "#/components/schemas/LearnedAddress"}
              },
              "stopped": {
                "description": "The VPN that stops it although the policy does not, and why.", "type": "string"
              },
              "text": {"description": "The same in words.", "type": "string"}
            }
          },
          "Validated": {
            "type": "object",
            "required": ["name", "warnings"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "warnings": {"$ref": "#/components/schemas/Warnings"}
            }
          },
          "Warnings": {"type": "array", "items": {"$ref": "#/components/schemas/Place"}},
          "Applied": {
            "type": "object",
            "required": ["name", "version", "sessions", "in_force_ms", "flows_cut", "total_ms", "warnings"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "version": {"$ref": "#/components/schemas/Number"},
              "sessions": {"$ref": "#/components/schemas/Count"},
              "in_force_ms": {"$ref": "#/components/schemas/Milliseconds"},
              "flows_cut": {"$ref": "#/components/schemas/Count"},
              "total_ms": {"$ref": "#/components/schemas/Milliseconds"},
              "warnings": {"$ref": "#/components/schemas/Warnings"}
            }
          },
          "Plan": {
            "type": "object",
            "required": ["name", "difference", "warnings", "sessions", "flows_cut", "flows"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "version": {"description": "That in force; absent: there is none.", "$ref": "#/components/schemas/Number"},
              "difference": {"$ref": "#/components/schemas/Difference"},
              "warnings": {"$ref": "#/components/schemas/Warnings"},
              "sessions": {"$ref": "#/components/schemas/Count"},
              "flows_cut": {"$ref": "#/components/schemas/Count"},
              "flows": {
                "description": "The first of those that would be cut.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["device", "destination", "protocol", "port"],
                  "properties": {
                    "device": {"$ref": "#/components/schemas/IPv4Address"},
                    "destination": {"$ref": "#/components/schemas/IPv4Address"},
                    "protocol": {"type": "integer", "minimum": 0, "maximum": 255},
                    "port": {"$ref": "#/components/schemas/Port"},
                    "rule": {"description": "Absent: the default.", "$ref": "#/components/schemas/Name"},
                    "new_rule": {"description": "Absent: the default.", "$ref": "#/components/schemas/Name"}
                  }
                }
              }
            }
          },
          "Difference": {
            "type": "object",
            "required": ["rules", "settings"],
            "properties": {
              "rules": {
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["rule", "change"],
                  "properties": {
                    "rule": {"$ref": "#/components/schemas/Name"},
                    "change": {"enum": ["added", "removed", "changed", "moved"]},
                    "before": {"type": "string"},
                    "after": {"type": "string"}
                  }
                }
              },
              "settings": {
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["name", "before", "after"],
                  "properties": {
                    "name": {"type": "string"},
                    "before": {"type": "string"},
                    "after": {"type": "string"}
                  }
                }
              }
            }
          },
          "Rollback": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "version": {
                "description": "That before the one in force unless given.",
                "$ref": "#/components/schemas/Number"
              },
              "comment": {"type": "string", "maxLength": 1000}
            }
          },
          "Policy": {
            "type": "object",
            "required": ["name", "version", "author", "comment", "applied_at"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "version": {"$ref": "#/components/schemas/Number"},
              "author": {"type": "string"},
              "comment": {"type": "string"},
              "applied_at": {"$ref": "#/components/schemas/Time"},
              "document": {"description": "As it was sent; not in lists of policies.", "type": "string"}
            }
          },
          "PolicyUse": {
            "type": "object",
            "required": ["name", "version", "rules"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "version": {"$ref": "#/components/schemas/Number"},
              "rules": {
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["hits", "octets"],
                  "properties": {
                    "rule": {"description": "Absent: the default.", "$ref": "#/components/schemas/Name"},
                    "hits": {
                      "description": "Connections that passed, packets that were blocked.",
                      "$ref": "#/components/schemas/Count"
                    },
                    "octets": {"$ref": "#/components/schemas/Count"},
                    "last_hit": {"$ref": "#/components/schemas/Time"}
                  }
                }
              }
            }
          },
          "Noted": {
            "type": "object",
            "required": ["device", "destination", "protocol", "would_block", "packets", "octets"],
            "properties": {
              "device": {"$ref": "#/components/schemas/IPv4Address"},
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "destination": {"$ref": "#/components/schemas/IPv4Address"},
              "protocol": {"type": "integer", "minimum": 0, "maximum": 255},
              "port": {"$ref": "#/components/schemas/Port"},
              "rule": {"description": "Absent: the default.", "$ref": "#/components/schemas/Name"},
              "would_block": {"type": "boolean"},
              "packets": {"$ref": "#/components/schemas/Count"},
              "octets": {"$ref": "#/components/schemas/Count"}
            }
          },
          "ListItems": {
            "type": "object",
            "required": ["items"],
            "additionalProperties": false,
            "properties": {
              "items": {
                "description": "Addresses, prefixes, host names and *.NAME. As text/plain: one a line, # for comments.",
                "type": "array",
                "maxItems": 4096,
                "items": {"type": "string"}
              }
            }
          },
          "LearnedAddress": {
            "type": "object",
            "required": ["name", "address", "until", "rules"],
            "properties": {
              "name": {"type": "string"},
              "address": {"type": "string"},
              "until": {
                "description": "Not shorter than a flow that uses it.", "$ref": "#/components/schemas/Time"
              },
              "imsi": {"description": "The SIM whose device was told first.", "type": "string"},
              "rules": {
                "description": "Those that have the name, in their order.", "type": "array",
                "items": {"$ref": "#/components/schemas/Name"}
              }
            }
          },
          "NewTenantDNS": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "log": {"enum": ["off", "refused", "all"], "default": "off"},
              "sampling": {
                "description": "One question in so many is logged.", "type": "integer", "minimum": 1,
                "maximum": 1000000, "default": 1
              },
              "upstreams": {
                "description": "Resolvers behind the tenant's VPNs, as in 10.0.0.53@53 vpn:hq, in their order; the operator may leave the VPN out. None: the gateway's own.",
                "type": "array", "maxItems": 8, "items": {"type": "string"}
              }
            }
          },
          "TenantDNS": {
            "type": "object",
            "required": ["log", "sampling", "upstreams", "counters"],
            "properties": {
              "log": {"enum": ["off", "refused", "all"]},
              "sampling": {"type": "integer"},
              "upstreams": {"type": "array", "items": {"type": "string"}},
              "counters": {
                "type": "object",
                "required": [
                  "questions", "answered", "refused", "would_be_refused", "refused_answers", "failed", "limited"
                ],
                "properties": {
                  "questions": {"$ref": "#/components/schemas/Count"},
                  "answered": {"$ref": "#/components/schemas/Count"},
                  "refused": {"$ref": "#/components/schemas/Count"},
                  "would_be_refused": {
                    "description": "In monitor mode.", "$ref": "#/components/schemas/Count"
                  },
                  "refused_answers": {
                    "description": "The name was allowed, an alias or an address in the answer was not.",
                    "$ref": "#/components/schemas/Count"
                  },
                  "failed": {"$ref": "#/components/schemas/Count"},
                  "limited": {"$ref": "#/components/schemas/Count"}
                }
              }
            }
          },
          "RefusedName": {
            "type": "object",
            "required": ["name", "policy", "reason", "count"],
            "properties": {
              "name": {"type": "string"},
              "policy": {"$ref": "#/components/schemas/Name"},
              "group": {"$ref": "#/components/schemas/Name"},
              "reason": {"type": "string"},
              "count": {"$ref": "#/components/schemas/Count"},
              "imsi": {"description": "The SIM whose device asked last.", "type": "string"}
            }
          },
          "LoggedQuery": {
            "type": "object",
            "required": ["number", "time", "device", "name", "type", "response_code", "outcome", "microseconds"],
            "properties": {
              "number": {"type": "integer"},
              "time": {"$ref": "#/components/schemas/Time"},
              "device": {"type": "string"},
              "name": {"type": "string"},
              "type": {"description": "The number of the record type.", "type": "integer"},
              "response_code": {"type": "integer"},
              "outcome": {"type": "string"},
              "microseconds": {"type": "integer"}
            }
          },
          "List": {
            "type": "object",
            "required": ["name", "count", "author", "updated_at"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "count": {"$ref": "#/components/schemas/Count"},
              "author": {"type": "string"},
              "updated_at": {"$ref": "#/components/schemas/Time"},
              "items": {"description": "Not in lists of lists.", "type": "array", "items": {"type": "string"}}
            }
          },
          "ServiceDefinition": {
            "type": "object",
            "required": ["definition"],
            "additionalProperties": false,
            "properties": {
              "definition": {"description": "Such as: tcp 8883, udp 5684-5685.", "type": "string"}
            }
          },
          "Service": {
            "type": "object",
            "required": ["name", "definition", "built_in"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "definition": {"type": "string"},
              "built_in": {"description": "Cordon's, and nobody changed it.", "type": "boolean"},
              "author": {"description": "Only for the operator.", "type": "string"},
              "updated_at": {"$ref": "#/components/schemas/Time"}
            }
          },
          "SharedChange": {
            "description": "What a change of a list or a service did, with its times from the call on.",
            "type": "object",
            "required": ["policies", "sessions", "in_force_ms", "flows_cut", "total_ms"],
            "properties": {
              "policies": {
                "description": "Those in force that name it; of a service as TENANT/POLICY.",
                "type": "array",
                "items": {"type": "string"}
              },
              "sessions": {"$ref": "#/components/schemas/Count"},
              "in_force_ms": {"$ref": "#/components/schemas/Milliseconds"},
              "flows_cut": {"$ref": "#/components/schemas/Count"},
              "total_ms": {"$ref": "#/components/schemas/Milliseconds"}
            }
          }
        """#
}

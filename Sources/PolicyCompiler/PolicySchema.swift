/// The JSON Schema of policy documents, for editors and for programs that write them. YAML and JSON are the same
/// document, so one schema serves both. It says which keys there are and what their values look like; what contradicts
/// itself or names something that does not exist, only ``PolicyDocument/validated(in:)`` finds. The API reads documents
/// with that and never with the schema; tests hold the two together.
public enum PolicySchema {
    /// JSON Schema draft 2020-12. A test holds it against the keys that the reader knows.
    public static let json = #"""
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "Cordon policy",
          "description": "What the devices of a tenant may reach: rules from the top, the first that matches decides, what none matches is blocked.",
          "type": "object",
          "required": ["policy", "rules"],
          "additionalProperties": false,
          "properties": {
            "policy": {"description": "The policy's name.", "$ref": "#/$defs/name"},
            "mode": {
              "description": "monitor: count and report what would be blocked on its way out, and let it pass.",
              "enum": ["enforce", "monitor"],
              "default": "enforce"
            },
            "default": {"description": "What happens to a packet that no rule matches.", "const": "block"},
            "lists": {
              "description": "Destinations under a name, for list:NAME in rules.",
              "type": "array",
              "maxItems": 64,
              "items": {
                "type": "object",
                "required": ["name", "items"],
                "additionalProperties": false,
                "properties": {
                  "name": {"$ref": "#/$defs/name"},
                  "items": {
                    "description": "Addresses, prefixes, host names and *.NAME for all names below one.",
                    "$ref": "#/$defs/texts"
                  }
                }
              }
            },
            "dns": {
              "description": "What devices may look up, beside the names in rules.",
              "type": "object",
              "additionalProperties": false,
              "properties": {
                "default": {
                  "description": "What holds for a name that no rule and no list mentions.",
                  "enum": ["block", "allow"],
                  "default": "block"
                },
                "allow": {"description": "Host names and *.NAME.", "$ref": "#/$defs/names"},
                "deny": {"description": "Host names and *.NAME; deny wins over allow.", "$ref": "#/$defs/names"},
                "blocklists": {
                  "description": "Names of lists of the operator or of the tenant.",
                  "oneOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "maxItems": 64, "items": {"type": "string", "minLength": 1}}
                  ]
                },
                "answer": {
                  "description": "What a device gets for a refused name: nxdomain, nodata, refused, or an address.",
                  "type": "string",
                  "minLength": 1,
                  "default": "nxdomain"
                }
              }
            },
            "rules": {
              "description": "From the top; the first that matches decides.",
              "type": "array",
              "maxItems": 256,
              "items": {"$ref": "#/$defs/rule"}
            }
          },
          "$defs": {
            "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
            "texts": {
              "oneOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "minItems": 1, "maxItems": 4096, "items": {"type": "string", "minLength": 1}}
              ]
            },
            "names": {
              "oneOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "maxItems": 4096, "items": {"type": "string", "minLength": 1}}
              ]
            },
            "port": {
              "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535},
                {"type": "string", "pattern": "^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$"}
              ]
            },
            "rate": {"type": "string", "pattern": "^[0-9]{1,9} ?[kMG]bit/s$"},
            "time": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
            "rule": {
              "type": "object",
              "required": ["name"],
              "oneOf": [{"required": ["route"]}, {"required": ["action"]}],
              "if": {"required": ["direction"], "properties": {"direction": {"const": "to-device"}}},
              "then": {"required": ["via"]},
              "else": {"required": ["to"]},
              "dependentRequired": {"from": ["direction"], "via": ["direction"]},
              "additionalProperties": false,
              "properties": {
                "name": {"description": "The rule's own name in the policy.", "$ref": "#/$defs/name"},
                "direction": {
                  "description": "Which way the first packet goes.",
                  "enum": ["from-device", "to-device"],
                  "default": "from-device"
                },
                "via": {
                  "description": "vpn:NAME that packets to devices come through.",
                  "type": "string",
                  "pattern": "^vpn:"
                },
                "from": {"description": "Where packets to devices come from.", "$ref": "#/$defs/texts"},
                "to": {
                  "description": "any, addresses, prefixes, host names, *.NAME, list:NAME or group:NAME.",
                  "$ref": "#/$defs/texts"
                },
                "protocol": {
                  "description": "any, tcp, udp, icmp, icmpv6 or a number.",
                  "oneOf": [
                    {"enum": ["any", "tcp", "udp", "icmp", "icmpv6"]},
                    {"type": "integer", "minimum": 0, "maximum": 255},
                    {"type": "string", "pattern": "^[0-9]{1,3}$"}
                  ],
                  "default": "any"
                },
                "ports": {
                  "description": "Of tcp or udp: numbers and ranges.",
                  "oneOf": [
                    {"$ref": "#/$defs/port"},
                    {"type": "array", "minItems": 1, "maxItems": 64, "items": {"$ref": "#/$defs/port"}}
                  ]
                },
                "services": {
                  "description": "Services by name, such as https, instead of protocol and ports.",
                  "$ref": "#/$defs/texts"
                },
                "route": {
                  "description": "internet, time-server, vpn:NAME, or VPNs in the order of preference.",
                  "oneOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "minItems": 1, "maxItems": 8, "items": {"type": "string", "minLength": 1}}
                  ]
                },
                "action": {
                  "description": "block; or allow, between devices and to devices.",
                  "enum": ["allow", "block"]
                },
                "bandwidth": {
                  "description": "What each device may send and receive by flows of this rule; with a route to the internet or to VPNs.",
                  "type": "object",
                  "anyOf": [{"required": ["up"]}, {"required": ["down"]}],
                  "additionalProperties": false,
                  "properties": {
                    "up": {"description": "8kbit/s to 1Gbit/s.", "$ref": "#/$defs/rate"},
                    "down": {"$ref": "#/$defs/rate"},
                    "burst": {
                      "description": "What may pass at once, such as 64KB.",
                      "type": "string",
                      "pattern": "^[0-9]{1,9} ?([kKMGT]?B)$"
                    }
                  }
                },
                "schedule": {
                  "description": "When the rule holds; a span over midnight belongs to the day on which it begins.",
                  "type": "object",
                  "minProperties": 1,
                  "additionalProperties": false,
                  "properties": {
                    "days": {
                      "description": "mon to sun, and ranges such as mon-fri.",
                      "oneOf": [
                        {"type": "string", "minLength": 1},
                        {"type": "array", "minItems": 1, "maxItems": 7, "items": {"type": "string", "minLength": 1}}
                      ]
                    },
                    "from": {"$ref": "#/$defs/time"},
                    "to": {"oneOf": [{"$ref": "#/$defs/time"}, {"const": "24:00"}]},
                    "zone": {
                      "description": "A name of the IANA time zone database.",
                      "type": "string",
                      "minLength": 1,
                      "default": "UTC"
                    }
                  }
                },
                "log": {"description": "Whether matches are logged.", "type": "boolean", "default": false},
                "usage": {
                  "description": "Whether the octets of flows that the rule lets pass are counted; with a route, or from VPNs.",
                  "type": "boolean",
                  "default": false
                }
              }
            }
          }
        }
        """#
}

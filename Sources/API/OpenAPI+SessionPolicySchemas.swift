extension OpenAPI {
    /// Those of session policies and what is found by them: more members of the object that ``schemas`` is.
    static let sessionPolicySchemas = #"""
          "ViolationAction": {"enum": ["report", "quarantine", "block", "reject"]},
          "SessionPolicyLevel": {"enum": ["ceiling", "tenant-ceiling", "tenant", "group", "sim"]},
          "Span": {"description": "90s, 15m, 24h, 7d.", "type": "string"},
          "Places": {
            "description": "One of them is enough. Networks are MCC and MNC, countries two letters, tracking areas and cells MCC, MNC, a dash and a number.",
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "networks": {"$ref": "#/components/schemas/Values"},
              "countries": {"$ref": "#/components/schemas/Values"},
              "tracking-areas": {"$ref": "#/components/schemas/Values"},
              "cells": {"$ref": "#/components/schemas/Values"}
            }
          },
          "Values": {"type": ["array", "string", "integer"], "items": {"type": ["string", "integer"]}},
          "SessionPolicyDocument": {
            "description": "YAML or JSON; at least one section.",
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "imei-lock": {
                "type": "object",
                "required": ["mode"],
                "additionalProperties": false,
                "properties": {
                  "mode": {"enum": ["off", "learn", "locked", "list"]},
                  "imeis": {"$ref": "#/components/schemas/Values"},
                  "tacs": {"$ref": "#/components/schemas/Values"},
                  "lists": {"$ref": "#/components/schemas/Values"},
                  "on-violation": {"$ref": "#/components/schemas/ViolationAction"},
                  "on-missing": {"$ref": "#/components/schemas/ViolationAction"}
                }
              },
              "location-lock": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                  "allow": {"$ref": "#/components/schemas/Places"},
                  "deny": {"$ref": "#/components/schemas/Places"},
                  "fence": {
                    "type": "object",
                    "required": ["days"],
                    "additionalProperties": false,
                    "properties": {"days": {"type": ["integer", "string"]}, "neighbours": {"type": ["boolean", "string"]}}
                  },
                  "home-networks": {"$ref": "#/components/schemas/Values"},
                  "after-reports": {"type": ["integer", "string"]},
                  "after": {"$ref": "#/components/schemas/Span"},
                  "max-age": {"$ref": "#/components/schemas/Span"},
                  "on-violation": {"$ref": "#/components/schemas/ViolationAction"},
                  "on-unknown": {"$ref": "#/components/schemas/ViolationAction"}
                }
              },
              "hours": {
                "type": "object",
                "required": ["zone"],
                "additionalProperties": false,
                "properties": {
                  "zone": {"type": "string"},
                  "windows": {"type": "array", "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                      "days": {"$ref": "#/components/schemas/Values"},
                      "from": {"type": "string"},
                      "to": {"type": "string"}
                    }
                  }},
                  "dates": {"type": "array", "items": {
                    "type": "object",
                    "required": ["date"],
                    "additionalProperties": false,
                    "properties": {
                      "date": {"type": "string"},
                      "until": {"type": "string"},
                      "from": {"type": "string"},
                      "to": {"type": "string"},
                      "closed": {"type": ["boolean", "string"]}
                    }
                  }},
                  "at-end": {"enum": ["finish", "cut"]},
                  "grace": {"$ref": "#/components/schemas/Span"},
                  "on-violation": {"$ref": "#/components/schemas/ViolationAction"}
                }
              },
              "approval": {
                "type": "object",
                "required": ["by"],
                "additionalProperties": false,
                "properties": {
                  "by": {"enum": ["flag", "hook"]},
                  "on-violation": {"$ref": "#/components/schemas/ViolationAction"},
                  "on-no-answer": {"enum": ["keep", "allow", "quarantine"]}
                }
              },
              "data-limit": {
                "type": "object",
                "required": ["volume", "per"],
                "additionalProperties": false,
                "properties": {
                  "volume": {"description": "50MB, 2GB.", "type": "string"},
                  "per": {"enum": ["day", "week", "month", "prepaid"]},
                  "anchor-day": {"type": ["integer", "string"]},
                  "zone": {"type": "string"},
                  "warn-at": {"$ref": "#/components/schemas/Values"},
                  "pooled": {"enum": ["sim", "group", "tenant"]},
                  "on-reached": {"enum": ["block", "quarantine", "slow"]},
                  "slow-rate": {"type": "string"}
                }
              },
              "bandwidth": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                  "up": {"description": "64kbit/s, 2Mbit/s.", "type": "string"},
                  "down": {"type": "string"},
                  "burst": {"type": "string"}
                }
              },
              "quarantine": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                  "policy": {"$ref": "#/components/schemas/Name"},
                  "new-sims": {"type": ["boolean", "string"]}
                }
              }
            }
          },
          "SessionPolicy": {
            "type": "object",
            "required": ["level", "version", "document", "applied_at"],
            "properties": {
              "level": {"$ref": "#/components/schemas/SessionPolicyLevel"},
              "version": {"$ref": "#/components/schemas/Number"},
              "document": {"type": "string"},
              "author": {"type": "string"},
              "applied_at": {"$ref": "#/components/schemas/Time"}
            }
          },
          "AppliedSessionPolicy": {
            "type": "object",
            "required": ["level", "version", "sessions", "in_force_ms", "flows_cut", "total_ms"],
            "properties": {
              "level": {"$ref": "#/components/schemas/SessionPolicyLevel"},
              "version": {"$ref": "#/components/schemas/Number"},
              "sessions": {"description": "That were judged by it.", "$ref": "#/components/schemas/Count"},
              "in_force_ms": {"$ref": "#/components/schemas/Milliseconds"},
              "flows_cut": {"$ref": "#/components/schemas/Count"},
              "total_ms": {"$ref": "#/components/schemas/Milliseconds"}
            }
          },
          "SessionPolicyPlan": {
            "type": "object",
            "required": ["sessions", "changes", "listed"],
            "properties": {
              "version": {"description": "In force; absent when there is none.", "$ref": "#/components/schemas/Number"},
              "sessions": {"description": "That it would be for.", "$ref": "#/components/schemas/Count"},
              "changes": {"description": "How many would come to what.", "type": "array", "items": {
                "type": "object",
                "required": ["action", "sessions"],
                "properties": {
                  "action": {"enum": ["none", "report", "quarantine", "block", "reject"]},
                  "sessions": {"$ref": "#/components/schemas/Count"}
                }
              }},
              "listed": {"description": "The first 100 of these.", "type": "array", "items": {
                "type": "object",
                "required": ["imsi", "session", "before", "after", "violations"],
                "properties": {
                  "imsi": {"$ref": "#/components/schemas/IMSI"},
                  "session": {"$ref": "#/components/schemas/Number"},
                  "before": {"enum": ["none", "report", "quarantine", "block", "reject"]},
                  "after": {"enum": ["none", "report", "quarantine", "block", "reject"]},
                  "violations": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}}
                }
              }}
            }
          },
          "Violation": {
            "type": "object",
            "required": ["section", "reason", "level", "action", "detail"],
            "properties": {
              "section": {"type": "string"},
              "reason": {
                "description": "For programs.",
                "enum": [
                  "imei-changed", "imei-not-listed", "imei-missing", "imei-all-zeros", "location-not-allowed",
                  "location-denied", "location-outside-fence", "location-unknown", "home-network-not-allowed",
                  "outside-hours", "not-approved", "approval-unanswered", "new-sim", "by-hand", "data-limit-reached"
                ]
              },
              "level": {"description": "Who said so.", "$ref": "#/components/schemas/SessionPolicyLevel"},
              "action": {"$ref": "#/components/schemas/ViolationAction"},
              "detail": {"description": "For people.", "type": "string"}
            }
          },
          "Restriction": {
            "description": "What a session may not do beyond its policy, and why.",
            "type": "object",
            "required": ["action", "since", "violations"],
            "properties": {
              "action": {"$ref": "#/components/schemas/ViolationAction"},
              "since": {"$ref": "#/components/schemas/Time"},
              "until": {"$ref": "#/components/schemas/Time"},
              "violations": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}}
            }
          },
          "Effective": {
            "type": "object",
            "required": ["imsi", "tenant", "sections", "violations", "sessions", "volumes"],
            "properties": {
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "tenant": {"$ref": "#/components/schemas/Name"},
              "group": {"$ref": "#/components/schemas/Name"},
              "sections": {"type": "array", "items": {
                "type": "object",
                "required": ["section", "level", "value"],
                "properties": {
                  "section": {"type": "string"},
                  "level": {"$ref": "#/components/schemas/SessionPolicyLevel"},
                  "value": {"description": "For people.", "type": "string"},
                  "verdict": {"description": "ok, or what does not fit.", "type": "string"}
                }
              }},
              "violations": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}},
              "quarantine": {
                "description": "By hand.",
                "type": "object",
                "required": ["reason", "by", "since"],
                "properties": {
                  "reason": {"type": "string"},
                  "by": {"type": "string"},
                  "since": {"$ref": "#/components/schemas/Time"},
                  "until": {"$ref": "#/components/schemas/Time"}
                }
              },
              "approved_at": {"$ref": "#/components/schemas/Time"},
              "approved_by": {"type": "string"},
              "hook_approved": {"type": "boolean"},
              "hook_answered_at": {"$ref": "#/components/schemas/Time"},
              "tolerated_until": {"$ref": "#/components/schemas/Time"},
              "volumes": {"type": "array", "items": {"$ref": "#/components/schemas/Volume"}},
              "rates": {"$ref": "#/components/schemas/Rates"},
              "sessions": {"type": "array", "items": {
                "type": "object",
                "required": ["id", "apn"],
                "properties": {
                  "id": {"$ref": "#/components/schemas/Number"},
                  "apn": {"type": "string"},
                  "restriction": {"$ref": "#/components/schemas/Restriction"}
                }
              }}
            }
          },
          "IMEIStanding": {
            "type": "object",
            "required": ["imsi", "changes"],
            "properties": {
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "first": {"type": "string"},
              "first_seen_at": {"$ref": "#/components/schemas/Time"},
              "last": {"type": "string"},
              "last_changed_at": {"$ref": "#/components/schemas/Time"},
              "changes": {"$ref": "#/components/schemas/Count"}
            }
          },
          "Fence": {
            "type": "object",
            "required": ["imsi", "places"],
            "properties": {
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "since": {"$ref": "#/components/schemas/Time"},
              "places": {"type": "array", "items": {
                "type": "object",
                "required": ["place", "first_seen_at"],
                "properties": {"place": {"type": "string"}, "first_seen_at": {"$ref": "#/components/schemas/Time"}}
              }}
            }
          },
          "NewQuarantine": {
            "type": "object",
            "required": ["reason"],
            "additionalProperties": false,
            "properties": {
              "reason": {"type": "string", "minLength": 1, "maxLength": 200},
              "until": {"$ref": "#/components/schemas/TimeGiven"},
              "for": {"description": "In place of until.", "$ref": "#/components/schemas/Span"}
            }
          },
          "Release": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "for": {"description": "So long violations with quarantine are only reported.", "$ref": "#/components/schemas/Span"}
            }
          },
          "Approval": {
            "type": "object",
            "required": ["approved"],
            "additionalProperties": false,
            "properties": {"approved": {"type": "boolean"}}
          },
          "Approved": {
            "type": "object",
            "required": ["sims", "sessions", "in_force_ms", "flows_cut", "total_ms"],
            "properties": {
              "sims": {"description": "That were not approved before.", "$ref": "#/components/schemas/Count"},
              "sessions": {"$ref": "#/components/schemas/Count"},
              "in_force_ms": {"$ref": "#/components/schemas/Milliseconds"},
              "flows_cut": {"$ref": "#/components/schemas/Count"},
              "total_ms": {"$ref": "#/components/schemas/Milliseconds"}
            }
          },
          "IMEIList": {
            "type": "object",
            "required": ["name", "count", "author", "updated_at"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "count": {"$ref": "#/components/schemas/Count"},
              "author": {"type": "string"},
              "updated_at": {"$ref": "#/components/schemas/Time"},
              "items": {"description": "A page of them.", "type": "array", "items": {"type": "string"}},
              "next_cursor": {"type": "string"}
            }
          },
          "IMEIListChange": {
            "type": "object",
            "required": ["name", "count", "sessions", "in_force_ms", "flows_cut", "total_ms"],
            "properties": {
              "name": {"$ref": "#/components/schemas/Name"},
              "count": {"$ref": "#/components/schemas/Count"},
              "sessions": {"$ref": "#/components/schemas/Count"},
              "in_force_ms": {"$ref": "#/components/schemas/Milliseconds"},
              "flows_cut": {"$ref": "#/components/schemas/Count"},
              "total_ms": {"$ref": "#/components/schemas/Milliseconds"}
            }
          },
          "NewApprovalHook": {
            "type": "object",
            "required": ["url", "secret"],
            "additionalProperties": false,
            "properties": {
              "url": {"type": "string", "format": "uri"},
              "secret": {"description": "Goes in and never comes out again.", "type": "string", "minLength": 16},
              "timeout": {"$ref": "#/components/schemas/Span"},
              "cache": {"$ref": "#/components/schemas/Span"}
            }
          },
          "ApprovalHook": {
            "type": "object",
            "required": ["url", "timeout", "cache", "author", "updated_at"],
            "properties": {
              "url": {"type": "string", "format": "uri"},
              "timeout": {"type": "string"},
              "cache": {"type": "string"},
              "author": {"type": "string"},
              "updated_at": {"$ref": "#/components/schemas/Time"}
            }
          }
        """#
}

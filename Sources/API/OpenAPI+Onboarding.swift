import HTTPTypes

extension OpenAPI {
    static let onboarding: [Operation] = [
        Operation(
            method: .post, path: "/v1/onboardings", id: "onboardTenant",
            summary:
                "Makes a tenant with everything that its document says, in one transaction; of one that is there, what "
                + "differs. Nothing is deleted. Tokens and keys are told here and never again. Only for the operator.",
            tag: "tenants",
            parameters: [
                .query("dry_run", "Only the plan; nothing is changed.", ["type": "boolean", "default": false]),
                .query(
                    "plan", "The digest of the plan that was agreed to: with another, nothing is changed.",
                    ["type": "string"]),
                .query("file", "The document's name, for messages.", ["type": "string", "default": "onboarding"]),
            ],
            body: ["application/yaml", "application/json"].map {
                Content(type: $0, schema: .reference("OnboardingDocument"))
            },
            answers: [.ok("Onboarding")]),
        Operation(
            method: .post, path: "/v1/apns", id: "createAPN",
            summary: "Registers an APN: one tenant's alone, or shared. One that is not registered is open to all.",
            tag: "network", body: [.object("NewAPN")], answers: [.created("APN")]),
        Operation(
            method: .get, path: "/v1/apns", id: "listAPNs",
            summary: "The registered APNs; for a tenant's token, the shared ones and its own.", tag: "network",
            answers: [.page("APN")]),
        Operation(
            method: .delete, path: "/v1/apns/{apn}", id: "deleteAPN",
            summary: "Makes an APN one that is not registered.",
            tag: "network", answers: [.noContent]),
    ]

    /// Those of onboardings and APNs: more members of the object that ``schemas`` is.
    static let onboardingSchemas =
        #"""
          "APNName": {"type": "string", "maxLength": 63},
          "NewAPN": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
              "name": {"$ref": "#/components/schemas/APNName"},
              "tenant": {"description": "Whose alone it is; left out: shared.", "$ref": "#/components/schemas/Name"}
            }
          },
          "APN": {
            "type": "object",
            "required": ["name", "kind", "created_at"],
            "properties": {
              "name": {"$ref": "#/components/schemas/APNName"},
              "kind": {"enum": ["shared", "private"]},
              "tenant": {"$ref": "#/components/schemas/Name"},
              "created_at": {"$ref": "#/components/schemas/Time"}
            }
          },
          "IncludedFile": {
            "description": "What a file holds, in place of what could stand here.",
            "type": "object",
            "required": ["file"],
            "additionalProperties": false,
            "properties": {
              "file": {
                "type": "object",
                "required": ["name", "text"],
                "additionalProperties": false,
                "properties": {"name": {"type": "string"}, "text": {"type": "string"}}
              }
            }
          },
          "OnboardingDocument": {
            "description": "YAML or JSON. What is left out stays as it is, or is as usual.",
            "type": "object",
            "required": ["tenant"],
            "additionalProperties": false,
            "properties": {
              "tenant": {"$ref": "#/components/schemas/Name"},
              "apn": {"oneOf": [
                {"$ref": "#/components/schemas/APNName"},
                {
                  "type": "object",
                  "required": ["name"],
                  "additionalProperties": false,
                  "properties": {
                    "name": {"$ref": "#/components/schemas/APNName"},
                    "kind": {"enum": ["shared", "private"]}
                  }
                }
              ]},
              "addresses": {"description": "For how many devices there are to be blocks.", "type": ["integer", "string"]},
              "blocks": {"description": "Instead of addresses.", "type": ["integer", "string"]},
              "limits": {
                "type": "object",
                "additionalProperties": false,
                "properties": {"vpns": {"type": ["integer", "string"]}}
              },
              "lists": {"type": "array", "items": {
                "type": "object",
                "required": ["name", "items"],
                "additionalProperties": false,
                "properties": {
                  "name": {"$ref": "#/components/schemas/Name"},
                  "items": {"type": "array", "items": {"type": "string"}}
                }
              }},
              "groups": {"type": "array", "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": false,
                "properties": {
                  "name": {"$ref": "#/components/schemas/Name"},
                  "policy": {"$ref": "#/components/schemas/Name"}
                }
              }},
              "policies": {"type": "array", "items": {
                "description": "A policy document, or a file that holds one.",
                "oneOf": [{"$ref": "/v1/schemas/policy.json"}, {"$ref": "#/components/schemas/IncludedFile"}]
              }},
              "default-policy": {"$ref": "#/components/schemas/Name"},
              "vpns": {"type": "array", "items": {
                "description": "As NewVPN has it, of tunnels.",
                "type": "object",
                "required": ["name", "peer", "remote-networks"],
                "additionalProperties": false,
                "properties": {
                  "name": {"$ref": "#/components/schemas/Name"},
                  "peer": {"type": "string"},
                  "remote-networks": {"type": ["array", "string"]},
                  "local-network": {"type": "string"},
                  "profile": {"enum": ["default", "compatible"]},
                  "auth": {"enum": ["psk", "certificate"]},
                  "peer-id": {"type": "string"},
                  "gateway-id": {"enum": ["name", "address"]},
                  "initiate": {"enum": ["always", "on-demand", "never"]},
                  "force-encapsulation": {"type": ["boolean", "string"]},
                  "pair-selectors": {"type": ["boolean", "string"]},
                  "probe": {"type": "string"},
                  "partner": {
                    "type": "object",
                    "required": ["name"],
                    "additionalProperties": false,
                    "properties": {
                      "name": {"$ref": "#/components/schemas/Name"},
                      "destinations": {"type": ["array", "string"]},
                      "ports": {"type": ["array", "string"]},
                      "valid-from": {"type": "string"},
                      "valid-until": {"type": "string"}
                    }
                  },
                  "certificate-request": {"description": "PKCS #10 in PEM.", "type": "string"}
                }
              }},
              "sims": {
                "description": "Files are tables with the header iccid,imsi,msisdn,group,name.",
                "oneOf": [
                  {"$ref": "#/components/schemas/IncludedFile"},
                  {"type": "array", "items": {"oneOf": [
                    {"$ref": "#/components/schemas/IncludedFile"},
                    {
                      "type": "object",
                      "required": ["imsi", "iccid"],
                      "additionalProperties": false,
                      "properties": {
                        "imsi": {"$ref": "#/components/schemas/IMSI"},
                        "iccid": {"$ref": "#/components/schemas/ICCID"},
                        "msisdn": {"$ref": "#/components/schemas/MSISDN"},
                        "group": {"$ref": "#/components/schemas/Name"},
                        "name": {"type": "string"}
                      }
                    }
                  ]}}
                ]
              },
              "users": {"description": "Each gets a token of the tenant's.", "type": "array", "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": false,
                "properties": {"name": {"$ref": "#/components/schemas/Name"}}
              }}
            }
          },
          "Onboarding": {
            "type": "object",
            "required": ["plan"],
            "properties": {
              "plan": {"$ref": "#/components/schemas/OnboardingPlan"},
              "result": {
                "description": "Absent of a dry run.",
                "type": "object",
                "required": ["tokens", "vpns", "next_steps", "delays", "enforcement"],
                "properties": {
                  "tokens": {"type": "array", "items": {"$ref": "#/components/schemas/TokenWithSecret"}},
                  "vpns": {"description": "Those that were made or changed.", "type": "array", "items": {
                    "type": "object",
                    "required": ["handover", "next_steps"],
                    "properties": {
                      "handover": {"$ref": "#/components/schemas/VPNHandover"},
                      "next_steps": {
                        "description": "What the customer has to do at its end.",
                        "type": "array", "items": {"type": "string"}
                      }
                    }
                  }},
                  "next_steps": {
                    "description": "What the customer has to do beside its VPNs.",
                    "type": "array", "items": {"type": "string"}
                  },
                  "delays": {
                    "description": "What is stored and not in force yet; it will be tried again.",
                    "type": "array", "items": {"type": "string"}
                  },
                  "enforcement": {"$ref": "#/components/schemas/Enforcement"}
                }
              }
            }
          },
          "OnboardingPlan": {
            "type": "object",
            "required": ["tenant", "digest", "changes_nothing", "steps", "others", "warnings"],
            "properties": {
              "tenant": {"$ref": "#/components/schemas/Name"},
              "digest": {"description": "The same for plans that do the same.", "type": "string"},
              "changes_nothing": {"type": "boolean"},
              "steps": {"type": "array", "items": {
                "type": "object",
                "required": ["action", "kind", "name", "detail", "changes"],
                "properties": {
                  "action": {"enum": ["create", "change", "keep"]},
                  "kind": {"enum": [
                    "tenant", "apn", "limit", "blocks", "list", "group", "vpn", "policy", "default-policy", "sim", "user"
                  ]},
                  "name": {"type": "string"},
                  "detail": {"type": "string"},
                  "changes": {"type": "array", "items": {
                    "type": "object",
                    "required": ["field"],
                    "properties": {
                      "field": {"type": "string"},
                      "before": {"type": "string"},
                      "after": {"type": "string"}
                    }
                  }}
                }
              }},
              "others": {"description": "What the document does not name: it is left alone.", "type": "array", "items": {
                "type": "object",
                "required": ["kind", "name"],
                "properties": {"kind": {"type": "string"}, "name": {"type": "string"}}
              }},
              "warnings": {"type": "array", "items": {"$ref": "#/components/schemas/Place"}}
            }
          }
        """#
}

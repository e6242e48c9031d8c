import HTTPTypes

extension OpenAPI {
    static let usage: [Operation] = [
        summed("/v1/sims/{imsi}/usage", "showSIMUsage", "What a SIM had."),
        summed(
            "/v1/tenants/{tenant}/groups/{group}/usage", "showGroupUsage",
            "What a group's SIMs had while they were in it."),
        summed("/v1/tenants/{tenant}/usage", "showTenantUsage", "What a tenant's SIMs had, all together."),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/usage/sims", id: "listSIMUsage",
            summary: "What each of a tenant's SIMs had, by IMSI.", tag: "usage",
            parameters: [.query("group", "Only SIMs that are in this group.", .reference("Name"))] + times + [format]
                + Parameter.pages,
            answers: [
                Answer(
                    status: 200, description: "One page.", content: [.object("SIMUsage"), .text("text/csv")],
                    headers: ["Link"])
            ]),
        Operation(
            method: .get, path: "/v1/tenants/{tenant}/usage/rules", id: "listRuleUsage",
            summary: "What the rules of a tenant's policies let pass that have usage: true, an item for each.",
            tag: "usage",
            parameters: [
                .query("policy", "Only of this policy; it may be deleted since.", .reference("Name"))
            ] + times + [step, format],
            answers: [
                Answer(status: 200, description: "Done.", content: [.object("RuleUsage"), .text("text/csv")])
            ]),
        Operation(
            method: .get, path: "/v1/usage/records", id: "listUsageRecords",
            summary:
                "What sessions had between two readings, each record once and in a lasting order; 410 when records after the number were removed before they were read. For a tenant's token its own.",
            tag: "usage",
            parameters: [
                .query("tenant", "Only this tenant's.", .reference("Name")),
                .query(
                    "after", "The position of the answer before; from the oldest record unless given.",
                    ["type": "integer", "minimum": 0]),
                format, .limit,
            ],
            answers: [
                Answer(
                    status: 200, description: "Some, oldest first.",
                    content: [.object("UsageRecords"), .text("text/csv")], headers: ["Link"])
            ]),
    ]

    private static let format = Parameter.query(
        "format", "Instead of what Accept asks for.", ["enum": ["json", "csv"]])
    private static let step = Parameter.query(
        "step", "What one item is about, in UTC.",
        ["enum": ["5m", "hour", "day", "month", "total"], "default": "day"])
    private static let times = [
        Parameter.query(
            "from", "The month's beginning unless given; the day's for steps shorter than a day.",
            .reference("TimeGiven")),
        Parameter.query("to", "Now unless given.", .reference("TimeGiven")),
    ]

    private static func summed(_ path: String, _ id: String, _ summary: String) -> Operation {
        Operation(
            method: .get, path: path, id: id, summary: summary, tag: "usage",
            parameters: times + [
                step, .query("by_way", "An item for each way.", ["type": "boolean", "default": false]), format,
            ],
            answers: [
                Answer(status: 200, description: "Done.", content: [.object("Usage"), .text("text/csv")])
            ])
    }

    static let usageSchemas = #"""
          "UsageCounts": {
            "description": "Octets of IP packets that passed; up is from the device.",
            "type": "object",
            "required": ["octets_up", "octets_down", "packets_up", "packets_down"],
            "properties": {
              "octets_up": {"$ref": "#/components/schemas/Count"},
              "octets_down": {"$ref": "#/components/schemas/Count"},
              "packets_up": {"$ref": "#/components/schemas/Count"},
              "packets_down": {"$ref": "#/components/schemas/Count"}
            }
          },
          "UsageWay": {
            "description": "internet, vpn:NAME, group: to or from devices, gateway: names; vpn: one that is deleted.",
            "type": "string",
            "pattern": "^(internet|gateway|group|vpn(:[a-z0-9-]+)?)$"
          },
          "Usage": {
            "type": "object",
            "required": ["from", "to", "step", "is_complete", "total", "items"],
            "properties": {
              "from": {"$ref": "#/components/schemas/Time"},
              "to": {"$ref": "#/components/schemas/Time"},
              "step": {"enum": ["5m", "hour", "day", "month", "total"]},
              "is_complete": {
                "description": "false: some of the time is older than sums as short as were asked for are kept.",
                "type": "boolean"
              },
              "read_at": {"description": "Up to when usage has been read.", "$ref": "#/components/schemas/Time"},
              "total": {"$ref": "#/components/schemas/UsageCounts"},
              "items": {
                "description": "Steps without usage are left out.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["from", "to", "octets_up", "octets_down", "packets_up", "packets_down"],
                  "properties": {
                    "from": {"$ref": "#/components/schemas/Time"},
                    "to": {"$ref": "#/components/schemas/Time"},
                    "way": {"$ref": "#/components/schemas/UsageWay"},
                    "octets_up": {"$ref": "#/components/schemas/Count"},
                    "octets_down": {"$ref": "#/components/schemas/Count"},
                    "packets_up": {"$ref": "#/components/schemas/Count"},
                    "packets_down": {"$ref": "#/components/schemas/Count"}
                  }
                }
              }
            }
          },
          "RuleUsage": {
            "type": "object",
            "required": ["from", "to", "step", "is_complete", "total", "items"],
            "properties": {
              "from": {"$ref": "#/components/schemas/Time"},
              "to": {"$ref": "#/components/schemas/Time"},
              "step": {"enum": ["5m", "hour", "day", "month", "total"]},
              "is_complete": {"description": "As of the sums of one SIM.", "type": "boolean"},
              "read_at": {"description": "Up to when usage has been read.", "$ref": "#/components/schemas/Time"},
              "total": {"description": "Of the items.", "$ref": "#/components/schemas/UsageCounts"},
              "items": {
                "description": "Steps without usage are left out.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": [
                    "from", "to", "policy", "rule", "octets_up", "octets_down", "packets_up", "packets_down"
                  ],
                  "properties": {
                    "from": {"$ref": "#/components/schemas/Time"},
                    "to": {"$ref": "#/components/schemas/Time"},
                    "policy": {"description": "As it was called then.", "$ref": "#/components/schemas/Name"},
                    "rule": {"description": "The same.", "$ref": "#/components/schemas/Name"},
                    "octets_up": {"$ref": "#/components/schemas/Count"},
                    "octets_down": {"$ref": "#/components/schemas/Count"},
                    "packets_up": {"$ref": "#/components/schemas/Count"},
                    "packets_down": {"$ref": "#/components/schemas/Count"}
                  }
                }
              }
            }
          },
          "SIMUsage": {
            "type": "object",
            "required": ["from", "to", "is_complete", "items"],
            "properties": {
              "from": {"$ref": "#/components/schemas/Time"},
              "to": {"$ref": "#/components/schemas/Time"},
              "is_complete": {"description": "As of the sums of one SIM.", "type": "boolean"},
              "next_cursor": {"description": "There when more may follow: ask again with it as cursor.", "type": "string"},
              "items": {
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["imsi", "octets_up", "octets_down", "packets_up", "packets_down"],
                  "properties": {
                    "imsi": {"$ref": "#/components/schemas/IMSI"},
                    "group": {"description": "That it is in now.", "$ref": "#/components/schemas/Name"},
                    "octets_up": {"$ref": "#/components/schemas/Count"},
                    "octets_down": {"$ref": "#/components/schemas/Count"},
                    "packets_up": {"$ref": "#/components/schemas/Count"},
                    "packets_down": {"$ref": "#/components/schemas/Count"}
                  }
                }
              }
            }
          },
          "UsageRecords": {
            "type": "object",
            "required": ["items", "position", "has_more"],
            "properties": {
              "position": {"description": "What to give as after to go on.", "$ref": "#/components/schemas/Count"},
              "has_more": {"description": "Whether there are more already.", "type": "boolean"},
              "items": {
                "type": "array",
                "items": {
                  "type": "object",
                  "required": [
                    "number", "imsi", "session", "way", "from", "to", "octets_up", "octets_down", "packets_up",
                    "packets_down"
                  ],
                  "properties": {
                    "number": {"description": "Grows; others' records are between.", "$ref": "#/components/schemas/Number"},
                    "tenant": {"description": "Absent once it is deleted.", "$ref": "#/components/schemas/Name"},
                    "group": {
                      "description": "That the SIM was in; absent once it is deleted.",
                      "$ref": "#/components/schemas/Name"
                    },
                    "imsi": {"$ref": "#/components/schemas/IMSI"},
                    "session": {"$ref": "#/components/schemas/Number"},
                    "way": {"$ref": "#/components/schemas/UsageWay"},
                    "from": {"description": "The reading before.", "$ref": "#/components/schemas/Time"},
                    "to": {"description": "The reading, or the session's end.", "$ref": "#/components/schemas/Time"},
                    "octets_up": {"$ref": "#/components/schemas/Count"},
                    "octets_down": {"$ref": "#/components/schemas/Count"},
                    "packets_up": {"$ref": "#/components/schemas/Count"},
                    "packets_down": {"$ref": "#/components/schemas/Count"}
                  }
                }
              }
            }
          }
        """#
}

import Domain
import HTTPTypes

extension OpenAPI {
    static let events: [Operation] = [
        Operation(
            method: .get, path: "/v1/events", id: "listEvents",
            summary:
                "What has happened; for a tenant's token, to it. 410: what came after the cursor is not kept any more.",
            tag: "events",
            parameters: filters + [
                .query(
                    "order", "Which come first. With oldest, position is where the next reading begins.",
                    ["enum": ["newest", "oldest"], "default": "newest"]), Parameter.limit, Parameter.cursor,
            ],
            answers: [
                Answer(
                    status: 200, description: "One page; it may be short, or empty, where more follow.",
                    content: [.object("EventList")])
            ]),
        Operation(
            method: .get, path: "/v1/events/stream", id: "followEvents",
            summary: "Events as they happen, as a stream of server-sent events with an Event as data each.",
            tag: "events",
            parameters: filters + [
                .query(
                    "after", "Begin after the event of this number; 0: with the oldest. Absent: from now on.",
                    ["type": "integer", "minimum": 0]),
                Parameter(
                    name: "Last-Event-ID", place: "header", description: "As after, and goes before it.",
                    schema: ["type": "string", "pattern": "^[0-9]+$"]),
            ],
            answers: [
                Answer(
                    status: 200,
                    description: """
                        A message's id is the event's number. One of the type gap has an EventGap as data: events were \
                        removed before they could be told. Comments show that the stream is alive, and with an id how \
                        far it has come. It ends when the daemon stops.
                        """,
                    content: [
                        Content(
                            type: "text/event-stream",
                            schema: [
                                "description": "A message's data.",
                                "oneOf": [.reference("Event"), .reference("EventGap")],
                            ])
                    ])
            ]),
    ]

    private static let filters: [Parameter] = [
        .query("tenant", "Only this tenant's.", .reference("Name")),
        .query("imsi", "Only this SIM's.", .reference("IMSI")),
        .query("code", "Only with one of these, with commas between them.", ["type": "string"]),
        .query("kind", "Only of one of these, with commas between them.", ["type": "string"]),
        .query("since", "Not before this time.", .reference("TimeGiven")),
        .query("until", "Before this time.", .reference("TimeGiven")),
    ]

    static let eventSchemas = #"""
          "EventKind": {"enum": [\#(names(Event.Kind.allCases.map(\.rawValue)))]},
          "EventCode": {"enum": [\#(names(Event.Code.allCases.map(\.rawValue)))]},
          "Event": {
            "type": "object",
            "required": ["number", "time", "kind", "code", "subject", "message", "details"],
            "properties": {
              "number": {"description": "Grows by one with each, of all tenants.", "$ref": "#/components/schemas/Number"},
              "time": {"$ref": "#/components/schemas/Time"},
              "kind": {"$ref": "#/components/schemas/EventKind"},
              "code": {"$ref": "#/components/schemas/EventCode"},
              "tenant": {"description": "Absent: the operator's.", "$ref": "#/components/schemas/Name"},
              "subject": {
                "description": "What it is about, such as vpn/hq.",
                "type": "string", "pattern": "^(sim|vpn|policy|group|tenant|nas|gateway)/"
              },
              "imsi": {"$ref": "#/components/schemas/IMSI"},
              "session": {"$ref": "#/components/schemas/Number"},
              "message": {"description": "For people.", "type": "string"},
              "details": {
                "description": "For programs.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["name", "value"],
                  "properties": {"name": {"type": "string"}, "value": {"type": "string"}}
                }
              }
            }
          },
          "EventList": {
            "type": "object",
            "required": ["items", "position"],
            "properties": {
              "items": {"type": "array", "items": {"$ref": "#/components/schemas/Event"}},
              "position": {
                "description": "How far was looked: as cursor it is where to go on, as after of the stream where to follow.",
                "type": "string"
              },
              "next_cursor": {"description": "There when more follow.", "type": "string"}
            }
          },
          "EventGap": {
            "description": "Events after one number and up to another are not kept any more.",
            "type": "object",
            "required": ["after", "up_to"],
            "properties": {
              "after": {"$ref": "#/components/schemas/Count"},
              "up_to": {"$ref": "#/components/schemas/Number"}
            }
          }
        """#

    private static func names(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ", ") }
}

import ArgumentParser

struct SessionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session", abstract: "Connections of devices.", subcommands: [List.self, Show.self])

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists active sessions.")
        @Option(help: "Only of this tenant.") var tenant: String?
        @Flag(help: "Those that have ended too.") var all = false
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var table = Table("ID", "IMSI", "TENANT", "APN", "ADDRESS", "STATE", "RAT", "STARTED", "UP", "DOWN")
            try await api.pages("sessions", query: [("tenant", tenant), ("active", all ? "false" : "true")]) {
                answer in
                api.show(answer) { page in
                    table.print(
                        page.items.map {
                            [
                                $0["id"].cell, $0["imsi"].cell, $0["tenant"].cell, $0["apn"].cell,
                                $0["address"].cell, $0["ended_at"] == .null ? "active" : "ended", $0["rat"].cell,
                                $0["started_at"].cell, $0["octets_up"].cell, $0["octets_down"].cell,
                            ]
                        })
                }
            }
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(abstract: "Shows a session.")
        @Argument(help: "Its number, as `session list` shows it.") var id: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("sessions", id), printSession)
        }
    }
}

func printSession(_ session: JSONValue) {
    let nat = session["nat"]
    let because = session["restriction"]["violations"].elements.map {
        JSONValue.string("\($0["reason"].cell) (\($0["level"].cell)): \($0["detail"].cell)")
    }
    let binding =
        nat == .null
        ? JSONValue.null : .string("\(nat["address"].cell) ports \(nat["first_port"].cell)-\(nat["last_port"].cell)")
    printDetails([
        ("session", session["id"]), ("imsi", session["imsi"]), ("tenant", session["tenant"]),
        ("apn", session["apn"]), ("address", session["address"]), ("behind NAT 1", binding), ("nas", session["nas"]),
        ("imei", session["imei"]), ("rat", session["rat"]), ("visited network", session["visited_network"]),
        ("location", session["location"]), ("accounting id", session["accounting_session_id"]),
        ("started", session["started_at"]), ("updated", session["updated_at"]), ("ended", session["ended_at"]),
        ("octets up", session["octets_up"]), ("octets down", session["octets_down"]),
        ("packets up", session["packets_up"]), ("packets down", session["packets_down"]),
        ("seconds", session["seconds"]),
        ("restriction", session["restriction"]["action"]), ("restricted since", session["restriction"]["since"]),
        ("restricted until", session["restriction"]["until"]),
        ("because", because.isEmpty ? .null : .array(because)),
    ])
}

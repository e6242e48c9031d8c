import ArgumentParser

struct SessionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session", abstract: "Connections of devices.",
        subcommands: [List.self, Show.self, Disconnect.self, Change.self])

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists active sessions.")
        @Option(help: "Only of this tenant.") var tenant: String?
        @Flag(help: "Those that have ended too.") var all = false
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var table = Table(
                "ID", "IMSI", "TENANT", "APN", "ADDRESS", "STATE", "RAT", "STARTED", "LAST SEEN", "UP", "DOWN")
            try await api.pages("sessions", query: [("tenant", tenant), ("active", all ? "false" : "true")]) {
                answer in
                api.show(answer) { page in
                    table.print(
                        page.items.map {
                            [
                                $0["id"].cell, $0["imsi"].cell, $0["tenant"].cell, $0["apn"].cell,
                                addresses(of: $0), $0["online"].bool == true ? "online" : "ended", $0["rat"].cell,
                                $0["started_at"].cell, $0["last_seen_at"].cell, $0["octets_up"].cell,
                                $0["octets_down"].cell,
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
            api.show(try await api.get("sessions", id)) { session in
                printSession(session)
                let bearers = session["bearers"].elements
                if !bearers.isEmpty {
                    print("")
                    var table = Table("BEARER", "ACCOUNTING ID", "STARTED", "ENDED", "UP", "DOWN")
                    table.print(
                        bearers.map { bearer in
                            ["nsapi", "accounting_session_id", "started_at", "ended_at", "octets_up", "octets_down"]
                                .map { bearer[$0].cell }
                        })
                }
                let places = session["places"].elements
                guard !places.isEmpty else { return }
                print("")
                var table = Table("SINCE", "IMEI", "RAT", "NETWORK", "LOCATION")
                table.print(
                    places.map { place in
                        ["since", "imei", "rat", "visited_network", "location"].map { place[$0].cell }
                    })
            }
        }
    }

    struct Disconnect: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Has the NAS end a session; its device may attach again at once.")
        @Argument(help: "Its number, as `session list` shows it.") var id: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.post("sessions", id, "disconnect"), printOrder)
        }
    }

    struct Change: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes a session at its NAS without ending it (RADIUS CoA).",
            discussion: "The NAS has to take CoA-Requests: cordon nas set NAME --coa.")
        @Argument(help: "Its number, as `session list` shows it.") var id: String
        @Option(help: "Seconds between two reports (Acct-Interim-Interval), 60 at least.") var interim: UInt32?
        @Option(help: "Seconds after which the NAS ends it (Session-Timeout).") var sessionTimeout: UInt32?
        @Option(help: "Seconds without traffic after which the NAS ends it (Idle-Timeout).") var idleTimeout: UInt32?
        @Flag(help: "End the session where the NAS does not take the change.") var orDisconnect = false
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard interim != nil || sessionTimeout != nil || idleTimeout != nil else {
                throw ValidationError("give --interim, --session-timeout or --idle-timeout")
            }
        }

        func run(_ api: APIClient) async throws {
            var body: [String: JSONValue] = ["or_disconnect": .bool(orDisconnect)]
            if let interim { body["interim_seconds"] = .integer(Int64(interim)) }
            if let sessionTimeout { body["session_timeout_seconds"] = .integer(Int64(sessionTimeout)) }
            if let idleTimeout { body["idle_timeout_seconds"] = .integer(Int64(idleTimeout)) }
            api.show(try await api.post("sessions", id, "change", body: .json(body)), printOrder)
        }
    }
}

/// Each step with its time.
private func printOrder(_ order: JSONValue) {
    var table = Table("STEP", "AFTER", "RESULT")
    table.print(order["steps"].elements.map { [$0["name"].cell, $0["after_ms"].milliseconds, $0["detail"].cell] })
    if order["is_complete"].bool == false {
        printError("cordon: the NAS has not confirmed it")
    }
}

/// What the device has of both families.
private func addresses(of session: JSONValue) -> String {
    [session["address"], session["prefix"]].filter { $0 != .null }.map(\.cell).joined(separator: ",")
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
        ("apn", session["apn"]), ("address", session["address"]), ("IPv6 prefix", session["prefix"]),
        ("delegated prefix", session["delegated_prefix"]), ("behind NAT 1", binding), ("nas", session["nas"]),
        ("imei", session["imei"]), ("rat", session["rat"]), ("visited network", session["visited_network"]),
        ("location", session["location"]), ("accounting id", session["accounting_session_id"]),
        ("started", session["started_at"]), ("updated", session["updated_at"]), ("ended", session["ended_at"]),
        ("because", session["end_cause"]), ("online", session["online"]), ("last seen", session["last_seen_at"]),
        ("last packet", session["last_packet_at"]),
        ("octets up", session["octets_up"]), ("octets down", session["octets_down"]),
        ("packets up", session["packets_up"]), ("packets down", session["packets_down"]),
        ("seconds", session["seconds"]),
        ("counted up", session["counted"]["octets_up"]), ("counted down", session["counted"]["octets_down"]),
        ("restriction", session["restriction"]["action"]), ("restricted since", session["restriction"]["since"]),
        ("restricted until", session["restriction"]["until"]),
        ("because", because.isEmpty ? .null : .array(because)),
    ])
}

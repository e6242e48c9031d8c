import ArgumentParser

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Who may use the API.",
        subcommands: [Create.self, List.self, Delete.self])

    struct Create: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a token and prints it; it cannot be shown again.")
        @Argument(help: "Its name, for lists and the audit log.") var name: String
        @Option(help: "The tenant it is for; without one it is the operator's.") var tenant: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let body: [String: JSONValue] = ["name": .string(name), "tenant": JSONValue(tenant)]
            api.show(try await api.post("tokens", body: .json(body))) { print($0["secret"].cell) }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists the tokens, without their secrets.")
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tokens")) { answer in
                var table = Table("NAME", "ROLE", "TENANT", "CREATED")
                table.print(
                    answer.items.map { token in ["name", "role", "tenant", "created_at"].map { token[$0].cell } })
            }
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(abstract: "Deletes a token; it is refused at once.")
        @Argument(help: "Its name.") var name: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("tokens", name)
            api.say("token \(name) deleted")
        }
    }
}

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Who changed what.", subcommands: [List.self])

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists the latest changes, newest first.")
        @Option(help: "How many, 1 to 1000.") var limit = 100
        @Option(help: "Those before this one: `next_cursor` of the page before.") var cursor: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("audit", query: [("limit", "\(limit)"), ("cursor", cursor)])) { answer in
                var table = Table("ID", "TIME", "BY", "ACTION", "TARGET", "DETAIL")
                table.print(
                    answer.items.map { record in
                        ["id", "time", "actor", "action", "target", "detail"].map { record[$0].cell }
                    })
            }
        }
    }
}

struct StatusCommand: APICommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows how much there is and what the kernel has counted.")
    @OptionGroup var output: OutputOptions

    func run(_ api: APIClient) async throws {
        api.show(try await api.get("status")) { status in
            printDetails([
                ("ready", status["is_ready"]), ("tenants", status["tenants"]), ("sims", status["sims"]),
                ("active sessions", status["active_sessions"]), ("policies", status["policies"]),
            ])
            print("")
            var table = Table("COUNTER", "PACKETS", "OCTETS")
            table.print(
                status["counters"].elements.map { counter in
                    ["name", "packets", "octets"].map { counter[$0].cell }
                })
        }
    }
}

import ArgumentParser

struct APNCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apn", abstract: "APNs: shared ones, and those of one tenant alone.",
        discussion: "An APN that is not registered is open to the SIMs of every tenant, as one that is shared.",
        subcommands: [Create.self, List.self, Delete.self])

    struct Create: APICommand {
        static let configuration = CommandConfiguration(abstract: "Registers an APN.")
        @Argument(help: "Its network identifier: acme.iot.") var name: String
        @Option(help: "The tenant whose SIMs alone come in by it; without one it is shared.") var tenant: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var body: [String: JSONValue] = ["name": .string(name)]
            if let tenant { body["tenant"] = .string(tenant) }
            api.show(try await api.post("apns", body: .json(body))) {
                print("APN \($0["name"].cell) registered: \($0["kind"].cell)")
            }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists the APNs that are registered.")
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("apns")) { answer in
                var table = Table("NAME", "KIND", "TENANT", "CREATED")
                table.print(
                    answer.items.map { item in ["name", "kind", "tenant", "created_at"].map { item[$0].cell } })
            }
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an APN one that is not registered: open to the SIMs of every tenant.")
        @Argument(help: "Its name.") var name: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("apns", name)
            api.say("APN \(name) is not registered any more")
        }
    }
}

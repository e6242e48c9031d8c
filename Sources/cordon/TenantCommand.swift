import ArgumentParser

struct TenantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "Enterprise customers.",
        subcommands: [
            Onboard.self, Create.self, List.self, Show.self, Delete.self, SetDefaultPolicy.self,
            DNSExceptionCommand.self,
        ])

    struct Create: APICommand {
        static let configuration = CommandConfiguration(abstract: "Makes a tenant.")
        @Argument(help: "Its name: lower-case letters, digits and hyphens.") var name: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.post("tenants", body: .json(["name": .string(name)]))) {
                print("tenant \($0["name"].cell) created")
            }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists the tenants that the token may see.")
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants")) { answer in
                var table = Table("NAME", "DEFAULT POLICY", "CREATED")
                table.print(answer.items.map { [$0["name"].cell, $0["default_policy"].cell, $0["created_at"].cell] })
            }
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(abstract: "Shows a tenant and its address blocks.")
        @Argument(help: "The tenant's name.") var name: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.get("tenants", name)
            guard !api.isJSON else { return api.show(answer) { _ in } }
            let blocks = try await api.get("tenants", name, "blocks").value.items.map { $0["prefix"] }
            printDetails([
                ("name", answer.value["name"]), ("default policy", answer.value["default_policy"]),
                ("created", answer.value["created_at"]), ("blocks", .array(blocks)),
            ])
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Deletes a tenant without SIMs, with its groups, policies and blocks.")
        @Argument(help: "The tenant's name.") var name: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("tenants", name)
            api.say("tenant \(name) deleted")
        }
    }

    struct SetDefaultPolicy: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets the policy of the tenant's SIMs that have no group.")
        @Argument(help: "The tenant's name.") var name: String
        @OptionGroup var choice: PolicyChoice
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.put("tenants", name, "default-policy", body: ["policy": choice.value])
            api.show(answer) { print($0.enforcement) }
        }
    }
}

/// `--policy P` or `--none`.
struct PolicyChoice: ParsableArguments {
    @Option(help: "The policy's name.") var policy: String?
    @Flag(help: "No policy.") var none = false

    func validate() throws {
        guard (policy == nil) == none else { throw ValidationError("give --policy NAME or --none") }
    }

    var value: JSONValue { JSONValue(policy) }
}

struct GroupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "SIMs of a tenant that share a policy.",
        subcommands: [Create.self, List.self, SetPolicy.self, Delete.self])

    struct Create: APICommand {
        static let configuration = CommandConfiguration(abstract: "Makes a group.")
        @Argument(help: "Its name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "The group's policy; without one the tenant's default holds.") var policy: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let body: [String: JSONValue] = ["name": .string(name), "policy": JSONValue(policy)]
            api.show(try await api.post("tenants", tenant, "groups", body: .json(body))) {
                print("group \($0["name"].cell) created")
            }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists a tenant's groups.")
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "groups")) { answer in
                var table = Table("NAME", "POLICY")
                table.print(answer.items.map { [$0["name"].cell, $0["policy"].cell] })
            }
        }
    }

    struct SetPolicy: APICommand {
        static let configuration = CommandConfiguration(abstract: "Sets the policy of a group.")
        @Argument(help: "The group's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var choice: PolicyChoice
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.put(
                "tenants", tenant, "groups", name, "policy", body: ["policy": choice.value])
            api.show(answer) { print($0.enforcement) }
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(abstract: "Deletes a group without SIMs.")
        @Argument(help: "The group's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("tenants", tenant, "groups", name)
            api.say("group \(name) deleted")
        }
    }
}

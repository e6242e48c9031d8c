import ArgumentParser

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Destinations that a tenant's policies share.",
        subcommands: [Put.self, List.self, Show.self, Delete.self])

    struct Put: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a list hold what a file says, and puts the policies that name it in force anew.")
        @Argument(help: "The list's name.") var name: String
        @Argument(help: "One address, prefix or host name a line, # for comments; - for standard input.")
        var file: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.put(
                "tenants", tenant, "lists", name, body: .bytes(try readFile(file), type: "text/plain"), file: file)
            api.show(answer) { print("list \(name) \($0.sharedChange)") }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists a tenant's lists.")
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "lists")) { answer in
                var table = Table("NAME", "ITEMS", "CHANGED", "BY")
                table.print(
                    answer.items.map { list in ["name", "count", "updated_at", "author"].map { list[$0].cell } })
            }
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(abstract: "Prints what a list holds, one item a line.")
        @Argument(help: "The list's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "lists", name)) { list in
                printError("changed \(list["updated_at"].cell) by \(list["author"].cell.onOneLine)")
                for item in list["items"].elements { print(item.cell) }
            }
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(abstract: "Deletes a list that no policy names.")
        @Argument(help: "The list's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("tenants", tenant, "lists", name)
            api.say("list \(name) deleted")
        }
    }
}

struct ServiceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service", abstract: "Names for protocols and ports, for the policies of all tenants.",
        subcommands: [Put.self, List.self, Delete.self])

    struct Put: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Says what a service is, and puts the policies that name it in force anew.")
        @Argument(help: "The service's name.") var name: String
        @Argument(help: "Protocols and ports: \"tcp 8883, udp 5684-5685\".") var definition: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.put("services", name, body: .json(["definition": .string(definition)]))
            api.show(answer) { print("service \(name) \($0.sharedChange)") }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists everything that rules may name as services.")
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("services")) { answer in
                var table = Table("NAME", "DEFINITION", "CHANGED", "BY")
                table.print(
                    answer.items.map { service in
                        ["name", "definition", "updated_at", "author"].map { service[$0].cell }
                    })
            }
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Deletes a service that no policy names, or undoes the change of one that Cordon brings along.")
        @Argument(help: "The service's name.") var name: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("services", name)
            api.say("service \(name) deleted")
        }
    }
}

extension JSONValue {
    /// The report of a change of a list or a service, in words.
    fileprivate var sharedChange: String {
        let policies = self["policies"].elements.map(\.cell)
        guard !policies.isEmpty else { return "stored; no policy in force names it" }
        let shown = policies.prefix(10).joined(separator: ", ")
        return "\(enforcement)\npolicies: \(shown)" + (policies.count > 10 ? " and \(policies.count - 10) more" : "")
    }
}

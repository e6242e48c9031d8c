import ArgumentParser

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "What devices may reach.",
        subcommands: [Validate.self, Apply.self, List.self, Show.self, Explain.self, Delete.self])

    struct Validate: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Says what is wrong with a policy document; changes nothing.")
        @Argument(help: "The document, YAML or JSON, - for standard input.") var file: String
        @Option(help: "The tenant it is meant for.") var tenant: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let document = try Document(file)
            let answer =
                if let tenant {
                    try await api.post(
                        "tenants", tenant, "policies", "validate", query: [("file", file)], body: document.body,
                        file: file)
                } else {
                    try await api.post(
                        "policies", "validate", query: [("file", file)], body: document.body, file: file)
                }
            api.show(answer) {
                printWarnings($0, file)
                print("\(file): policy \($0["name"].cell) is right")
            }
        }
    }

    struct Apply: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a document the policy's version in force, and cuts flows that it does not allow.")
        @Argument(help: "The document, YAML or JSON, - for standard input.") var file: String
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "Why, for the list of versions.") var comment: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.post(
                "tenants", tenant, "policies", query: [("file", file), ("comment", comment)],
                body: try Document(file).body, file: file)
            api.show(answer) {
                printWarnings($0, file)
                print("policy \($0["name"].cell) version \($0["version"].cell) \($0.enforcement)")
            }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists a tenant's policies.")
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "policies")) { printVersions($0.items) }
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints a policy's document in force, or lists its versions.")
        @Argument(help: "The policy's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @Flag(help: "List the versions, newest first.") var versions = false
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.get(
                "tenants", tenant, "policies", name, query: [("versions", versions ? "true" : nil)])
            api.show(answer) { policy in
                guard !versions else { return printVersions(policy.items) }
                printError(
                    "version \(policy["version"].cell), applied \(policy["applied_at"].cell) by "
                        + "\(policy["author"].cell): \(policy["comment"].cell.onOneLine)")
                let document = policy["document"].string ?? ""
                print(document, terminator: document.hasSuffix("\n") ? "" : "\n")
            }
        }
    }

    struct Explain: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Says whether a SIM's packet would pass, and why.")
        @Option(help: "The IMSI.") var sim: String
        @Option(help: "The packet: 192.0.2.10:443/tcp, 192.0.2.10:53/udp, 192.0.2.10/icmp.") var to: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("sims", sim, "explain", query: [("to", to)])) { print($0["text"].cell) }
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Deletes a policy that no group and no default uses.")
        @Argument(help: "The policy's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("tenants", tenant, "policies", name)
            api.say("policy \(name) deleted")
        }
    }
}

/// A policy document as it is sent.
private struct Document {
    let body: APIClient.Body

    init(_ file: String) throws {
        body = .bytes(try readFile(file), type: file.hasSuffix(".json") ? "application/json" : "application/yaml")
    }
}

private func printWarnings(_ answer: JSONValue, _ file: String) {
    for warning in answer["warnings"].elements { printError("warning: " + APIClient.line(of: warning, in: file)) }
}

private func printVersions(_ policies: [JSONValue]) {
    var table = Table("NAME", "VERSION", "APPLIED", "BY", "COMMENT")
    table.print(
        policies.map { policy in ["name", "version", "applied_at", "author", "comment"].map { policy[$0].cell } })
}

import ArgumentParser

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "What devices may reach.",
        subcommands: [
            Validate.self, Plan.self, Apply.self, Rollback.self, List.self, Show.self, Diff.self, Hits.self,
            Report.self, Explain.self, Trace.self, Delete.self, Schema.self,
        ])

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

    struct Schema: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the JSON Schema of policy documents, for editors.")
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            print(try await api.get("schemas", "policy.json").text)
        }
    }

    struct Apply: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a document the policy's version in force, and cuts flows that it does not allow.")
        @Argument(help: "The document, YAML or JSON, - for standard input.") var file: String
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "Why, for the list of versions.") var comment: String?
        @OptionGroup var expectation: ExpectationOptions
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.post(
                "tenants", tenant, "policies", query: [("file", file), ("comment", comment)],
                headers: expectation.headers, body: try Document(file).body, file: file)
            api.show(answer) {
                printWarnings($0, file)
                print("policy \($0["name"].cell) version \($0["version"].cell) \($0.enforcement)")
            }
        }
    }

    struct Plan: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Says what applying a document would do; changes nothing.",
            discussion: "Ends with 0 when nothing would change, with 2 when something would.")
        @Argument(help: "The document, YAML or JSON, - for standard input.") var file: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.post(
                "tenants", tenant, "policies", "plan", query: [("file", file)], body: try Document(file).body,
                file: file)
            api.show(answer) { plan in
                printWarnings(plan, file)
                let version = plan["version"].integer.map { "version \($0)" } ?? "new"
                print("policy \(plan["name"].cell) (\(version))")
                printDifference(plan["difference"])
                print(
                    "\(plan["sessions"].cell) active sessions; \(plan["flows_cut"].cell) tracked connections would be cut"
                )
                for flow in plan["flows"].elements {
                    let to = "\(flow["destination"].cell):\(flow["port"].cell)/\(flow["protocol"].cell)"
                    print(
                        "  \(flow["device"].cell) to \(to): now by \(flow["rule"].string ?? "the default"), "
                            + "then by \(flow["new_rule"].string ?? "the default")")
                }
                let more = (plan["flows_cut"].integer ?? 0) - Int64(plan["flows"].elements.count)
                if more > 0 { print("  and \(more) more") }
            }
            let difference = answer.value["difference"]
            guard difference["rules"].elements.isEmpty, difference["settings"].elements.isEmpty,
                answer.value["version"].integer != nil
            else { throw ExitCode(2) }
        }
    }

    struct Rollback: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes the document of an earlier version the version in force, as a new one.")
        @Argument(help: "The policy's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "The version; the one before that in force unless given.") var to: Int64?
        @Option(help: "Why, for the list of versions.") var comment: String?
        @OptionGroup var expectation: ExpectationOptions
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var body: [String: JSONValue] = [:]
            if let to { body["version"] = .integer(to) }
            if let comment { body["comment"] = .string(comment) }
            let answer = try await api.post(
                "tenants", tenant, "policies", name, "rollback", headers: expectation.headers, body: .json(body))
            api.show(answer) {
                print("policy \($0["name"].cell) version \($0["version"].cell) \($0.enforcement)")
            }
        }
    }

    struct Diff: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Says how one version of a policy differs from another, rule by rule.")
        @Argument(help: "The policy's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "The earlier version.") var from: Int64
        @Option(help: "The later version; the one in force unless given.") var to: Int64?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.get(
                "tenants", tenant, "policies", name, "difference",
                query: [("from", "\(from)"), ("to", to.map { "\($0)" })])
            api.show(answer) { printDifference($0) }
        }
    }

    struct Hits: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Counts what each rule has decided on since its version is in force.",
            discussion: "Of traffic that passes, connections; of what is blocked, packets.")
        @Argument(help: "The policy's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "policies", name, "hits")) { answer in
                var table = Table("RULE", "HITS", "OCTETS", "LAST HIT")
                table.print(
                    answer["rules"].elements.map { rule in
                        [rule["rule"].string ?? "(default)"] + ["hits", "octets", "last_hit"].map { rule[$0].cell }
                    })
            }
        }
    }

    struct Report: APICommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Lists what devices sent that rules with log, and in monitor mode rules that would block, decided on.")
        @Argument(help: "The policy's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "So many at most, those with most packets first.") var limit = 100
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.get(
                "tenants", tenant, "policies", name, "report", query: [("limit", "\(limit)")])
            api.show(answer) { answer in
                var table = Table("DEVICE", "IMSI", "DESTINATION", "PROTOCOL", "PORT", "RULE", "WOULD BLOCK", "PACKETS")
                table.print(
                    answer.items.map { item in
                        ["device", "imsi", "destination", "protocol", "port"].map { item[$0].cell }
                            + [item["rule"].string ?? "(default)"] + ["would_block", "packets"].map { item[$0].cell }
                    })
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
        @Option(help: "Show this version, not the one in force.") var version: Int64?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer =
                if let version {
                    try await api.get("tenants", tenant, "policies", name, "versions", "\(version)")
                } else {
                    try await api.get(
                        "tenants", tenant, "policies", name, query: [("versions", versions ? "true" : nil)])
                }
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
        @Option(
            help: ArgumentHelp(
                "The packet: 192.0.2.10:443/tcp, [2001:db8::7]:53/udp, mqtt.acme.example:8883/tcp, 192.0.2.10/icmp; with --from "
                    + "only 22/tcp."))
        var to: String
        @Option(help: "For a packet to the device: where it comes from.") var from: String?
        @Option(help: "For a packet to the device: the VPN that it comes through.") var via: String?
        @Option(help: "At another time than now: 2026-11-25T22:31:00Z.") var at: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let query = [("to", to), ("at", at), ("from", from), ("via", via)]
            api.show(try await api.get("sims", sim, "explain", query: query)) {
                print($0["text"].cell)
            }
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

/// For which version a change is made.
struct ExpectationOptions: ParsableArguments {
    @Option(help: "Change nothing unless this version is in force.") var ifVersion: Int64?
    @Flag(help: "Change nothing if there is such a policy already.") var ifNew = false

    func validate() throws {
        if ifNew, ifVersion != nil { throw ValidationError("--if-version and --if-new exclude each other") }
    }

    var headers: [(String, String)] {
        if let ifVersion { return [("If-Match", "\"\(ifVersion)\"")] }
        return ifNew ? [("If-None-Match", "*")] : []
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

private func printDifference(_ difference: JSONValue) {
    let (rules, settings) = (difference["rules"].elements, difference["settings"].elements)
    if rules.isEmpty, settings.isEmpty { print("no difference") }
    for setting in settings {
        print("~ \(setting["name"].cell): \(setting["before"].cell.onOneLine) -> \(setting["after"].cell.onOneLine)")
    }
    for rule in rules {
        let name = rule["rule"].cell
        let (before, after) = (rule["before"].cell.onOneLine, rule["after"].cell.onOneLine)
        switch rule["change"].string {
        case "added": print("+ \(name)  \(after)")
        case "removed": print("- \(name)  \(before)")
        case "moved": print("~ \(name)  moved: \(after)")
        default:
            print("~ \(name)  \(before)")
            print("  \(String(repeating: " ", count: name.count))  \(after)")
        }
    }
}

private func printVersions(_ policies: [JSONValue]) {
    var table = Table("NAME", "VERSION", "APPLIED", "BY", "COMMENT")
    table.print(
        policies.map { policy in ["name", "version", "applied_at", "author", "comment"].map { policy[$0].cell } })
}

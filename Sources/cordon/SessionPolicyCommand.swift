import ArgumentParser

struct SessionPolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session-policy",
        abstract: "Who may use SIMs, where, when, and what happens when it does not fit.",
        subcommands: [Show.self, Set.self, Clear.self])

    /// Whose it is.
    struct PlaceOptions: ParsableArguments {
        @Option(help: "The tenant's name.") var tenant: String?
        @Option(help: "Of this group; needs --tenant.") var group: String?
        @Option(help: "Of this SIM, by its IMSI.") var sim: String?
        @Flag(help: "The operator's ceiling: for all tenants, or with --tenant for one.") var ceiling = false

        func validate() throws {
            if sim != nil, tenant != nil || group != nil || ceiling {
                throw ValidationError("--sim goes with none of --tenant, --group and --ceiling")
            }
            if group != nil, tenant == nil { throw ValidationError("--group needs --tenant") }
            if group != nil, ceiling {
                throw ValidationError("a ceiling is for all tenants or for one, not for a group")
            }
            if sim == nil, tenant == nil, !ceiling {
                throw ValidationError("give --tenant T, --tenant T --group G, --sim IMSI, or --ceiling")
            }
        }

        var path: [String] {
            if let sim { return ["sims", sim, "session-policy"] }
            guard let tenant else { return ["session-policies", "ceiling"] }
            if let group { return ["tenants", tenant, "groups", group, "session-policy"] }
            return ["tenants", tenant, "session-policy"] + (ceiling ? ["ceiling"] : [])
        }

        var name: String {
            let owner = sim.map { "SIM \($0)" } ?? group.map { "group \($0)" } ?? tenant.map { "tenant \($0)" }
            return ceiling ? "the ceiling for \(owner ?? "all tenants")" : owner ?? ""
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(abstract: "Prints the document that is set.")
        @OptionGroup var place: PlaceOptions
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get(path: place.path, query: [])) { record in
                printError(
                    "version \(record["version"].cell) set \(record["applied_at"].cell) by \(record["author"].cell.onOneLine)"
                )
                print(record["document"].string ?? "")
            }
        }
    }

    struct Set: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets a document, and judges the sessions that are on by it.",
            discussion: "With --dry-run ends with 0 when no session would be treated otherwise, else with 2.")
        @Argument(help: "The document, YAML or JSON, - for standard input.") var file: String
        @OptionGroup var place: PlaceOptions
        @Flag(help: "Only say which sessions it would touch.") var dryRun = false
        @OptionGroup var expectation: ExpectationOptions
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let type = file.hasSuffix(".json") ? "application/json" : "application/yaml"
            let answer = try await api.put(
                path: place.path, query: [("file", file), ("dry_run", dryRun ? "true" : nil)],
                headers: expectation.headers, body: .bytes(try readFile(file), type: type), file: file)
            guard !dryRun else { return try showPlan(answer, api) }
            api.show(answer) { print("session policy of \(place.name) set: \($0.enforcement)") }
        }
    }

    struct Clear: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Clears a document, and judges the sessions that are on without it.")
        @OptionGroup var place: PlaceOptions
        @Flag(help: "Only say which sessions it would touch.") var dryRun = false
        @OptionGroup var expectation: ExpectationOptions
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.delete(
                path: place.path, query: [("dry_run", dryRun ? "true" : nil)], headers: expectation.headers)
            guard !dryRun else { return try showPlan(answer, api) }
            api.show(answer) { print("session policy of \(place.name) cleared: \($0.enforcement)") }
        }
    }
}

private func showPlan(_ answer: APIClient.Answer, _ api: APIClient) throws {
    api.show(answer) { plan in
        let version = plan["version"].integer.map { "version \($0) is in force" } ?? "none is set"
        print("\(version); \(plan["sessions"].cell) session(s) would be judged")
        for change in plan["changes"].elements {
            print("  \(change["sessions"].cell) would come to \(change["action"].cell)")
        }
        var table = Table("IMSI", "SESSION", "NOW", "THEN", "WHY")
        let listed = plan["listed"].elements
        if !listed.isEmpty {
            table.print(
                listed.map { one in
                    [
                        one["imsi"].cell, one["session"].cell, one["before"].cell, one["after"].cell,
                        one["violations"].elements.map { $0["detail"].cell }.joined(separator: "; "),
                    ]
                })
        }
    }
    if !answer.value["changes"].elements.isEmpty { throw ExitCode(2) }
}

struct IMEIListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "imei-list",
        abstract: "Equipment that IMEI locks name: a tenant's, or the operator's for ceilings.",
        subcommands: [Put.self, List.self, Show.self, Delete.self])

    private static func path(_ tenant: String?, _ name: String? = nil) -> [String] {
        (tenant.map { ["tenants", $0] } ?? []) + ["imei-lists"] + (name.map { [$0] } ?? [])
    }

    struct Put: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a list hold what a file says, and judges the sessions that are on by it.")
        @Argument(help: "The list's name.") var name: String
        @Argument(
            help: "An IMEI (14 to 16 digits) or a TAC (8) a line, or the first column of CSV; - for standard input.")
        var file: String
        @Option(help: "The tenant's name; the operator's list unless given.") var tenant: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.put(
                path: IMEIListCommand.path(tenant, name), body: .bytes(try readFile(file), type: "text/plain"),
                file: file)
            api.show(answer) { print("list \(name) has \($0["count"].cell) item(s): \($0.enforcement)") }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists lists.")
        @Option(help: "The tenant's name; the operator's lists unless given.") var tenant: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get(path: IMEIListCommand.path(tenant), query: [])) { answer in
                var table = Table("NAME", "ITEMS", "CHANGED", "BY")
                table.print(
                    answer.items.map { list in ["name", "count", "updated_at", "author"].map { list[$0].cell } })
            }
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(abstract: "Prints what a list holds, one item a line.")
        @Argument(help: "The list's name.") var name: String
        @Option(help: "The tenant's name; the operator's list unless given.") var tenant: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var cursor: String?
            repeat {
                let answer = try await api.get(
                    path: IMEIListCommand.path(tenant, name), query: [("limit", "1000"), ("cursor", cursor)])
                api.show(answer) { list in for item in list["items"].elements { print(item.cell) } }
                cursor = answer.value["next_cursor"].string
            } while cursor != nil
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(abstract: "Deletes a list that no session policy names.")
        @Argument(help: "The list's name.") var name: String
        @Option(help: "The tenant's name; the operator's list unless given.") var tenant: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete(path: IMEIListCommand.path(tenant, name))
            api.say("list \(name) deleted")
        }
    }
}

struct ApprovalHookCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approval-hook", abstract: "The operator's service that says which SIMs are approved.",
        subcommands: [Set.self, Show.self, Delete.self])

    struct Set: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets where it is.",
            discussion: "The secret that signs requests is read from a file, so that it stands in no list of processes."
        )
        @Argument(help: "Its https URL.") var url: String
        @Option(help: "The file that holds the secret, - for standard input; one line end at its end is left out.")
        var secretFile: String
        @Option(help: "How long an answer is waited for, such as 2s.") var timeout: String?
        @Option(help: "How long an answer is good for, such as 1h.") var cache: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var bytes = try readFile(secretFile)
            if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
            guard let secret = String(validating: bytes, as: UTF8.self) else {
                throw ValidationError("the secret in \(secretFile) is not UTF-8")
            }
            let body: [String: JSONValue] = [
                "url": .string(url), "secret": .string(secret), "timeout": JSONValue(timeout),
                "cache": JSONValue(cache),
            ]
            api.show(try await api.put(path: ["approval-hook"], body: .json(body)), printHook)
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(abstract: "Shows where it is.")
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get(path: ["approval-hook"], query: []), printHook)
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(abstract: "Deletes it, when no session policy is by it.")
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete(path: ["approval-hook"])
            api.say("approval hook deleted")
        }
    }
}

private func printHook(_ hook: JSONValue) {
    printDetails(["url", "timeout", "cache", "author", "updated_at"].map { ($0, hook[$0]) })
}

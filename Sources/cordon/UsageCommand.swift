import ArgumentParser

struct UsageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "What devices have sent and received.",
        discussion: "Octets of IP packets that passed. Times are RFC 3339; days and months are those of UTC.",
        subcommands: [Show.self, SIMs.self, Rules.self, Export.self, Records.self])

    /// Of when.
    struct Times: ParsableArguments {
        @Option(help: "From then on; the month's beginning unless given.") var from: String?
        @Option(help: "Until then; now unless given.") var to: String?

        var query: [(String, String?)] { [("from", from), ("to", to)] }
    }

    /// Whose, and in which steps.
    struct Choice: ParsableArguments {
        @Option(help: "Of this SIM.") var imsi: String?
        @Option(help: "Of this tenant.") var tenant: String?
        @Option(help: "Of this group of the tenant.") var group: String?
        @Option(help: "5m, hour, day, month or total.") var step = "day"
        @Flag(help: "A line for each way: internet, vpn:NAME, group, gateway.") var byWay = false

        func validate() throws {
            guard (imsi == nil) != (tenant == nil) else { throw ValidationError("give either --imsi or --tenant") }
            guard group == nil || tenant != nil else { throw ValidationError("give the group's --tenant too") }
        }

        var path: [String] {
            if let imsi { return ["sims", imsi, "usage"] }
            guard let group else { return ["tenants", tenant ?? "", "usage"] }
            return ["tenants", tenant ?? "", "groups", group, "usage"]
        }

        var query: [(String, String?)] { [("step", step), ("by_way", byWay ? "true" : nil)] }
    }

    static let counts = ["octets_up", "octets_down", "packets_up", "packets_down"]

    /// Comma-separated values of a list's items; absent ones are empty.
    static func printCSV(_ items: [JSONValue], _ columns: [String]) {
        for item in items { print(columns.map { item[$0] == .null ? "" : item[$0].cell }.joined(separator: ",")) }
    }

    static func warn(_ answer: JSONValue, _ api: APIClient) {
        guard answer["is_complete"].bool == false, !api.isJSON else { return }
        printError(
            "cordon: some of this time is older than sums as short as these are kept: ask for longer steps, or whole days"
        )
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(abstract: "Shows what a SIM, a group or a tenant had.")
        @OptionGroup var choice: Choice
        @OptionGroup var times: Times
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.get(path: choice.path, query: choice.query + times.query)
            api.show(answer) { usage in
                var table = Table("FROM", "TO", "WAY", "UP", "DOWN", "PACKETS UP", "PACKETS DOWN")
                let total = usage["total"]
                table.print(
                    usage["items"].elements.map { item in (["from", "to", "way"] + counts).map { item[$0].cell } }
                        + [["total", "", ""] + counts.map { total[$0].cell }])
                if let time = usage["read_at"].string { print("read up to \(time)") }
            }
            UsageCommand.warn(answer.value, api)
        }
    }

    struct SIMs: APICommand {
        static let configuration = CommandConfiguration(
            commandName: "sims", abstract: "Lists what each of a tenant's SIMs had.")
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "Only SIMs that are in this group.") var group: String?
        @OptionGroup var times: Times
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var table = Table("IMSI", "GROUP", "UP", "DOWN", "PACKETS UP", "PACKETS DOWN")
            var last = JSONValue.null
            try await api.pages("tenants", tenant, "usage", "sims", query: [("group", group)] + times.query) { answer in
                last = answer.value
                api.show(answer) { page in
                    table.print(page.items.map { item in (["imsi", "group"] + counts).map { item[$0].cell } })
                }
            }
            UsageCommand.warn(last, api)
        }
    }

    struct Rules: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists what the rules of a tenant's policies let pass.",
            discussion: "Of the rules that have usage: true in their policy, from when it was applied on.")
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "Only of this policy, which may be deleted since.") var policy: String?
        @Option(help: "5m, hour, day, month or total.") var step = "day"
        @OptionGroup var times: Times
        @OptionGroup var output: OutputOptions

        static let columns = ["from", "to", "policy", "rule"] + counts

        func run(_ api: APIClient) async throws {
            let answer = try await api.get(
                "tenants", tenant, "usage", "rules", query: [("policy", policy), ("step", step)] + times.query)
            api.show(answer) { usage in
                var table = Table("FROM", "TO", "POLICY", "RULE", "UP", "DOWN", "PACKETS UP", "PACKETS DOWN")
                let total = usage["total"]
                table.print(
                    usage.items.map { item in Self.columns.map { item[$0].cell } }
                        + [["total", "", "", ""] + counts.map { total[$0].cell }])
                if let time = usage["read_at"].string { print("read up to \(time)") }
            }
            UsageCommand.warn(answer.value, api)
        }
    }

    struct Export: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints usage as comma-separated values, the names of the columns first.",
            discussion: """
                With --sims a line for each of the tenant's SIMs, with --rules the lines of `usage rules`; else those that \
                `usage show` shows.
                """)
        @OptionGroup var choice: Choice
        @OptionGroup var times: Times
        @Flag(help: "A line for each SIM.") var sims = false
        @Flag(help: "Lines for each rule whose usage is counted.") var rules = false
        @Option(help: "With --rules: only of this policy.") var policy: String?
        @OptionGroup var output: OutputOptions

        func validate() throws {
            if output.json { throw ValidationError("usage export prints comma-separated values: leave --json out") }
            if sims, choice.tenant == nil { throw ValidationError("give the --tenant of the SIMs") }
            if rules {
                if sims || choice.byWay { throw ValidationError("give one of --sims, --rules and --by-way") }
                if choice.tenant == nil { throw ValidationError("give the --tenant of the rules") }
                if choice.group != nil {
                    throw ValidationError("rules are counted for all of a policy's devices: leave --group out")
                }
            } else if policy != nil {
                throw ValidationError("--policy goes with --rules")
            }
        }

        func run(_ api: APIClient) async throws {
            if rules {
                let answer = try await api.get(
                    "tenants", choice.tenant ?? "", "usage", "rules",
                    query: [("policy", policy), ("step", choice.step)] + times.query)
                print(Rules.columns.joined(separator: ","))
                UsageCommand.printCSV(answer.value.items, Rules.columns)
                return UsageCommand.warn(answer.value, api)
            }
            guard sims else {
                let columns = ["from", "to", "way"] + counts
                let answer = try await api.get(path: choice.path, query: choice.query + times.query)
                print(columns.joined(separator: ","))
                UsageCommand.printCSV(answer.value.items, columns)
                return UsageCommand.warn(answer.value, api)
            }
            print((["imsi", "group", "from", "to"] + counts).joined(separator: ","))
            var last = JSONValue.null
            let query = [("group", choice.group)] + times.query
            try await api.pages("tenants", choice.tenant ?? "", "usage", "sims", query: query) { answer in
                last = answer.value
                for item in answer.value.items {
                    let cells = [item["imsi"].cell, item["group"].string ?? "", last["from"].cell, last["to"].cell]
                    print((cells + counts.map { item[$0].cell }).joined(separator: ","))
                }
            }
            UsageCommand.warn(last, api)
        }
    }

    struct Records: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists what sessions had from reading to reading, each record once.",
            discussion: """
                For a billing system: keep the number of the last record that you have taken, in the same transaction as \
                the records, and go on with --after that number. When records after it were removed before they were \
                read, that is refused and said.
                """)
        @Option(help: "Only of this tenant.") var tenant: String?
        @Option(help: "Those after the record with this number; from the oldest unless given.") var after: Int64?
        @Option(help: "How many at most.") var limit = 1000
        @Flag(help: "Print comma-separated values, the names of the columns first.") var csv = false
        @OptionGroup var output: OutputOptions

        private static let columns = ["number", "tenant", "group", "imsi", "session", "way", "from", "to"] + counts

        func validate() throws {
            if csv, output.json { throw ValidationError("give either --csv or --json") }
            if limit < 1 { throw ValidationError("--limit is a number from 1 on") }
        }

        func run(_ api: APIClient) async throws {
            var table = Table(
                "NUMBER", "TENANT", "GROUP", "IMSI", "SESSION", "WAY", "FROM", "TO", "UP", "DOWN", "PACKETS UP",
                "PACKETS DOWN")
            if csv { print(Self.columns.joined(separator: ",")) }
            var (position, rest) = (after, limit)
            while rest > 0 {
                let answer = try await api.get(
                    "usage", "records",
                    query: [
                        ("tenant", tenant), ("after", position.map { "\($0)" }), ("limit", "\(min(rest, 1000))"),
                    ])
                api.show(answer) { page in
                    if csv {
                        UsageCommand.printCSV(page.items, Self.columns)
                    } else {
                        table.print(page.items.map { item in Self.columns.map { item[$0].cell } })
                    }
                }
                rest -= answer.value.items.count
                position = answer.value["position"].integer
                guard answer.value["has_more"].bool == true else { return }
            }
        }
    }
}

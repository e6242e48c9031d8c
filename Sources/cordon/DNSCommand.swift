import ArgumentParser

struct DNSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dns", abstract: "What devices look up, and what they are told.",
        subcommands: [Show.self, Set.self, Names.self, Refused.self, Log.self])

    struct Show: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows how a tenant's questions are answered, and how many there were.")
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws { DNSCommand.show(try await api.get("tenants", tenant, "dns"), api) }
    }

    struct Set: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets what is logged of a tenant's questions, and whose resolvers are asked.")
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "off, refused or all.") var log: String?
        @Option(help: "Log one question in so many.") var sampling: Int?
        @Option(
            name: .customLong("upstream"),
            help: "A resolver behind a VPN, as in \"10.0.0.53@53 vpn:hq\"; may be repeated.")
        var upstreams: [String] = []
        @Flag(help: "Ask the gateway's own resolver again.") var ownUpstreams = false
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let present = try await api.get("tenants", tenant, "dns").value
            var body: [String: JSONValue] = [
                "log": present["log"], "sampling": present["sampling"], "upstreams": present["upstreams"],
            ]
            if let log { body["log"] = .string(log) }
            if let sampling { body["sampling"] = .integer(Int64(sampling)) }
            if ownUpstreams || !upstreams.isEmpty { body["upstreams"] = .array(upstreams.map(JSONValue.string)) }
            DNSCommand.show(try await api.put("tenants", tenant, "dns", body: body), api)
        }
    }

    private static func show(_ answer: APIClient.Answer, _ api: APIClient) {
        api.show(answer) { answer in
            let upstreams = answer["upstreams"].elements.map(\.cell)
            print("upstreams: \(upstreams.isEmpty ? "the gateway's own" : upstreams.joined(separator: ", "))")
            print("log: \(answer["log"].cell), one in \(answer["sampling"].cell)")
            for field in [
                "questions", "answered", "refused", "would_be_refused", "refused_answers", "failed", "limited",
            ] {
                print("\(field): \(answer["counters"][field].cell)")
            }
        }
    }

    struct Names: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the addresses that names have for a policy's devices, and until when.")
        @Argument(help: "The policy's name.") var policy: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "policies", policy, "names")) { answer in
                var table = Table("NAME", "ADDRESS", "UNTIL", "TOLD FIRST", "RULES")
                table.print(
                    answer.items.map { learned in
                        ["name", "address", "until", "imsi"].map { learned[$0].cell }
                            + [learned["rules"].elements.map(\.cell).joined(separator: ", ")]
                    })
            }
        }
    }

    struct Refused: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists names that devices asked for and may not look up, most asked first.")
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "How many at most.") var limit: Int = 100
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(
                try await api.get("tenants", tenant, "dns", "refused", query: [("limit", "\(limit)")])
            ) { answer in
                var table = Table("NAME", "COUNT", "POLICY", "GROUP", "REASON", "ASKED LAST")
                table.print(
                    answer.items.map { name in
                        ["name", "count", "policy", "group", "reason", "imsi"].map { name[$0].cell }
                    })
            }
        }
    }

    struct Log: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists questions from a tenant's log, oldest first.",
            discussion: "What is logged, `cordon dns set --log` says. The last 10,000 are kept.")
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "Those after the entry with this number.") var after: Int = 0
        @Option(help: "How many at most.") var limit: Int = 100
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(
                try await api.get(
                    "tenants", tenant, "dns", "queries", query: [("after", "\(after)"), ("limit", "\(limit)")])
            ) { answer in
                var table = Table("NUMBER", "TIME", "DEVICE", "NAME", "TYPE", "CODE", "OUTCOME", "MICROSECONDS")
                table.print(
                    answer.items.map { query in
                        ["number", "time", "device", "name", "type", "response_code", "outcome", "microseconds"].map {
                            query[$0].cell
                        }
                    })
            }
        }
    }
}

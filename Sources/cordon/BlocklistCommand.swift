import ArgumentParser

struct BlocklistCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blocklist", abstract: "Names that devices may not look up, for policies to name.",
        discussion: "Without --tenant, a list is the operator's, and every tenant's policies may name it.",
        subcommands: [
            Create.self, List.self, Show.self, Set.self, Upload.self, Refresh.self, Delete.self, Hits.self,
        ])

    /// What a list is.
    struct Settings: ParsableArguments {
        @Option(help: "How the text is written: rpz, hosts, plain or auto.") var format: String?
        @Option(help: "Where to fetch the text: an https URL.") var url: String?
        @Option(help: "How often, in seconds; a day unless given.") var interval: Int64?
        @Option(help: "The SHA-256 that the text must have, as sha256sum prints it.") var sha256: String?
        @Option(help: "The longest text that is taken, in octets.") var maximumBytes: Int64?

        var fields: [String: JSONValue] {
            let fields: [(String, JSONValue)] = [
                ("format", JSONValue(format)), ("url", JSONValue(url)),
                ("interval_seconds", interval.map(JSONValue.integer) ?? .null), ("sha256", JSONValue(sha256)),
                ("maximum_bytes", maximumBytes.map(JSONValue.integer) ?? .null),
            ]
            return Dictionary(fields.filter { $0.1 != .null }) { first, _ in first }
        }
    }

    /// Whose it is.
    struct Owner: ParsableArguments {
        @Option(help: "The tenant's name; without it the list is the operator's.") var tenant: String?

        func path(_ parts: String...) -> [String] {
            (tenant.map { ["tenants", $0, "blocklists"] } ?? ["blocklists"]) + parts
        }
    }

    struct Create: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a blocklist, of a file's text or of what is fetched from an address.")
        @Argument(help: "The list's name.") var name: String
        @Argument(help: "The file with the text; - for standard input.") var file: String?
        @OptionGroup var owner: Owner
        @OptionGroup var settings: Settings
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard file == nil || settings.url == nil else { throw ValidationError("give a file or --url, not both") }
        }

        func run(_ api: APIClient) async throws {
            let text = try file.map(readFile)
            var answer = try await api.post(
                path: owner.path(), body: .json(settings.fields.merging(["name": .string(name)]) { $1 }))
            if let text {
                answer = try await api.put(
                    path: owner.path(name, "text"), body: .bytes(text, type: "text/plain"), file: file)
            }
            api.show(answer) { print("blocklist \(name) created: \($0.blocklistState)") }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists blocklists.")
        @OptionGroup var owner: Owner
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get(path: owner.path(), query: [])) { answer in
                var table = Table("NAME", "STATE", "NAMES", "WILDCARDS", "PREFIXES", "JUNK", "GOOD AT", "ERROR")
                table.print(
                    answer.items.map { list in
                        ["name", "state", "names", "wildcards", "prefixes", "junk_lines", "good_at", "error"].map {
                            list[$0].cell
                        }
                    })
            }
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a blocklist, and the first lines of its text that could not be used.")
        @Argument(help: "The list's name.") var name: String
        @OptionGroup var owner: Owner
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get(path: owner.path(name), query: [])) { $0.printBlocklist() }
        }
    }

    struct Set: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Says anew what a blocklist is. What is not given is as for a new one.")
        @Argument(help: "The list's name.") var name: String
        @OptionGroup var owner: Owner
        @OptionGroup var settings: Settings
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.put(path: owner.path(name), body: .json(settings.fields))
            api.show(answer) { print("blocklist \(name) changed: \($0.blocklistState)") }
        }
    }

    struct Upload: APICommand {
        static let configuration = CommandConfiguration(abstract: "Gives a blocklist another text.")
        @Argument(help: "The list's name.") var name: String
        @Argument(help: "The file with the text; - for standard input.") var file: String
        @OptionGroup var owner: Owner
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.put(
                path: owner.path(name, "text"), body: .bytes(try readFile(file), type: "text/plain"), file: file)
            api.show(answer) { print("blocklist \(name): \($0.blocklistState)") }
        }
    }

    struct Refresh: APICommand {
        static let configuration = CommandConfiguration(abstract: "Has a blocklist fetched now, and waits for it.")
        @Argument(help: "The list's name.") var name: String
        @OptionGroup var owner: Owner
        @Option(help: "How many seconds to wait.") var wait = 300
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var answer = try await api.post(path: owner.path(name, "refresh"), body: nil)
            let before = answer.value["tried_at"]
            let end = ContinuousClock.now + .seconds(wait)
            while answer.value["tried_at"] == before, ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(250))
                answer = try await api.get(path: owner.path(name), query: [])
            }
            api.show(answer) { print("blocklist \(name): \($0.blocklistState)") }
            if answer.value["tried_at"] == before {
                printError("cordon: it is still being fetched")
                throw ExitCode.failure
            }
            if answer.value["error"] != .null { throw ExitCode.failure }
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(abstract: "Deletes a blocklist that no policy names.")
        @Argument(help: "The list's name.") var name: String
        @OptionGroup var owner: Owner
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete(path: owner.path(name))
            api.say("blocklist \(name) deleted")
        }
    }

    struct Hits: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows how often a blocklist has decided, and by which entries.")
        @Argument(help: "The list's name.") var name: String
        @OptionGroup var owner: Owner
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get(path: owner.path(name, "hits"), query: [])) { answer in
                print("decided \(answer["total"].cell) times")
                var entries = Table("ENTRY", "HITS")
                entries.print(answer["top"].elements.map { [$0["entry"].cell, $0["hits"].cell] })
                let tenants = answer["tenants"].elements
                guard !tenants.isEmpty else { return }
                var table = Table("TENANT", "HITS")
                table.print(tenants.map { [$0["tenant"].cell, $0["hits"].cell] })
            }
        }
    }
}

struct DNSExceptionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dns-exception", abstract: "Names that no blocklist refuses a tenant's devices.",
        subcommands: [Add.self, List.self, Delete.self])

    struct Add: APICommand {
        static let configuration = CommandConfiguration(abstract: "Makes an exception.")
        @Argument(help: "A host name, or *. in front of one for all below it.") var pattern: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.put(path: ["tenants", tenant, "dns", "exceptions", pattern], body: nil)
            api.show(answer) { print("no blocklist refuses \($0["pattern"].cell)") }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists exceptions.")
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "dns", "exceptions")) { answer in
                var table = Table("PATTERN", "SINCE", "BY")
                table.print(
                    answer.items.map { item in ["pattern", "created_at", "author"].map { item[$0].cell } })
            }
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(abstract: "Ends an exception.")
        @Argument(help: "The pattern, as it was given.") var pattern: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("tenants", tenant, "dns", "exceptions", pattern)
            api.say("blocklists refuse \(pattern) again")
        }
    }
}

extension JSONValue {
    /// `ready, 12 names, 3 wildcards`, and what is wrong.
    fileprivate var blocklistState: String {
        var text = self["state"].cell
        if let names = self["names"].integer {
            text += ", \(names) names, \(self["wildcards"].cell) wildcards, \(self["prefixes"].cell) prefixes"
        }
        if let junk = self["junk_lines"].integer, junk > 0 { text += ", \(junk) lines could not be used" }
        return self["error"].string.map { "\(text); \($0)".onOneLine } ?? text
    }

    fileprivate func printBlocklist() {
        printDetails(
            [
                "name", "state", "format", "read_as", "url", "interval_seconds", "sha256", "maximum_bytes", "names",
                "wildcards", "prefixes", "repeated", "junk_lines", "bytes", "text_sha256", "good_at", "tried_at",
                "error",
                "updated_at", "author",
            ].map { ($0.replacing("_", with: " "), self[$0]) })
        for line in self["junk"].elements {
            print("line \(line["line"].cell): \(line["text"].cell): \(line["reason"].cell)".onOneLine)
        }
    }
}

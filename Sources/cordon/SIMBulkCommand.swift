import ArgumentParser

/// How long and for how much a manufacturing test lasts.
struct TestOptions: ParsableArguments {
    @Option(help: "How many days the test lasts; 30 unless given.") var days: UInt16?
    @Option(help: "How much it takes in both directions together, such as 500KB or 5MB (the standard).")
    var volume: String?

    func fields(days name: String, octets volumeName: String) throws -> [String: JSONValue] {
        var fields: [String: JSONValue] = [:]
        if let days { fields[name] = .integer(Int64(days)) }
        if let volume { fields[volumeName] = .integer(try Self.octets(volume)) }
        return fields
    }

    /// A number of octets, or one with kB, MB or GB (powers of 1000).
    static func octets(_ text: String) throws -> Int64 {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let factor: Int64? =
            switch text.dropFirst(digits.count).uppercased() {
            case "", "B": 1
            case "KB": 1000
            case "MB": 1_000_000
            case "GB": 1_000_000_000
            default: nil
            }
        guard let factor, let number = Int64(digits) else {
            throw ValidationError("\(text) is no volume: write a number with kB, MB or GB")
        }
        let (product, isTooLarge) = number.multipliedReportingOverflow(by: factor)
        guard !isTooLarge else { throw ValidationError("\(text) is too much") }
        return product
    }
}

struct SIMBulkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bulk", abstract: "One action on many SIMs.",
        discussion: """
            Conditions narrow each other; one is needed at least. An operation goes on in the background, also over a \
            restart of cordond; done twice it changes nothing.
            """,
        subcommands: [
            Suspend.self, Resume.self, Terminate.self, Test.self, Activate.self, SetGroup.self, SetLabel.self,
            List.self, Show.self, Items.self, Cancel.self,
        ])

    /// Which SIMs, and how to wait.
    struct Selection: ParsableArguments {
        @Option(help: "Of this tenant.") var tenant: String?
        @Option(help: "In this group; needs --tenant.") var group: String?
        @Option(help: "With a name like this: * stands for any characters, ? for one.") var label: String?
        @Option(help: "In this state: active, suspended, terminated or test.") var state: String?
        @Option(help: "A file with IMSIs or ICCIDs, - for standard input: the first column, one a line.")
        var csv: String?
        @Flag(help: "Say what would be done, and do nothing.") var dryRun = false
        @Flag(help: "Wait until it is over, and show how far it is.") var follow = false
        @OptionGroup var output: OutputOptions

        func fields() throws -> [String: JSONValue] {
            var fields: [String: JSONValue] = [:]
            if let tenant { fields["tenant"] = .string(tenant) }
            if let group { fields["group"] = .string(group) }
            if let label { fields["label"] = .string(label) }
            if let state { fields["state"] = .string(state) }
            if let csv { fields["sims"] = .array(try names(in: csv).map(JSONValue.string)) }
            return fields
        }

        /// The first field of each line; a header, and lines without anything, are passed over.
        private func names(in file: String) throws -> [String] {
            guard let text = String(validating: try readFile(file), as: UTF8.self) else {
                throw ValidationError("\(file) is not UTF-8 text")
            }
            var names: [String] = []
            for line in text.utf8.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
                let field = line.prefix { $0 != 0x2c }.filter { $0 != 0x20 && $0 != 0x09 && $0 != 0x22 }
                let name = String(decoding: field, as: UTF8.self)
                if !name.isEmpty, !["imsi", "iccid"].contains(name.lowercased()) { names.append(name) }
            }
            return names
        }
    }

    static func begin(
        _ action: String, _ selection: Selection, _ api: APIClient, _ more: [String: JSONValue] = [:]
    ) async throws {
        var body = try selection.fields().merging(more) { first, _ in first }
        body["action"] = .string(action)
        let answer = try await api.post(
            path: ["sims", "bulk"], query: [("dry_run", selection.dryRun ? "true" : nil)], body: .json(body))
        guard !selection.dryRun else {
            return api.show(answer) { preview in
                let (all, unchanged) = (preview["matching"].integer ?? 0, preview["unchanged"].integer ?? 0)
                print("\(all) SIM(s) match; \(all - unchanged) would be changed, \(unchanged) are so already")
                for imsi in preview["first"].elements { print("  \(imsi.cell)") }
                if all > 20 { print("  …") }
                for name in preview["missing"].elements { printError("cordon: no SIM that matches: \(name.cell)") }
            }
        }
        guard selection.follow, let id = answer.value["id"].integer else { return api.show(answer, printBulk) }
        try await follow("\(id)", api)
    }

    private static func follow(_ id: String, _ api: APIClient) async throws {
        var last = ""
        while true {
            let answer = try await api.get("sims", "bulk", id)
            let bulk = answer.value
            let line = progress(bulk)
            if line != last { api.say(line) }
            last = line
            guard bulk["state"].string == "running" else {
                api.show(answer, printBulk)
                let wrong = (bulk["failed"].integer ?? 0) + (bulk["unconfirmed"].integer ?? 0)
                if wrong > 0 {
                    printError("cordon: \(wrong) SIM(s) were not as wanted: cordon sim bulk items \(id) --state failed")
                    throw ExitCode.failure
                }
                return
            }
            try await Task.sleep(for: .milliseconds(250))
        }
    }

    struct Suspend: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Stops the SIMs' traffic, ends their sessions and rejects them until they are resumed.")
        @OptionGroup var selection: Selection
        var output: OutputOptions { selection.output }
        func run(_ api: APIClient) async throws { try await begin("suspend", selection, api) }
    }

    struct Resume: APICommand {
        static let configuration = CommandConfiguration(abstract: "Undoes suspend.")
        @OptionGroup var selection: Selection
        var output: OutputOptions { selection.output }
        func run(_ api: APIClient) async throws { try await begin("resume", selection, api) }
    }

    struct Terminate: APICommand {
        static let configuration = CommandConfiguration(abstract: "As suspend, for good: nothing undoes it.")
        @OptionGroup var selection: Selection
        var output: OutputOptions { selection.output }
        func run(_ api: APIClient) async throws { try await begin("terminate", selection, api) }
    }

    struct Test: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Begins a manufacturing test: active for a time and a volume, then rejected until activated.")
        @OptionGroup var terms: TestOptions
        @OptionGroup var selection: Selection
        var output: OutputOptions { selection.output }
        func run(_ api: APIClient) async throws {
            try await begin("test", selection, api, try terms.fields(days: "test_days", octets: "test_octets"))
        }
    }

    struct Activate: APICommand {
        static let configuration = CommandConfiguration(abstract: "Ends a manufacturing test: the SIMs are active.")
        @OptionGroup var selection: Selection
        var output: OutputOptions { selection.output }
        func run(_ api: APIClient) async throws { try await begin("activate", selection, api) }
    }

    struct SetGroup: APICommand {
        static let configuration = CommandConfiguration(abstract: "Moves SIMs to a group.")
        @Option(help: "The group's name.") var to: String?
        @Flag(help: "No group: the tenant's default policy holds.") var none = false
        @OptionGroup var selection: Selection
        var output: OutputOptions { selection.output }

        func validate() throws {
            guard (to == nil) == none else { throw ValidationError("give --to GROUP or --none") }
        }

        func run(_ api: APIClient) async throws {
            try await begin("set-group", selection, api, ["new_group": JSONValue(to)])
        }
    }

    struct SetLabel: APICommand {
        static let configuration = CommandConfiguration(abstract: "Gives SIMs a name.")
        @Option(help: "The name, 100 octets at most.") var to: String
        @OptionGroup var selection: Selection
        var output: OutputOptions { selection.output }
        func run(_ api: APIClient) async throws {
            try await begin("set-label", selection, api, ["new_label": .string(to)])
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists operations, newest first.")
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var table = Table("ID", "ACTION", "SIMS", "STATE", "TOTAL", "DONE", "FAILED", "BY", "BEGUN")
            try await api.pages("sims", "bulk", query: []) { answer in
                api.show(answer) { page in
                    table.print(
                        page.items.map { bulk in
                            ["id", "action", "filter", "state", "total", "done", "failed", "author", "created_at"]
                                .map { bulk[$0].cell }
                        })
                }
            }
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(abstract: "Shows how far an operation is.")
        @Argument(help: "Its number.") var id: String
        @Flag(help: "Wait until it is over.") var follow = false
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            guard !follow else { return try await SIMBulkCommand.follow(id, api) }
            api.show(try await api.get("sims", "bulk", id), printBulk)
        }
    }

    struct Items: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists what became of each SIM.")
        @Argument(help: "The operation's number.") var id: String
        @Option(help: "Only those: waiting, applied, done, unchanged, unconfirmed or failed.") var state: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var table = Table("SIM", "STATE", "DETAIL")
            try await api.pages("sims", "bulk", id, "items", query: [("state", state)]) { answer in
                api.show(answer) { page in
                    table.print(page.items.map { item in ["sim", "state", "detail"].map { item[$0].cell } })
                }
            }
        }
    }

    struct Cancel: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Leaves undone what an operation has not done yet; what it has done stays.")
        @Argument(help: "Its number.") var id: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.post("sims", "bulk", id, "cancel"), printBulk)
        }
    }
}

private func progress(_ bulk: JSONValue) -> String {
    let total = bulk["total"].integer ?? 0
    let waiting = bulk["waiting"].integer ?? 0
    let applied = bulk["applied"].integer ?? 0
    return "\(total - waiting) of \(total) in force, \(total - waiting - applied) settled"
}

private func printBulk(_ bulk: JSONValue) {
    printDetails([
        ("operation", bulk["id"]), ("action", bulk["action"]), ("to", bulk["argument"]), ("SIMs", bulk["filter"]),
        ("by", bulk["author"]), ("state", bulk["state"]), ("begun", bulk["created_at"]),
        ("in force", bulk["applied_at"]), ("over", bulk["finished_at"]), ("total", bulk["total"]),
        ("waiting", bulk["waiting"]), ("applied", bulk["applied"]), ("done", bulk["done"]),
        ("unchanged", bulk["unchanged"]), ("unconfirmed", bulk["unconfirmed"]), ("failed", bulk["failed"]),
    ])
}

import ArgumentParser

struct NATCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nat", abstract: "Public addresses and ports of devices.", subcommands: [Blocks.self])

    struct Blocks: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows which device had which public address and ports, and when.",
            discussion: """
                Who used a port at a time: cordon nat blocks --public-address 203.0.113.7 --port 10234 \
                --at 2026-11-26T12:00:03Z. Times are RFC 3339. Addresses are those of NAT 1: what the internet sees \
                may be translated once more at the site's edge.
                """)
        @Option(help: "Only of this public address.") var publicAddress: String?
        @Option(help: "Only the block that has this port; needs --public-address.") var port: UInt16?
        @Option(help: "Only blocks that a device had at this time.") var at: String?
        @Option(help: "Only blocks that a device had at this time or later.") var from: String?
        @Option(help: "Only blocks that a device had at this time or earlier.") var to: String?
        @Flag(help: "Print comma-separated values, the names of the columns first.") var csv = false
        @OptionGroup var output: OutputOptions

        private static let columns = [
            "public_address", "first_port", "last_port", "address", "imsi", "tenant", "valid_from", "valid_to",
        ]

        func validate() throws {
            if csv, output.json { throw ValidationError("give either --csv or --json") }
        }

        func run(_ api: APIClient) async throws {
            var table = Table(
                "PUBLIC ADDRESS", "FIRST PORT", "LAST PORT", "ADDRESS", "IMSI", "TENANT", "VALID FROM", "VALID TO")
            if csv { print(Self.columns.joined(separator: ",")) }
            let query: [(String, String?)] = [
                ("public_address", publicAddress), ("port", port.map { "\($0)" }), ("at", at), ("from", from),
                ("to", to),
            ]
            try await api.pages("nat", "blocks", query: query) { answer in
                api.show(answer) { page in
                    let rows = page.items.map { item in
                        Self.columns.map { item[$0] == .null && csv ? "" : item[$0].cell }
                    }
                    if csv {
                        for row in rows { print(row.joined(separator: ",")) }
                    } else {
                        table.print(rows)
                    }
                }
            }
        }
    }
}

import ArgumentParser

struct PoolCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool", abstract: "The operator's address space for devices.",
        subcommands: [Create.self, List.self, Delete.self])

    struct Create: APICommand {
        static let configuration = CommandConfiguration(abstract: "Adds a pool.")
        @Argument(help: "Its prefix: 100.64.0.0/10, or 2001:db8::/40.") var prefix: String
        @Option(help: "The prefix length of the blocks that tenants get; 24 unless given, of IPv6 48.")
        var blockLength: UInt8?
        @Option(help: "IPv6: each session is delegated a prefix of this length beside its /64, 60 to 64.")
        var delegatedLength: UInt8?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var body: [String: JSONValue] = ["prefix": .string(prefix)]
            if let blockLength { body["block_length"] = .integer(Int64(blockLength)) }
            if let delegatedLength { body["delegated_length"] = .integer(Int64(delegatedLength)) }
            api.show(try await api.post("pools", body: .json(body))) {
                print("pool \($0["prefix"].cell) created: \($0["blocks"].cell) blocks of /\($0["block_length"].cell)")
            }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists the pools and how full they are.")
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("pools")) { answer in
                var table = Table("PREFIX", "BLOCKS OF", "DELEGATED", "BLOCKS", "GIVEN", "ADDRESSES LEASED")
                table.print(
                    answer.items.map {
                        [
                            $0["prefix"].cell, "/" + $0["block_length"].cell,
                            $0["delegated_length"] == .null ? "-" : "/" + $0["delegated_length"].cell,
                            $0["blocks"].cell,
                            $0["blocks_given"].cell, $0["addresses_leased"].cell,
                        ]
                    })
            }
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(abstract: "Removes a pool of which no tenant has a block.")
        @Argument(help: "Its prefix.") var prefix: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("pools", prefix)
            api.say("pool \(prefix) deleted")
        }
    }
}

import ArgumentParser

extension VPNCommand {
    struct Authority: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Whose certificates a tenant's tunnels trust.",
            subcommands: [Show.self, Set.self, Clear.self, Rotate.self])

        struct Show: APICommand {
            static let configuration = CommandConfiguration(
                commandName: "list", abstract: "Lists the tenant's authorities; --json has them in PEM.")
            @Option(help: "The tenant's name.") var tenant: String
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                api.show(try await api.get("tenants", tenant, "vpn-authorities")) { answer in
                    var table = Table("SUBJECT", "MADE BY CORDON", "VALID UNTIL", "RETIRES", "FINGERPRINT")
                    table.print(
                        answer.items.map { item in
                            ["subject", "made_by_cordon", "not_after", "retires_at", "fingerprint"].map {
                                item[$0].cell
                            }
                        })
                }
            }
        }

        struct Set: APICommand {
            static let configuration = CommandConfiguration(
                abstract: "Takes the tenant's own authorities, of a file in PEM.")
            @Argument(help: "The file; - for standard input.") var file: String
            @Option(help: "The tenant's name.") var tenant: String
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                _ = try await api.put(
                    path: ["tenants", tenant, "vpn-authorities"],
                    body: .bytes(try readFile(file), type: "application/pem-certificate-chain"), file: file)
                api.say("the authorities in \(file) are trusted")
            }
        }

        struct Rotate: APICommand {
            static let configuration = CommandConfiguration(
                abstract: "Makes a new authority of Cordon's for the tenant, and says it in PEM.",
                discussion: """
                    Peers must trust the new one before they are given certificates of it by cordon vpn rotate-key. Until the \
                    overlap is over the one before is trusted too, and the gateway shows its certificates.
                    """)
            @Option(help: "The tenant's name.") var tenant: String
            @Option(help: "How long the one before is trusted too, in seconds; thirty days unless given.")
            var overlap: Int64 = 2_592_000
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                let answer = try await api.post(
                    path: ["tenants", tenant, "vpn-authorities", "rotate"],
                    body: .json(["overlap_seconds": .integer(overlap)]))
                api.show(answer) { print($0["pem"].string ?? "", terminator: "") }
            }
        }

        struct Clear: APICommand {
            static let configuration = CommandConfiguration(abstract: "Trusts the tenant's own authorities no more.")
            @Option(help: "The tenant's name.") var tenant: String
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                try await api.delete("tenants", tenant, "vpn-authorities")
                api.say("the tenant's own authorities are trusted no more")
            }
        }
    }
}

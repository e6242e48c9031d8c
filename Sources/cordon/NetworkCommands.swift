import ArgumentParser

struct PoolCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool", abstract: "The operator's address space for devices.",
        subcommands: [Create.self, List.self, Delete.self])

    struct Create: APICommand {
        static let configuration = CommandConfiguration(abstract: "Adds a pool.")
        @Argument(help: "Its prefix: 100.64.0.0/10.") var prefix: String
        @Option(help: "The prefix length of the blocks that tenants get; 24 unless given.") var blockLength: UInt8?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var body: [String: JSONValue] = ["prefix": .string(prefix)]
            if let blockLength { body["block_length"] = .integer(Int64(blockLength)) }
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
                var table = Table("PREFIX", "BLOCKS OF", "BLOCKS", "GIVEN", "ADDRESSES LEASED")
                table.print(
                    answer.items.map {
                        [
                            $0["prefix"].cell, "/" + $0["block_length"].cell, $0["blocks"].cell,
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

struct NASCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nas", abstract: "RADIUS clients: P-GW, GGSN, SMF/UPF.",
        subcommands: [Create.self, List.self, Delete.self])

    struct Create: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Registers a RADIUS client.",
            discussion: """
                The shared secret is read from --secret-file, or else from the environment variable \
                CORDON_NAS_SECRET. It has 16 octets at least. It is never shown again.
                """)
        @Argument(help: "Its name.") var name: String
        @Option(help: "The address its packets come from.") var address: String
        @Option(help: "The file that holds the secret, - for standard input; one line end at its end is left out.")
        var secretFile: String?
        @Option(help: "The port it takes Disconnect-Requests at; 3799 unless given.") var disconnectPort: UInt16?
        @Option(
            help: "What names a session to it: imsi-nsapi (unless given), acct-session-id or apn-address.")
        var disconnectKey: String?
        @Flag(help: "Accept its Access-Requests without Message-Authenticator, which is open to forgery.")
        var allowMissingMessageAuthenticator = false
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var body: [String: JSONValue] = [
                "name": .string(name), "address": .string(address), "secret": .string(try secret()),
                "requires_message_authenticator": .bool(!allowMissingMessageAuthenticator),
            ]
            if let disconnectPort { body["disconnect_port"] = .integer(Int64(disconnectPort)) }
            if let disconnectKey { body["disconnect_key"] = .string(disconnectKey) }
            api.show(try await api.post("nas", body: .json(body))) {
                print("NAS \($0["name"].cell) registered at \($0["address"].cell)")
            }
        }

        private func secret() throws -> String {
            guard let secretFile else {
                guard let secret = processEnvironment()["CORDON_NAS_SECRET"], !secret.isEmpty else {
                    throw ValidationError("no secret: give --secret-file FILE, or set CORDON_NAS_SECRET")
                }
                return secret
            }
            var bytes = try readFile(secretFile)
            if bytes.last == 0x0a { bytes.removeLast() }
            if bytes.last == 0x0d { bytes.removeLast() }
            guard let secret = String(validating: bytes, as: UTF8.self) else {
                throw ValidationError("the secret in \(secretFile) is not UTF-8 text")
            }
            return secret
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists the RADIUS clients.")
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("nas")) { answer in
                var table = Table("NAME", "ADDRESS", "MESSAGE-AUTHENTICATOR", "DISCONNECT PORT", "DISCONNECT KEY")
                table.print(
                    answer.items.map {
                        [
                            $0["name"].cell, $0["address"].cell,
                            $0["requires_message_authenticator"].bool == false ? "optional" : "required",
                            $0["disconnect_port"].cell, $0["disconnect_key"].cell,
                        ]
                    })
            }
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes a RADIUS client without active sessions.")
        @Argument(help: "Its name.") var name: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("nas", name)
            api.say("NAS \(name) deleted")
        }
    }
}

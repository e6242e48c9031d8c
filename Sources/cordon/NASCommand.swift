import ArgumentParser

struct NASCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nas", abstract: "RADIUS clients: P-GW, GGSN, SMF/UPF.",
        subcommands: [Create.self, List.self, Show.self, Set.self, Delete.self])

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
                "name": .string(name), "address": .string(address), "secret": .string(try nasSecret(file: secretFile)),
                "requires_message_authenticator": .bool(!allowMissingMessageAuthenticator),
            ]
            if let disconnectPort { body["disconnect_port"] = .integer(Int64(disconnectPort)) }
            if let disconnectKey { body["disconnect_key"] = .string(disconnectKey) }
            api.show(try await api.post("nas", body: .json(body))) {
                print("NAS \($0["name"].cell) registered at \($0["address"].cell)")
            }
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

    struct Show: APICommand {
        static let configuration = CommandConfiguration(abstract: "Shows a RADIUS client and its profile.")
        @Argument(help: "Its name.") var name: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("nas", name), printNAS)
        }
    }

    struct Set: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes how a RADIUS client is spoken to; what is not given stays.",
            discussion: """
                Attributes of Disconnect- and CoA-Requests, in their order: message-authenticator, imsi, nsapi, \
                acct-session-id, apn, framed-ip-address, calling-station-id, user-name, class, charging-id, \
                nas-ip-address, teardown-indicator, event-timestamp. "default" stands for what --disconnect-key says.
                """)
        @Argument(help: "Its name.") var name: String
        @Option(help: "A file with another secret, - for standard input.") var secretFile: String?
        @Option(help: "The port it takes Disconnect-Requests at.") var disconnectPort: UInt16?
        @Option(help: "What names a session to it: imsi-nsapi, acct-session-id or apn-address.")
        var disconnectKey: String?
        @Option(help: "What its requests carry instead, with commas between.") var attributes: String?
        @Option(help: "Datagrams before a request counts as unanswered, 1 to 10.") var attempts: UInt8?
        @Option(help: "Milliseconds to wait for the first one's answer.") var firstWait: UInt32?
        @Option(help: "Requests a second at most.") var requestsPerSecond: UInt16?
        @Flag(inversion: .prefixedNo, help: "Whether it takes CoA-Requests.") var coa: Bool?
        @Option(help: "The port for those.") var coaPort: UInt16?
        @Option(help: "Acct-Interim-Interval of its sessions, in seconds.") var interim: UInt32?
        @Option(help: "After so many intervals without a report a session may be lost; 0: never.")
        var staleIntervals: UInt16?
        @Option(help: "And it is, when its device has had no packet for so many minutes.") var idleMinutes: UInt32?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var body: [String: JSONValue] = [:]
            if let secretFile { body["secret"] = .string(try nasSecret(file: secretFile)) }
            if let disconnectPort { body["disconnect_port"] = .integer(Int64(disconnectPort)) }
            if let disconnectKey { body["disconnect_key"] = .string(disconnectKey) }
            if let attributes {
                let names = attributes == "default" ? [] : attributes.split(separator: ",").map { String($0) }
                body["attributes"] = .array(names.map(JSONValue.string))
            }
            if let attempts { body["attempts"] = .integer(Int64(attempts)) }
            if let firstWait { body["first_wait_ms"] = .integer(Int64(firstWait)) }
            if let requestsPerSecond { body["requests_per_second"] = .integer(Int64(requestsPerSecond)) }
            if let coa { body["coa"] = .bool(coa) }
            if let coaPort { body["coa_port"] = .integer(Int64(coaPort)) }
            if let interim { body["interim_seconds"] = .integer(Int64(interim)) }
            if let staleIntervals { body["stale_intervals"] = .integer(Int64(staleIntervals)) }
            if let idleMinutes { body["idle_minutes"] = .integer(Int64(idleMinutes)) }
            api.show(try await api.patch(path: ["nas", name], body: .json(body)), printNAS)
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

private func printNAS(_ nas: JSONValue) {
    printDetails([
        ("name", nas["name"]), ("address", nas["address"]),
        ("message-authenticator required", nas["requires_message_authenticator"]),
        ("disconnect port", nas["disconnect_port"]), ("disconnect key", nas["disconnect_key"]),
        ("attributes", nas["attributes"]), ("attempts", nas["attempts"]), ("first wait, ms", nas["first_wait_ms"]),
        ("requests a second", nas["requests_per_second"]), ("takes CoA", nas["coa"]), ("CoA port", nas["coa_port"]),
        ("interim interval, s", nas["interim_seconds"]), ("stale after intervals", nas["stale_intervals"]),
        ("and minutes idle", nas["idle_minutes"]),
    ])
}

/// A shared secret from a file, or else from the environment.
private func nasSecret(file: String?) throws -> String {
    guard let file else {
        guard let secret = processEnvironment()["CORDON_NAS_SECRET"], !secret.isEmpty else {
            throw ValidationError("no secret: give --secret-file FILE, or set CORDON_NAS_SECRET")
        }
        return secret
    }
    var bytes = try readFile(file)
    if bytes.last == 0x0a { bytes.removeLast() }
    if bytes.last == 0x0d { bytes.removeLast() }
    guard let secret = String(validating: bytes, as: UTF8.self) else {
        throw ValidationError("the secret in \(file) is not UTF-8 text")
    }
    return secret
}

import ArgumentParser
import Domain
import FoundationEssentials

struct VPNCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vpn", abstract: "Tenants' ways to their own networks, and to partners'.",
        subcommands: [
            Create.self, Update.self, List.self, Show.self, Diagnose.self, PeerConfig.self, RotateKey.self,
            Restart.self,
            Authority.self, Delete.self,
        ])

    /// What a tunnel is; what is left out is as usual, or stays.
    struct Settings: ParsableArguments {
        @Option(help: "The other end: its address, its domain name, or any for one that calls from anywhere.")
        var peer: String?
        @Option(
            name: .customLong("remote-network"),
            help: "A network behind the peer, or THERE=SEEN for one that devices see translated; may be repeated.")
        var remoteNetworks: [String] = []
        @Option(help: "Whose devices use it: all, or group:NAME, several with commas.") var localNetwork: String?
        @Option(help: "The algorithms: default or compatible.") var profile: String?
        @Option(help: "How the ends prove themselves: psk or certificate.") var auth: String?
        @Option(help: "What the peer says it is; its address or name unless given.") var peerID: String?
        @Option(help: "What the gateway says it is: name, or address for peers that take nothing else.")
        var gatewayID: String?
        @Option(help: "When the gateway makes it: always, on-demand or never.") var initiate: String?
        @Flag(inversion: .prefixedNo, help: "ESP in UDP also where no NAT is seen.") var forceEncapsulation: Bool?
        @Flag(inversion: .prefixedNo, help: "One CHILD_SA for each pair of networks.") var pairSelectors: Bool?
        @Option(help: "An address behind the peer that answers ping while the tunnel is well; empty for none.")
        var probe: String?
        @Option(help: "The partner whose it is, when it is not the tenant's own.") var partner: String?
        @Option(help: "Where the partner's VPN may be used for; may be repeated.") var partnerDestination: [String] = []
        @Option(help: "What for, as in tcp/443 or udp/5000-5010; may be repeated.") var partnerPort: [String] = []
        @Option(help: "From when on, as in 2026-12-01T00:00:00Z.") var validFrom: String?
        @Option(help: "Until when.") var validUntil: String?

        func validate() throws {
            let limits = !partnerDestination.isEmpty || !partnerPort.isEmpty || validFrom != nil || validUntil != nil
            guard partner != nil || !limits else { throw ValidationError("name the --partner whose limits these are") }
        }

        var fields: [String: JSONValue] {
            let texts: [(String, String?)] = [
                ("peer", peer), ("local_network", localNetwork), ("profile", profile), ("auth", auth),
                ("peer_id", peerID), ("gateway_id", gatewayID), ("initiate", initiate), ("probe", probe),
            ]
            var fields: [String: JSONValue] = [:]
            for (name, text) in texts { fields[name] = text.map(JSONValue.string) }
            if !remoteNetworks.isEmpty { fields["remote_networks"] = .array(remoteNetworks.map(JSONValue.string)) }
            fields["force_encapsulation"] = forceEncapsulation.map(JSONValue.bool)
            fields["pair_selectors"] = pairSelectors.map(JSONValue.bool)
            if let partner {
                var limits: [String: JSONValue] = ["name": .string(partner)]
                if !partnerDestination.isEmpty {
                    limits["destinations"] = .array(partnerDestination.map(JSONValue.string))
                }
                if !partnerPort.isEmpty { limits["ports"] = .array(partnerPort.map(JSONValue.string)) }
                limits["valid_from"] = validFrom.map(JSONValue.string)
                limits["valid_until"] = validUntil.map(JSONValue.string)
                fields["partner"] = .object(limits)
            }
            return fields
        }
    }

    struct Create: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a VPN.",
            discussion: """
                With --peer it is a tunnel (IPsec), which the gateway makes by itself. Its key is printed once: give it to \
                the other end with `cordon vpn peer-config`. With --interface it is a line of the operator's, an interface \
                of the gateway's host.
                """)
        @Argument(help: "The VPN's name, as policies write it behind vpn:.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup(title: "Of a tunnel") var settings: Settings
        @Option(help: "A file with the peer's certificate request (PKCS #10, PEM), for --auth certificate.")
        var certificateRequest: String?
        @Option(help: "A file with the key that the other end has already; one is made unless given.")
        var keyFile: String?
        @Option(help: "Of a line: the interface. Each belongs to one VPN.") var interface: String?
        @Option(name: .customLong("network"), help: "Of a line: a network behind it; may be repeated.")
        var networks: [String] = []
        @Option(help: "Of a line: the next hop there, unless the interface leads to one peer only.")
        var nextHop: String?
        @Option(help: "The same for IPv6.") var nextHop6: String?
        @Flag(help: "Only say what would be.") var dryRun = false
        @Option(help: "Seconds to wait for the tunnel to come up.") var wait: Int?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var body = settings.fields
            body["name"] = .string(name)
            if let interface { body["interface"] = .string(interface) }
            if !networks.isEmpty { body["networks"] = .array(networks.map(JSONValue.string)) }
            if let nextHop { body["next_hop"] = .string(nextHop) }
            if let nextHop6 { body["next_hop6"] = .string(nextHop6) }
            if let certificateRequest {
                body["certificate_request"] = .string(String(decoding: try readFile(certificateRequest), as: UTF8.self))
            }
            body["key"] = try keyFile.map { .string(try VPNCommand.key(in: $0)) }
            if dryRun {
                let answer = try await api.post(
                    path: ["tenants", tenant, "vpns"], query: [("dry_run", "true")], body: .json(body))
                api.show(answer, Self.show(preflight:))
                guard answer.value["possible"].bool == true else { throw ExitCode.failure }
                return
            }
            let answer = try await api.post(path: ["tenants", tenant, "vpns"], body: .json(body))
            api.show(answer) { answer in
                print("vpn \(name) made; it is \(answer["vpn"]["state"].cell)")
                VPNCommand.show(handover: answer)
            }
            if let wait { try await VPNCommand.wait(name, of: tenant, seconds: wait, api) }
        }

        private static func show(preflight: JSONValue) {
            for finding in preflight["findings"].elements {
                print("\(finding["weight"].cell): \(finding["message"].cell)")
            }
            printDetails([
                ("possible", preflight["possible"]), ("gateway says it is", preflight["gateway_id"]),
                ("peer must say it is", preflight["peer_id"]), ("peer's addresses", preflight["peer_addresses"]),
                ("networks here", preflight["local_blocks"]), ("encrypted by", preflight["path"]),
            ])
        }
    }

    struct Update: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes a tunnel; what is left out stays as it is.")
        @Argument(help: "The VPN's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var settings: Settings
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(
                try await api.patch(path: ["tenants", tenant, "vpns", name], body: .json(settings.fields))
            ) { answer in
                print("vpn \(name) changed; it is \(answer["vpn"]["state"].cell)")
                VPNCommand.show(handover: answer)
            }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists a tenant's VPNs and how each is.")
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "vpns")) { answer in
                var table = Table("NAME", "STATE", "SINCE", "PEER", "NETWORKS", "FAULT")
                table.print(
                    answer.items.map { vpn in
                        let peer = vpn["tunnel"] == .null ? vpn["interface"] : vpn["tunnel"]["peer"]
                        return [
                            vpn["name"].cell, vpn["state"].cell, vpn["since"].cell, peer.cell,
                            vpn["networks"].elements.map(\.cell).joined(separator: ", "), vpn["tunnel"]["fault"].cell,
                        ]
                    })
            }
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(abstract: "Shows a VPN.")
        @Argument(help: "The VPN's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "vpns", name), VPNCommand.show(vpn:))
        }
    }

    struct Diagnose: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Says what is wrong with a tunnel, why that most often is, and what to change at which end.")
        @Argument(help: "The VPN's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "vpns", name, "diagnosis")) { answer in
                VPNCommand.show(vpn: answer["vpn"])
                print("")
                if answer["faults"].elements.isEmpty { print("Nothing is wrong, as far as can be seen from here.") }
                for fault in answer["faults"].elements {
                    print("\(fault["code"].cell): \(fault["happened"].cell)")
                    print("  likely cause: \(fault["cause"].cell)")
                    if fault["here"].cell != "-" { print("  here: \(fault["here"].cell)") }
                    if fault["there"].cell != "-" { print("  at the peer: \(fault["there"].cell)") }
                }
                print("")
                for entry in answer["timeline"].elements {
                    let times = entry["count"].integer.map { $0 > 1 ? " (\($0) times)" : "" } ?? ""
                    print("\(entry["time"].cell)  \(entry["sentence"].cell)\(times)")
                }
            }
        }
    }

    struct PeerConfig: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the configuration of the other end, ready to paste.",
            discussion:
                "The key is in it when --key-file names a file that has it: it is put in here, not by the daemon.")
        @Argument(help: "The VPN's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @Option(
            name: .customLong("for"),
            help: ArgumentHelp(
                "What the other end runs: strongswan, libreswan, fortigate, cisco-iosxe, paloalto, mikrotik, opnsense, aws or "
                    + "azure."))
        var vendor: String
        @Option(help: "A file with the key that was shown when the VPN was made.") var keyFile: String?
        @Option(help: "A directory to write the files to, each by its name.") var directory: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let key = try keyFile.map { try VPNCommand.key(in: $0) }
            var answer = try await api.get(
                path: ["tenants", tenant, "vpns", name, "peer-config"], query: [("for", vendor)])
            if let key {
                let isDecoded = answer.value["blanks"].elements.contains { $0["decoded_key"] == .bool(true) }
                let text = isDecoded ? try PeerSharedKey(parsing: key).undecodable : key
                answer = APIClient.Answer(filled: answer.value.filling(Self.placeholder, with: text))
            }
            if let directory {
                for file in answer.value["files"].elements {
                    let path = file["path"].string ?? ""
                    let last = path.split(separator: "/").last.map(String.init) ?? "cordon-\(name)"
                    try writeFile(Array((file["text"].string ?? "").utf8), to: "\(directory)/\(last)")
                }
            }
            api.show(answer) { answer in
                if directory == nil {
                    print(answer["text"].string ?? "", terminator: "")
                } else {
                    for file in answer["files"].elements { print(file["path"].cell) }
                }
            }
        }

        static let placeholder = "<the key that was shown when the VPN was made>"
    }

    struct RotateKey: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a new key, or new certificates; the old key is taken too until the overlap is over.")
        @Argument(help: "The VPN's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "How long the old key is taken too, in seconds; a day unless given.") var overlap: Int64 = 86_400
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.post(
                path: ["tenants", tenant, "vpns", name, "rotate-key"],
                body: .json(["overlap_seconds": .integer(overlap)]))
            api.show(answer, VPNCommand.show(handover:))
        }
    }

    struct Restart: APICommand {
        static let configuration = CommandConfiguration(abstract: "Ends a tunnel and makes it anew at once.")
        @Argument(help: "The VPN's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            _ = try await api.post(path: ["tenants", tenant, "vpns", name, "restart"], body: nil)
            api.say("vpn \(name) is being made anew")
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(abstract: "Deletes a VPN that no policy names.")
        @Argument(help: "The VPN's name.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("tenants", tenant, "vpns", name)
            api.say("vpn \(name) deleted")
        }
    }
}

extension JSONValue {
    /// With the text in place of the placeholder in every string, and without the lines that ask for it.
    fileprivate func filling(_ placeholder: String, with text: String) -> JSONValue {
        switch self {
        case .string(let string):
            .string(
                string.split(separator: "\n", omittingEmptySubsequences: false)
                    .filter { !$0.contains("Fill in \(placeholder)") }
                    .map { $0.replacing(placeholder, with: text) }
                    .joined(separator: "\n"))
        case .array(let elements): .array(elements.map { $0.filling(placeholder, with: text) })
        case .object(let fields): .object(fields.mapValues { $0.filling(placeholder, with: text) })
        case .null, .bool, .integer, .number: self
        }
    }
}

extension APIClient.Answer {
    fileprivate init(filled value: JSONValue) {
        // What was JSON is JSON again.
        let octets = (try? JSONEncoder().encode(value)) ?? Data()
        self.init(text: String(decoding: octets, as: UTF8.self), value: value)
    }
}

extension VPNCommand {
    /// Without the blanks and line ends that it may have been pasted with.
    fileprivate static func key(in path: String) throws -> String {
        String(decoding: try readFile(path), as: UTF8.self).split { $0.isWhitespace }.joined()
    }

    static func show(handover: JSONValue) {
        for warning in handover["warnings"].elements { print("note: \(warning.cell)") }
        if let key = handover["key"].string { print("key, shown this once: \(key)") }
        for (field, title) in [
            ("authority", "whom the peer is to trust"), ("certificate", "the peer's certificate"),
            ("private_key", "its private key, shown this once"),
        ] {
            guard let text = handover[field].string else { continue }
            print("\(title):\n\(text)", terminator: "")
        }
    }

    fileprivate static func show(vpn: JSONValue) {
        let tunnel = vpn["tunnel"]
        var details: [(String, JSONValue)] = [
            ("name", vpn["name"]), ("state", vpn["state"]), ("since", vpn["since"]), ("up", vpn["up"]),
            ("interface", vpn["interface"]), ("networks", vpn["networks"]), ("next_hop", vpn["next_hop"]),
            ("next_hop6", vpn["next_hop6"]), ("created_at", vpn["created_at"]),
        ]
        if tunnel != .null {
            details += [
                "peer", "remote_networks", "local_network", "local_blocks", "profile", "auth", "peer_id", "gateway_id",
                "gateway_addresses", "initiate", "force_encapsulation", "pair_selectors", "probe", "path", "fault",
                "octets_to_peer", "octets_from_peer", "packets_refused", "last_rekey",
            ].map { ($0, tunnel[$0]) }
            let seen = tunnel["peer_seen"]
            if seen != .null {
                details.append(
                    (
                        "peer_seen",
                        .string("\(seen["identity"].cell) at \(seen["address"].cell) port \(seen["port"].cell)")
                    ))
            }
            let partner = tunnel["partner"]
            if partner != .null {
                details += ["name", "destinations", "ports", "valid_from", "valid_until"].map {
                    ("partner.\($0)", partner[$0])
                }
            }
        }
        printDetails(details.filter { $0.1 != .null && $0.1 != .array([]) })
    }

    /// - Throws: `ExitCode` 1 when it is not up in time.
    fileprivate static func wait(_ name: String, of tenant: String, seconds: Int, _ api: APIClient) async throws {
        let deadline = ContinuousClock.now + .seconds(max(0, min(seconds, 86_400)))
        while true {
            let vpn = try await api.get("tenants", tenant, "vpns", name).value
            if vpn["up"].bool == true {
                api.say("vpn \(name) is up")
                return
            }
            guard ContinuousClock.now < deadline else {
                printError("cordon: vpn \(name) is \(vpn["state"].cell): `cordon vpn diagnose \(name)` says why")
                throw ExitCode.failure
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}

import ArgumentParser

struct VPNCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vpn", abstract: "Tenants' ways to their own networks.",
        subcommands: [Create.self, List.self, Show.self, Delete.self])

    struct Create: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a line of the operator's, an interface of the gateway's host, a tenant's VPN.")
        @Argument(help: "The VPN's name, as policies write it behind vpn:.") var name: String
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "The interface. Each belongs to one VPN.") var interface: String
        @Option(name: .customLong("network"), help: "A network behind it; may be repeated.") var networks: [String]
        @Option(help: "The next hop there, unless the interface leads to one peer only.") var nextHop: String?
        @Option(help: "The same for IPv6.") var nextHop6: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var body: [String: JSONValue] = [
                "name": .string(name), "interface": .string(interface),
                "networks": .array(networks.map(JSONValue.string)),
            ]
            if let nextHop { body["next_hop"] = .string(nextHop) }
            if let nextHop6 { body["next_hop6"] = .string(nextHop6) }
            let answer = try await api.post("tenants", tenant, "vpns", body: .json(body))
            api.show(answer) { print("vpn \($0["name"].cell) is \($0["state"].cell)") }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists a tenant's VPNs and whether each is up.")
        @Option(help: "The tenant's name.") var tenant: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("tenants", tenant, "vpns")) { answer in
                var table = Table("NAME", "STATE", "SINCE", "INTERFACE", "NETWORKS")
                table.print(
                    answer.items.map { vpn in
                        ["name", "state", "since", "interface"].map { vpn[$0].cell }
                            + [vpn["networks"].elements.map(\.cell).joined(separator: ", ")]
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
            api.show(try await api.get("tenants", tenant, "vpns", name)) { vpn in
                for field in ["name", "state", "since", "interface", "next_hop", "next_hop6", "created_at"]
                where vpn[field].string != nil {
                    print("\(field): \(vpn[field].cell)")
                }
                print("networks: \(vpn["networks"].elements.map(\.cell).joined(separator: ", "))")
            }
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

import ArgumentParser

struct SIMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sim", abstract: "Subscriptions.",
        subcommands: [
            Import.self, Create.self, List.self, Show.self, Suspend.self, Resume.self, Terminate.self, Test.self,
            Activate.self, SetGroup.self, ReleaseAddress.self, Delete.self, SIMBulkCommand.self, Effective.self,
            Equipment.self, Fence.self, Quarantine.self, Release.self, Approve.self, Disapprove.self, Limit.self,
        ])

    struct Import: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Imports SIMs from CSV.",
            discussion: """
                The first line names the columns: iccid, imsi and, as wanted, msisdn, group, name. Rows that are wrong \
                are listed with their lines, the others land, and the exit code is 1. With --atomic one wrong row \
                keeps all out.
                """)
        @Argument(help: "The file, - for standard input.") var file: String
        @Option(help: "The tenant's name.") var tenant: String
        @Flag(help: "All rows or none.") var atomic = false
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let answer = try await api.post(
                "tenants", tenant, "sims", "import", query: [("atomic", atomic ? "true" : "false")],
                body: .bytes(try readFile(file), type: "text/csv"), file: file)
            let problems = answer.value["problems"].elements
            api.show(answer) {
                for problem in problems { printError(APIClient.line(of: problem, in: file)) }
                print("\($0["imported"].cell) imported, \(problems.count) refused")
            }
            if !problems.isEmpty { throw ExitCode.failure }
        }
    }

    struct Create: APICommand {
        static let configuration = CommandConfiguration(abstract: "Adds one SIM.")
        @Option(help: "The tenant's name.") var tenant: String
        @Option(help: "The IMSI.") var imsi: String
        @Option(help: "The ICCID.") var iccid: String
        @Option(help: "The MSISDN.") var msisdn: String?
        @Option(help: "The group's name.") var group: String?
        @Option(help: "Free text, 100 octets at most.") var name: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let body: [String: JSONValue] = [
                "imsi": .string(imsi), "iccid": .string(iccid), "msisdn": JSONValue(msisdn),
                "group": JSONValue(group), "name": JSONValue(name),
            ]
            api.show(try await api.post("tenants", tenant, "sims", body: .json(body))) {
                print("SIM \($0["imsi"].cell) created")
            }
        }
    }

    struct List: APICommand {
        static let configuration = CommandConfiguration(abstract: "Lists SIMs by IMSI.")
        @Option(help: "Only of this tenant.") var tenant: String?
        @Option(help: "Only of this group; needs --tenant.") var group: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            var table = Table("IMSI", "ICCID", "MSISDN", "TENANT", "GROUP", "STATE", "NAME")
            try await api.pages("sims", query: [("tenant", tenant), ("group", group)]) { answer in
                api.show(answer) { page in
                    table.print(
                        page.items.map { sim in
                            ["imsi", "iccid", "msisdn", "tenant", "group", "state", "name"].map { sim[$0].cell }
                        })
                }
            }
        }
    }

    struct Show: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a SIM with its addresses and active sessions.")
        @Argument(help: "The IMSI.") var imsi: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("sims", imsi)) { sim in
                printDetails([
                    ("imsi", sim["imsi"]), ("iccid", sim["iccid"]), ("msisdn", sim["msisdn"]),
                    ("tenant", sim["tenant"]), ("group", sim["group"]), ("name", sim["name"]),
                    ("state", sim["state"]), ("test until", sim["test"]["until"]),
                    ("test octets", sim["test"]["octets"]), ("test octets used", sim["test"]["octets_used"]),
                    ("created", sim["created_at"]),
                    (
                        "addresses",
                        .array(
                            sim["addresses"].elements.map { lease in
                                let parts = [lease["address"], lease["prefix"], lease["delegated_prefix"]]
                                let texts = parts.filter { $0 != .null }.map(\.cell)
                                return .string("\(texts.joined(separator: ", ")) (\(lease["apn"].cell))")
                            })
                    ),
                ])
                for session in sim["sessions"].elements {
                    print("")
                    printSession(session)
                }
            }
        }
    }

    struct Suspend: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Stops a SIM's traffic, ends its session and rejects it until it is resumed.")
        @Argument(help: "The IMSI.") var imsi: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.post("sims", imsi, "suspend"), printStateChange)
        }
    }

    struct Resume: APICommand {
        static let configuration = CommandConfiguration(abstract: "Undoes suspend.")
        @Argument(help: "The IMSI.") var imsi: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.post("sims", imsi, "resume"), printStateChange)
        }
    }

    struct Terminate: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Stops a SIM's traffic, ends its session and rejects it for good: nothing undoes it.")
        @Argument(help: "The IMSI.") var imsi: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.post("sims", imsi, "terminate"), printStateChange)
        }
    }

    struct Test: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Begins a manufacturing test: active for a time and a volume, then rejected until activated.")
        @Argument(help: "The IMSI.") var imsi: String
        @OptionGroup var terms: TestOptions
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let body = try terms.fields(days: "days", octets: "octets")
            api.show(try await api.post("sims", imsi, "test", body: .json(body)), printStateChange)
        }
    }

    struct Activate: APICommand {
        static let configuration = CommandConfiguration(abstract: "Ends a manufacturing test: the SIM is active.")
        @Argument(help: "The IMSI.") var imsi: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.post("sims", imsi, "activate"), printStateChange)
        }
    }

    struct SetGroup: APICommand {
        static let configuration = CommandConfiguration(abstract: "Moves a SIM to a group.")
        @Argument(help: "The IMSI.") var imsi: String
        @Option(help: "The group's name.") var group: String?
        @Flag(help: "No group: the tenant's default policy holds.") var none = false
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard (group == nil) == none else { throw ValidationError("give --group NAME or --none") }
        }

        func run(_ api: APIClient) async throws {
            api.show(try await api.put("sims", imsi, "group", body: ["group": JSONValue(group)])) {
                print($0.enforcement)
            }
        }
    }

    struct ReleaseAddress: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Gives a SIM's kept addresses back; it must have no active session.")
        @Argument(help: "The IMSI.") var imsi: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            _ = try await api.post("sims", imsi, "release-addresses")
            api.say("addresses of SIM \(imsi) released")
        }
    }

    struct Delete: APICommand {
        static let configuration = CommandConfiguration(abstract: "Deletes a SIM without an active session.")
        @Argument(help: "The IMSI.") var imsi: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            try await api.delete("sims", imsi)
            api.say("SIM \(imsi) deleted")
        }
    }
}

/// Each step of a suspension or a resumption with its time.
private func printStateChange(_ change: JSONValue) {
    print("SIM \(change["imsi"].cell) is \(change["state"].cell)")
    var table = Table("STEP", "AFTER", "RESULT")
    table.print(
        change["steps"].elements.map { [$0["name"].cell, $0["after_ms"].milliseconds, $0["detail"].cell] })
    if change["is_complete"].bool == false {
        printError("cordon: the traffic has stopped, but the NAS has not confirmed the end of the session")
    }
}

extension APIClient {
    /// Gets every page of a list, one after the other.
    func pages(_ path: String..., query: [(String, String?)], _ body: (Answer) -> Void) async throws {
        var cursor: String?
        repeat {
            let answer = try await get(path: path, query: query + [("limit", "1000"), ("cursor", cursor)])
            body(answer)
            cursor = answer.value["next_cursor"].string
        } while cursor != nil
    }
}

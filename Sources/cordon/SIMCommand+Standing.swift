import ArgumentParser

extension SIMCommand {
    struct Effective: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows what holds for a SIM, from where, and what is found of it now.")
        @Argument(help: "The IMSI.") var imsi: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            api.show(try await api.get("sims", imsi, "effective")) { answer in
                printDetails([
                    ("imsi", answer["imsi"]), ("tenant", answer["tenant"]), ("group", answer["group"]),
                    ("quarantine", answer["quarantine"]["reason"]), ("since", answer["quarantine"]["since"]),
                    ("until", answer["quarantine"]["until"]), ("by", answer["quarantine"]["by"]),
                    ("approved", answer["approved_at"]), ("approved by", answer["approved_by"]),
                    ("approved by the hook", answer["hook_approved"]), ("tolerated until", answer["tolerated_until"]),
                ])
                let sections = answer["sections"].elements
                if sections.isEmpty { print("no session policy holds for it") } else { print("") }
                var table = Table("SECTION", "FROM", "VERDICT", "WHAT HOLDS")
                if !sections.isEmpty {
                    table.print(sections.map { one in ["section", "level", "verdict", "value"].map { one[$0].cell } })
                }
                printLimits(of: answer)
                for violation in answer["violations"].elements {
                    print("\(violation["reason"].cell): \(violation["detail"].cell.onOneLine)")
                }
                for session in answer["sessions"].elements {
                    let restriction = session["restriction"]
                    let state =
                        restriction == .null
                        ? "not restricted" : "\(restriction["action"].cell) since \(restriction["since"].cell)"
                    print("session \(session["id"].cell) on \(session["apn"].cell): \(state)")
                }
            }
        }
    }

    struct Equipment: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "imei", abstract: "The equipment that a SIM was seen in.",
            subcommands: [Show.self, Reset.self])

        struct Show: APICommand {
            static let configuration = CommandConfiguration(
                abstract: "Shows the first and the last, and how many changes.")
            @Argument(help: "The IMSI.") var imsi: String
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                api.show(try await api.get("sims", imsi, "imei")) { answer in
                    printDetails([
                        ("first", answer["first"]), ("first seen", answer["first_seen_at"]), ("last", answer["last"]),
                        ("since", answer["last_changed_at"]), ("changes", answer["changes"]),
                    ])
                }
            }
        }

        struct Reset: APICommand {
            static let configuration = CommandConfiguration(abstract: "Forgets the first: the next is the first.")
            @Argument(help: "The IMSI.") var imsi: String
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                api.show(try await api.post("sims", imsi, "imei", "reset")) { print($0.enforcement) }
            }
        }
    }

    struct Fence: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "fence", abstract: "The places that a SIM's fence was learned from.",
            subcommands: [Show.self, Reset.self])

        struct Show: APICommand {
            static let configuration = CommandConfiguration(abstract: "Lists them.")
            @Argument(help: "The IMSI.") var imsi: String
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                api.show(try await api.get("sims", imsi, "fence")) { answer in
                    printDetails([("since", answer["since"])])
                    var table = Table("PLACE", "FIRST SEEN")
                    table.print(answer["places"].elements.map { [$0["place"].cell, $0["first_seen_at"].cell] })
                }
            }
        }

        struct Reset: APICommand {
            static let configuration = CommandConfiguration(abstract: "Forgets them: the first days begin anew.")
            @Argument(help: "The IMSI.") var imsi: String
            @OptionGroup var output: OutputOptions

            func run(_ api: APIClient) async throws {
                api.show(try await api.post("sims", imsi, "fence", "reset")) { print($0.enforcement) }
            }
        }
    }

    struct Quarantine: APICommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Puts a SIM into quarantine: its session stays up, and only the quarantine policy's ways are open.")
        @Argument(help: "The IMSI.") var imsi: String
        @Option(help: "Why.") var reason: String
        @Option(help: "Until when, RFC 3339.") var until: String?
        @Option(help: "For how long, such as 24h.") var `for`: String?
        @OptionGroup var output: OutputOptions

        func validate() throws {
            if until != nil, `for` != nil { throw ValidationError("--until and --for exclude each other") }
        }

        func run(_ api: APIClient) async throws {
            let body: [String: JSONValue] = [
                "reason": .string(reason), "until": JSONValue(until), "for": JSONValue(`for`),
            ]
            api.show(try await api.post(path: ["sims", imsi, "quarantine"], body: .json(body.given))) {
                print("SIM \(imsi) is in quarantine: \($0.enforcement)")
            }
        }
    }

    struct Release: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Ends a quarantine by hand.",
            discussion: """
                One that a violation has led to lasts as long as that. With --for violations are only reported for that \
                time, so that it ends at once.
                """)
        @Argument(help: "The IMSI.") var imsi: String
        @Option(help: "So long violations with quarantine are only reported, such as 24h.") var `for`: String?
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let body: [String: JSONValue] = ["for": JSONValue(`for`)]
            api.show(try await api.post(path: ["sims", imsi, "release"], body: .json(body.given))) {
                print("SIM \(imsi) is released: \($0.enforcement)")
            }
        }
    }

    struct Approve: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Approves a SIM for service, or all of a tenant or a group.")
        @Argument(help: "The IMSI.") var imsi: String?
        @Option(help: "All SIMs of this tenant.") var tenant: String?
        @Option(help: "All SIMs of this group; needs --tenant.") var group: String?
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard (imsi == nil) != (tenant == nil), group == nil || tenant != nil else {
                throw ValidationError("give an IMSI, or --tenant T, or --tenant T --group G")
            }
        }

        func run(_ api: APIClient) async throws {
            if let tenant {
                let answer = try await api.post("tenants", tenant, "sims", "approve", query: [("group", group)])
                return api.show(answer) { print("\($0["sims"].cell) SIM(s) approved: \($0.enforcement)") }
            }
            try await setApproved(true, imsi ?? "", api)
        }
    }

    struct Disapprove: APICommand {
        static let configuration = CommandConfiguration(abstract: "Takes a SIM's approval back.")
        @Argument(help: "The IMSI.") var imsi: String
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws { try await setApproved(false, imsi, api) }
    }
}

private func setApproved(_ isApproved: Bool, _ imsi: String, _ api: APIClient) async throws {
    let answer = try await api.put("sims", imsi, "approval", body: ["approved": .bool(isApproved)])
    api.show(answer) { print("SIM \(imsi) is \(isApproved ? "" : "not ")approved: \($0.enforcement)") }
}

extension [String: JSONValue] {
    /// Without what was not given.
    fileprivate var given: Self { filter { $0.value != .null } }
}

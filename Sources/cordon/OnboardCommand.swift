import ArgumentParser
import Glibc

extension TenantCommand {
    struct Onboard: APICommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a tenant with everything that it is to have, from one document.",
            discussion: """
                Tenant, APN, address blocks, groups, policies, VPNs, SIMs and the tenant's tokens, all of it or nothing. The \
                plan is shown first. Of a tenant that is there what differs is made; nothing is deleted, and done twice it \
                changes nothing. Where the document says `file: NAME`, the file beside it is sent along.

                With --plan it ends with 0 when nothing would change, with 2 when something would.
                """)
        @Argument(help: "The document, YAML or JSON, - for standard input.") var file: String
        @Flag(name: [.customLong("plan"), .customLong("dry-run")], help: "Only show what would be done.")
        var isPlan = false
        @Flag(help: "Do it without asking.") var yes = false
        @OptionGroup var output: OutputOptions

        func run(_ api: APIClient) async throws {
            let body = APIClient.Body.bytes(Array(try document().utf8), type: "application/yaml")
            let planned = try await api.post(
                "onboardings", query: [("dry_run", "true"), ("file", file)], body: body, file: file)
            let plan = planned.value["plan"]
            let changesNothing = plan["changes_nothing"].bool == true
            if isPlan || changesNothing {
                api.show(planned) { _ in show(plan) }
            } else if !api.isJSON {
                show(plan)
            }
            if changesNothing { return }
            if isPlan { throw ExitCode(2) }
            guard yes || isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1 || isAgreed() else {
                printError("cordon: nothing was changed")
                throw ExitCode.failure
            }
            let done = try await api.post(
                "onboardings", query: [("file", file), ("plan", plan["digest"].string)], body: body, file: file)
            api.show(done) { show(result: $0["result"], of: plan["tenant"].cell) }
        }

        private func document() throws -> String {
            guard let text = String(validating: try readFile(file), as: UTF8.self) else {
                printError("cordon: \(file) is not UTF-8 text")
                throw ExitCode.failure
            }
            let directory = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
                separator: "/")
            do {
                return try IncludedFiles.inlined(text) { name in
                    try readFile(directory.isEmpty && !file.hasPrefix("/") ? name : "\(directory)/\(name)")
                }
            } catch let error as IncludedFiles.Refusal {
                printError("\(file):\(error.line): \(error.message.onOneLine)")
                throw ExitCode.failure
            }
        }

        private func isAgreed() -> Bool {
            printError("Do this? Write yes:")
            return readLine().map { ["y", "yes"].contains($0.lowercased()) } ?? false
        }

        // MARK: For people

        private func show(_ plan: JSONValue) {
            for warning in plan["warnings"].elements { printError("note: \(APIClient.line(of: warning, in: file))") }
            let signs = ["create": "+", "change": "~", "keep": "="]
            for step in plan["steps"].elements {
                let detail = step["detail"].string.map { $0.isEmpty ? "" : ": \($0)" } ?? ""
                let sign = signs[step["action"].cell] ?? "?"
                print("\(sign) \(step["kind"].cell) \(step["name"].cell)\(detail)".onOneLine)
                for change in step["changes"].elements {
                    let (before, after) = (change["before"].string ?? "nothing", change["after"].string ?? "nothing")
                    print("    \(change["field"].cell): \(before) → \(after)".onOneLine)
                }
            }
            let others = plan["others"].elements.map { "\($0["kind"].cell) \($0["name"].cell)" }
            if !others.isEmpty {
                print("not in the document, and left alone: \(others.joined(separator: ", "))".onOneLine)
            }
            let count = { (action: String) in plan["steps"].elements.count { $0["action"].string == action } }
            guard plan["changes_nothing"].bool != true else {
                return print("tenant \(plan["tenant"].cell) is as \(file) says: nothing to do")
            }
            print("\(count("create")) to make, \(count("change")) to change, \(count("keep")) as they are")
        }

        private func show(result: JSONValue, of tenant: String) {
            print("tenant \(tenant) is as \(file) says: \(result["enforcement"].enforcement)")
            for delay in result["delays"].elements { printError("cordon: \(delay.cell.onOneLine)") }
            for token in result["tokens"].elements {
                print("token of \(token["name"].cell), shown this once: \(token["secret"].cell)")
            }
            for site in result["vpns"].elements {
                print("\nvpn \(site["handover"]["vpn"]["name"].cell):")
                VPNCommand.show(handover: site["handover"])
            }
            var steps = result["next_steps"].elements.map(\.cell)
            for site in result["vpns"].elements {
                let name = site["handover"]["vpn"]["name"].cell
                steps += site["next_steps"].elements.map { "VPN \(name): \($0.cell)" }
            }
            guard !steps.isEmpty else { return }
            print("\nWhat the customer has to do:")
            for (index, step) in steps.enumerated() { print("\(index + 1). \(step.onOneLine)") }
        }
    }
}

import Foundation
import Lab
import Testing

/// cordond is killed (SIGKILL) at random moments under attaches, accounting, suspensions and policy changes. After each
/// restart three things are compared: what was answered, what is stored, what the kernel holds.
@Suite(.serialized) struct CrashTests {
    private static let sims = 400
    private static let tenant = "fleet"

    /// How often; `make bench-crash` asks for more.
    private static var kills: Int {
        ProcessInfo.processInfo.environment["CORDON_KILLS"].flatMap { Int($0) } ?? 200
    }

    @Test func `nothing answered is lost, no address is held twice, no traffic without a session`() async throws {
        let layout = try testLayout(prefix: "cordoncrash", apiPort: 18082)
        let lab = Laboratory(layout: layout)
        try await lab.down()
        _ = try await lab.up()
        do {
            let crash = Crash(lab: lab, layout: layout)
            try await crash.prepare()
            var tally = Tally()
            for round in 0..<Self.kills {
                let problems = try await crash.round(round, &tally)
                #expect(problems == [], "round \(round)")
                if problems.count > 20 { break }
            }
            print("\(Self.kills) kills: \(tally)")
            #expect(tally.answeredBeforeKill > Self.kills)
        } catch {
            try await lab.down()
            throw error
        }
        try await lab.down()
        #expect(lab.remains() == [])
    }

    /// What the rounds came to, so that a run in which nothing happened shows.
    struct Tally: CustomStringConvertible {
        var answeredBeforeKill = 0
        var cutMidway = 0
        var suspensions = 0
        var policies = 0

        var description: String {
            "\(answeredBeforeKill) SIMs had an answer, in \(cutMidway) rounds the load was cut, "
                + "\(suspensions) suspensions and \(policies) policy changes were answered"
        }
    }

    private struct Crash: Sendable {
        let lab: Laboratory
        let layout: LabLayout

        func prepare() async throws {
            try await lab.cli.run(["tenant", "create", tenant])
            try await lab.cli.run(["policy", "apply", "-", "--tenant", tenant], input: Self.policy(0))
            try await lab.cli.run(["group", "create", "meters", "--tenant", tenant, "--policy", "meters"])
            let rows = (0..<sims).map { number in
                let digits = String(repeating: "0", count: 10 - String(number).count) + String(number)
                return "898800000\(digits),00101\(digits),,meters,"
            }
            let csv = (["iccid,imsi,msisdn,group,name"] + rows).joined(separator: "\n") + "\n"
            try await lab.cli.run(["sim", "import", "-", "--tenant", tenant, "--atomic"], input: csv)
        }

        private static func policy(_ version: Int) -> String {
            """
            policy: meters
            default: block
            rules:
              - name: version-\(version)
                to: [192.0.2.10]
                protocol: tcp
                ports: [\(1024 + version % 60_000)]
                route: internet

            """
        }

        /// What a SIM was told before the kill.
        private struct Told {
            let address: String
            let answered: String
            let sent: String
        }

        private struct Session: Decodable {
            let imsi: String
            let address: String
            let octetsUp: Int

            enum CodingKeys: String, CodingKey {
                case imsi, address
                case octetsUp = "octets_up"
            }
        }

        private struct Page: Decodable { let items: [Session] }

        private struct Administration {
            var asked: Set<String> = []
            var suspended: Set<String> = []
            var policies = 0
        }

        /// - Returns: what was not as answered, one sentence each.
        func round(_ number: Int, _ tally: inout Tally) async throws -> [String] {
            let file = "\(layout.runDirectory)/told"
            try? FileManager.default.removeItem(atPath: file)
            let load = [
                "nsenter", "--net=/run/netns/\(layout.name(of: .ran))", "\(layout.programs)/RADIUSLoad", "--server",
                LabLayout.gatewaySGi, "--secret-file", layout.runDirectory + "/radius.secret", "--count", "\(sims)",
                "--in-flight", "64", "--patience", "150", "--attempts", "1", "--stop-at-loss", "--write", file,
            ].joined(separator: " ")
            let delay = Duration.microseconds(Int.random(in: 15_000...150_000))
            let candidates = (0..<3).map { _ in Int.random(in: 0..<sims) }
            async let administration = administer(candidates, round: number)
            async let running: Void = { _ = shell(load + " >/dev/null 2>&1") }()
            try await Task.sleep(for: delay)
            lab.killGateway()
            await running
            let administered = await administration
            try await lab.restartGateway()
            let told = told(in: file)
            tally.answeredBeforeKill += told.count
            tally.suspensions += administered.suspended.count
            tally.policies += administered.policies
            if told.count < sims || told.values.contains(where: { $0.answered != "stop" }) { tally.cutMidway += 1 }
            return try await compare(told, administered)
        }

        /// Suspends some SIMs and changes the policy, until the daemon is gone.
        private func administer(_ numbers: [Int], round: Int) async -> Administration {
            var done = Administration()
            for number in numbers {
                let imsi = "00101" + String(repeating: "0", count: 10 - String(number).count) + String(number)
                done.asked.insert(imsi)
                // Failing is what they do once the daemon is gone.
                guard (try? await lab.cli.run(["sim", "suspend", imsi])) != nil else { break }
                done.suspended.insert(imsi)
                let document = Self.policy(round + 1)
                let apply = ["policy", "apply", "-", "--tenant", tenant]
                guard (try? await lab.cli.run(apply, input: document)) != nil else { break }
                done.policies += 1
            }
            return done
        }

        private func told(in file: String) -> [String: Told] {
            var told: [String: Told] = [:]
            let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ").map(String.init)
                guard words.count == 4 else { continue }
                told[words[0]] = Told(address: words[1], answered: words[2], sent: words[3])
            }
            return told
        }

        private func compare(_ told: [String: Told], _ administered: Administration) async throws -> [String] {
            var problems: [String] = []
            let output = try await lab.cli.run(["session", "list", "--json"])
            let sessions = try output.split(separator: "\n").flatMap {
                try JSONDecoder().decode(Page.self, from: Data($0.utf8)).items
            }
            let active = Dictionary(sessions.map { ($0.imsi, $0) }, uniquingKeysWith: { first, _ in first })
            let held = sessions.map(\.address)
            if Set(held).count != held.count || active.count != sessions.count {
                problems.append("an address or a SIM is in two sessions")
            }
            let listing = shell("ip netns exec \(layout.name(of: .gw)) nft list map inet cordon device_policy").output
            let enforced = Set(listing.matches(of: /([0-9.]+) : 0x/).map { String($0.1) })
            let open = enforced.subtracting(held)
            if !open.isEmpty { problems.append("in the kernel without a session: \(open.sorted())") }
            // A suspension that was cut after its first step: the SIM is suspended, its session not ended yet.
            for session in sessions where !enforced.contains(session.address) {
                let shown = try await lab.cli.run(["sim", "show", session.imsi])
                if !administered.asked.contains(session.imsi) || !shown.contains("suspended") {
                    problems.append("\(session.imsi) has a session, and \(session.address) is not in the kernel")
                }
            }
            for (imsi, told) in told where !administered.asked.contains(imsi) {
                let session = active[imsi]
                if told.sent != "stop", session?.address != told.address {
                    problems.append("\(imsi) was given \(told.address) and has \(session?.address ?? "no session")")
                }
                if told.answered == "stop", session != nil { problems.append("\(imsi) was stopped and is active") }
                let octets = 1000 + (Int(imsi.suffix(10)) ?? 0)
                if told.answered == "interim", told.sent == "interim", session?.octetsUp != octets {
                    problems.append("\(imsi): \(octets) octets were answered, \(session?.octetsUp ?? -1) are stored")
                }
            }
            for imsi in administered.suspended {
                let shown = try await lab.cli.run(["sim", "show", imsi])
                if !shown.contains("suspended") { problems.append("\(imsi) was suspended and is not") }
                if let session = active[imsi] { problems.append("\(imsi) is suspended and holds \(session.address)") }
            }
            // Asked and not answered may have happened.
            for imsi in administered.asked { try await lab.cli.run(["sim", "resume", imsi]) }
            return problems
        }
    }
}

import Control
import Domain
import Foundation
import PolicyCompiler
import Store
import Testing

@Suite struct OnboardingTests {
    static let acme = """
        tenant: acme
        apn: {name: acme.iot, kind: private}
        addresses: 500
        limits: {vpns: 4}
        lists:
          - {name: plant, items: [10.0.0.16]}
        groups:
          - {name: meters, policy: telemetry}
          - {name: gateways, policy: maintained}
        policies:
          - policy: telemetry
            rules:
              - {name: broker, to: [10.0.0.10], services: [mqtts], route: [vpn:hq, vpn:backup]}
              - {name: plant, to: [list:plant], protocol: tcp, ports: [502], route: vpn:hq}
          - file: {name: maintained.yaml, text: "policy: maintained\\nrules:\\n  - {name: a, to: [192.0.2.1], route: internet}\\n"}
        default-policy: telemetry
        vpns:
          - {name: hq, peer: 203.0.113.10, remote-networks: [10.0.0.0/24]}
          - {name: backup, peer: 203.0.113.20, remote-networks: [10.0.0.0/24]}
          - name: maintenance
            peer: 203.0.113.11
            remote-networks: [10.8.0.0/24]
            local-network: group:gateways
            auth: certificate
            partner: {name: fixit, destinations: [10.8.0.0/28], ports: [tcp/22], valid-until: 2099-01-01T00:00:00Z}
        sims:
          - {imsi: "999700000000001", iccid: "8999970000000000001", msisdn: "491700000001", group: meters, name: pump 1}
          - file: {name: sims.csv, text: "imsi,iccid,group\\n999700000000002,8999970000000000002,gateways\\n"}
        users:
          - {name: acme-admin}

        """

    private static func run(
        storedIn wrap: (any Store) -> any Store = { $0 }, _ body: @escaping @Sendable (Bench) async throws -> Void
    ) async throws {
        try await Bench.run(tunnels: try ScriptedDaemon().support(perTenant: 32), storedIn: wrap, body)
    }

    private static func onboard(_ text: String, _ bench: Bench) async throws -> ControlPlane.OnboardingResult {
        try await bench.control.onboard(text, file: "acme.yaml", by: .system)
    }

    private static func plan(_ text: String, _ bench: Bench) async throws -> ControlPlane.OnboardingPlan {
        try await bench.control.planOnboarding(text, file: "acme.yaml", by: .system)
    }

    /// Everything that an onboarding could leave behind.
    private struct Trace: Equatable {
        var tenants: [Tenant]
        var groups: [SIMGroup]
        var policies: [Policy]
        var lists: [SharedList]
        var vpns: [VPN]
        var sims: [SIM]
        var tokens: [APIToken]
        var points: [AccessPoint]
        var pools: [AddressPoolUsage]
        var audit: Int64?
        var rulesets: [PolicyMark: Ruleset]
        /// Whether they are up is not the caller's doing.
        var entries: Set<VPNNumber>

        init(_ bench: Bench) async throws {
            let kernel = bench.kernel.now
            self = try await bench.store.read { store in
                try Trace(store, kernel)
            }
        }

        private init(_ store: any StoreReader, _ kernel: RecordingDataPlane.State) throws {
            tenants = try store.tenants()
            groups = try store.allGroups()
            policies = try store.allPolicies()
            lists = try store.allLists()
            vpns = try store.allVPNs()
            sims = try store.sims(of: nil, group: nil, after: nil, limit: 1000)
            tokens = try store.tokens()
            points = try store.accessPoints()
            pools = try store.pools()
            audit = try store.audit(before: nil, limit: 1).first?.id
            (rulesets, entries) = (kernel.rulesets, Set(kernel.vpns.keys))
        }
    }

    @Test func `a whole enterprise is made, in force, and told what it has to do`() async throws {
        try await Self.run { bench in
            let before = try await Trace(bench)
            let plan = try await Self.plan(Self.acme, bench)
            #expect(try await Trace(bench) == before)
            let result = try await Self.onboard(Self.acme, bench)
            #expect(result.plan.steps == plan.steps && result.plan.digest == plan.digest)
            #expect(plan.steps.allSatisfy { $0.action == .create })
            #expect(Set(plan.steps.map(\.kind)) == Set(ControlPlane.OnboardingPlan.Kind.allCases))
            #expect(result.delays.isEmpty)

            let acme = try Name(parsing: "acme")
            let (groups, policies, blocks, limit) = try await bench.store.read { store in
                let tenant = try #require(try store.tenant(named: acme))
                #expect(
                    tenant.defaultPolicy == (try store.policy(named: Name(parsing: "telemetry"), of: tenant.id)?.id))
                #expect(try store.accessPoint(APN(parsing: "acme.iot"))?.owner == tenant.id)
                #expect(try store.vpns(of: tenant.id).map(\.name.description) == ["backup", "hq", "maintenance"])
                let sim = try #require(try store.sim(imsi: IMSI(parsing: "999700000000002")))
                #expect(try store.group(#require(sim.group))?.name.description == "gateways")
                return (
                    try store.groups(of: tenant.id), try store.policies(of: tenant.id), try store.blocks(of: tenant.id),
                    try store.vpnLimit(of: tenant.id)
                )
            }
            #expect(groups.allSatisfy { $0.policy != nil } && groups.count == 2)
            #expect(policies.count == 2 && blocks.count == 2 && limit == 4)
            for policy in policies { #expect(bench.kernel.now.rulesets[try #require(policy.mark)] != nil) }
            #expect(bench.kernel.now.vpns.count == 3)

            // What is told once.
            let token = try #require(result.tokens.first)
            #expect(try await bench.control.principal(secret: token.secret)?.name == "acme-admin")
            #expect(result.vpns.map(\.tunnel.vpn.vpn.name.description) == ["hq", "backup", "maintenance"])
            #expect(result.vpns[0].tunnel.key?.bytes.count == 52 && result.vpns[2].tunnel.key == nil)
            #expect(result.vpns[2].tunnel.certificate != nil && result.vpns[2].tunnel.privateKey != nil)
            #expect(result.vpns.allSatisfy { !$0.nextSteps.isEmpty })
            #expect(result.nextSteps.first?.contains("acme.iot") == true)

            // And its devices come in.
            let imsi = try IMSI(parsing: "999700000000001")
            guard case .accept(let address, _) = try await bench.attach(imsi, apn: "acme.iot") else {
                Issue.record("not accepted")
                return
            }
            #expect(blocks.contains { $0.contains(address) })
            #expect(bench.kernel.now.devices[address]?.policy != .blockAll)
        }
    }

    @Test func `done twice it changes nothing, and writes nothing`() async throws {
        try await Self.run { bench in
            _ = try await Self.onboard(Self.acme, bench)
            let after = try await Trace(bench)
            let plan = try await Self.plan(Self.acme, bench)
            #expect(plan.changesNothing && plan.others.isEmpty, "\(plan.steps.filter { $0.action != .keep })")
            let again = try await Self.onboard(Self.acme, bench)
            #expect(again.plan.changesNothing && again.tokens.isEmpty && again.vpns.isEmpty)
            #expect(try await Trace(bench) == after)
        }
    }

    @Test func `a mistake in the last item leaves nothing`() async throws {
        try await Self.run { bench in
            _ = try await bench.control.createToken(Name(parsing: "acme-admin"), tenant: nil, by: .system)
            let before = try await Trace(bench)
            let error = await #expect(throws: ControlError.self) { try await Self.onboard(Self.acme, bench) }
            #expect(error?.code == .invalid && error?.problems.map(\.field) == ["users[0].name"])
            #expect(try await Trace(bench) == before)
        }
    }

    @Test func `a kernel that refuses, and a store that is full, leave nothing`() async throws {
        let full = Full()
        try await Self.run(storedIn: full.wrap) { bench in
            let before = try await Trace(bench)
            bench.kernel.change { $0.refusals = 1 }
            let refused = await #expect(throws: ControlError.self) { try await Self.onboard(Self.acme, bench) }
            #expect(refused?.code == .unavailable)
            #expect(try await Trace(bench) == before)
            full.store?.set(full: true)
            await #expect(throws: ControlError.self) { try await Self.onboard(Self.acme, bench) }
            full.store?.set(full: false)
            #expect(try await Trace(bench) == before)
            _ = try await Self.onboard(Self.acme, bench)
        }
    }

    /// A store that can be told to be full, for who runs the bench.
    private final class Full: @unchecked Sendable {
        // Written once, before the bench's body runs.
        var store: FullStore?
        func wrap(_ store: any Store) -> any Store {
            let full = FullStore(store)
            self.store = full
            return full
        }
    }

    @Test func `what differs is changed, from what to what; what is not named is left alone`() async throws {
        try await Self.run { bench in
            _ = try await Self.onboard(Self.acme, bench)
            let acme = try Name(parsing: "acme")
            _ = try await bench.control.createGroup(Name(parsing: "spare"), of: acme, policy: nil, by: .system)
            let imsi = try IMSI(parsing: "999700000000001")
            guard case .accept(let address, _) = try await bench.attach(imsi, apn: "acme.iot") else {
                Issue.record("not accepted")
                return
            }
            let first = bench.kernel.now.devices[address]?.policy
            let text = Self.acme.replacing("203.0.113.20", with: "203.0.113.21")
                .replacing("items: [10.0.0.16]", with: "items: [10.0.0.17]")
                .replacing("ports: [502]", with: "ports: [503]").replacing(
                    "group: meters, name: pump 1", with: "group: gateways"
                )
                .replacing("addresses: 500", with: "blocks: 3")
            let plan = try await Self.plan(text, bench)
            let changes = plan.steps.filter { $0.action == .change }.flatMap { step in
                step.changes.map {
                    "\(step.kind.rawValue) \(step.name) \($0.field): \($0.before ?? "-") > \($0.after ?? "-")"
                }
            }
            #expect(changes.contains("vpn backup peer: 203.0.113.20 > 203.0.113.21"))
            #expect(changes.contains("list plant items: 10.0.0.16 > 10.0.0.17"))
            #expect(changes.contains("sim 999700000000001 group: meters > gateways"))
            #expect(changes.contains { $0.hasPrefix("policy telemetry rule plant: ") && $0.contains("503") })
            #expect(changes.contains { $0.hasPrefix("blocks 3 blocks: ") })
            #expect(changes.count == 5, "\(changes)")
            #expect(!plan.steps.contains { $0.action == .create })
            #expect(plan.others.map { "\($0.kind.rawValue) \($0.name)" } == ["group spare"])

            // Agreed to the plan of another time.
            let stale = await #expect(throws: ControlError.self) {
                try await bench.control.onboard(text, file: "acme.yaml", expecting: "0", by: .system)
            }
            #expect(stale?.code == .changed)
            let result = try await bench.control.onboard(text, file: "acme.yaml", expecting: plan.digest, by: .system)
            // The key stays: the peer has it.
            #expect(result.tokens.isEmpty && result.vpns.map(\.tunnel.key) == [nil])
            #expect(result.report.sessions == 1)
            let second = bench.kernel.now.devices[address]?.policy
            #expect(second != first && second != nil)
            #expect(try await bench.control.groups(of: acme, by: .system).count == 3)
            #expect(try await Self.plan(text, bench).changesNothing)
        }
    }

    @Test func `a changed list is a change of the policies that name it`() async throws {
        try await Self.run { bench in
            _ = try await Self.onboard(Self.acme, bench)
            let before = bench.kernel.now.rulesets
            _ = try await Self.onboard("tenant: acme\nlists: [{name: plant, items: [10.0.0.99]}]\n", bench)
            #expect(bench.kernel.now.rulesets != before && bench.kernel.now.rulesets.count == before.count)
        }
    }

    @Test func `another tenant's things are not touched, and not told of`() async throws {
        try await Self.run { bench in
            let globex = Self.acme.replacing("acme", with: "globex").replacing("99970000000000", with: "99971000000000")
                .replacing("899997", with: "899998").replacing("491700000001", with: "491700000009")
            _ = try await Self.onboard(globex, bench)
            let before = try await Trace(bench)
            let text = """
                tenant: acme
                apn: {name: globex.iot, kind: private}
                sims:
                  - {imsi: "999710000000001", iccid: "8999970000000000001"}
                  - {imsi: "999700000000007", iccid: "8999981000000000002"}
                users: [{name: globex-admin}]
                """
            let error = await #expect(throws: ControlError.self) { try await Self.onboard(text, bench) }
            #expect(
                error?.problems.map { "\($0.line ?? 0):\($0.column ?? 0) \($0.field)" } == [
                    "2:13 apn.name", "4:12 sims[0].imsi", "5:5 sims[1]", "6:16 users[0].name",
                ], "\(error?.problems ?? [])")
            #expect(error?.problems.contains { $0.message.contains("tenant globex") } == false)
            #expect(try await Trace(bench) == before)
            // The same networks, policies and names beside it.
            _ = try await Self.onboard(Self.acme, bench)
            let after = try await Trace(bench)
            let owner = try #require(before.tenants.first).id
            #expect(after.policies.filter { $0.tenant == owner } == before.policies)
            #expect(after.vpns.filter { $0.tenant == owner } == before.vpns)
            #expect(after.sims.filter { $0.tenant == owner } == before.sims)
            for (mark, ruleset) in before.rulesets { #expect(after.rulesets[mark] == ruleset) }
            #expect(try await Self.plan(globex, bench).changesNothing)
        }
    }

    @Test func `only the operator onboards`() async throws {
        try await Self.run { bench in
            let tenant = try await bench.tenant("acme")
            let principal = Principal(name: "acme", role: .tenant(tenant.id))
            let error = await #expect(throws: ControlError.self) {
                try await bench.control.onboard("tenant: acme\n", file: "a", by: principal)
            }
            #expect(error?.code == .forbidden)
        }
    }

    /// A document, and everything that is said about it once it is read.
    struct WrongCase: CustomTestStringConvertible {
        let text: String
        let problems: [String]
        var testDescription: String { text }
    }

    static let wrong = [
        WrongCase(
            text:
                "tenant: acme\ngroups: [{name: meters, policy: telemtry}]\npolicies: [{policy: telemetry, rules: []}]\n",
            problems: [
                "2:33 groups[0].policy: there is no policy \"telemtry\" (did you mean \"telemetry\"?): known here are telemetry"
            ]),
        WrongCase(
            text: "tenant: acme\ndefault-policy: telemetry\n",
            problems: ["2:17 default-policy: there is no policy \"telemetry\": none is known here"]),
        WrongCase(
            text:
                "tenant: acme\npolicies:\n  - policy: p\n    rules:\n      - {name: a, to: [10.0.0.1], route: vpn:hq}\n",
            problems: ["5:42 policies[0].rules[0].route: there is no VPN \"hq\": none is known here"]),
        WrongCase(
            text: "tenant: acme\nvpns: [{name: hq, peer: 203.0.113.1, remote-networks: [100.64.1.0/24]}]\n",
            problems: [
                "2:25 vpns[0].peer: 203.0.113.1 is the gateway's own",
                "2:55 vpns[0].remote-networks: 100.64.1.0/24 overlaps",
            ]),
        WrongCase(
            text:
                "tenant: acme\nvpns: [{name: hq, peer: any, remote-networks: [10.0.0.0/24], partner: {name: x, destinations: [10.1.0.0/24]}}]\n",
            problems: [
                "2:8 vpns[0].peer-id: a peer without", "2:95 vpns[0].partner.destinations: 10.1.0.0/24 is not behind",
            ]),
        WrongCase(
            text:
                "tenant: acme\nlimits: {vpns: 0}\nvpns: [{name: hq, peer: 203.0.113.9, remote-networks: [10.0.0.0/24]}]\n",
            problems: ["3:15 vpns[0].name: acme may have 0 VPNs"]),
        WrongCase(
            text: "tenant: acme\nsims: [{imsi: \"999700000000001\", iccid: \"8999970000000000001\", group: meters}]\n",
            problems: ["2:71 sims[0].group: there is no group \"meters\": none is known here"]),
        WrongCase(
            text:
                "tenant: acme\nsims: {file: {name: sims.csv, text: \"imsi,iccid,group\\n1,2,3\\n999700000000002,8999970000000000002,x\\n\"}}\n",
            problems: [
                "sims.csv 2:0 iccid: \"2\" is not an ICCID",
                "sims.csv 3:0 group: there is no group \"x\": none is known here",
            ]),
        WrongCase(
            text: "tenant: acme\npolicies: [{file: {name: p.yaml, text: \"policy: p\\nrules:\\n- {nam: a}\\n\"}}]\n",
            problems: ["p.yaml 3:4 rules[0].nam: unknown key", "p.yaml 3:3 rules[0]: \"name\" is missing"]),
        WrongCase(
            text: "tenant: acme\naddresses: 1000000\n", problems: ["2:12 addresses: no address pool has a free block"]),
    ]

    @Test(arguments: wrong)
    func `each mistake is told with its place`(_ wrong: WrongCase) async throws {
        try await Self.run { bench in
            let before = try await Trace(bench)
            let error = await #expect(throws: ControlError.self) { try await Self.onboard(wrong.text, bench) }
            let problems = (error?.problems ?? []).map {
                ($0.file.map { "\($0) " } ?? "") + "\($0.line ?? 0):\($0.column ?? 0) \($0.field): \($0.message)"
            }
            for expected in wrong.problems {
                #expect(problems.contains { $0.hasPrefix(expected) }, "\(expected): \(problems)")
            }
            #expect(try await Trace(bench) == before)
        }
    }

    @Test func `the example is planned without a problem`() async throws {
        var directory = URL(filePath: #filePath)
        while directory.path != "/",
            !FileManager.default.fileExists(atPath: directory.appending(path: "Package.swift").path)
        {
            directory.deleteLastPathComponent()
        }
        let folder = directory.appending(path: "Examples/onboarding")
        var text = try String(contentsOf: folder.appending(path: "acme.yaml"), encoding: .utf8)
        for file in ["maintained.yaml", "sims.csv"] {
            // As cordon does it.
            let content = try JSONEncoder().encode(String(contentsOf: folder.appending(path: file), encoding: .utf8))
            let json = String(decoding: content, as: UTF8.self).replacing("\\/", with: "/")
            text = text.replacing("file: \(file)", with: "file: {name: \(file), text: \(json)}")
        }
        let document = text
        try await Self.run { bench in
            let plan = try await Self.plan(document, bench)
            #expect(Set(plan.steps.map(\.kind)) == Set(ControlPlane.OnboardingPlan.Kind.allCases))
            // Two VPNs of one network stand in for each other; nothing else is doubtful.
            #expect(plan.warnings.allSatisfy { $0.message.contains("stand in for each other") }, "\(plan.warnings)")
            _ = try await Self.onboard(document, bench)
            #expect(try await Self.plan(document, bench).changesNothing)
        }
    }
}

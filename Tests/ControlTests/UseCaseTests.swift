import Control
import Domain
import PolicyCompiler
import Store
import Testing

@Suite struct UseCaseTests {
    private static let open = """
        policy: open
        rules:
          - {name: all, to: [any], route: internet}
        """
    private static let web = """
        policy: open
        rules:
          - {name: web, to: [192.0.2.0/24], protocol: tcp, ports: [443], route: internet}
        """

    private func flow(_ source: IPv4Address, port: UInt16) throws -> Flow {
        Flow(
            source: source, destination: try IPv4Address(parsing: "192.0.2.10"), protocol: 6, sourcePort: 40_000,
            destinationPort: port)
    }

    @Test func `a policy change cuts what it denies and leaves the rest`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme", sims: 1)
            let applied = try await bench.control.applyPolicy(
                Self.open, file: "open.yaml", comment: "", to: acme.name, by: .system)
            #expect(applied.policy.version == 1)
            _ = try await bench.control.setDefaultPolicy(applied.policy.name, of: acme.name, by: .system)
            guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not accepted")
                return
            }
            #expect(bench.kernel.now.devices[address]?.policy == applied.policy.mark)
            let flows = [try flow(address, port: 443), try flow(address, port: 80)]
            bench.kernel.change { $0.flows = flows }
            let second = try await bench.control.applyPolicy(
                Self.web, file: "open.yaml", comment: "", to: acme.name, by: .system)
            #expect(second.policy.version == 2)
            #expect(second.report.flowsCut == 1)
            #expect(second.report.sessions == 1)
            #expect(bench.kernel.now.flows == [flows[0]])
        }
    }

    @Test func `a flow to a public address of NAT 1 is cut, whatever the policy`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme", sims: 1)
            let applied = try await bench.control.applyPolicy(
                Self.open, file: "open.yaml", comment: "", to: acme.name, by: .system)
            guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not accepted")
                return
            }
            let hairpin = Flow(
                source: address, destination: try IPv4Address(parsing: "198.19.0.3"), protocol: 17, sourcePort: 40_000,
                destinationPort: 1024)
            let flows = [try flow(address, port: 443), hairpin]
            bench.kernel.change { $0.flows = flows }
            _ = try await bench.control.setDefaultPolicy(applied.policy.name, of: acme.name, by: .system)
            #expect(bench.kernel.now.flows == [flows[0]])
        }
    }

    @Test func `a wrong policy changes nothing and names its line`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme")
            await #expect {
                _ = try await bench.control.applyPolicy(
                    "policy: open\nrules:\n  - {name: a, to: [any], protocol: sctp, route: internet}\n",
                    file: "open.yaml", comment: "", to: acme.name, by: .system)
            } throws: { error in
                guard let error = error as? ControlError else { return false }
                return error.code == .invalid && error.problems.contains { $0.line == 3 }
            }
            #expect(try await bench.control.policies(of: acme.name, by: .system).isEmpty)
        }
    }

    @Test func `a group's policy judges its SIMs and a change of group is in the kernel at once`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme", sims: 1)
            let policy = try await bench.control.applyPolicy(
                Self.open, file: "open.yaml", comment: "", to: acme.name, by: .system
            ).policy
            let meters = try Name(parsing: "meters")
            _ = try await bench.control.createGroup(meters, of: acme.name, policy: policy.name, by: .system)
            guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(0)) else {
                Issue.record("not accepted")
                return
            }
            #expect(bench.kernel.now.devices[address]?.policy == .blockAll)
            _ = try await bench.control.setGroup(meters, ofSIM: try Bench.imsi(0), by: .system)
            #expect(bench.kernel.now.devices[address]?.policy == policy.mark)
            _ = try await bench.control.setPolicy(nil, ofGroup: meters, of: acme.name, by: .system)
            #expect(bench.kernel.now.devices[address]?.policy == .blockAll)
        }
    }

    @Test func `suspending stops the kernel first, then tells the NAS, then sees the stop`() async throws {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let imsi = try Bench.imsi(0)
            guard case .accept(let address, let token) = try await bench.attach(imsi) else {
                Issue.record("not accepted")
                return
            }
            let flow = try flow(address, port: 443)
            bench.kernel.change { $0.flows = [flow] }
            bench.nas.answer { request in
                // By now no packet passes.
                #expect(request.address.map { bench.kernel.now.devices[$0] == nil } == true)
                #expect(bench.kernel.now.flows.isEmpty)
                _ = try? await bench.account(.stop, token: token, isLast: true)
                return DisconnectOutcome(result: .acknowledged, attempts: 1)
            }
            let change = try await bench.control.suspend(imsi, by: .system)
            #expect(change.isComplete)
            #expect(change.steps.first?.name == "kernel")
            #expect(change.steps.last?.name == "accounting-stop")
            #expect(try await bench.attach(imsi) == .reject(.simSuspended))
            _ = try await bench.control.resume(imsi, by: .system)
            guard case .accept = try await bench.attach(imsi) else {
                Issue.record("not accepted after resume")
                return
            }
        }
    }

    @Test func `Error-Cause 503 ends the session, no answer leaves it listed and resume brings its traffic back`()
        async throws
    {
        try await Bench.run { bench in
            _ = try await bench.tenant("acme", sims: 2)
            for number in 0..<2 { _ = try await bench.attach(try Bench.imsi(number)) }
            bench.nas.answer { _ in DisconnectOutcome(result: .contextNotFound, attempts: 1) }
            #expect(try await bench.control.suspend(try Bench.imsi(0), by: .system).isComplete)
            #expect(try await bench.control.sim(try Bench.imsi(0), by: .system).activeSessions.isEmpty)

            bench.nas.answer { _ in DisconnectOutcome(result: .noAnswer, attempts: 3) }
            #expect(try await !bench.control.suspend(try Bench.imsi(1), by: .system).isComplete)
            #expect(bench.kernel.now.devices.isEmpty)
            #expect(try await bench.control.sim(try Bench.imsi(1), by: .system).activeSessions.count == 1)
            // A restart must not give a suspended SIM its traffic back.
            try await bench.control.start()
            #expect(bench.kernel.now.devices.isEmpty)
            _ = try await bench.control.resume(try Bench.imsi(1), by: .system)
            #expect(bench.kernel.now.devices.count == 1)
        }
    }

    @Test func `an import lands its good rows, or none of them when it is atomic`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme")
            let csv = Array(
                """
                iccid,imsi,msisdn,group,name
                8999700000000000001,999700000000001,+41790000001,,one
                8999700000000000002,99970x,,,two
                8999700000000000003,999700000000003,,nowhere,three
                8999700000000000004,999700000000001,,,"four, again"
                8999700000000000005,999700000000005,,,five
                """.utf8)
            await #expect(throws: ControlError.self) {
                _ = try await bench.control.importSIMs(csv: csv, isAtomic: true, to: acme.name, by: .system)
            }
            #expect(try await bench.control.counts().sims == 0)
            let report = try await bench.control.importSIMs(csv: csv, isAtomic: false, to: acme.name, by: .system)
            #expect(report.imported == 2)
            #expect(report.problems.map(\.line) == [3, 4, 5])
            #expect(report.problems.map(\.field) == ["imsi", "group", ""])
        }
    }

    @Test func `100,000 rows are imported`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme")
            var csv = "iccid,imsi,msisdn,group,name\n"
            for number in 0..<100_000 {
                csv += "8999\(1_000_000_000_000_000 + number),\(999_700_000_000_000 + number),,,sim \(number)\n"
            }
            let started = ContinuousClock.now
            let report = try await bench.control.importSIMs(
                csv: Array(csv.utf8), isAtomic: false, to: acme.name, by: .system)
            print("import of 100,000 SIMs: \(ContinuousClock.now - started)")
            #expect(report.imported == 100_000)
            #expect(report.problems.isEmpty)
        }
    }

    @Test func `a tenant neither sees nor changes nor learns of another's things`() async throws {
        try await Bench.run { bench in
            let acme = try await bench.tenant("acme", sims: 1)
            let globex = try await bench.tenant("globex", sims: 1, prefix: "99971")
            let intruder = Principal(name: "globex-admin", role: .tenant(globex.id))
            let control = bench.control
            let imsi = try Bench.imsi(0)
            let policy = try await control.applyPolicy(
                Self.open, file: "open.yaml", comment: "", to: acme.name, by: .system
            ).policy.name
            func refused(_ code: ControlError.Code, _ body: () async throws -> Void) async {
                await #expect {
                    try await body()
                } throws: { error in
                    guard let error = error as? ControlError else { return false }
                    return error.code == code
                }
            }
            await refused(.notFound) { _ = try await control.tenant(acme.name, by: intruder) }
            await refused(.notFound) { _ = try await control.policies(of: acme.name, by: intruder) }
            await refused(.notFound) { _ = try await control.policy(policy, of: acme.name, by: intruder) }
            await refused(.notFound) { _ = try await control.groups(of: acme.name, by: intruder) }
            await refused(.notFound) { _ = try await control.sim(imsi, by: intruder) }
            await refused(.notFound) { _ = try await control.suspend(imsi, by: intruder) }
            await refused(.notFound) { _ = try await control.resume(imsi, by: intruder) }
            await refused(.notFound) { try await control.deleteSIM(imsi, by: intruder) }
            await refused(.notFound) { _ = try await control.setGroup(nil, ofSIM: imsi, by: intruder) }
            await refused(.notFound) {
                _ = try await control.applyPolicy(Self.web, file: "a", comment: "", to: acme.name, by: intruder)
            }
            await refused(.notFound) {
                _ = try await control.importSIMs(
                    csv: Array("iccid,imsi\n".utf8), isAtomic: false, to: acme.name, by: intruder)
            }
            // Another's policy cannot be named for one's own group.
            await refused(.notFound) {
                _ = try await control.createGroup(
                    Name(parsing: "g"), of: globex.name, policy: policy, by: intruder)
            }
            await refused(.forbidden) { _ = try await control.createTenant(Name(parsing: "x"), by: intruder) }
            await refused(.forbidden) { _ = try await control.allNAS(by: intruder) }
            await refused(.forbidden) { _ = try await control.pools(by: intruder) }
            await refused(.forbidden) { _ = try await control.tokens(by: intruder) }
            await refused(.forbidden) {
                _ = try await control.createToken(Name(parsing: "x"), tenant: nil, by: intruder)
            }
            #expect(try await control.tenants(by: intruder).map(\.name) == [globex.name])
            #expect(
                try await control.sims(of: nil, group: nil, after: nil, limit: 10, by: intruder).map(\.imsi)
                    == [try Bench.imsi(0, "99971")])
        }
    }

    @Test func `a token's secret is its only way in and goes with it`() async throws {
        try await Bench.run { bench in
            let name = try Name(parsing: "robot")
            let token = try await bench.control.createToken(name, tenant: nil, by: .system)
            #expect(try await bench.control.principal(secret: token.secret)?.name == "robot")
            #expect(try await bench.control.principal(secret: token.secret + "0") == nil)
            #expect(try await bench.control.principal(secret: "") == nil)
            try await bench.control.deleteToken(name, by: .system)
            #expect(try await bench.control.principal(secret: token.secret) == nil)
        }
    }
}

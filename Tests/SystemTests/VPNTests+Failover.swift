import Foundation
import Lab
import Synchronization
import Testing
import VICI

/// One end dies: where traffic goes then, and how it comes back.
extension VPNTests {
    struct Failover: CustomTestStringConvertible, Sendable {
        let title: String
        let options: [String]
        /// From the peer's death to the first packet at the other VPN's.
        let limit: Duration
        var testDescription: String { title }
    }

    static let failovers = [
        Failover(
            title: "a host behind it is asked", options: ["--probe", LabLayout.Enterprise.acme.host],
            limit: .seconds(5)),
        Failover(title: "only the peer is asked", options: [], limit: VPNRig.deadPeerTime + .seconds(2)),
    ]

    @Test(arguments: failovers)
    func `traffic takes the next VPN when a peer dies, and comes back when it is there to stay`(
        _ failover: Failover
    ) async throws {
        let rig = try rig()
        let astray = try rig.astray()
        try await rig.withVPN("hq", at: .acme, failover.options) { hq in
            try await rig.withVPN("backup", at: .acmeBackup, failover.options) { _ in
                try await rig.route("10.0.0.0/24", by: "[vpn:hq, vpn:backup]", of: "acme")
                try await rig.awaitUp()
                let clock = Moments()
                let report = try await NumberedFlow.during(
                    from: rig.acme[0], to: [.acme, .acmeBackup], in: rig.lab
                ) {
                    try await Task.sleep(for: .milliseconds(300))
                    clock.note("killed")
                    try await hq.killGateway()
                    try await rig.awaitUp("backup", within: failover.limit + .seconds(2))
                    try await Task.sleep(for: .milliseconds(500))
                    try await hq.startGateway()
                    try await hq.reload()
                    try await rig.lab.cli.run(["vpn", "restart", "hq", "--tenant", "acme"])
                    try await eventually("the peer is back", within: .seconds(5), every: .milliseconds(20)) {
                        try await rig.show().state == "up"
                    }
                    clock.note("back")
                    try await rig.awaitUp()
                    clock.note("taken")
                    try await Task.sleep(for: .milliseconds(500))
                }
                let (killed, back, taken) = (try clock["killed"], try clock["back"], try clock["taken"])
                let over = try #require(report.first(at: .acmeBackup, after: killed), "nothing came to the backup")
                #expect(over <= failover.limit * Patience.factor)
                // Steady for two seconds, less what is between being up and being seen to be.
                #expect(taken - back >= .milliseconds(1500))
                let last = try #require(report.arrivals.last)
                #expect(last.place == .acme)
                #expect(try rig.astray() == astray)
                let lastBefore = report.arrivals.last { $0.time < back }?.number ?? 0
                let lost = report.lost().count { $0 > lastBefore }
                print(
                    "\(failover.title): traffic at the backup after \(over.inSeconds); back on its VPN "
                        + "\((taken - back).inSeconds) after that was up, \(lost) packets lost on the way back")
            }
        }
    }

    @Test func `where no VPN of a rule is up nothing leaves`() async throws {
        let rig = try rig()
        let astray = try rig.astray()
        try await rig.withVPN { hq in
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: "acme")
            try await rig.awaitUp()
            try await hq.killGateway()
            let report = try await NumberedFlow.during(from: rig.acme[0], to: [.acme], in: rig.lab) {
                try await eventually("it is down", within: VPNRig.deadPeerTime + .seconds(2)) {
                    try await !rig.show().up
                }
                try await Task.sleep(for: .milliseconds(500))
            }
            #expect(report.sent > 100 && report.arrivals.isEmpty)
            #expect(try rig.astray() == astray)
        }
    }

    @Test func `a killed charon is told everything again, and tunnels are back without a person`() async throws {
        let rig = try rig()
        try await rig.withVPN("hq", of: "acme", at: .acme) { _ in
            // This one's peer calls, when it has found out: it asks sooner than the 10 s that are printed for it.
            try await rig.withVPN(
                "hq", of: "globex", at: .globex, ["--initiate", "never"],
                change: { try Self.change($0, [("dpd_delay = 10s", "dpd_delay = 2s")]) }
            ) { _ in
                try await bothPass(rig)
                let restarts = try rig.metric("cordon_charon_restarts_total")
                try rig.lab.killGatewayCharon()
                let time = try await awaitNew(rig, restarts)
                print("tunnels were back \(time.inSeconds) after charon was killed")
                try await bothPass(rig)
                #expect(try rig.metric("cordon_charon_restarts_total") == restarts + 1)
            }
        }
    }

    /// Both tunnels are down and up again.
    private func awaitNew(_ rig: VPNRig, _ restarts: Int) async throws -> Duration {
        let start = ContinuousClock.now
        try await eventually("charon is there again", within: .seconds(10)) {
            try rig.metric("cordon_charon_restarts_total") > restarts
        }
        try await rig.awaitUp("hq", of: "acme", within: .seconds(10))
        let time = ContinuousClock.now - start
        try await rig.awaitUp("hq", of: "globex", within: .seconds(20))
        return time
    }

    private func bothPass(_ rig: VPNRig) async throws {
        for (tenant, device, place) in [
            ("acme", rig.acme[0], LabLayout.Enterprise.acme), ("globex", rig.globex[0], .globex),
        ] {
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: tenant)
            try await rig.awaitUp("hq", of: tenant)
            #expect(try await NumberedFlow.passes(from: device, to: place, in: rig.lab), "\(tenant)")
        }
    }

    @Test(arguments: [false, true])
    func `a new daemon makes the tunnels of the former one`(wasKilled: Bool) async throws {
        let rig = try rig()
        try await rig.withVPN { _ in
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: "acme")
            try await rig.awaitUp()
            if wasKilled { rig.lab.killGateway() }
            try await rig.lab.restartGateway()
            let time = try await eventually("it is up", within: .seconds(10)) { try await rig.show().up }
            print("the tunnel was up \(time.inSeconds) after the daemon was ready")
            #expect(try await NumberedFlow.passes(from: rig.acme[0], to: .acme, in: rig.lab))
        }
    }

    // MARK: Nothing is left

    @Test func `a hundred VPNs that come and go leave everything as it was`() async throws {
        let rig = try rig()
        let kinds: [[String]] = [
            ["--peer", "203.0.113.10", "--remote-network", "10.0.0.0/24"],
            ["--peer", "203.0.113.10", "--remote-network", "10.0.0.0/24", "--auth", "certificate"],
            [
                "--peer", "203.0.113.99", "--remote-network", "10.0.0.0/24=172.20.0.0/24", "--remote-network",
                "10.1.0.0/24", "--initiate", "on-demand", "--pair-selectors",
            ],
            [
                "--peer", "any", "--peer-id", "fw.example", "--remote-network", "10.3.0.0/24", "--initiate", "never",
                "--partner", "repairs", "--partner-port", "tcp/443",
            ],
        ]
        let charon = try CharonQuestions(rig.lab.layout.gatewayVICIURI)
        // A tenant's authority stays; so the first of each kind is not looked at.
        var before: [String: String] = [:]
        for number in -4..<100 {
            if number == 0 { before = try inventory(rig, charon) }
            let (tenant, kind) = (number % 2 == 0 ? "acme" : "globex", kinds[(number + 4) / 2 % kinds.count])
            try await rig.create("passing", of: tenant, kind)
            try await eventually("charon has VPN \(number)", within: .seconds(5), every: .milliseconds(10)) {
                try !charon.ask(Commands.Connections()).isEmpty
            }
            try await rig.delete("passing", of: tenant)
            try await eventually("charon has it no more", within: .seconds(5), every: .milliseconds(10)) {
                try charon.ask(Commands.Connections()).isEmpty
            }
        }
        var after = try inventory(rig, charon)
        // What was being told to a peer ends with its retransmissions.
        let start = ContinuousClock.now
        while after != before, ContinuousClock.now - start < .seconds(5 * Patience.factor) {
            try await Task.sleep(for: .milliseconds(100))
            after = try inventory(rig, charon)
        }
        #expect(Set(before.keys) == Set(after.keys))
        for (what, text) in before.sorted(by: { $0.key < $1.key }) { #expect(after[what] == text, "\(what)") }
    }

    /// Everything that a VPN is somewhere in.
    private func inventory(_ rig: VPNRig, _ charon: CharonQuestions) throws -> [String: String] {
        let gateway = "ip netns exec \(rig.lab.layout.name(of: .gw))"
        let database = rig.lab.layout.stateDirectory + "/cordon.sqlite"
        let tables = try output(
            of: "sqlite3 -readonly \(database) \"SELECT name FROM sqlite_schema WHERE type = 'table'\"")
        // Every change is noted in the audit trail and is an event; what devices have had before is stored meanwhile.
        let history = ["sqlite_", "audit", "events", "usage_"]
        let counts = try tables.split(separator: "\n").filter { table in
            !history.contains { table.hasPrefix($0) }
        }.map {
            table in
            "\(table) \(try output(of: "sqlite3 -readonly \(database) 'SELECT count(*) FROM \(table)'"))"
        }
        return [
            "connections": try charon.ask(Commands.Connections()).sorted().joined(separator: " "),
            "associations": try charon.ask(Commands.Associations()).map(\.name).joined(separator: " "),
            "shared keys": try charon.ask(Commands.SharedKeys()).sorted().joined(separator: " "),
            "private keys": try charon.ask(Commands.Keys()).sorted().joined(separator: " "),
            "authorities": try charon.ask(Commands.Authorities()).sorted().joined(separator: " "),
            "interfaces": try output(of: "\(gateway) ip -o link | cut -d: -f2"),
            "addresses": try output(of: "\(gateway) ip -o addr | awk '{print $2, $4}'"),
            "rules": try output(of: "\(gateway) ip rule"),
            // There are none where the kernel does no ESP, and no way to ask for them.
            "ESP's states": rig.path == .kernel ? try output(of: "\(gateway) ip xfrm state") : "",
            "ESP's policies": rig.path == .kernel ? try output(of: "\(gateway) ip xfrm policy | sort") : "",
            "routes": try output(of: "\(gateway) ip route show table all | sort"),
            // Without what meters remember for a minute.
            "ruleset": try output(of: "\(gateway) nft -s list ruleset | grep -v 'packets timeout 1m'"),
            "store": counts.joined(separator: "\n"),
        ]
    }
}

/// When things happened.
private final class Moments: Sendable {
    private let times = Mutex<[String: ContinuousClock.Instant]>([:])
    func note(_ name: String) { times.withLock { $0[name] = ContinuousClock.now } }
    subscript(name: String) -> ContinuousClock.Instant {
        get throws { try #require(times.withLock { $0[name] }) }
    }
}

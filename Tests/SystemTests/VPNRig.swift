import Domain
import Foundation
import Lab
import Testing

/// A laboratory with enterprises, two tenants with devices, and no VPN yet.
struct VPNRig: Sendable {
    /// Who encrypts, here and at the enterprises: the kernel where it can.
    enum Path: String, Sendable {
        case kernel
        case userSpace = "user-space"
    }

    let lab: Laboratory
    let acme: [PacketGateway.Attached]
    let globex: [PacketGateway.Attached]
    let path: Path

    @TaskLocal static var current: VPNRig?

    /// Short, so that no test waits long for a peer that says nothing.
    static let deadPeerSeconds = 1
    static let retransmitMilliseconds = 300
    /// From a peer's last sign until it is taken for dead, at most.
    static let deadPeerTime = Duration.milliseconds(1000 + 71 * 300 / 10)

    /// What a policy is when no test needs it.
    private static let quiet = "policy: telemetry\ndefault: block\nrules: []\n"

    static func prepare(_ lab: Laboratory) async throws -> VPNRig {
        var fleets: [[PacketGateway.Attached]] = []
        for (number, tenant) in ["acme", "globex"].enumerated() {
            let sims = (1...3).map { LabSIM(tenant: tenant, tenantNumber: number + 1, group: "meters", number: $0) }
            fleets.append(try await attach(sims, in: lab))
        }
        // Packets for an enterprise's hosts that leave the site as they are.
        try output(
            of: """
                ip netns exec \(lab.layout.name(of: .edge)) nft -f - <<'END'
                table ip watch {
                    counter astray {}
                    chain prerouting {
                        type filter hook prerouting priority -300; policy accept;
                        ip daddr 10.0.0.0/8 counter name astray
                    }
                }
                END
                """)
        return VPNRig(lab: lab, acme: fleets[0], globex: fleets[1], path: try await path(in: lab))
    }

    /// As a plan says it; as it must be, if the caller of the tests says how (`CORDON_EXPECTED_PATH`).
    private static func path(in lab: Laboratory) async throws -> Path {
        struct Plan: Decodable, Sendable { let path: String }
        let place = LabLayout.Enterprise.acme
        let plan = try await lab.cli.answers(
            [
                "vpn", "create", "planned", "--tenant", "acme", "--peer", place.address, "--remote-network",
                place.network, "--dry-run", "--json",
            ], as: Plan.self)
        let word = try #require(plan.first).path
        let path = try #require(Path(rawValue: word))
        if let expected = ProcessInfo.processInfo.environment["CORDON_EXPECTED_PATH"] {
            try #require(path.rawValue == expected, "this kernel does not do ESP, or is not seen to")
        }
        return path
    }

    /// Makes the SIMs' tenant and attaches their devices.
    static func attach(_ sims: [LabSIM], in lab: Laboratory) async throws -> [PacketGateway.Attached] {
        let first = try #require(sims.first)
        let csv = ([LabSIM.csvHeader] + sims.map(\.csvRow)).joined(separator: "\n") + "\n"
        try await lab.cli.run(["tenant", "create", first.tenant])
        try await lab.cli.run(["policy", "apply", "-", "--tenant", first.tenant], input: quiet)
        try await lab.cli.run(["group", "create", first.group, "--tenant", first.tenant, "--policy", "telemetry"])
        try await lab.cli.run(["sim", "import", "-", "--tenant", first.tenant, "--atomic"], input: csv)
        let attached = try await PacketGateway(lab: lab).attach(sims)
        try #require(attached.count == sims.count)
        return attached
    }

    // MARK: Policies and VPNs

    /// Devices of the tenant reach the network by this route and nothing else.
    /// - Parameter more: another rule, as a line of YAML.
    func route(_ network: String, by route: String, of tenant: String, _ more: String = "") async throws {
        try await lab.cli.run(
            ["policy", "apply", "-", "--tenant", tenant],
            input: """
                policy: telemetry
                default: block
                rules:
                  - {name: hq, to: [\(network)], route: \(route)}
                \(more)

                """)
    }

    func unroute(_ tenant: String) async throws {
        try await lab.cli.run(["policy", "apply", "-", "--tenant", tenant], input: Self.quiet)
    }

    @discardableResult
    func create(_ name: String, of tenant: String, _ options: [String]) async throws -> LabEnterprise.Handover {
        try #require(
            try await lab.cli.answers(
                ["vpn", "create", name, "--tenant", tenant, "--json"] + options, as: LabEnterprise.Handover.self
            ).first)
    }

    func delete(_ name: String, of tenant: String) async throws {
        try await lab.cli.run(["vpn", "delete", name, "--tenant", tenant])
    }

    /// A VPN whose other end is at an enterprise, for as long as `body` runs.
    /// - Parameters:
    ///   - change: what the enterprise does to the configuration that is printed for it.
    ///   - handover: what it does to the secrets that it is given.
    func withVPN(
        _ name: String = "hq", of tenant: String = "acme", at place: LabLayout.Enterprise = .acme,
        _ options: [String] = [], handover: (LabEnterprise.Handover) throws -> LabEnterprise.Handover = { $0 },
        change: (String) throws -> String = { $0 }, _ body: (LabEnterprise) async throws -> Void
    ) async throws {
        let enterprise = lab.enterprise(place)
        var all = options
        if !options.contains("--peer") { all += ["--peer", place.address] }
        if !options.contains("--remote-network") { all += ["--remote-network", place.network] }
        let made = try handover(try await create(name, of: tenant, all))
        let outcome: Result<Void, any Error>
        do {
            let text = try await enterprise.configuration(of: name, tenant: tenant, made)
            try await enterprise.load(try change(text))
            if !options.contains("--initiate") {
                try await lab.cli.run(["vpn", "restart", name, "--tenant", tenant])
            }
            outcome = .success(try await body(enterprise))
        } catch {
            outcome = .failure(error)
        }
        try await unroute(tenant)
        try await delete(name, of: tenant)
        try await reset(enterprise)
        try outcome.get()
    }

    /// As it was made: charon knows nothing, and nothing is dropped.
    private func reset(_ enterprise: LabEnterprise) async throws {
        try output(of: "ip netns exec \(enterprise.namespace) nft flush ruleset")
        try await enterprise.stopGateway()
        try await enterprise.startGateway()
    }

    // MARK: Looking

    struct Tunnel: Decodable, Sendable {
        let fault: String?
        let peerSeen: Peer?
        let localBlocks: [String]
        let packetsRefused: Int?
        let lastRekey: String?

        struct Peer: Decodable, Sendable {
            let address: String
            let identity: String
        }

        enum CodingKeys: String, CodingKey {
            case fault
            case peerSeen = "peer_seen"
            case localBlocks = "local_blocks"
            case packetsRefused = "packets_refused"
            case lastRekey = "last_rekey"
        }
    }

    struct State: Decodable, Sendable {
        let state: String
        let up: Bool
        let tunnel: Tunnel
    }

    struct Diagnosis: Decodable, Sendable {
        struct Fault: Decodable, Sendable {
            let code: String
            let happened: String
            let cause: String
            let here: String
            let there: String
        }

        struct Entry: Decodable, Sendable {
            let time: String
            let count: Int
            let sentence: String
        }

        let vpn: State
        let faults: [Fault]
        let timeline: [Entry]
    }

    func show(_ name: String = "hq", of tenant: String = "acme") async throws -> State {
        try #require(
            try await lab.cli.answers(["vpn", "show", name, "--tenant", tenant, "--json"], as: State.self).first)
    }

    func diagnose(_ name: String = "hq", of tenant: String = "acme") async throws -> Diagnosis {
        try #require(
            try await lab.cli.answers(["vpn", "diagnose", name, "--tenant", tenant, "--json"], as: Diagnosis.self)
                .first)
    }

    func awaitUp(_ name: String = "hq", of tenant: String = "acme", within limit: Duration = .seconds(10)) async throws
    {
        try await eventually("\(name) of \(tenant) is up", within: limit) { try await show(name, of: tenant).up }
    }

    /// The value of a metric without labels.
    func metric(_ name: String) throws -> Int {
        let layout = lab.layout
        let text = try output(
            of: "curl -s -f -H \"Authorization: Bearer $(cat \(layout.tokenFile))\" \(layout.apiURL)/metrics")
        // One that has not been counted yet is not there.
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return try line.map { try #require($0.split(separator: " ").last.flatMap { Double($0) }.map { Int($0) }) } ?? 0
    }

    /// Packets for hosts of enterprises that have left the site outside of every tunnel.
    func astray() throws -> Int {
        let text = try output(of: "ip netns exec \(lab.layout.name(of: .edge)) nft list counter ip watch astray")
        return try #require(text.firstMatch(of: /packets ([0-9]+)/).flatMap { Int($0.1) })
    }
}

/// Asks `condition` until it holds.
/// - Parameter limit: as on a machine that is not emulated (``Patience``).
/// - Returns: after how long it did.
@discardableResult
func eventually(
    _ what: String, within limit: Duration, every interval: Duration = .milliseconds(50),
    _ condition: () async throws -> Bool
) async throws -> Duration {
    let start = ContinuousClock.now
    let limit = limit * Patience.factor
    while try await !condition() {
        try #require(ContinuousClock.now - start < limit, "\(what): not within \(limit)")
        try await Task.sleep(for: interval)
    }
    return ContinuousClock.now - start
}

/// Brings the laboratory up around a suite and takes it down whatever happened.
struct VPNRigTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let lab = Laboratory(
            layout: try testLayout(
                prefix: "cordonvpn", apiPort: 18085, deadPeerSeconds: VPNRig.deadPeerSeconds,
                retransmitMilliseconds: VPNRig.retransmitMilliseconds, enterprises: LabLayout.Enterprise.allCases))
        try await lab.down()
        _ = try await lab.up()
        do {
            let rig = try await VPNRig.prepare(lab)
            try await VPNRig.$current.withValue(rig) { try await function() }
        } catch {
            try await lab.down()
            throw error
        }
        try await lab.down()
        #expect(lab.remains() == [])
    }
}

extension Trait where Self == VPNRigTrait {
    static var withEnterprises: Self { Self() }
}

import Domain

/// The product's main job on real packets, scene by scene. Each scene but those with VPNs leaves the laboratory as it
/// found it, and each that ends in "nothing" first shows that the same thing done rightly does arrive.
public struct Demonstration: Sendable {
    public let lab: Laboratory
    public let fleet: Fleet

    public enum Scene: String, CaseIterable, Sendable {
        case allowedDestination
        case deniedPort
        case deniedAddress
        case otherTenantsDevice
        case ownTenantsDevice
        case spoofedSource
        case scanFromInternet
        case scanFromInsideOuterNAT
        case suspension
        case rejection
        case resumption
        case policyChange
        case swappedIMEI
        case leftFence
        case reachedLimit
        case limitedRate
        case allowedName
        case deniedName
        case aliasOfDeniedName
        case untoldAddress
        case othersAddress
        case publicResolver
        case explainedName
        case vpnMade
        case telemetry
        case secureTelemetry
        case threeWays
        case sameNetwork
        case uninvited
        case remoteAccess
        case failover
        case wrongKey

        /// Those with VPNs build on each other: all of them are run, in their order, in a laboratory with all enterprises.
        public var needsEnterprises: Bool {
            switch self {
            case .vpnMade, .telemetry, .secureTelemetry, .threeWays, .sameNetwork, .uninvited, .remoteAccess, .failover,
                .wrongKey:
                true
            default: false
            }
        }
    }

    // MARK: Preparation

    /// Makes tenants, policies and SIMs in a laboratory that is up, and attaches the devices.
    /// - Returns: what was seen, and the demonstration when all of it went well.
    public static func prepare(
        _ lab: Laboratory, report: (Observation) -> Void
    ) async throws(LabError) -> Demonstration? {
        let tenants = try await observe("two tenants, each with a policy and \(Fleet.size) SIMs", "50 + 50 SIMs") {
            () throws(LabError) in
            try await makeTenant(Fleet.acmeSIMs, policy: "meters", document: Fleet.meters, in: lab)
            try await makeTenant(Fleet.globexSIMs, policy: "trackers", document: Fleet.trackers, in: lab)
            var counts: [Int] = []
            for tenant in ["acme", "globex"] {
                let list = try await lab.cli.answers(["sim", "list", "--tenant", tenant, "--json"], as: ListPage.self)
                counts.append(list.reduce(0) { $0 + $1.items.count })
            }
            return Sight(
                seen: "\(counts[0]) + \(counts[1]) SIMs, imported from CSV",
                isAsExpected: counts == [Fleet.size, Fleet.size])
        }
        report(tenants)
        guard tenants.isAsExpected else { return nil }

        var fleet = Fleet(acme: [], globex: [])
        let attachment = try await observe(
            "radclient attaches all devices, as a P-GW",
            "100 Access-Accepts, each with an address of its own tenant's block"
        ) { () throws(LabError) in
            let gateway = PacketGateway(lab: lab)
            fleet = Fleet(
                acme: try await gateway.attach(Fleet.acmeSIMs), globex: try await gateway.attach(Fleet.globexSIMs))
            let all = fleet.acme + fleet.globex
            let sessions = try await lab.cli.answers(["session", "list", "--json"], as: ListPage.self)
                .reduce(0) { $0 + $1.items.count }
            let blocks = [fleet.acme, fleet.globex].map { devices in Set(devices.map { $0.address.bits >> 8 }) }
            let isSeparate = blocks[0].isDisjoint(with: blocks[1])
            let resolvers = Set(all.map { $0.resolver?.description ?? "none" }).sorted()
            return Sight(
                seen: "\(all.count) Access-Accepts, \(Set(all.map(\.address)).count) addresses, \(sessions) sessions",
                notes: [
                    "acme has \(Self.range(fleet.acme)), globex \(Self.range(fleet.globex))",
                    "resolver in the answers: \(resolvers.joined(separator: ", "))",
                ],
                isAsExpected: all.count == 2 * Fleet.size && Set(all.map(\.address)).count == all.count
                    && sessions == all.count && isSeparate)
        }
        report(attachment)
        return attachment.isAsExpected ? Demonstration(lab: lab, fleet: fleet) : nil
    }

    private static func makeTenant(
        _ sims: [LabSIM], policy: String, document: String, in lab: Laboratory
    ) async throws(LabError) {
        guard let first = sims.first else { return }
        try await lab.cli.run(["tenant", "create", first.tenant])
        try await lab.cli.run(["policy", "apply", "-", "--tenant", first.tenant], input: document)
        try await lab.cli.run(["group", "create", first.group, "--tenant", first.tenant, "--policy", policy])
        try await lab.cli.run(["sim", "import", "-", "--tenant", first.tenant, "--atomic"], input: Fleet.csv(sims))
    }

    private static func range(_ devices: [PacketGateway.Attached]) -> String {
        let addresses = devices.map(\.address).sorted()
        guard let first = addresses.first, let last = addresses.last else { return "none" }
        return "\(first) to \(last)"
    }

    /// One page of a list, of which only the number of things is looked at.
    private struct ListPage: Decodable {
        struct Item: Decodable {}
        let items: [Item]
    }

    // MARK: Scenes

    public func run(_ scene: Scene) async throws(LabError) -> Observation {
        try await Self.observe(scene.title, scene.expected) { () throws(LabError) in
            switch scene {
            case .allowedDestination: try await allowedDestination()
            case .deniedPort: try await denied(LabLayout.web, port: 2222)
            case .deniedAddress: try await denied(LabLayout.forbiddenWeb, port: 443)
            case .otherTenantsDevice: try await deviceToDevice(fleet.acme[0], fleet.globex[0])
            case .ownTenantsDevice: try await deviceToDevice(fleet.acme[0], fleet.acme[1])
            case .spoofedSource: try await spoofedSource()
            case .scanFromInternet: try await scan(from: .inet, gateway: LabLayout.edgeOutside)
            case .scanFromInsideOuterNAT: try await scan(from: .edge, gateway: LabLayout.gatewayWAN)
            case .suspension: try await suspension()
            case .rejection: try await rejection()
            case .resumption: try await resumption()
            case .policyChange: try await policyChange()
            case .swappedIMEI: try await swappedIMEI()
            case .leftFence: try await leftFence()
            case .reachedLimit: try await reachedLimit()
            case .limitedRate: try await limitedRate()
            case .allowedName: try await allowedName()
            case .deniedName: try await refusedName("ads.tracker.example", code: "17 (Filtered)")
            case .aliasOfDeniedName: try await refusedName("helper.example.com", code: "17 (Filtered)")
            case .untoldAddress: try await untoldAddress()
            case .othersAddress: try await othersAddress()
            case .publicResolver: try await publicResolver()
            case .explainedName: try await explainedName()
            case .vpnMade: try await vpnMade()
            case .telemetry: try await telemetry()
            case .secureTelemetry: try await secureTelemetry()
            case .threeWays: try await threeWays()
            case .sameNetwork: try await sameNetwork()
            case .uninvited:
                try await nothingArrives(
                    from: LabLayout.Enterprise.acme.host, in: lab.enterprise(.acme).namespace, to: fleet.acme[34],
                    counter: "vpn_denied")
            case .remoteAccess: try await remoteAccess()
            case .failover: try await failover()
            case .wrongKey: try await wrongKey()
            }
        }
    }

    private static func observe(
        _ title: String, _ expected: String, _ look: () async throws(LabError) -> Sight
    ) async throws(LabError) -> Observation {
        let start = ContinuousClock.now
        var sight: Sight
        do throws(LabError) {
            sight = try await look()
        } catch {
            // What could not be looked at is shown as that; an interruption ends the whole.
            guard error.code != .interrupted else { throw error }
            sight = Sight(seen: "failed: \(error)", isAsExpected: false)
        }
        return Observation(
            title: title, expected: expected, seen: sight.seen, notes: sight.notes, time: ContinuousClock.now - start,
            isAsExpected: sight.isAsExpected)
    }
}

extension Demonstration.Scene {
    public var title: String {
        switch self {
        case .allowedDestination: "an allowed destination"
        case .deniedPort: "a denied port of an allowed address"
        case .deniedAddress: "a denied address"
        case .otherTenantsDevice: "another tenant's device"
        case .ownTenantsDevice: "another device of the same tenant"
        case .spoofedSource: "spoofed sources"
        case .scanFromInternet: "nmap from the internet"
        case .scanFromInsideOuterNAT: "nmap from inside the outer NAT, one hop from the gateway"
        case .suspension: "a SIM is suspended during a download"
        case .rejection: "a suspended SIM asks for access"
        case .resumption: "a SIM is resumed and attaches again"
        case .policyChange: "a policy is changed during downloads"
        case .swappedIMEI: "a locked SIM is put into other equipment"
        case .leftFence: "a device leaves its tracking area"
        case .reachedLimit: "a data limit is reached during a download"
        case .limitedRate: "a SIM limited to 2 Mbit/s up and 8 Mbit/s down, measured by iperf3"
        case .allowedName: "a name that a rule has"
        case .deniedName: "a name that the policy denies"
        case .aliasOfDeniedName: "an alias of a denied name"
        case .untoldAddress: "an address of an allowed name, before and after a device was told"
        case .othersAddress: "an address that another tenant's device was told"
        case .publicResolver: "a public resolver, asked directly"
        case .explainedName: "explain, after a name was looked up"
        case .vpnMade: "a tenant makes a VPN to its head office"
        case .telemetry: "a meter reports to the head office, over MQTT and CoAP"
        case .secureTelemetry: "a meter reports over TLS, and takes an order"
        case .threeWays: "one device, three ways: head office, a partner's VPN, the internet"
        case .sameNetwork: "another tenant makes a VPN to the same network elsewhere"
        case .uninvited: "a host of the head office reaches for a device"
        case .remoteAccess: "a rule lets that host in"
        case .failover: "the head office's VPN gateway dies"
        case .wrongKey: "the head office's next VPN gateway has another key"
        }
    }

    public var expected: String {
        switch self {
        case .allowedDestination: "an answer; the server sees \(LabLayout.edgeOutside) only"
        case .deniedPort, .deniedAddress: "nothing, though the server answers others there"
        case .otherTenantsDevice, .ownTenantsDevice, .uninvited: "nothing arrives, though the device listens"
        case .spoofedSource: "nothing arrives; the device's own address does"
        case .scanFromInternet, .scanFromInsideOuterNAT:
            "no open port at the public addresses nor at any device, though one listens"
        case .suspension: "the bytes stop within a second"
        case .rejection: "Access-Reject, while another SIM gets its Access-Accept"
        case .resumption: "the same address again, and an answer from the allowed destination"
        case .policyChange: "the bytes stop within a second; two other devices' downloads go on"
        case .swappedIMEI: "the action, an event, and no packet until it is in its own again"
        case .leftFence: "quarantine with the report that tells it, in which the service address alone is reached"
        case .reachedLimit: "no octet more than the limit; after a top-up the download goes on"
        case .limitedRate: "within 5 % of both rates; a TCP connection within 15 %"
        case .allowedName: "an address, through three aliases, and an answer from there to the first packet"
        case .deniedName, .aliasOfDeniedName: "NXDOMAIN with the reason, though the internet has an address for it"
        case .untoldAddress: "nothing arrives, then the first packet does"
        case .othersAddress: "nothing, though the server answers others there and the device may look the name up"
        case .publicResolver: "the gateway's resolver answers, and the public one has heard nothing"
        case .explainedName: "the rule, the name, and until when the address stands for it"
        case .vpnMade: "within five seconds the tunnel is up and a reading at the head office's broker"
        case .telemetry: "both arrive, from the device's own address"
        case .secureTelemetry: "both arrive; by another authority the device trusts nobody"
        case .threeWays: "telemetry, diagnostics and firmware each by its way, and nothing else"
        case .sameNetwork: "each tenant's devices reach their own enterprise at the same address"
        case .remoteAccess: "what the rule says arrives and nothing else"
        case .failover: "readings are at the backup within eight seconds, without a person"
        case .wrongKey: "`cordon vpn diagnose` says so; with the right key readings are back on their way"
        }
    }
}

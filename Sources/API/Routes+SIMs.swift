import Control
import Domain
import Hummingbird
import PolicyCompiler

extension RouteTable {
    func addSIMs() {
        post("/v1/tenants/{tenant}/sims") { call in
            let body = try await call.json(NewSIMBody.self)
            let label = body.name ?? ""
            guard label.utf8.count <= 100 else { throw ControlError.wrong("name", "is longer than 100 octets") }
            let tenant = try call.path("tenant", as: Name.self)
            let sim = try await call.control.createSIM(
                imsi: body.imsi.value, iccid: body.iccid.value, msisdn: body.msisdn?.value, group: body.group?.value,
                label: label, of: tenant, by: call.principal)
            return .created(
                SIMAnswer(sim, tenant: "\(tenant)", group: body.group.map { "\($0.value)" }),
                at: ["sims", "\(sim.imsi)"])
        }
        post("/v1/tenants/{tenant}/sims/import") { call in
            let isAtomic = try call.query("atomic").flag("atomic", default: false)
            let tenant = try call.path("tenant", as: Name.self)
            let report = try await call.control.importSIMs(
                csv: try await call.bytes(limit: Limits.csv, types: ["text/csv"]), isAtomic: isAtomic, to: tenant,
                by: call.principal)
            return .json(ImportAnswer(imported: report.imported, problems: report.problems.map(Problem.Place.init)))
        }
        get("/v1/sims") { call in
            let query = try call.query("tenant", "group", "limit", "cursor")
            let limit = try query.limit()
            let sims = try await call.control.sims(
                of: try query.value("tenant"), group: try query.value("group"), after: try query.value("cursor"),
                limit: limit, by: call.principal)
            var names = NameBook(call: call)
            var items: [SIMAnswer] = []
            for sim in sims {
                items.append(
                    SIMAnswer(sim, tenant: try await names.tenant(sim.tenant), group: try await names.group(of: sim)))
            }
            return .json(Page(items: items, nextCursor: sims.count < limit ? nil : sims.last.map { "\($0.imsi)" }))
        }
        get("/v1/sims/{imsi}") { call in
            let view = try await call.control.sim(try call.path("imsi"), by: call.principal)
            var names = NameBook(call: call)
            return .json(try await SIMDetailAnswer(view, &names))
        }
        delete("/v1/sims/{imsi}") { call in
            try await call.control.deleteSIM(try call.path("imsi"), by: call.principal)
            return .noContent
        }
        post("/v1/sims/{imsi}/suspend") { call in
            .json(StateChangeAnswer(try await call.control.suspend(try call.path("imsi"), by: call.principal)))
        }
        post("/v1/sims/{imsi}/resume") { call in
            .json(StateChangeAnswer(try await call.control.resume(try call.path("imsi"), by: call.principal)))
        }
        put("/v1/sims/{imsi}/group") { call in
            let body = try await call.json(GroupChoiceBody.self)
            let report = try await call.control.setGroup(
                body.group, ofSIM: try call.path("imsi"), by: call.principal)
            return .json(EnforcementAnswer(report))
        }
        post("/v1/sims/{imsi}/release-addresses") { call in
            try await call.control.releaseAddresses(ofSIM: try call.path("imsi"), by: call.principal)
            return .noContent
        }
        get("/v1/sims/{imsi}/explain") { call in
            let query = try call.query("to", "at", "from", "via")
            let time = try query.value("at", as: Timestamp.self)
            guard let source = try query.value("from", as: IPAddress.self) else {
                let packet = try query.required("to", as: PacketQuery.self)
                let explained = try await call.control.explain(
                    packet, sim: try call.path("imsi"), at: time, by: call.principal)
                return .json(ExplanationAnswer(explained, packet: "\(packet)"))
            }
            let shape = try query.required("to", as: PacketShapeText.self)
            let explained = try await call.control.explain(
                from: source, through: try query.required("via", as: Name.self), protocol: shape.protocol,
                port: shape.port, sim: try call.path("imsi"), at: time, by: call.principal)
            return .json(ExplanationAnswer(explained, packet: query.text("to") ?? ""))
        }
    }
}

struct SIMAnswer: Encodable {
    let imsi: String
    let iccid: String
    let msisdn: String?
    let tenant: String
    let group: String?
    let name: String
    let state: String
    let test: Test?
    let createdAt: String

    struct Test: Encodable {
        let until: String
        let octets: UInt64?
        let octetsUsed: UInt64
    }

    init(_ sim: SIM, tenant: String, group: String?) {
        imsi = "\(sim.imsi)"
        iccid = "\(sim.iccid)"
        msisdn = sim.msisdn.map { "\($0)" }
        self.tenant = tenant
        self.group = group
        name = sim.label
        state = sim.state.rawValue
        test = sim.test.map { Test(until: "\($0.until)", octets: $0.octets, octetsUsed: $0.used) }
        createdAt = "\(sim.createdAt)"
    }
}

/// A SIM with its addresses and active sessions, in one object with the fields of ``SIMAnswer``.
struct SIMDetailAnswer: Encodable {
    let sim: SIMAnswer
    let addresses: [Lease]
    let sessions: [SessionAnswer]

    struct Lease: Encodable {
        let apn: String
        let address: String
        let prefix: String?
        let delegatedPrefix: String?
    }

    init(_ view: ControlPlane.SIMView, _ names: inout NameBook) async throws(ControlError) {
        sim = SIMAnswer(view.sim, tenant: "\(view.tenant)", group: view.group.map { "\($0)" })
        addresses = view.leases.map { lease in
            let prefixes = view.prefixLeases.first { $0.apn == lease.apn }?.prefixes
            return Lease(
                apn: "\(lease.apn)", address: "\(lease.address)", prefix: prefixes.map { "\($0.link)" },
                delegatedPrefix: prefixes?.delegated.map { "\($0)" })
        }
        var sessions: [SessionAnswer] = []
        let packets = try await names.call.control.lastPackets(of: view.activeSessions)
        for session in view.activeSessions {
            sessions.append(try await SessionAnswer(session, lastPacket: packets[session.id], &names))
        }
        self.sessions = sessions
    }

    private enum CodingKeys: CodingKey { case addresses, sessions }

    func encode(to encoder: any Encoder) throws {
        try sim.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(addresses, forKey: .addresses)
        try container.encode(sessions, forKey: .sessions)
    }
}

struct ImportAnswer: Encodable {
    let imported: Int
    let problems: [Problem.Place]
}

struct StateChangeAnswer: Encodable {
    let imsi: String
    let state: String
    let isComplete: Bool
    let steps: [Step]

    struct Step: Encodable {
        let name: String
        let afterMs: Double
        let detail: String

        init(_ step: ControlPlane.Step) {
            name = step.name
            afterMs = step.after.milliseconds
            detail = step.detail
        }
    }

    init(_ change: ControlPlane.StateChange) {
        imsi = "\(change.imsi)"
        state = change.state.rawValue
        isComplete = change.isComplete
        steps = change.steps.map(Step.init)
    }
}

struct ExplanationAnswer: Encodable {
    let imsi: String
    let packet: String
    /// `block` or `allow`.
    let verdict: String
    /// It passes only because the policy is in monitor mode.
    let wouldBlock: Bool
    /// The way out, when there is one.
    let route: String?
    /// Absent: the SIM has no policy, so everything is blocked.
    let policy: String?
    let version: Int64?
    /// The rule that decided; absent when none matched.
    let rule: String?
    let passed: [PassedRule]
    /// The VPNs that it may take, in their order.
    let vpns: [VPNState]
    /// Of a packet to a name, the addresses that the policy's devices were told; of one to an address, its names.
    let learned: [LearnedAnswer]
    /// Why a VPN stops it although the policy does not.
    let stopped: String?
    /// The same in words.
    let text: String

    struct PassedRule: Encodable {
        let rule: String
        let reason: String
    }

    struct VPNState: Encodable {
        let name: String
        let state: String
    }

    init(_ explained: ControlPlane.PolicyExplanation, packet: String) {
        let explanation = explained.explanation
        imsi = "\(explained.imsi)"
        self.packet = explanation.map { "\($0.packet)" } ?? packet
        vpns = explained.vpns.map { VPNState(name: "\($0.name)", state: $0.isUp ? "up" : "down") }
        learned = explained.learned.map(LearnedAnswer.init)
        route = explanation?.route
        wouldBlock = explanation?.decision.wouldBlock ?? false
        let isBlocked = (explanation?.decision.verdict ?? .block) == .block || explained.stopped != nil
        verdict = isBlocked ? "block" : "allow"
        stopped = explained.stopped.map { "vpn:\($0.vpn): \($0.reason)" }
        policy = explained.policy.map { "\($0.name)" }
        version = explained.policy?.version
        rule = explanation?.decision.rule.map { "\($0)" }
        passed = (explanation?.passed ?? []).map { PassedRule(rule: "\($0.rule)", reason: $0.reason) }
        let words = explanation?.description ?? "\(packet) is blocked: SIM \(explained.imsi) has no policy"
        text = ([words] + Self.words(explained)).joined(separator: "\n")
    }

    private static func words(_ explained: ControlPlane.PolicyExplanation) -> [String] {
        var lines: [String] = []
        if let name = explained.explanation?.packet.name, explained.learned.isEmpty {
            lines.append("  \(name) has no address at this gateway yet: packets to addresses match by those alone")
        }
        if let refusal = explained.refusal { lines.append("  a device cannot look it up: the name is \(refusal)") }
        lines += explained.learned.map { learned in
            "  \(learned.name) is \(learned.address) until \(learned.until)"
                + (learned.imsi.map { ", told to SIM \($0) first" } ?? "")
        }
        if let stopped = explained.stopped {
            return lines + ["  but vpn:\(stopped.vpn) lets it go no further: \(stopped.reason)"]
        }
        guard !explained.vpns.isEmpty else { return lines }
        if let first = explained.vpns.first(where: \.isUp) {
            lines.append("  vpn:\(first.name) is up, so it goes there")
        } else {
            lines.append("  no VPN of the rule is up, so it is blocked until one is")
        }
        return lines
    }
}

import Control
import Domain
import Hummingbird
import Store

extension RouteTable {
    /// What holds for one SIM beyond its policy.
    func addSIMStanding() {
        get("/v1/sims/{imsi}/effective") { call in
            .json(
                EffectiveAnswer(try await call.control.effectivePolicy(of: try call.path("imsi"), by: call.principal)))
        }
        get("/v1/sims/{imsi}/imei") { call in
            let imsi = try call.path("imsi", as: IMSI.self)
            return .json(IMEIStandingAnswer(imsi, try await call.control.standing(of: imsi, by: call.principal)))
        }
        post("/v1/sims/{imsi}/imei/reset") { call in
            .json(EnforcementAnswer(try await call.control.resetIMEI(of: try call.path("imsi"), by: call.principal)))
        }
        get("/v1/sims/{imsi}/fence") { call in
            let imsi = try call.path("imsi", as: IMSI.self)
            let standing = try await call.control.standing(of: imsi, by: call.principal)
            return .json(
                FenceAnswer(imsi, standing, try await call.control.fence(of: imsi, by: call.principal)))
        }
        post("/v1/sims/{imsi}/fence/reset") { call in
            .json(EnforcementAnswer(try await call.control.resetFence(of: try call.path("imsi"), by: call.principal)))
        }
        post("/v1/sims/{imsi}/quarantine") { call in
            let body = try await call.json(QuarantineBody.self)
            guard body.until == nil || body.for == nil else {
                throw ControlError.wrong("until", "is given beside for: give one of the two")
            }
            let until = body.until?.value ?? body.for.map { call.control.now() + $0.value }
            return .json(
                EnforcementAnswer(
                    try await call.control.quarantine(
                        try call.path("imsi"), reason: body.reason, until: until, by: call.principal)))
        }
        post("/v1/sims/{imsi}/release") { call in
            let body = try await call.json(ReleaseBody.self)
            return .json(
                EnforcementAnswer(
                    try await call.control.release(
                        try call.path("imsi"), tolerating: body.for?.value, by: call.principal)))
        }
        put("/v1/sims/{imsi}/approval") { call in
            let body = try await call.json(ApprovalBody.self)
            return .json(
                EnforcementAnswer(
                    try await call.control.setApproved(body.approved, try call.path("imsi"), by: call.principal)))
        }
        post("/v1/tenants/{tenant}/sims/approve") { call in
            let query = try call.query("group")
            let (sims, report) = try await call.control.approveAll(
                of: try call.path("tenant"), group: try query.value("group"), by: call.principal)
            return .json(ApprovedAnswer(sims, report))
        }
    }
}

struct QuarantineBody: RequestBody {
    let reason: String
    let until: Text<Timestamp>?
    let `for`: Text<TimeSpan>?
    enum CodingKeys: String, CodingKey, CaseIterable {
        case reason, until
        case `for`
    }
}

struct ReleaseBody: RequestBody {
    let `for`: Text<TimeSpan>?
    enum CodingKeys: String, CodingKey, CaseIterable { case `for` }
}

struct ApprovalBody: RequestBody {
    let approved: Bool
    enum CodingKeys: String, CodingKey, CaseIterable { case approved }
}

extension TimeSpan: TextParsable {}

struct ApprovedAnswer: Encodable {
    /// That were not approved before.
    let sims: Int
    let sessions: Int
    let inForceMs: Double
    let flowsCut: Int
    let totalMs: Double

    init(_ sims: Int, _ report: EnforcementReport) {
        self.sims = sims
        sessions = report.sessions
        inForceMs = report.inForce.milliseconds
        flowsCut = report.flowsCut
        totalMs = report.total.milliseconds
    }
}

struct IMEIStandingAnswer: Encodable {
    let imsi: String
    let first: String?
    let firstSeenAt: String?
    let last: String?
    let lastChangedAt: String?
    let changes: Int64

    init(_ imsi: IMSI, _ standing: SIMStanding) {
        self.imsi = "\(imsi)"
        first = standing.firstIMEI.map { "\($0.value)" }
        firstSeenAt = standing.firstIMEI.map { "\($0.at)" }
        last = standing.lastIMEI.map { "\($0.value)" }
        lastChangedAt = standing.lastIMEI.map { "\($0.at)" }
        changes = standing.imeiChanges
    }
}

struct FenceAnswer: Encodable {
    let imsi: String
    let since: String?
    let places: [Place]

    struct Place: Encodable {
        let place: String
        let firstSeenAt: String
    }

    init(_ imsi: IMSI, _ standing: SIMStanding, _ fence: [FencePlace: Timestamp]) {
        self.imsi = "\(imsi)"
        since = standing.fenceSince.map { "\($0)" }
        places = fence.sorted { ($0.value, $0.key.text) < ($1.value, $1.key.text) }.map {
            Place(place: $0.key.text, firstSeenAt: "\($0.value)")
        }
    }
}

/// What holds for a SIM, section by section, with who said it and what is found of it now.
struct EffectiveAnswer: Encodable {
    let imsi: String
    let tenant: String
    let group: String?
    let sections: [Section]
    let violations: [ViolationAnswer]
    /// By hand.
    let quarantine: Held?
    let approvedAt: String?
    let approvedBy: String?
    let hookApproved: Bool?
    let hookAnsweredAt: String?
    let toleratedUntil: String?
    let sessions: [Judged]
    /// Of data, as they are now.
    let volumes: [VolumeAnswer]
    /// That are in force now; left out when there is none.
    let rates: RatesAnswer?

    struct Section: Encodable {
        let section: String
        let level: String
        let value: String
        /// `ok`, or the reasons of what does not fit; left out for what is not judged.
        let verdict: String?
    }

    struct Held: Encodable {
        let reason: String
        let by: String
        let since: String
        let until: String?
    }

    struct Judged: Encodable {
        let id: Int64
        let apn: String
        let restriction: RestrictionAnswer?
    }

    init(_ view: ControlPlane.EffectivePolicyView) {
        volumes = view.volumes.map(VolumeAnswer.init)
        rates = RatesAnswer(view)
        imsi = "\(view.imsi)"
        tenant = "\(view.tenant)"
        group = view.group.map { "\($0)" }
        sections = Self.sections(view)
        violations = view.violations.map(ViolationAnswer.init)
        let standing = view.standing
        quarantine = standing.quarantine.map {
            Held(reason: $0.reason, by: $0.by, since: "\($0.since)", until: $0.until.map { "\($0)" })
        }
        approvedAt = standing.approval.map { "\($0.at)" }
        approvedBy = standing.approval?.by
        hookApproved = standing.hookAnswer?.value
        hookAnsweredAt = standing.hookAnswer.map { "\($0.at)" }
        toleratedUntil = standing.toleratedUntil.map { "\($0)" }
        sessions = view.sessions.map {
            Judged(
                id: $0.session.id.rawValue, apn: "\($0.session.apn)",
                restriction: $0.restriction.map(RestrictionAnswer.init))
        }
    }

    private static func sections(_ view: ControlPlane.EffectivePolicyView) -> [Section] {
        let effective = view.effective
        var sections: [Section] = []
        let verdict = { (section: SessionPolicy.Section, level: SessionPolicyLevel) -> String in
            let reasons = view.violations.filter { $0.reason.section == section && $0.level == level }
                .map { "\($0.reason.rawValue) (\($0.action.rawValue))" }
            return reasons.isEmpty ? "ok" : reasons.joined(separator: ", ")
        }
        let add = { (section: SessionPolicy.Section, level: SessionPolicyLevel, value: String, isJudged: Bool) in
            sections.append(
                Section(
                    section: section.rawValue, level: level.rawValue, value: value,
                    verdict: isJudged ? verdict(section, level) : nil))
        }
        for lock in effective.imeiLocks { add(.imeiLock, lock.level, lock.value.words, true) }
        for lock in effective.locationLocks { add(.locationLock, lock.level, lock.value.words, true) }
        for hours in effective.hours { add(.hours, hours.level, hours.value.words, true) }
        for rule in effective.approvals { add(.approval, rule.level, rule.value.words, true) }
        for limit in effective.dataLimits { add(.dataLimit, limit.level, limit.value.words, view.isLimiting) }
        if let up = effective.up { add(.bandwidth, up.level, "up \(up.value)", false) }
        if let down = effective.down { add(.bandwidth, down.level, "down \(down.value)", false) }
        if let burst = effective.burst {
            add(.bandwidth, burst.level, "burst \(DataVolume(octets: burst.value))", false)
        }
        if let policy = effective.quarantinePolicy {
            add(.quarantine, policy.level, "policy \(policy.value)", effective.newSIMs == nil)
        }
        if let level = effective.newSIMs { add(.quarantine, level, "new SIMs until they are approved", true) }
        return sections
    }
}

/// What is known when a session is judged.
public struct SessionFacts {
    public var now: Timestamp
    public var moment: Moment
    public var imsi: IMSI
    /// As the NAS last said; `nil`: never.
    public var imei: IMEI?
    /// Before this judgement.
    public var standing: SIMStanding
    /// The session's start; at an attach, now.
    public var startedAt: Timestamp
    /// The IMEI is in the list of that name of the operator's (for a ceiling) or the tenant's.
    public var isListed: (Name, SessionPolicyLevel) -> Bool
    /// Since when the SIM was seen in a place that it is in now, of those that are remembered for the fence.
    public var fence: [FencePlace: Timestamp]
    public var outlook: (ServiceHours) -> HoursOutlook
    /// How long the hook's answers are good for.
    public var approvalCache: TimeSpan
    /// Volumes that are used, by who has limited them.
    public var usedVolumes: [SessionPolicyLevel: UsedVolume] = [:]

    public struct UsedVolume: Hashable, Sendable {
        /// When the next period begins; `nil`: not by itself.
        public let end: Timestamp?

        public init(end: Timestamp?) { self.end = end }
    }

    public enum Moment: Hashable, Sendable {
        case attach
        /// A report of the NAS's, and whether it says where the device is.
        case report(isLocated: Bool)
        case clock
        /// Something that is said of the SIM has changed.
        case edit
    }

    public init(
        now: Timestamp, moment: Moment, imsi: IMSI, imei: IMEI?, standing: SIMStanding, startedAt: Timestamp,
        isListed: @escaping (Name, SessionPolicyLevel) -> Bool = { _, _ in false },
        fence: [FencePlace: Timestamp] = [:], outlook: @escaping (ServiceHours) -> HoursOutlook,
        approvalCache: TimeSpan = TimeSpan(milliseconds: 3_600_000)
    ) {
        self.now = now
        self.moment = moment
        self.imsi = imsi
        self.imei = imei
        self.standing = standing
        self.startedAt = startedAt
        self.isListed = isListed
        self.fence = fence
        self.outlook = outlook
        self.approvalCache = approvalCache
    }
}

/// What was found.
public struct SessionJudgement: Hashable, Sendable {
    public var violations: [Violation] = []
    /// What is to be remembered from now on.
    public var standing: SIMStanding
    /// Places to remember for the fence.
    public var learned: [FencePlace] = []
    /// When it may be otherwise by time alone.
    public var judgeAt: Timestamp?
    /// The hook is to be asked.
    public var asksApproval = false

    /// The strongest action; `nil` without a violation.
    public var action: ViolationAction? { violations.map(\.action).max() }
}

/// Judges a session by what is said of its SIM. Pure: the same policy and facts give the same judgement.
public struct SessionPolicyJudge {
    private let policy: EffectiveSessionPolicy
    private let facts: SessionFacts
    private var result: SessionJudgement
    /// Where the device is, and what of it a fence remembers: worked out once for all locks.
    private var seen: (place: DevicePlace, fencePlaces: [FencePlace])?

    public static func judge(_ policy: EffectiveSessionPolicy, _ facts: SessionFacts) -> SessionJudgement {
        var judge = Self(policy: policy, facts: facts, result: SessionJudgement(standing: facts.standing))
        judge.run()
        return judge.result
    }

    private mutating func run() {
        noteEquipment()
        for lock in policy.imeiLocks { judge(lock) }
        for lock in policy.locationLocks { judge(lock) }
        if !result.standing.crossings.isEmpty {
            let present = Set(policy.locationLocks.map(\.level))
            for level in result.standing.crossings.keys where !present.contains(level) {
                result.standing.crossings[level] = nil
            }
        }
        for hours in policy.hours { judge(hours) }
        for rule in policy.approvals { judge(rule) }
        for limit in policy.dataLimits { judge(limit) }
        judgeQuarantine()
        tolerate()
        // Who is turned away has shown nothing worth to learn.
        if result.action == .reject {
            result.standing.firstIMEI = facts.standing.firstIMEI
            result.standing.fenceSince = facts.standing.fenceSince
            result.learned = []
        }
    }

    private mutating func violate(
        _ reason: ViolationReason, _ level: SessionPolicyLevel, _ action: ViolationAction, _ detail: String
    ) {
        result.violations.append(Violation(reason: reason, level: level, action: action, detail: detail))
    }

    /// To be judged again then.
    private mutating func look(at time: Timestamp) {
        guard time > facts.now else { return }
        result.judgeAt = min(result.judgeAt ?? time, time)
    }

    // MARK: IMEI

    private mutating func noteEquipment() {
        guard let imei = facts.imei, !imei.isAllZeros else { return }
        if let last = result.standing.lastIMEI, last.value != imei { result.standing.imeiChanges += 1 }
        // The time is that of the change, so that not every report writes it.
        if result.standing.lastIMEI?.value != imei { result.standing.lastIMEI = .init(imei, at: facts.now) }
    }

    private mutating func judge(_ lock: EffectiveSessionPolicy.Applied<IMEILock>) {
        let (level, lock) = (lock.level, lock.value)
        if lock.mode == .off { return }
        guard let imei = facts.imei else {
            return violate(.imeiMissing, level, lock.onMissing, "the NAS sent no IMEI")
        }
        guard !imei.isAllZeros else {
            return violate(.imeiAllZeros, level, lock.onMissing, "the IMEI is all zeros")
        }
        switch lock.mode {
        case .off: break
        case .learn, .locked:
            let first = result.standing.firstIMEI ?? .init(imei, at: facts.now)
            result.standing.firstIMEI = first
            guard first.value != imei else { return }
            violate(
                .imeiChanged, level, lock.mode == .learn ? .report : lock.onViolation,
                "IMEI \(imei), first seen was \(first.value)")
        case .list(let imeis, let tacs, let lists):
            guard !imeis.contains(imei), !tacs.contains(imei.model),
                !lists.contains(where: { facts.isListed($0, level) })
            else { return }
            violate(.imeiNotListed, level, lock.onViolation, "IMEI \(imei) is not in the list")
        }
    }

    // MARK: Location

    private enum Side {
        case inside
        case outside(ViolationReason, String)
        case unknown(String)
    }

    private mutating func judge(_ applied: EffectiveSessionPolicy.Applied<LocationLock>) {
        let (level, lock) = (applied.level, applied.value)
        if !lock.homeNetworks.isEmpty, !lock.homeNetworks.contains(where: facts.imsi.isOf) {
            violate(
                .homeNetworkNotAllowed, level, lock.onViolation, "the IMSI \(facts.imsi) is of another home network")
        }
        guard lock.allow != nil || lock.deny != nil || lock.fence != nil else {
            result.standing.crossings[level] = nil
            return
        }
        var crossing = result.standing.crossings[level] ?? .init()
        defer { result.standing.crossings[level] = crossing == .init() ? nil : crossing }
        let side = side(of: lock)
        if case .unknown(let why) = side {
            violate(.locationUnknown, level, lock.onUnknown, why)
            // Who is outside is not let in by saying nothing more.
            if crossing.isOutside {
                violate(.locationNotAllowed, level, lock.onViolation, "was outside when it was last known where it is")
            }
            return
        }
        let isOutside = if case .outside = side { true } else { false }
        move(&crossing, to: isOutside, lock)
        if case .outside(let reason, let detail) = side, crossing.isOutside {
            violate(reason, level, lock.onViolation, detail)
        } else if crossing.isOutside {
            violate(
                .locationNotAllowed, level, lock.onViolation,
                "is back inside, but for too short a time (\(crossing.contraryReports) report(s))")
        }
    }

    /// Takes the other side when it has been reported often or long enough.
    private mutating func move(_ crossing: inout SIMStanding.Crossing, to isOutside: Bool, _ lock: LocationLock) {
        guard isOutside != crossing.isOutside else {
            crossing = .init(isOutside: isOutside)
            return
        }
        switch facts.moment {
        case .attach where isLocatedNow, .report(isLocated: true):
            crossing.contraryReports += 1
            crossing.contrarySince = crossing.contrarySince ?? facts.now
        case .edit where crossing.contrarySince == nil:
            // It is not the device that moved: what is said of the place has changed.
            crossing = .init(isOutside: isOutside)
            return
        case .attach, .report, .clock, .edit:
            guard crossing.contrarySince != nil else { return }
        }
        let isOften = lock.afterReports.map { crossing.contraryReports >= $0 } ?? false
        let end = lock.after.flatMap { after in crossing.contrarySince.map { $0 + after } }
        if isOften || end.map({ facts.now >= $0 }) ?? false {
            crossing = .init(isOutside: isOutside)
        } else if let end {
            look(at: end)
        }
    }

    private var isLocatedNow: Bool { facts.standing.location?.at == facts.now }

    private mutating func side(of lock: LocationLock) -> Side {
        guard let seen = facts.standing.location else { return .unknown("the NAS has not said where the device is") }
        let end = seen.at + lock.maximumAge
        guard facts.now <= end else { return .unknown("the last report of where the device is came at \(seen.at)") }
        look(at: Timestamp(milliseconds: end.milliseconds + 1))
        let (place, fencePlaces) = place(seen.value)
        var unknown: String?
        if let deny = lock.deny {
            switch deny.contain(place) {
            case .yes: return .outside(.locationDenied, "\(place) is denied")
            case .unknown: unknown = "\(place) does not say whether it is denied"
            case .no: break
            }
        }
        if let allow = lock.allow {
            switch allow.contain(place) {
            case .no: return .outside(.locationNotAllowed, "\(place) is not allowed")
            case .unknown: unknown = "\(place) does not say whether it is allowed"
            case .yes: break
            }
        }
        if let fence = lock.fence {
            switch side(of: fence, place, fencePlaces) {
            case .inside: break
            case .outside(let reason, let detail): return .outside(reason, detail)
            case .unknown(let why): unknown = why
            }
        }
        return unknown.map(Side.unknown) ?? .inside
    }

    private mutating func place(_ location: SIMStanding.Location) -> (DevicePlace, [FencePlace]) {
        if let seen { return seen }
        let place = DevicePlace(location.location, visitedNetwork: location.visitedNetwork)
        let found = (place, policy.learnsFence ? place.fencePlaces : [])
        seen = found
        return found
    }

    private mutating func side(
        of fence: LocationLock.Fence, _ place: DevicePlace, _ fencePlaces: [FencePlace]
    ) -> Side {
        guard !fencePlaces.isEmpty else { return .unknown("\(place) names neither a cell nor a tracking area") }
        let since = result.standing.fenceSince ?? facts.now
        result.standing.fenceSince = since
        let end = Timestamp(milliseconds: since.milliseconds + Int64(fence.days) * 86_400_000)
        if facts.now < end {
            for place in fencePlaces where facts.fence[place] == nil && !result.learned.contains(place) {
                result.learned.append(place)
            }
            return .inside
        }
        let seen = facts.fence
        let isWithin = { (place: FencePlace?) in place.flatMap { seen[$0] }.map { $0 < end } ?? false }
        if isWithin(place.cell.map(FencePlace.init)) { return .inside }
        if fence.withNeighbours, isWithin(place.area.map(FencePlace.init)) { return .inside }
        guard place.cell != nil || fence.withNeighbours else {
            return .unknown("\(place) does not name a cell")
        }
        return .outside(.locationOutsideFence, "\(place) is not where the SIM was in its first \(fence.days) day(s)")
    }

    // MARK: Hours

    private mutating func judge(_ applied: EffectiveSessionPolicy.Applied<ServiceHours>) {
        let (level, hours) = (applied.level, applied.value)
        let outlook = facts.outlook(hours)
        look(at: outlook.until)
        guard !outlook.isOpen else { return }
        // Who began in time has what its end allows.
        if let since = outlook.since, facts.startedAt < since, facts.moment != .attach {
            switch (hours.atEnd, hours.grace) {
            case (.finish, nil): return
            case (_, let grace):
                let end = since + (grace ?? .zero)
                if facts.now < end { return look(at: end) }
            }
        }
        violate(.outsideHours, level, hours.onViolation, "outside the hours of service in \(hours.zone)")
    }

    // MARK: Data limits

    private mutating func judge(_ applied: EffectiveSessionPolicy.Applied<DataLimit>) {
        let (level, limit) = (applied.level, applied.value)
        guard let used = facts.usedVolumes[level] else { return }
        let whose =
            switch limit.pool {
            case .sim: ""
            case .group: "the group's "
            case .tenant: "the tenant's "
            }
        let next = used.end.map { "; the next period begins at \($0)" } ?? "; it is prepaid"
        violate(
            .dataLimitReached, level, limit.onReached.action,
            "\(whose)volume of \(DataVolume(octets: limit.volume)) is used\(next)")
    }

    // MARK: Approval and quarantine

    private mutating func judge(_ applied: EffectiveSessionPolicy.Applied<ApprovalRule>) {
        let (level, rule) = (applied.level, applied.value)
        switch rule.by {
        case .flag:
            if facts.standing.approval == nil {
                violate(.notApproved, level, rule.onViolation, "the SIM is not approved for service")
            }
        case .hook:
            let answer = facts.standing.hookAnswer
            let end = answer.map { $0.at + facts.approvalCache }
            if let end, facts.now < end { look(at: end) } else { result.asksApproval = true }
            let isFresh = !result.asksApproval
            let unanswered = "the operator's billing has not answered whether the SIM is approved"
            switch (answer?.value, isFresh, rule.onNoAnswer) {
            case (true?, true, _), (true?, false, .keep), (_, false, .allow): break
            case (false?, true, _), (false?, false, .keep):
                violate(.notApproved, level, rule.onViolation, "the operator's billing has not approved the SIM")
            case (_, false, .quarantine), (nil, _, .keep):
                violate(.approvalUnanswered, level, .quarantine, unanswered)
            case (nil, true, _):
                // There is no fresh answer without one.
                break
            }
        }
    }

    private mutating func judgeQuarantine() {
        if let level = policy.newSIMs, facts.standing.approval == nil {
            violate(.newSIM, level, .quarantine, "the SIM is new and not approved yet")
        }
        guard let quarantine = facts.standing.quarantine else { return }
        if let until = quarantine.until {
            guard facts.now < until else {
                result.standing.quarantine = nil
                return
            }
            look(at: until)
        }
        violate(.byHand, .sim, .quarantine, quarantine.reason)
    }

    /// What somebody has let pass for a time is told and no more.
    private mutating func tolerate() {
        guard let until = facts.standing.toleratedUntil else { return }
        guard facts.now < until else {
            result.standing.toleratedUntil = nil
            return
        }
        look(at: until)
        result.violations = result.violations.map {
            $0.action == .quarantine && $0.reason != .byHand
                ? Violation(reason: $0.reason, level: $0.level, action: .report, detail: $0.detail) : $0
        }
    }
}

extension DataLimit.Reached {
    /// Who is slowed may do what it may do otherwise.
    public var action: ViolationAction {
        switch self {
        case .block: .block
        case .quarantine: .quarantine
        case .slow: .report
        }
    }
}

extension IMSI {
    /// Whether it begins with the network's MCC and MNC.
    func isOf(_ network: PLMN) -> Bool { description.hasPrefix(network.description) }
}

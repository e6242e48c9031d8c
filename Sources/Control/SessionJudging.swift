import Domain
import PolicyCompiler
import Store
import Synchronization

/// Judges sessions inside a store's transaction: gathers the facts, and writes what follows. Made for one batch or one
/// change, all at one time.
struct SessionJudging: Sendable {
    let book: SessionPolicyBook
    let limits: LimitJudging
    let wallClock: WallClock
    let now: Timestamp
    /// For a plan: another document, or none, at a place.
    var replacement: (place: SessionPolicyPlace, policy: SessionPolicy?)?
    private let memo = Memo()

    init(
        book: SessionPolicyBook, limits: LimitBook, wallClock: WallClock, now: Timestamp,
        replacement: (place: SessionPolicyPlace, policy: SessionPolicy?)? = nil
    ) {
        self.book = book
        self.limits = LimitJudging(policies: book, book: limits, wallClock: wallClock, now: now)
        self.wallClock = wallClock
        self.now = now
        self.replacement = replacement
    }

    struct Judged: Sendable {
        let effective: EffectiveSessionPolicy
        let judgement: SessionJudgement
        /// What was remembered before.
        let before: SIMStanding
        /// The quarantine's; looked up when there is one.
        let policy: Policy.ID?

        /// Of the strongest violation, when access is to be rejected.
        var rejection: AttachRejection? {
            guard let violation = judgement.violations.first(where: { $0.action == .reject }) else { return nil }
            return AttachRejection(violation.reason.section)
        }
    }

    // MARK: Judging

    typealias UsedVolumes = [SessionPolicyLevel: SessionFacts.UsedVolume]

    /// `nil` when nothing is said of the SIM.
    func judge(
        _ request: AttachRequest, _ sim: Subscriber, used: UsedVolumes, _ store: any StoreReader
    ) throws(StoreError) -> Judged? {
        try judge(sim, request.equipment, located: request.equipment, moment: .attach, now, used, store)
    }

    /// - Parameter report: what a report said of the equipment, when this is because of one.
    func judge(
        _ session: Session, _ sim: Subscriber, report: Equipment?, moment: SessionFacts.Moment, used: UsedVolumes,
        _ store: any StoreReader
    ) throws(StoreError) -> Judged? {
        try judge(sim, session.equipment, located: report, moment: moment, session.startedAt, used, store)
    }

    private func judge(
        _ sim: Subscriber, _ equipment: Equipment, located report: Equipment?, moment: SessionFacts.Moment,
        _ startedAt: Timestamp, _ used: UsedVolumes, _ store: any StoreReader
    ) throws(StoreError) -> Judged? {
        let effective = effective(for: sim)
        guard !effective.isUnjudged || !used.isEmpty || book.isHeld(sim.id) else { return nil }
        let before = try store.standing(of: sim.id)
        var facts = SessionFacts(
            now: now, moment: moment, imsi: sim.imsi, imei: equipment.imei, standing: before, startedAt: startedAt,
            outlook: { hours in self.outlook(hours) })
        // What the session remembers of earlier reports may be another place than this report's.
        let isLocated = report?.isLocated ?? false
        if let place = isLocated ? report : before.location == nil && equipment.isLocated ? equipment : nil {
            facts.standing.location = .init(
                SIMStanding.Location(location: place.location, visitedNetwork: place.visitedNetwork), at: now)
        }
        facts.usedVolumes = used
        if let hook = book.hook { facts.approvalCache = hook.cache }
        let listed = try listed(equipment.imei, effective, sim, store)
        facts.isListed = { name, level in listed.contains(ListName(name: name, isOperators: level <= .tenantCeiling)) }
        // Before the first place there is none to be read.
        if effective.learnsFence, before.fenceSince != nil, let seen = facts.standing.location?.value {
            let place = DevicePlace(seen.location, visitedNetwork: seen.visitedNetwork)
            facts.fence = try store.fence(of: sim.id, among: place.fencePlaces)
        }
        let judgement = SessionPolicyJudge.judge(effective, facts)
        var policy: Policy.ID?
        if judgement.action == .quarantine, let name = effective.quarantinePolicy?.value {
            policy = try memo.policy(named: name, of: sim.tenant, store)
        }
        return Judged(effective: effective, judgement: judgement, before: before, policy: policy)
    }

    func effective(for sim: Subscriber) -> EffectiveSessionPolicy {
        let who = sim.who
        guard let replacement else { return book.effective(for: who) }
        return book.effective(for: who, replacing: replacement.place, by: replacement.policy)
    }

    private struct ListName: Hashable {
        let name: Name
        let isOperators: Bool
    }

    /// Those of the lists that locks name which have the IMEI.
    private func listed(
        _ imei: IMEI?, _ effective: EffectiveSessionPolicy, _ sim: Subscriber, _ store: any StoreReader
    ) throws(StoreError) -> Set<ListName> {
        guard let imei else { return [] }
        var found: Set<ListName> = []
        for lock in effective.imeiLocks {
            guard case .list(_, _, let lists) = lock.value.mode else { continue }
            let isOperators = lock.level <= .tenantCeiling
            for name in lists {
                if try store.isListed(imei, in: name, of: isOperators ? nil : sim.tenant) {
                    found.insert(ListName(name: name, isOperators: isOperators))
                }
            }
        }
        return found
    }

    // MARK: Hours

    func outlook(_ hours: ServiceHours) -> HoursOutlook {
        memo.outlook(hours) {
            HoursOutlook(hours, at: now) { time in
                wallClock.minuteOfWeek(hours.zone, time).map { Self.localMinute($0, at: time) }
            }
        }
    }

    /// The minute since 1970-01-01 00:00 on a zone's clocks that show a minute of the week. No zone is further from UTC than
    /// half a week.
    static func localMinute(_ minuteOfWeek: Int, at time: Timestamp) -> Int {
        let utc = Int(time.milliseconds.floorDivided(by: 60_000).quotient)
        let week = Schedule.minutesPerWeek
        // 1970-01-01 was a Thursday.
        let utcOfWeek = Int(Int64(utc + 3 * Schedule.minutesPerDay).floorDivided(by: Int64(week)).remainder)
        let ahead = (minuteOfWeek - utcOfWeek + week + week / 2) % week - week / 2
        return utc + ahead
    }

    /// What was found out once for this moment.
    private final class Memo: Sendable {
        private struct Found {
            var outlooks: [ServiceHours: HoursOutlook] = [:]
            /// Most have the same.
            var last: (hours: ServiceHours, outlook: HoursOutlook)?
            var policies: [PolicyName: Policy.ID?] = [:]
        }
        private struct PolicyName: Hashable {
            let tenant: Tenant.ID
            let name: Name
        }
        private let found = Mutex(Found())

        func outlook(_ hours: ServiceHours, _ make: () -> HoursOutlook) -> HoursOutlook {
            let known = found.withLock { found in
                if let last = found.last, last.hours == hours { return Optional(last.outlook) }
                let known = found.outlooks[hours]
                if let known { found.last = (hours, known) }
                return known
            }
            if let known { return known }
            let outlook = make()
            found.withLock { found in
                found.outlooks[hours] = outlook
                found.last = (hours, outlook)
            }
            return outlook
        }

        func policy(named name: Name, of tenant: Tenant.ID, _ store: any StoreReader) throws(StoreError) -> Policy.ID? {
            let key = PolicyName(tenant: tenant, name: name)
            if let known = found.withLock({ $0.policies[key] }) { return known }
            let policy = try store.policy(named: name, of: tenant)?.id
            found.withLock { $0.policies[key] = .some(policy) }
            return policy
        }
    }

    // MARK: Writing

    /// What is to be done after the transaction.
    struct Consequence: Sendable {
        let session: Session.ID
        let sim: SIM.ID
        let devices: [IPAddress]
        /// For the kernel; none when nothing changes there.
        var changes: [DeviceChange] = []
        let restriction: SessionRestriction?
        let previous: SessionRestriction?
        let isRejected: Bool
        let asksApproval: Bool
        /// What limits the SIM; `nil`: what did.
        var limits: LimitBook.Resolved?
    }

    /// Remembers what a judgement without a session has found: of an attach that is rejected.
    func remember(_ judged: Judged, _ sim: Subscriber, _ store: any StoreTransaction) throws(StoreError) {
        if judged.judgement.standing != judged.before { try store.putStanding(judged.judgement.standing, of: sim.id) }
        try store.addFencePlaces(
            judged.judgement.learned, of: sim.id, isFirst: judged.before.fenceSince == nil, at: now)
    }

    /// Writes what was found of a session.
    /// - Parameters:
    ///   - isNew: it has nothing of before.
    ///   - replaced: the session that a new one stands for: what was told of that one is not told again.
    func record(
        _ judged: Judged?, of session: Session.ID, at devices: [IPAddress], _ sim: Subscriber, isNew: Bool,
        replacing replaced: Session.ID? = nil, _ store: any StoreTransaction
    ) throws(StoreError) -> Consequence {
        if let judged { try remember(judged, sim, store) }
        let previous = isNew ? nil : try store.restriction(of: session)
        let judgement = judged?.judgement
        var restriction: SessionRestriction?
        if let judgement, let action = judgement.action {
            restriction = SessionRestriction(
                action: action, policy: judged?.policy, violations: judgement.violations,
                since: previous?.action == action ? previous?.since ?? now : now,
                until: judgement.standing.quarantine?.until)
        }
        if restriction != previous {
            try store.putRestriction(restriction, of: session)
            let told =
                isNew ? try replaced.flatMap { id throws(StoreError) in try store.restriction(of: id) } : previous
            for one in news(restriction, told, session, sim) { try store.appendEvent(one) }
        }
        let due = isNew ? nil : try store.judgeAt(of: session)
        switch (due, judgement?.judgeAt) {
        case (nil, nil): break
        case (let due?, let next?) where due > now && due <= next: break
        case (_, let next): try store.setJudgeAt(next, of: session)
        }
        let isRejected = restriction?.action == .reject
        if isRejected != (previous?.action == .reject) { try store.setIsToReject(isRejected, session) }
        return Consequence(
            session: session, sim: sim.id, devices: devices, restriction: restriction, previous: previous,
            isRejected: isRejected && previous?.action != .reject, asksApproval: judgement?.asksApproval ?? false)
    }

    /// What there is to tell of a change: what does not fit that did, quarantine, and that all fits again.
    private func news(
        _ restriction: SessionRestriction?, _ previous: SessionRestriction?, _ session: Session.ID, _ sim: Subscriber
    ) -> [Event.News] {
        let tell = { (code: Event.Code, words: String, details: [Event.Detail]) in
            Event.News(
                code, of: sim.tenant, about: Event.Subject(.sim, sim.imsi), at: now, imsi: sim.imsi, session: session,
                words: words, details: details)
        }
        let known = Set((previous?.violations ?? []).map { [$0.reason.rawValue, $0.level.rawValue] })
        var news = (restriction?.violations ?? []).filter { !known.contains([$0.reason.rawValue, $0.level.rawValue]) }
            .map { violation in
                tell(
                    Event.Code(violation.reason), violation.detail,
                    [
                        Event.Detail("action", violation.action.rawValue),
                        Event.Detail("level", violation.level.rawValue),
                        Event.Detail("section", violation.reason.section.rawValue),
                    ])
            }
        let (was, isNow) = (previous?.action == .quarantine, restriction?.action == .quarantine)
        if isNow, !was {
            let reason = restriction?.violations.first { $0.action == .quarantine }
            var details = [Event.Detail("reason", reason?.reason.rawValue ?? "")]
            if let until = restriction?.until { details.append(Event.Detail("until", until)) }
            let because = reason.map { ": \($0.detail)" } ?? ""
            news.append(tell(.quarantineEntered, "the session is in quarantine\(because)", details))
        }
        if was, !isNow { news.append(tell(.quarantineLeft, "the session is in quarantine no more", [])) }
        if restriction == nil, previous != nil {
            news.append(tell(.violationOver, "the session fits what is said of its SIM again", []))
        }
        return news
    }

    /// Judges a session that is on, writes what was found, and says what the kernel is to be told.
    /// - Returns: `nil` when nothing has to follow.
    func rejudge(
        _ session: Session, report: Equipment? = nil, moment: SessionFacts.Moment, _ plan: NATPlan,
        _ store: any StoreTransaction
    ) throws(StoreError) -> Consequence? {
        guard session.endedAt == nil, let sim = try store.subscriber(imsi: session.imsi), sim.id == session.sim else {
            return nil
        }
        let effective = effective(for: sim)
        var limits: LimitBook.Resolved?
        let used: UsedVolumes
        switch moment {
        // How far volumes are used, is seen as they are.
        case .report: used = self.limits.knownUsedVolumes(sim.who, effective)
        case .attach, .clock, .edit:
            limits = try self.limits.resolve(sim.who, effective, store)
            used = limits?.usedVolumes ?? [:]
        }
        let judged = try judge(session, sim, report: report, moment: moment, used: used, store)
        var consequence = try record(
            judged, of: session.id, at: session.devices, sim, isNew: false, store)
        consequence.limits = limits
        let wasLimited = self.limits.book.isLimited(sim.id)
        let isLimited = limits.map { $0.limit != nil } ?? wasLimited
        if !SessionRestriction.areEnforcedAlike(consequence.restriction, consequence.previous)
            || isLimited != wasLimited
        {
            let number = isLimited ? LimitNumber(sim: sim.id) : nil
            consequence.changes = try store.enforcedSession(session.id)?.changes(plan, number) ?? session.removals
        }
        return consequence
    }
}

extension Subscriber {
    var who: SessionPolicyBook.Who { .init(sim: id, tenant: tenant, group: group) }
}

extension Equipment {
    var isLocated: Bool { location != nil || visitedNetwork != nil }
}

extension AttachRejection {
    /// For what a session policy turns away.
    init(_ section: SessionPolicy.Section) {
        switch section {
        case .imeiLock: self = .imeiNotAllowed
        case .locationLock: self = .locationNotAllowed
        case .hours: self = .outsideHours
        case .approval, .quarantine: self = .notApproved
        case .dataLimit, .bandwidth: self = .dataLimitReached
        }
    }
}

public import Domain
import Logging
import PolicyCompiler
public import Store

/// Session policies: who may use a SIM, where, when, and what happens when it does not fit.
extension ControlPlane {
    /// A place as people name it.
    public enum SessionPolicyTarget: Hashable, Sendable, CustomStringConvertible {
        case ceiling
        case tenantCeiling(Name)
        case tenant(Name)
        case group(Name, of: Name)
        case sim(IMSI)

        public var description: String {
            switch self {
            case .ceiling: "ceiling"
            case .tenantCeiling(let tenant): "\(tenant)/ceiling"
            case .tenant(let tenant): "\(tenant)"
            case .group(let group, let tenant): "\(tenant)/\(group)"
            case .sim(let imsi): "\(imsi)"
            }
        }
    }

    /// Reads what is stored. Runs once, before there are requests.
    func beginSessionPolicies() async throws {
        let (records, held, hook) = try await store.read { store in
            (try store.sessionPolicies(), try store.heldSIMs(), try store.approvalHook())
        }
        var known: [String: SessionPolicyBook.Document] = [:]
        var documents: [(SessionPolicyPlace, SessionPolicyBook.Document)] = []
        let scope = SessionPolicyScope.stored(isTimeZone: isTimeZone)
        for record in records {
            if known[record.document] == nil {
                do throws(PolicyError) {
                    known[record.document] = .init(
                        try SessionPolicyDocument(parsing: record.document, file: "session policy", in: scope).policy)
                } catch {
                    // Stored documents were valid when they were stored.
                    logger.critical(
                        "a stored session policy cannot be read; its sessions are blocked until it is set again",
                        metadata: ["level": "\(record.place.level.rawValue)", "error": "\(error)"])
                    known[record.document] = .init(.unreadable)
                }
            }
            if let document = known[record.document] { documents.append((record.place, document)) }
        }
        sessionPolicies.replaceAll(documents, held: held, hook: hook)
    }

    private var isTimeZone: @Sendable (String) -> Bool {
        let time = now()
        return { self.wallClock.minuteOfWeek($0, time) != nil }
    }

    // MARK: Show, set, clear

    public func sessionPolicy(
        at target: SessionPolicyTarget, by principal: Principal
    ) async throws(ControlError) -> SessionPolicyRecord {
        try await read { store in
            let place = try store.place(of: target, for: principal, isChange: false)
            guard let record = try store.sessionPolicy(at: place) else {
                throw ControlError(.notFound, "there is no session policy at \(target)")
            }
            return record
        }
    }

    /// A document that is in force.
    public struct AppliedSessionPolicy: Hashable, Sendable {
        public let record: SessionPolicyRecord
        public let isNew: Bool
        public let report: EnforcementReport
    }

    /// Makes the document the place's, and judges the sessions that it is for by it, without a re-attach. Returns when that
    /// is in force.
    public func setSessionPolicy(
        _ document: String, file: String, at target: SessionPolicyTarget, expecting: Expectation = .anything,
        by principal: Principal
    ) async throws(ControlError) -> AppliedSessionPolicy {
        let started = ContinuousClock.now
        try checkForm(document, file: file)
        let (record, isNew) = try await change {
            let now = self.now()
            let (record, policy, isNew) = try await self.store.write { store in
                let place = try store.place(of: target, for: principal, isChange: true)
                let policy = try self.read(document, file: file, at: place, store)
                let before = try store.sessionPolicy(at: place)
                try expecting.check(before, at: target)
                let record = try store.putSessionPolicy(document, at: place, author: principal.name, time: now)
                let sections = policy.sections.map(\.rawValue).sorted().joined(separator: " ")
                try store.tell(.sessionPolicySet, at: target, place, sections, by: principal.name, time: now)
                try store.appendAudit(
                    actor: principal.name, action: "session-policy.set", target: "\(target)",
                    detail: sections, at: now)
                return (record, policy, before == nil)
            }
            self.sessionPolicies.set(policy, at: record.place)
            return (record, isNew)
        }
        let report = try await rejudged(at: record.place, since: started)
        return AppliedSessionPolicy(record: record, isNew: isNew, report: report)
    }

    public func clearSessionPolicy(
        at target: SessionPolicyTarget, expecting: Expectation = .anything, by principal: Principal
    ) async throws(ControlError) -> EnforcementReport {
        let started = ContinuousClock.now
        let place = try await change {
            let now = self.now()
            let place = try await self.store.write { store in
                let place = try store.place(of: target, for: principal, isChange: true)
                guard let before = try store.sessionPolicy(at: place) else {
                    throw ControlError(.notFound, "there is no session policy at \(target)")
                }
                try expecting.check(before, at: target)
                try store.deleteSessionPolicy(at: place)
                try store.tell(.sessionPolicyCleared, at: target, place, "", by: principal.name, time: now)
                try store.appendAudit(
                    actor: principal.name, action: "session-policy.clear", target: "\(target)", detail: "", at: now)
                return place
            }
            self.sessionPolicies.set(nil, at: place)
            return place
        }
        return try await rejudged(at: place, since: started)
    }

    /// Judges the sessions that something is said of anew, and cuts what is not allowed any more.
    func rejudged(
        at place: SessionPolicyPlace, since started: ContinuousClock.Instant
    ) async throws(ControlError) -> EnforcementReport {
        let (sessions, _) = try await Self.translating { try await self.rejudgeSessions(at: place, .edit) }
        let inForce = ContinuousClock.now - started
        let addresses = engine.followUp.takeSweeps()
        var cut = 0
        if !addresses.isEmpty {
            do throws(DataPlaneError) {
                cut = try dataPlane.deleteFlows(.ofDevices(addresses), judging: judge())
            } catch {
                engine.followUp.sweep(addresses)
                throw ControlError(error)
            }
        }
        return EnforcementReport(
            sessions: sessions, inForce: inForce, flowsCut: cut, total: ContinuousClock.now - started)
    }

    /// What is wrong with a document whatever its place is told before anybody waits for it.
    private func checkForm(_ document: String, file: String) throws(ControlError) {
        try read(document, file: file, in: .stored(isTimeZone: isTimeZone))
    }

    /// - Throws: `.invalid` with every problem found.
    @discardableResult
    private func read(
        _ document: String, file: String, in scope: SessionPolicyScope
    ) throws(ControlError) -> SessionPolicy {
        do throws(PolicyError) {
            return try SessionPolicyDocument(parsing: document, file: file, in: scope).policy
        } catch {
            throw ControlError(
                .invalid, "the session policy has \(error.diagnostics.count) error(s); nothing was changed",
                problems: error.diagnostics.map(ControlError.Problem.init))
        }
    }

    private func read(
        _ document: String, file: String, at place: SessionPolicyPlace, _ store: any StoreReader
    ) throws -> SessionPolicy {
        let isOperators = place.level <= .tenantCeiling
        var scope = SessionPolicyScope(
            policies: try place.tenant.map { Set(try store.policies(of: $0).map(\.name)) },
            imeiLists: Set(try store.imeiLists(of: isOperators ? nil : place.tenant).map(\.name)),
            hasApprovalHook: approvalAsking != nil && sessionPolicies.hook != nil,
            enforced: enforcedSections, isTimeZone: isTimeZone)
        scope.level = place.level
        return try read(document, file: file, in: scope)
    }

    /// What the data plane does of what only it can do.
    private var enforcedSections: Set<SessionPolicy.Section> {
        Set(SessionPolicy.Section.allCases).subtracting([.dataLimit, .bandwidth]).union(dataPlane.enforcedLimits)
    }

    // MARK: Plan

    /// What setting or clearing a document would do.
    public struct SessionPolicyPlan: Hashable, Sendable {
        /// The document's that is in force.
        public let version: Int64?
        /// Open sessions that it would be for.
        public let sessions: Int
        /// Those of them that would be treated otherwise, by what they would come to; under `nil`: nothing would restrict
        /// them any more.
        public let changes: [ViolationAction?: Int]
        /// The first of these.
        public let listed: [Change]

        public struct Change: Hashable, Sendable {
            public let imsi: IMSI
            public let session: Session.ID
            public let before: ViolationAction?
            public let after: ViolationAction?
            public let violations: [Violation]
        }

        public static let maximumListed = 100
    }

    /// - Parameter document: `nil`: the place would be cleared.
    public func planSessionPolicy(
        _ document: String?, file: String, at target: SessionPolicyTarget, by principal: Principal
    ) async throws(ControlError) -> SessionPolicyPlan {
        if let document { try checkForm(document, file: file) }
        let (place, version, policy) = try await read { store in
            let place = try store.place(of: target, for: principal, isChange: true)
            let policy = try document.map { try self.read($0, file: file, at: place, store) }
            return (place, try store.sessionPolicy(at: place)?.version, policy)
        }
        let judging = SessionJudging(
            book: sessionPolicies, limits: limits, wallClock: wallClock, now: now(), replacement: (place, policy))
        var sessions = 0
        var changes: [ViolationAction?: Int] = [:]
        var listed: [SessionPolicyPlan.Change] = []
        try await Self.translating {
            try await self.forEachPage(of: place) { page in
                let found = try await self.store.read { store in
                    try page.compactMap { try store.change(of: $0, by: judging) }
                }
                sessions += page.count
                for change in found {
                    changes[change.after, default: 0] += 1
                    if listed.count < SessionPolicyPlan.maximumListed { listed.append(change) }
                }
            }
        }
        return SessionPolicyPlan(version: version, sessions: sessions, changes: changes, listed: listed)
    }
}

extension SessionPolicy {
    /// In place of a document that cannot be read: nothing passes.
    fileprivate static let unreadable = SessionPolicy(
        hours: ServiceHours(windows: [], zone: "UTC", onViolation: .block))
}

extension ControlPlane.Expectation {
    func check(_ record: SessionPolicyRecord?, at target: ControlPlane.SessionPolicyTarget) throws(ControlError) {
        let isMet =
            switch self {
            case .anything: true
            case .absent: record == nil
            case .present: record != nil
            case .version(let version): record?.version == version
            }
        guard !isMet else { return }
        let found =
            record.map { "version \($0.version), set by \($0.author) at \($0.appliedAt), is in force" }
            ?? "there is none"
        throw ControlError(
            .changed,
            "the session policy at \(target) is not as expected: \(found); look at it, and make the change for that")
    }
}

extension StoreReader {
    /// The place that a principal may see or change under that name. A tenant sees what the operator says of it.
    func place(
        of target: ControlPlane.SessionPolicyTarget, for principal: Principal, isChange: Bool
    ) throws -> SessionPolicyPlace {
        switch target {
        case .ceiling:
            try principal.requireOperator()
            return .ceiling
        case .tenantCeiling(let name):
            let tenant = try visibleTenant(name, to: principal)
            if isChange { try principal.requireOperator() }
            return .tenantCeiling(tenant.id)
        case .tenant(let name): return .tenant(try visibleTenant(name, to: principal).id)
        case .group(let group, let name):
            let tenant = try visibleTenant(name, to: principal).id
            return .group(try ownGroup(group, of: tenant).id, of: tenant)
        case .sim(let imsi):
            let sim = try visibleSIM(imsi, to: principal)
            return .sim(sim.id, of: sim.tenant)
        }
    }

    /// A document that says so, of the operator's and tenants'. Texts that are the same are read once.
    /// - Parameter isMeant: is asked before the document is read.
    func sessionPolicy(
        among isMeant: (SessionPolicyPlace) -> Bool = { _ in true }, saying isSo: (SessionPolicy) -> Bool
    ) throws -> SessionPolicyRecord? {
        let scope = SessionPolicyScope.stored { _ in true }
        var answers: [String: Bool] = [:]
        return try sessionPolicies().first { record in
            guard isMeant(record.place) else { return false }
            if let known = answers[record.document] { return known }
            // One that cannot be read says nothing.
            let policy = try? SessionPolicyDocument(parsing: record.document, file: "", in: scope).policy
            let answer = policy.map(isSo) ?? false
            answers[record.document] = answer
            return answer
        }
    }

    /// `nil` when the session would be treated as it is.
    fileprivate func change(
        of id: Session.ID, by judging: SessionJudging
    ) throws -> ControlPlane.SessionPolicyPlan.Change? {
        guard let session = try session(id), session.endedAt == nil,
            let sim = try subscriber(imsi: session.imsi)
        else { return nil }
        let before = try restriction(of: id)?.action
        let used = try judging.limits.usedVolumes(sim.who, judging.effective(for: sim), self)
        let judgement = try judging.judge(session, sim, report: nil, moment: .edit, used: used, self)?.judgement
        guard judgement?.action != before else { return nil }
        return ControlPlane.SessionPolicyPlan.Change(
            imsi: session.imsi, session: id, before: before, after: judgement?.action,
            violations: judgement?.violations ?? [])
    }
}

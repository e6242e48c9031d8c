import Domain
import Logging
import Metrics
import PolicyCompiler
import ServiceLifecycle
import Store
import Synchronization

/// Judges sessions again when time alone may change what is found of them, cuts flows that a restriction does not allow any
/// more, and has NAS end what is rejected.
struct SessionKeeper: Service {
    let control: ControlPlane
    /// How late a session is judged at most, apart from the change itself.
    private static let interval = Duration.milliseconds(200)
    /// How often a NAS that did not answer is asked again to end a session.
    private static let retryInterval = Duration.seconds(30)

    init(control: ControlPlane) { self.control = control }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await judge() }
                group.addTask { await reject() }
            }
        }
    }

    private func judge() async {
        // What a change left half done when the process ended is finished here.
        var isWhole = false
        var last = control.now()
        while !Task.isCancelled {
            do {
                let now = control.now()
                // Set back, the clock makes everything that is due by time due later than it is.
                if !isWhole { try await control.rejudgeEverything(.edit) }
                if now < last { try await control.rejudgeTimed() }
                isWhole = true
                last = now
                try await control.keepSessions()
            } catch {
                if Task.isCancelled { return }
                control.logger.error(
                    "sessions could not be judged at their time; it is tried again", metadata: ["error": "\(error)"])
            }
            // Cancelled at shutdown: the loop's condition ends it.
            try? await Task.sleep(for: Self.interval)
        }
    }

    private func reject() async {
        // Those of before the start too.
        control.engine.followUp.noteRejections()
        var last = ContinuousClock.now
        while !Task.isCancelled {
            if control.engine.followUp.takeRejections() || ContinuousClock.now - last > Self.retryInterval {
                last = .now
                await control.endRejectedSessions()
            }
            try? await Task.sleep(for: Self.interval)
        }
    }
}

extension ControlPlane {
    /// Sessions that are judged in one transaction and told to the kernel in one batch; requests are answered in between.
    static let sessionsAtOnce = 250

    /// Judges what is due and sweeps what has to be.
    /// - Returns: how many sessions were judged.
    @discardableResult
    package func keepSessions() async throws -> Int {
        var judged = 0
        while !Task.isCancelled {
            let time = now()
            let due = try await store.read { store in
                try store.sessions(toJudgeBy: time, limit: Self.sessionsAtOnce)
            }
            guard !due.isEmpty else { break }
            _ = try await rejudge(due, .clock)
            judged += due.count
        }
        try sweepSessions()
        return judged
    }

    /// Cuts flows of devices whose restriction has changed.
    func sweepSessions() throws {
        let addresses = engine.followUp.takeSweeps()
        guard !addresses.isEmpty else { return }
        do {
            _ = try dataPlane.deleteFlows(.ofDevices(addresses), judging: judge())
        } catch {
            engine.followUp.sweep(addresses)
            throw error
        }
    }

    /// Judges sessions again, on the engine's loop.
    /// - Returns: how many the kernel was told something new of.
    func rejudge(_ sessions: [Session.ID], _ moment: SessionFacts.Moment) async throws -> Int {
        try await engine.exclusively {
            let judging = self.judging(at: self.now())
            let plan = self.settings.natPlan
            let found = try await self.store.write { store in
                var found: [SessionJudging.Consequence] = []
                for id in sessions {
                    let session = try store.session(id)
                    if let session, let one = try judging.rejudge(session, moment: moment, plan, store) {
                        found.append(one)
                    } else {
                        try store.setJudgeAt(nil, of: id)
                    }
                }
                return found
            }
            self.engine.followUp.note(found)
            let changes = found.flatMap(\.changes)
            try self.limits.enforce(found.compactMap(\.limits)) {
                if !changes.isEmpty { try self.dataPlane.apply(changes) }
            }
            return found.count { !$0.changes.isEmpty }
        }
    }

    /// Judges every open session that a place's document is for.
    /// - Returns: how many sessions were looked at, and how many the kernel was told something new of.
    func rejudgeSessions(
        at place: SessionPolicyPlace, _ moment: SessionFacts.Moment
    ) async throws -> (sessions: Int, changed: Int) {
        var result = (sessions: 0, changed: 0)
        try await forEachPage(of: place) { page in
            result.changed += try await self.rejudge(page, moment)
            result.sessions += page.count
        }
        return result
    }

    /// The open sessions that a place's document is for, some at a time.
    func forEachPage(of place: SessionPolicyPlace, _ body: ([Session.ID]) async throws -> Void) async throws {
        if case .sim(let sim, _) = place {
            let page = try await store.read { store in try store.activeSessions(of: sim).map(\.id) }
            if !page.isEmpty { try await body(page) }
            return
        }
        var after: Session.ID?
        while true {
            let last = after
            let (page, next) = try await store.read { store in
                let sessions = try store.sessions(
                    of: place.tenant, activeOnly: true, after: last, limit: Self.sessionsAtOnce)
                guard case .group(let group, _) = place else { return (sessions.map(\.id), sessions.last?.id) }
                let own = try sessions.filter { try store.sim($0.sim)?.group == group }
                return (own.map(\.id), sessions.last?.id)
            }
            if !page.isEmpty { try await body(page) }
            guard let next else { return }
            after = next
        }
    }

    /// Judges the open sessions of all tenants of whom something is said.
    func rejudgeEverything(_ moment: SessionFacts.Moment) async throws {
        let tenants = try await store.read { store in try store.tenants().map(\.id) }
        for tenant in tenants where sessionPolicies.concerns(tenant) {
            _ = try await rejudgeSessions(at: .tenant(tenant), moment)
        }
    }

    /// Judges those that are judged by time.
    func rejudgeTimed() async throws {
        var after: Session.ID?
        while true {
            let last = after
            let page = try await store.read { store in
                try store.judgedSessions(after: last, limit: Self.sessionsAtOnce)
            }
            guard !page.isEmpty else { return }
            _ = try await rejudge(page, .clock)
            after = page.last
        }
    }

    /// Has their NAS end the sessions that are rejected, as a suspension does.
    func endRejectedSessions() async {
        // What cannot be read now is read again at the next try.
        let ids = (try? await store.read { store in try store.sessionsToReject() }) ?? []
        for start in stride(from: 0, to: ids.count, by: Self.rejectionsAtOnce) {
            await withTaskGroup(of: Void.self) { group in
                for id in ids[start..<min(start + Self.rejectionsAtOnce, ids.count)] {
                    group.addTask { await self.endRejected(id) }
                }
            }
        }
    }

    private static let rejectionsAtOnce = 16

    private func endRejected(_ id: Session.ID) async {
        guard let session = try? await store.read({ store in try store.session(id) }), session.endedAt == nil else {
            return
        }
        var record = StepRecord()
        // A NAS that answered has heard it; the session ends with its Accounting-Stop. One that did not is asked again.
        guard await end(session, &record) != .unheard else { return }
        try? await store.write { store in try store.setIsToReject(false, id) }
    }
}

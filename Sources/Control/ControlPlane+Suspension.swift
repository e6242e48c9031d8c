public import Domain
import PolicyCompiler
import Store

extension ControlPlane {
    /// What suspending or resuming did, step by step.
    public struct StateChange: Hashable, Sendable {
        public let imsi: IMSI
        public let state: SIM.State
        public let steps: [Step]
        /// The traffic has stopped and, where there was a session, its NAS has confirmed the end of it.
        public let isComplete: Bool
    }

    public struct Step: Hashable, Sendable {
        public let name: String
        /// From the call until the step was done.
        public let after: Duration
        public let detail: String
    }

    /// Stops a SIM: its state is stored (access is rejected from then on), the kernel forgets its addresses (no packet
    /// passes in either direction from then on), its flows are deleted, its NAS is told to end the session, and the
    /// Accounting-Stop is awaited. Doing it to a suspended SIM does what is not done yet.
    public func suspend(_ imsi: IMSI, by principal: Principal) async throws(ControlError) -> StateChange {
        try await stop(imsi, as: .suspended, by: principal)
    }

    /// - Parameter state: suspended or terminated.
    func stop(
        _ imsi: IMSI, as state: SIM.State, by principal: Principal
    ) async throws(ControlError) -> StateChange {
        var record = StepRecord()
        let sessions = try await change {
            let now = self.now()
            let sessions = try await self.store.write { store in
                let sim = try store.visibleSIM(imsi, to: principal)
                guard sim.state != .terminated || state == .terminated else {
                    throw ControlError(.conflict, "SIM \(imsi) is terminated; a terminated SIM cannot be suspended")
                }
                try store.setState(state, of: sim.id)
                try store.tellState(of: sim, by: principal.name, at: now)
                try store.appendAudit(
                    actor: principal.name, action: state == .terminated ? "sim.terminate" : "sim.suspend",
                    target: "\(imsi)", detail: "", at: now)
                return try store.activeSessions(of: sim.id)
            }
            if !sessions.isEmpty { try self.dataPlane.apply(sessions.flatMap(\.removals)) }
            return sessions
        }
        let devices = sessions.flatMap(\.devices)
        record.note("kernel", "\(devices.count) address(es) removed: no packet passes any more")
        guard !sessions.isEmpty else {
            return StateChange(imsi: imsi, state: state, steps: record.steps, isComplete: true)
        }
        let cut = try await Self.translating {
            try self.dataPlane.deleteFlows(.ofDevices(Set(devices))) { _ in .denied }
        }
        record.note("flows", "\(cut) tracked connection(s) deleted")

        var isComplete = true
        for session in sessions {
            isComplete = await end(session, &record) == .ended && isComplete
        }
        return StateChange(imsi: imsi, state: state, steps: record.steps, isComplete: isComplete)
    }

    /// Undoes ``suspend(_:by:)``: access is accepted again. A session whose end the NAS never confirmed gets its
    /// traffic back; otherwise the device attaches anew.
    public func resume(_ imsi: IMSI, by principal: Principal) async throws(ControlError) -> StateChange {
        var record = StepRecord()
        let (restored, state) = try await change {
            let now = self.now()
            let (sessions, state) = try await self.store.write { store in
                let sim = try store.visibleSIM(imsi, to: principal)
                guard sim.state != .terminated else {
                    throw ControlError(.conflict, "SIM \(imsi) is terminated; a terminated SIM cannot be resumed")
                }
                try store.setState(.active, of: sim.id)
                try store.tellState(of: sim, by: principal.name, at: now)
                try store.appendAudit(
                    actor: principal.name, action: "sim.resume", target: "\(imsi)", detail: "", at: now)
                // One in a test is in it again.
                return (try store.enforcedSessions(of: sim.id), try store.sim(sim.id)?.state ?? .active)
            }
            try await self.enforce(sessions)
            return (sessions.count, state)
        }
        record.note("state", "access is accepted again")
        if restored > 0 { record.note("kernel", "\(restored) session(s) that never ended have their traffic back") }
        return StateChange(imsi: imsi, state: state, steps: record.steps, isComplete: true)
    }

    /// Tells the NAS to end the session and waits for its Accounting-Stop.
    func end(_ session: Session, _ record: inout StepRecord) async -> SessionEnding {
        guard let request = await request(for: session) else {
            record.note("disconnect", "the session's NAS is not registered any more; nothing was sent")
            return .unconfirmed
        }
        let outcome = OutcomeBox()
        let isStopped = await engine.stops.wait(for: session.id, limit: settings.stopConfirmationWait) {
            var result = await self.disconnecting.disconnect(request)
            if case .refused(let cause?) = result.result, cause.mayPass {
                // Cancelled when the stop came meanwhile: then nobody asks for the result.
                try? await Task.sleep(for: .seconds(1))
                result = await self.disconnecting.disconnect(request)
            }
            outcome.set(result)
            // With 503 there is no session, so no stop will come; without an answer none is to be expected.
            return result.result == .acknowledged
        }
        let answer = outcome.value
        if let answer { record.note("disconnect", answer.words()) }
        if isStopped {
            record.note("accounting-stop", "the NAS has confirmed the end of the session")
            return .ended
        }
        if answer?.result == .contextNotFound {
            // The NAS has no such session: no Accounting-Stop will ever come, so the end is ours to record.
            let ended =
                (try? await engine.exclusively { try await self.endSessions([session.id], .unknownToNAS) }) != nil
            record.note("session", ended ? "ended" : "could not be recorded as ended; it will be by the next attach")
            return ended ? .ended : .unconfirmed
        }
        record.note("accounting-stop", "not seen yet; the session stays listed until the NAS confirms")
        switch answer?.result {
        case .noAnswer, .notSent: return .unheard
        case .acknowledged, .contextNotFound, .refused, nil: return .unconfirmed
        }
    }

    /// On the engine's loop: ends those that have not ended, in the store and then in the kernel.
    /// - Returns: how many had not.
    @discardableResult
    func endSessions(
        _ ids: [Session.ID], _ cause: Session.EndCause,
        where isDue: @escaping @Sendable (Session) -> Bool = { _ in true }
    ) async throws -> Int {
        let now = now()
        let ended = try await store.write { store in
            var ended: [Session] = []
            for id in ids {
                guard var session = try store.session(id), session.endedAt == nil, isDue(session) else { continue }
                session.end(cause, at: now)
                try store.updateSession(session)
                try store.appendEvent(.ended(session))
                ended.append(session)
            }
            return ended
        }
        guard !ended.isEmpty else { return 0 }
        // None of their addresses is another session's: nothing else runs on this loop meanwhile.
        try dataPlane.apply(ended.flatMap(\.removals))
        engine.stops.confirm(ended.map(\.id))
        engine.usage.noteEnds(ended.map(\.id))
        return ended.count
    }

    /// What a Disconnect- or CoA-Request for the session can name; `nil` when its NAS is gone, or nothing can be read.
    func request(for session: Session) async -> DisconnectRequest? {
        // A store that cannot be read means that nothing can be sent: reported as such by the caller.
        let found = try? await store.read { store in (try store.nas(session.nas), try store.sim(session.sim)?.msisdn) }
        guard let found, let nas = found.0, let client = radiusClient(at: nas.address) else { return nil }
        return DisconnectRequest(
            nas: client.nas, secret: client.secret, imsi: session.imsi, apn: session.apn, address: session.ipv4,
            prefix: session.prefixes?.link,
            accountingSessionID: session.accountingSessionID, nsapi: session.equipment.nsapi, msisdn: found.1,
            token: session.token, chargingID: session.equipment.chargingID)
    }
}

/// What came of telling a NAS to end a session.
enum SessionEnding {
    case ended
    /// It was told, or there is nobody to tell; no Accounting-Stop has come.
    case unconfirmed
    /// It has not heard of it, and may when it is told again.
    case unheard
}

/// The steps of one call, with the time since its start.
struct StepRecord {
    private let started = ContinuousClock.now
    private(set) var steps: [ControlPlane.Step] = []

    mutating func note(_ name: String, _ detail: String) {
        steps.append(ControlPlane.Step(name: name, after: ContinuousClock.now - started, detail: detail))
    }
}

public import Domain
import Store

extension ControlPlane {
    /// What a session is made of beside itself.
    public struct SessionParts: Hashable, Sendable {
        /// Empty for a session that has had one bearer only.
        public let bearers: [SessionBearer]
        /// Where and in which equipment it was, oldest first; empty for one that stayed where it began.
        public let places: [SessionPlace]
    }

    /// What was done to a session at its NAS, step by step.
    public struct SessionOrder: Hashable, Sendable {
        public let session: Session.ID
        public let steps: [Step]
        /// The NAS has confirmed it.
        public let isComplete: Bool
    }

    public func sessionParts(
        _ id: Session.ID, by principal: Principal
    ) async throws(ControlError) -> SessionParts {
        try await read { store in
            _ = try store.visibleSession(id, to: principal)
            return SessionParts(bearers: try store.bearers(of: id), places: try store.places(of: id))
        }
    }

    /// When the devices of active sessions last had a packet that passed, in either direction; those of which nothing is
    /// known are left out. For a page of sessions it is up to ten seconds old.
    public func lastPackets(of sessions: [Session]) async throws(ControlError) -> [Session.ID: Timestamp] {
        let active = sessions.filter { $0.endedAt == nil }
        let now = now()
        let silences = try await Self.translating { try self.activity.silences(of: Set(active.flatMap(\.devices))) }
        return active.reduce(into: [:]) { result, session in
            guard let silence = ActivityBook.silence(of: session, silences) else { return }
            let passed = silence.components.seconds * 1000 + silence.components.attoseconds / 1_000_000_000_000_000
            // What passed before it began was another session's.
            result[session.id] = max(session.startedAt, Timestamp(milliseconds: now.milliseconds - passed))
        }
    }

    /// Ends a session: its NAS is told to, and its Accounting-Stop is awaited. Its device may attach again at once.
    public func disconnectSession(
        _ id: Session.ID, by principal: Principal
    ) async throws(ControlError) -> SessionOrder {
        let session = try await begin("session.disconnect", id, by: principal)
        var record = StepRecord()
        let isComplete = await end(session, &record) == .ended
        return SessionOrder(session: id, steps: record.steps, isComplete: isComplete)
    }

    /// Changes a session at its NAS without ending it (CoA-Request). Where its NAS takes none, the session is ended instead
    /// when that is asked for: what it gets at its next attach is what the NAS's profile says.
    /// - Throws: `.conflict` when the NAS takes no changes and the session is not to be ended.
    public func changeSession(
        _ id: Session.ID, to changes: [SessionChange], endingOtherwise: Bool, by principal: Principal
    ) async throws(ControlError) -> SessionOrder {
        try principal.requireOperator()
        guard !changes.isEmpty else { throw ControlError(.invalid, "name something to change") }
        let session = try await read { store in try store.visibleSession(id, to: principal) }
        let takesChanges = nasByID[session.nas]?.profile.takesChanges == true
        guard let changing, takesChanges else {
            guard endingOtherwise else {
                throw ControlError(
                    .conflict,
                    "the session's NAS takes no CoA-Request: end the session instead, or say that the NAS takes them: "
                        + "cordon nas set --coa")
            }
            return try await disconnectSession(id, by: principal)
        }
        _ = try await begin("session.change", id, by: principal)
        var record = StepRecord()
        guard let request = await request(for: session) else {
            record.note("coa", "the session's NAS is not registered any more; nothing was sent")
            return SessionOrder(session: id, steps: record.steps, isComplete: false)
        }
        let outcome = await changing.change(request, to: changes)
        record.note("coa", outcome.words("CoA"))
        switch outcome.result {
        case .acknowledged: return SessionOrder(session: id, steps: record.steps, isComplete: true)
        case .contextNotFound:
            // The NAS has no such session: no Accounting-Stop will ever come, so the end is ours to record.
            _ = try await change { try await self.endSessions([id], .unknownToNAS) }
            record.note("session", "ended: the NAS does not have it")
        case .refused, .noAnswer, .notSent:
            if endingOtherwise {
                let isComplete = await end(session, &record) == .ended
                return SessionOrder(session: id, steps: record.steps, isComplete: isComplete)
            }
        }
        return SessionOrder(session: id, steps: record.steps, isComplete: false)
    }

    /// The session, when it is active, with the audit record of what is begun.
    private func begin(
        _ action: String, _ id: Session.ID, by principal: Principal
    ) async throws(ControlError) -> Session {
        try await write(action, "\(id)", by: principal) { store, _ in
            let session = try store.visibleSession(id, to: principal)
            guard session.endedAt == nil else { throw ControlError(.conflict, "session \(id) has ended already") }
            return session
        }
    }

    // MARK: NAS

    public func nas(_ name: Name, by principal: Principal) async throws(ControlError) -> NAS {
        try principal.requireOperator()
        return try await read { store in
            guard let nas = try store.nas(named: name) else { throw ControlError.notFound("NAS", name) }
            return nas
        }
    }

    /// Changes how a NAS is spoken to. Sessions that are on keep what they were given; what is sent for them from now on is
    /// as the NAS is then.
    /// - Parameter secret: `nil`: stays.
    public func updateNAS(
        _ name: Name, secret: Secret? = nil, by principal: Principal,
        _ body: @escaping @Sendable (inout NAS) -> Void
    ) async throws(ControlError) -> NAS {
        try principal.requireOperator()
        if let secret { try Self.requireLong(secret) }
        return try await changeNAS("nas.set", "\(name)", by: principal) { store in
            guard var nas = try store.nas(named: name) else { throw ControlError.notFound("NAS", name) }
            body(&nas)
            let faults = nas.profile.faults
            guard faults.isEmpty else {
                throw ControlError(
                    .invalid, "the NAS cannot be set so; nothing was changed",
                    problems: faults.map { .init(line: nil, field: $0.field, message: $0.message) })
            }
            try store.updateNAS(nas, secret: secret)
            return nas
        }
    }

    static func requireLong(_ secret: Secret) throws(ControlError) {
        guard secret.bytes.count >= 16 else {
            throw ControlError(.invalid, "the RADIUS secret is shorter than 16 octets: use a long random one")
        }
    }
}

extension StoreReader {
    func visibleSession(_ id: Session.ID, to principal: Principal) throws -> Session {
        guard let session = try session(id), principal.maySee(session.tenant) else {
            throw ControlError.notFound("session", id)
        }
        return session
    }
}

import Domain
import PolicyCompiler
import Store

/// What became of one request inside the store's transaction.
struct Outcome: Sendable {
    var answer: Request.Answer
    /// What the kernel has to be told before the answer leaves.
    var changes: [DeviceChange] = []
    /// Sessions that ended.
    var ended: [Session.ID] = []
    /// What a device was given, and whose the device is.
    var lease: (address: IPv4Address, tenant: Tenant.ID)?
    /// The device got no port block.
    var lacksNAT = false
    /// What session policies have found.
    var judged: [SessionJudging.Consequence] = []
    /// Our own fault, when there was one.
    var fault: StoreError?
}

/// Judges a batch of requests inside one store transaction. Holds the rules of admission and accounting and no I/O
/// of its own.
struct BatchTransaction: Sendable {
    let requests: [Request.Question]
    let settings: ControlSettings
    /// Of private APNs.
    let owners: [APN: Tenant.ID]
    let judging: SessionJudging
    let now: Timestamp

    func run(in transaction: any StoreTransaction) throws -> [Outcome] {
        do {
            return try transaction.savepoint {
                var outcomes: [Outcome] = []
                outcomes.reserveCapacity(requests.count)
                for request in requests { outcomes.append(try judge(request, transaction)) }
                return outcomes
            }
        } catch let error as StoreError where error.code != .unavailable {
            // One of them is at fault, which is rare: all of them once more, each to itself, so that only that one takes
            // its changes back. A savepoint for each costs two statements.
            return try requests.map { request in
                do {
                    return try transaction.savepoint { try judge(request, transaction) }
                } catch let error as StoreError where error.code != .unavailable {
                    return Outcome(answer: .dropped, fault: error)
                }
            }
        }
    }

    private func judge(_ request: Request.Question, _ transaction: any StoreTransaction) throws -> Outcome {
        switch request {
        case .attach(let attach): try admit(attach, transaction)
        case .accounting(let report): try account(report, transaction)
        }
    }

    // MARK: Admission

    private func admit(_ request: AttachRequest, _ store: any StoreTransaction) throws -> Outcome {
        guard let imsi = request.imsi else { return reject(.imsiMissing) }
        guard let sim = try store.subscriber(imsi: imsi) else { return reject(.simUnknown) }
        switch sim.state {
        case .active: break
        case .suspended: return reject(.simSuspended)
        case .terminated: return reject(.simTerminated)
        }
        guard let apn = request.apn else { return reject(.apnMissing) }
        if let owner = owners[apn], owner != sim.tenant { return reject(.apnNotAllowed) }

        let judged = try judging.judge(request, sim, store)
        if let judged, let rejection = judged.rejection {
            try judging.remember(judged, sim, store)
            return reject(rejection)
        }

        var outcome = Outcome(answer: .dropped)
        // The NAS asks for a session that we hold as active: it lost the old one without a stop. The old one's late
        // stop carries the old token and will not touch the new session.
        if var old = try store.activeSession(of: sim.id, on: apn) {
            old.endedAt = now
            old.updatedAt = now
            try store.updateSession(old)
            outcome.ended.append(old.id)
        }
        let lease: AddressLease
        do throws(StoreError) {
            lease = try store.takeLease(sim: sim.id, tenant: sim.tenant, apn: apn)
        } catch {
            guard error.code == .exhausted else { throw error }
            return reject(.addressPoolExhausted)
        }
        let token = SessionToken.random(at: now)
        let session = try store.insertSession(
            token: token, sim: sim, nas: request.nas, lease: lease, equipment: request.equipment,
            accountingSessionID: request.accountingSessionID, at: now)
        let nat = settings.natPlan.binding(index: lease.natIndex)
        var judge = sim.policy
        if let judged {
            let found = try judging.record(
                judged, of: session.id, at: lease.address, sim, isNew: true, store)
            outcome.judged.append(found)
            if let restriction = found.restriction, restriction.action > .report { judge = restriction.policy }
        }
        let policy = judge.flatMap(PolicyMark.init(policy:)) ?? .blockAll
        let group = sim.group.flatMap(GroupNumber.init(group:))
        outcome.changes = [
            .set(
                DeviceEntry(address: lease.address, policy: policy, nat: nat, group: group, session: session.id))
        ]
        outcome.lease = (lease.address, sim.tenant)
        outcome.lacksNAT = nat == nil
        outcome.answer = .attach(.accept(address: lease.address, token: token))
        return outcome
    }

    private func reject(_ reason: AttachRejection) -> Outcome { Outcome(answer: .attach(.reject(reason))) }

    // MARK: Accounting

    private func account(_ report: AccountingReport, _ store: any StoreTransaction) throws -> Outcome {
        var outcome = Outcome(answer: .accounted)
        switch report.kind {
        case .on, .off:
            // RFC 2866 §5.1: the NAS has lost, or is about to drop, every session it had.
            try store.appendAccounting(report, session: nil, received: now)
            for session in try store.activeSessions(through: report.nas) { try end(session, store, &outcome) }
        case .start, .interim, .stop:
            let found = try session(of: report, store)
            try store.appendAccounting(report, session: found?.id, received: now)
            guard var session = found, session.endedAt == nil else { return outcome }
            session.updatedAt = now
            session.usage = report.kind == .start ? session.usage : session.usage.merging(report.usage)
            session.accountingSessionID = report.accountingSessionID ?? session.accountingSessionID
            let isDefaultBearer =
                report.equipment.nsapi == nil || session.equipment.nsapi == nil
                || report.equipment.nsapi == session.equipment.nsapi
            session.equipment.update(from: report.equipment)
            // A stop is per bearer: the session ends with its last one (3GPP TS 29.061 §16.4.7.2, VSA 11) or with
            // the bearer it began with.
            if report.kind == .stop, report.isLastBearer || isDefaultBearer {
                try end(session, store, &outcome)
            } else {
                try store.updateSession(session)
                try rejudge(session, report.equipment, store, &outcome)
            }
        }
        return outcome
    }

    /// What the report says may fit what is said of the SIM no more, or again.
    private func rejudge(
        _ session: Session, _ report: Equipment, _ store: any StoreTransaction, _ outcome: inout Outcome
    ) throws {
        guard judging.book.concerns(session.tenant),
            let found = try judging.rejudge(
                session, report: report, moment: .report(isLocated: report.isLocated), settings.natPlan, store)
        else { return }
        outcome.judged.append(found)
        if let change = found.change { outcome.changes.append(change) }
    }

    private func end(_ session: Session, _ store: any StoreTransaction, _ outcome: inout Outcome) throws {
        var ended = session
        ended.endedAt = now
        ended.updatedAt = now
        try store.updateSession(ended)
        outcome.ended.append(session.id)
        outcome.changes.append(.remove(session.address))
    }

    /// The session a report is about: by our own token; else, for a NAS that does not echo Class, by IMSI and APN.
    /// A report through another NAS than the session's says nothing about it, unless it carries the token.
    private func session(of report: AccountingReport, _ store: any StoreTransaction) throws -> Session? {
        if let token = report.token { return try store.session(token: token) }
        guard let imsi = report.imsi, let apn = report.apn, let sim = try store.sim(imsi: imsi),
            let session = try store.activeSession(of: sim.id, on: apn), session.nas == report.nas
        else { return nil }
        // Another Acct-Session-Id is another session: a late report of one that was replaced.
        if let known = session.accountingSessionID, let reported = report.accountingSessionID, known != reported {
            return nil
        }
        return session
    }
}

extension SessionUsage {
    /// The counters of a later report. They only grow; a report that arrives out of order lowers none.
    func merging(_ later: SessionUsage) -> SessionUsage {
        SessionUsage(
            octetsUp: max(octetsUp, later.octetsUp), octetsDown: max(octetsDown, later.octetsDown),
            packetsUp: max(packetsUp, later.packetsUp), packetsDown: max(packetsDown, later.packetsDown),
            seconds: max(seconds, later.seconds))
    }
}

extension Equipment {
    /// Takes what a later report says and keeps what it leaves out. The default bearer's NSAPI stays the session's.
    mutating func update(from report: Equipment) {
        imei = report.imei ?? imei
        rat = report.rat ?? rat
        visitedNetwork = report.visitedNetwork ?? visitedNetwork
        location = report.location ?? location
        chargingID = report.chargingID ?? chargingID
        nsapi = nsapi ?? report.nsapi
    }
}

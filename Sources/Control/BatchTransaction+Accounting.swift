import Domain
import PolicyCompiler
import Store

/// What a NAS reports of sessions. Each report is recorded as it came, whatever becomes of it.
extension BatchTransaction {
    func account(_ report: AccountingReport, _ store: any StoreTransaction) throws -> Outcome {
        var outcome = Outcome(answer: .accounted)
        switch report.kind {
        case .on, .off: try lose(report, store, &outcome)
        case .start, .interim, .stop: try take(report, store, &outcome)
        }
        return outcome
    }

    // MARK: A NAS that starts or stops

    /// Sessions that end in the batch that holds the NAS's message: those beyond end in batches of their own, so that no
    /// request waits for a million of them.
    static let lossesAtOnce = 200

    /// RFC 2866 §5.1: the NAS has lost, or is about to drop, every session it had. Those that it has begun since are
    /// others: a message that it repeats for as long as nobody answers may come after them.
    private func lose(_ report: AccountingReport, _ store: any StoreTransaction, _ outcome: inout Outcome) throws {
        try store.appendAccounting(report, session: nil, received: now)
        let cause: Session.EndCause = report.kind == .on ? .nasStarted : .nasStopped
        // Both by the NAS's own count of seconds: its clock may be another.
        let begunBy =
            report.delaySeconds == 0
            ? nil : Timestamp(milliseconds: now.milliseconds - Int64(report.delaySeconds) * 1000)
        let loss = NASLoss(
            id: NASLoss.ID(0), nas: report.nas, cause: cause, lastSession: try store.lastOfNATLog().session,
            begunBy: begunBy)
        let lost = try store.sessions(of: loss, after: nil, limit: Self.lossesAtOnce + 1)
        let isFirst = refusals.isFirst(restartOf: report.nas, at: now)
        if isFirst || !lost.isEmpty { try tell(restartOf: report, lost.count, store) }
        for session in lost.prefix(Self.lossesAtOnce) { try end(session, cause, store, &outcome) }
        guard lost.count > Self.lossesAtOnce else { return }
        _ = try store.insertLoss(
            of: report.nas, cause: cause, lastSession: loss.lastSession, begunBy: loss.begunBy)
        outcome.leavesLoss = true
    }

    private func tell(
        restartOf report: AccountingReport, _ lost: Int, _ store: any StoreTransaction
    ) throws(StoreError) {
        let name = try store.nas(report.nas).map { "\($0.name)" } ?? "unknown"
        let count = lost > Self.lossesAtOnce ? "more than \(Self.lossesAtOnce)" : "\(lost)"
        let what = report.kind == .on ? "has started anew and lost its sessions" : "is stopping and drops its sessions"
        try store.appendEvent(
            Event.News(
                report.kind == .on ? .nasOn : .nasOff, of: nil, about: Event.Subject(.nas, name), at: now,
                words: "NAS \(name) \(what): \(count)", details: [Event.Detail("sessions", count)]))
    }

    func end(
        _ session: Session, _ cause: Session.EndCause, _ store: any StoreTransaction, _ outcome: inout Outcome
    ) throws {
        var ended = session
        ended.end(cause, at: now)
        try store.updateSession(ended)
        try store.appendEvent(.ended(ended))
        outcome.ended.append(session.id)
        outcome.changes += session.removals
    }

    // MARK: Reports of a session

    private func take(_ report: AccountingReport, _ store: any StoreTransaction, _ outcome: inout Outcome) throws {
        let found = try session(of: report, store)
        guard var session = found else {
            try store.appendAccounting(report, session: nil, received: now)
            return
        }
        if session.endedAt != nil {
            guard let continued = try takeUp(session, report, store, &outcome) else {
                // What a late report of an ended session counts was carried, and opens nothing.
                let before = session.usage
                _ = try count(report, in: &session, store)
                try store.appendAccounting(report, session: session.id, received: now)
                if session.usage != before { try store.updateSession(session) }
                return
            }
            session = continued
        }
        let before = session.usage.octets
        let isLastBearer = try count(report, in: &session, store)
        if simsInTest.contains(session.sim), session.usage.octets > before {
            try store.addTestUse(session.usage.octets - before, of: session.sim)
        }
        try store.appendAccounting(report, session: session.id, received: now)
        try move(&session, report, store)
        session.updatedAt = now
        // A stop is per bearer: the session ends with its last one, of which the NAS may say that it is
        // (3GPP-Session-Stop-Indicator, TS 29.061 §16.4.7.2, VSA 11).
        if report.kind == .stop, report.isLastBearer || isLastBearer {
            try end(session, .stopped, store, &outcome)
        } else {
            try store.updateSession(session)
            try rejudge(session, report.equipment, store, &outcome)
        }
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
        outcome.changes += found.changes
    }

    /// The session a report is about: by our own token; else, for a NAS that does not echo Class, by IMSI and APN.
    /// A report through another NAS than the session's says nothing about it, unless it carries the token.
    private func session(of report: AccountingReport, _ store: any StoreTransaction) throws -> Session? {
        if let token = report.token { return try store.session(token: token) }
        guard let imsi = report.imsi, let apn = report.apn, let sim = try store.sim(imsi: imsi) else { return nil }
        if let active = try store.activeSession(of: sim.id, on: apn), active.nas == report.nas {
            // Another Acct-Session-Id is another session: a late report of one that was replaced. Or another bearer.
            guard let known = active.accountingSessionID, let reported = report.accountingSessionID,
                known != reported
            else { return active }
            // One that begins has the session's address, and another number; one that began before the session did, and is
            // told of again, is another's. Times are in seconds.
            let isAlike =
                report.address.map { $0 == active.ipv4 } ?? report.prefix.map { $0 == active.prefixes?.link } ?? false
            if report.kind == .start, isAlike, let nsapi = report.equipment.nsapi,
                nsapi != active.equipment.nsapi, report.time.milliseconds + 1000 > active.startedAt.milliseconds
            {
                return active
            }
            if try store.bearers(of: active.id).contains(where: { $0.key.accountingSessionID == reported }) {
                return active
            }
        }
        guard let reported = report.accountingSessionID, let lease = try store.lease(of: sim.id, on: apn),
            let last = try store.lastSession(of: lease), last.endedAt != nil, last.nas == report.nas,
            last.accountingSessionID == reported
        else { return nil }
        return last
    }

    // MARK: Bearers

    /// Adds what a report counts to the session. A NAS counts each bearer by itself and from its own beginning.
    /// - Returns: whether the report is the end of the last bearer that is known.
    private func count(
        _ report: AccountingReport, in session: inout Session, _ store: any StoreTransaction
    ) throws -> Bool {
        let key = SessionBearer.Key(
            accountingSessionID: report.accountingSessionID, nsapi: report.equipment.nsapi)
        let first = SessionBearer.Key(
            accountingSessionID: session.accountingSessionID, nsapi: session.equipment.nsapi)
        let usage = report.kind == .start ? SessionUsage() : report.usage
        var bearers = session.hasBearers ? try store.bearers(of: session.id) : []
        if bearers.isEmpty {
            // The Access-Request may have named another than what is reported from then on.
            let isOnlyOne =
                try first.matches(key)
                || (SessionBearer.Key(accountingSessionID: nil, nsapi: first.nsapi).matches(key)
                    && !store.hasAccounting(of: session.id))
            guard !isOnlyOne else {
                session.usage = session.usage.merging(usage)
                session.accountingSessionID = report.accountingSessionID ?? session.accountingSessionID
                return report.kind == .stop
            }
            let bearer = SessionBearer(
                key: first, startedAt: session.startedAt, updatedAt: session.updatedAt, endedAt: nil,
                usage: session.usage)
            try store.putBearer(bearer, of: session.id)
            session.hasBearers = true
            bearers = [bearer]
        }
        // One that leaves out its Acct-Session-Id may repeat what was said of a bearer that has ended.
        let index =
            bearers.firstIndex { $0.key == key } ?? bearers.firstIndex { $0.key.matches(key) && $0.endedAt == nil }
            ?? (key.accountingSessionID == nil ? bearers.lastIndex { $0.key.matches(key) } : nil)
        var bearer =
            index.map { bearers[$0] }
            ?? SessionBearer(key: key, startedAt: now, updatedAt: now, endedAt: nil, usage: SessionUsage())
        let after = bearer.usage.merging(usage)
        session.usage = session.usage.adding(from: bearer.usage, to: after)
        bearer.usage = after
        bearer.updatedAt = now
        if report.kind == .stop { bearer.endedAt = bearer.endedAt ?? now }
        try store.putBearer(bearer, of: session.id)
        if let index { bearers[index] = bearer } else { bearers.append(bearer) }
        // The bearer that the session began with has a new number at the NAS: that is what a disconnect has to name.
        if let reported = report.accountingSessionID, report.equipment.nsapi != nil,
            report.equipment.nsapi == session.equipment.nsapi, bearer.endedAt == nil
        {
            session.accountingSessionID = reported
        }
        return report.kind == .stop && bearers.allSatisfy { $0.endedAt != nil }
    }

    // MARK: Equipment and place

    /// Takes over what a report says of the equipment and of where it is, and keeps what was before with its time.
    private func move(_ session: inout Session, _ report: AccountingReport, _ store: any StoreTransaction) throws {
        let equipment = session.equipment
        let before = SessionPlace(equipment, since: session.startedAt)
        session.equipment.update(from: report.equipment)
        let after = SessionPlace(session.equipment, since: now)
        guard !after.isSame(as: before) else { return }
        if try store.places(of: session.id).isEmpty { try store.appendPlace(before, of: session.id) }
        try store.appendPlace(after, of: session.id)
        for news in Event.News.changes(of: session, from: equipment, at: now) { try store.appendEvent(news) }
    }

    // MARK: Sessions that come back

    /// A report of a session that had been given up shows that it was there all the time: its NAS counts on. A new session
    /// begins where it was given up, under the token that the NAS goes on naming, so that the record says when the device
    /// had no traffic.
    private func takeUp(
        _ ended: Session, _ report: AccountingReport, _ store: any StoreTransaction, _ outcome: inout Outcome
    ) throws -> Session? {
        guard report.kind != .stop, ended.endCause?.isConcluded == true, report.nas == ended.nas,
            let sim = try store.subscriber(imsi: ended.imsi), sim.id == ended.sim, sim.tenant == ended.tenant,
            refusal(of: sim) == nil, owners[ended.apn] ?? sim.tenant == sim.tenant,
            try store.activeSession(of: ended.sim, on: ended.apn) == nil,
            try store.lease(of: ended.sim, on: ended.apn)?.address == ended.address,
            try ended.prefixes == nil
                || settings.hasIPv6 && store.prefixLease(of: ended.sim, on: ended.apn)?.prefixes == ended.prefixes
        else { return nil }
        let session = try store.continueSession(ended, at: now)
        try store.appendEvent(.began(session, continuing: ended))
        // Whether it fits what is said of the SIM is judged with the report, in the same batch.
        let limits = try judging.limits.resolve(sim.who, judging.effective(for: sim), store)
        if let limits { outcome.limits.append(limits) }
        outcome.changes += changes(of: session, sim, judgedBy: sim.policy, limits)
        outcome.lease = (session.address, sim.tenant)
        return session
    }
}

extension Equipment {
    /// Takes what a later report says and keeps what it leaves out. NSAPI and charging number stay those of the bearer
    /// that the session began with.
    mutating func update(from report: Equipment) {
        imei = report.imei ?? imei
        rat = report.rat ?? rat
        visitedNetwork = report.visitedNetwork ?? visitedNetwork
        location = report.location ?? location
        if nsapi == nil || report.nsapi == nil || nsapi == report.nsapi { chargingID = report.chargingID ?? chargingID }
        nsapi = nsapi ?? report.nsapi
    }
}

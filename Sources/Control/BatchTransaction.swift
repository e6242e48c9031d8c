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
    /// The device asked for IPv6 too, and got IPv4 alone, since no pool has a prefix left.
    var lacksPrefixes = false
    /// What session policies have found.
    var judged: [SessionJudging.Consequence] = []
    /// An attach that is rejected, to be folded with others into events.
    var refusal: RefusalBook.Refusal?
    /// What limits the SIM whose session it is.
    var limits: [LimitBook.Resolved] = []
    /// A NAS has lost more sessions than one batch ends.
    var leavesLoss = false
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
    /// In a manufacturing test.
    let simsInTest: Set<SIM.ID>
    let refusals: RefusalBook
    let now: Timestamp

    /// What became of the requests, and which of the refusals are events.
    struct Result: Sendable {
        let outcomes: [Outcome]
        let told: [RefusalBook.First]
    }

    /// - Parameter isAlone: each request is judged to itself, so that one that is at fault takes its own changes back and no
    ///   other's. Without it, an error is all requests': the transaction has to be undone, and done again with it. A
    ///   savepoint costs more than the requests do that share it, since SQLite keeps a copy of each page beside it.
    func run(in transaction: any StoreTransaction, isAlone: Bool) throws -> Result {
        let outcomes =
            try isAlone
            ? requests.map { try judgeAlone($0, transaction) } : requests.map { try judge($0, transaction) }
        let told = refusals.first(among: outcomes.compactMap(\.refusal))
        try transaction.tell(told, at: now)
        return Result(outcomes: outcomes, told: told)
    }

    private func judgeAlone(_ request: Request.Question, _ transaction: any StoreTransaction) throws -> Outcome {
        do {
            return try transaction.savepoint { try judge(request, transaction) }
        } catch let error as StoreError where error.code != .unavailable {
            return Outcome(answer: .dropped, fault: error)
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
        guard let imsi = request.imsi else { return reject(request, .imsiMissing) }
        guard let sim = try store.subscriber(imsi: imsi) else { return reject(request, .simUnknown) }
        let reject = { reason in self.reject(request, reason, of: sim.tenant) }
        if let reason = refusal(of: sim) { return reject(reason) }
        guard let apn = request.apn else { return reject(.apnMissing) }
        if let owner = owners[apn], owner != sim.tenant { return reject(.apnNotAllowed) }
        let type = request.pdnType
        guard type.hasIPv4 || type.hasIPv6 && settings.hasIPv6 else { return reject(.pdnTypeNotServed) }

        let limits = try judging.limits.resolve(sim.who, judging.effective(for: sim), store)
        let judged = try judging.judge(request, sim, used: limits?.usedVolumes ?? [:], store)
        if let judged, let rejection = judged.rejection {
            try judging.remember(judged, sim, store)
            return reject(rejection)
        }

        let lease: AddressLease
        var prefixes: SessionPrefixes?
        do throws(StoreError) {
            lease = try store.takeLease(sim: sim.id, tenant: sim.tenant, apn: apn)
            if type.hasIPv6, settings.hasIPv6 { prefixes = try takePrefixes(sim, apn, store) }
        } catch {
            guard error.code == .exhausted else { throw error }
            return reject(.addressPoolExhausted)
        }
        guard type.hasIPv4 || prefixes != nil else { return reject(.addressPoolExhausted) }

        var outcome = Outcome(answer: .dropped)
        outcome.lacksPrefixes = prefixes == nil && type.hasIPv6 && settings.hasIPv6
        // The NAS asks for a session that we hold as active: it lost the old one without a stop. The old one's late
        // stop carries the old token and will not touch the new session.
        var replaced: Session?
        if var old = try store.activeSession(of: sim.id, on: apn) {
            old.end(.replaced, at: now)
            try store.updateSession(old)
            outcome.ended.append(old.id)
            replaced = old
        }
        let token = SessionToken.random(at: now)
        let session = try store.insertSession(
            token: token, sim: sim, nas: request.nas, lease: lease, hasIPv4: type.hasIPv4, prefixes: prefixes,
            equipment: request.equipment, accountingSessionID: request.accountingSessionID, at: now)
        try store.appendEvent(.began(session, replacing: replaced))
        var judge = sim.policy
        if let judged {
            let found = try judging.record(
                judged, of: session.id, at: session.devices, sim, isNew: true, replacing: replaced?.id, store)
            outcome.judged.append(found)
            if let restriction = found.restriction, restriction.action > .report { judge = restriction.policy }
        }
        if let limits { outcome.limits = [limits] }
        outcome.changes = changes(of: session, sim, judgedBy: judge, limits)
        // One that had another type before keeps nothing of it.
        if let replaced, replaced.prefixes != session.prefixes || replaced.hasIPv4 != session.hasIPv4 {
            let present = Set(session.devices)
            outcome.changes += replaced.devices.filter { !present.contains($0) }.map(DeviceChange.init(removing:))
        }
        outcome.lease = (lease.address, sim.tenant)
        outcome.lacksNAT = session.hasIPv4 && settings.natPlan.binding(index: lease.natIndex) == nil
        outcome.answer = .attach(
            prefixes.map { .acceptIPv6($0, address: session.ipv4, token: token) }
                ?? .accept(address: lease.address, token: token))
        return outcome
    }

    /// - Returns: `nil` when no pool has any left.
    private func takePrefixes(
        _ sim: Subscriber, _ apn: APN, _ store: any StoreTransaction
    ) throws(StoreError) -> SessionPrefixes? {
        do throws(StoreError) {
            return try store.takePrefixes(sim: sim.id, tenant: sim.tenant, apn: apn).prefixes
        } catch {
            guard error.code == .exhausted else { throw error }
            return nil
        }
    }

    /// Why the SIM as such gets no session.
    func refusal(of sim: Subscriber) -> AttachRejection? {
        switch sim.state {
        case .active: nil
        case .test: sim.test?.isOver(at: now) == true ? .simTestOver : nil
        case .suspended: .simSuspended
        case .terminated: .simTerminated
        }
    }

    /// What makes the kernel know its devices.
    func changes(
        of session: Session, _ sim: Subscriber, judgedBy policy: Policy.ID?, _ limits: LimitBook.Resolved?
    ) -> [DeviceChange] {
        session.enforced(for: sim, judgedBy: policy)
            .changes(settings.natPlan, limits.flatMap { $0.limit == nil ? nil : $0.number })
    }

    private func reject(
        _ request: AttachRequest, _ reason: AttachRejection, of tenant: Tenant.ID? = nil
    ) -> Outcome {
        var outcome = Outcome(answer: .attach(.reject(reason)))
        outcome.refusal = RefusalBook.Refusal(request, reason, of: tenant)
        return outcome
    }
}

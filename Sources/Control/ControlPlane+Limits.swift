public import Domain
import Logging
import PolicyCompiler
import Store

/// Volumes of data and rates: what limits SIMs, how far it is used, and what is done about that by hand.
extension ControlPlane {
    func judging(at time: Timestamp) -> SessionJudging {
        SessionJudging(book: sessionPolicies, limits: limits, wallClock: wallClock, now: time)
    }

    // MARK: Start

    /// What the data plane is to have beside the sessions.
    struct Limited: Sendable {
        var numbers: [SIM.ID: LimitNumber] = [:]
        var limits: [LimitNumber: DeviceLimit] = [:]
        var quotas: [QuotaNumber: Quota] = [:]
    }

    /// Finds what limits the SIMs of these sessions. Runs once, before there are requests and before the data plane has its
    /// state: what it has counted and nobody has stored is stored first.
    func beginLimits(of sessions: [EnforcedSession]) async throws -> Limited {
        limits.begin()
        let concerned = sessions.filter { sessionPolicies.effective(for: $0.who).isLimited }
        guard limits.isEnforcing else {
            if !concerned.isEmpty {
                logger.critical(
                    "this gateway's kernel cannot limit: sessions are without the data limits and rates of their policies",
                    metadata: ["sessions": "\(concerned.count)"])
            }
            return Limited()
        }
        let accounts = try await store.read { store in try store.volumeAccounts() }
        let readings = try dataPlane.quotas()
        guard !accounts.isEmpty || !concerned.isEmpty || !readings.isEmpty else { return Limited() }
        let counted = accounts.compactMap { account -> VolumeAccount? in
            guard let reading = readings[account.number], reading.period == account.period, reading.used != account.used
            else { return nil }
            var account = account
            account.note(used: reading.used)
            return account
        }
        var judging = judging(at: now()).limits
        judging.readings = readings
        let resolved = try await store.write { [judging] store in
            try store.noteUsed(counted)
            var known = Dictionary(accounts.map { ($0.key, $0) }) { first, _ in first }
            var resolved: [LimitBook.Resolved] = []
            for session in concerned {
                let effective = self.sessionPolicies.effective(for: session.who)
                let one = try judging.resolve(session.who, effective, store) { key throws(StoreError) in known[key] }
                guard let one else { continue }
                for volume in one.volumes { known[volume.account.key] = volume.account }
                resolved.append(one)
            }
            // Of SIMs without a session, too, what was used before anything of it was stored.
            let numbers = Set(known.values.map(\.number))
            for (number, reading) in readings where reading.used > 0 && !numbers.contains(number) {
                try self.storeCounted(number, judging, store)
            }
            return resolved
        }
        limits.replaceAll(resolved)
        var limited = Limited()
        for one in resolved {
            limited.numbers[one.sim] = one.number
            limited.limits[one.number] = one.limit
            for volume in one.volumes { limited.quotas[volume.account.number] = volume.quota }
        }
        logger.info(
            "limits are known", metadata: ["sims": "\(limited.limits.count)", "volumes": "\(limited.quotas.count)"])
        return limited
    }

    private func storeCounted(
        _ number: QuotaNumber, _ judging: LimitJudging, _ store: any StoreTransaction
    ) throws(StoreError) {
        guard let (id, source) = number.ofSIM, let sim = try store.sim(id),
            let subscriber = try store.subscriber(imsi: sim.imsi)
        else { return }
        let limits = sessionPolicies.effective(for: subscriber.who).dataLimits
        guard let applied = limits.first(where: { VolumeAccount.Source($0.level) == source }) else { return }
        let key = VolumeAccount.Key(applied.level, applied.value.pool, subscriber.who)
        guard key.owner == .sim(id) else { return }
        _ = try judging.settle(nil, key, applied.value, applied.level, store)
    }

    // MARK: Sessions

    /// Gives the kernel sessions' devices with what limits them. On the engine's loop.
    func enforce(_ sessions: [EnforcedSession]) async throws {
        guard !sessions.isEmpty else { return }
        let now = now()
        var resolved: [LimitBook.Resolved] = []
        if limits.isEnforcing, sessions.contains(where: isLimited) {
            resolved = try await store.write { store in try self.limits(of: sessions, at: now, store) }
        }
        let changes = changes(sessions, resolved)
        try limits.enforce(resolved) { try self.dataPlane.apply(changes) }
    }

    /// Whether something limits the SIM, or did.
    private func isLimited(_ session: EnforcedSession) -> Bool {
        sessionPolicies.effective(for: session.who).isLimited || limits.limit(of: session.sim) != nil
    }

    /// What limits the sessions' SIMs, of those of which something does, or did.
    func limits(
        of sessions: [EnforcedSession], at time: Timestamp, _ store: any StoreTransaction
    ) throws -> [LimitBook.Resolved] {
        guard limits.isEnforcing else { return [] }
        let judging = judging(at: time).limits
        return try sessions.filter(isLimited).compactMap {
            try judging.resolve($0.who, self.sessionPolicies.effective(for: $0.who), store)
        }
    }

    /// The sessions' devices as the kernel is to have them, with what limits them.
    func changes(_ sessions: [EnforcedSession], _ resolved: [LimitBook.Resolved]) -> [DeviceChange] {
        var numbers: [SIM.ID: LimitNumber] = [:]
        for one in resolved where one.limit != nil { numbers[one.sim] = one.number }
        let plan = settings.natPlan
        return sessions.flatMap { $0.changes(plan, numbers[$0.sim]) }
    }

    // MARK: By hand

    /// A volume after something was done to it.
    public struct VolumeChange: Sendable {
        public let imsi: IMSI
        public let volume: VolumeView
        public let report: EnforcementReport
    }

    /// Adds octets to a SIM's volume for the period that is now; those of a prepaid volume stay until it is reset.
    /// - Parameter level: which of the SIM's data limits; `nil`: the only one.
    public func topUp(
        _ imsi: IMSI, _ volume: DataVolume, level: SessionPolicyLevel?, by principal: Principal
    ) async throws(ControlError) -> VolumeChange {
        try await changeVolume("sim.limit-top-up", of: imsi, level, detail: "by \(volume)", by: principal) {
            $0.add(volume.octets)
        }
    }

    /// Begins a SIM's volume anew: nothing of it is used, and nothing is added to it.
    public func resetVolume(
        of imsi: IMSI, level: SessionPolicyLevel?, by principal: Principal
    ) async throws(ControlError) -> VolumeChange {
        let now = now()
        return try await changeVolume("sim.limit-reset", of: imsi, level, detail: "", by: principal) {
            $0.reset(at: now)
        }
    }

    private func changeVolume(
        _ action: String, of imsi: IMSI, _ level: SessionPolicyLevel?, detail: String, by principal: Principal,
        _ body: @escaping @Sendable (inout VolumeAccount) -> Void
    ) async throws(ControlError) -> VolumeChange {
        let started = ContinuousClock.now
        let settled = try await change {
            let time = self.now()
            let judging = self.judging(at: time)
            guard self.limits.isEnforcing else {
                throw ControlError(
                    .conflict, "this gateway does not enforce data limits: its log at its start says why")
            }
            let settled = try await self.store.write { store in
                _ = try store.visibleSIM(imsi, to: principal)
                guard let sim = try store.subscriber(imsi: imsi) else { throw ControlError.notFound("SIM", imsi) }
                let applied = try judging.effective(for: sim).dataLimit(at: level, of: imsi)
                if applied.level <= .tenantCeiling { try principal.requireOperator() }
                let key = VolumeAccount.Key(applied.level, applied.value.pool, sim.who)
                let before = try judging.limits.settle(
                    try judging.limits.account(key, store), key, applied.value, applied.level, store)
                var account = before.account
                body(&account)
                try store.putVolumeAccount(account)
                try store.appendAudit(
                    actor: principal.name, action: action, target: "\(imsi)",
                    detail: "\(applied.level.rawValue)\(detail.isEmpty ? "" : " \(detail)")", at: time)
                var news = VolumeAccount.News()
                news.isOpenAgain = before.account.reachedAt != nil && account.reachedAt == nil
                return LimitJudging.Settled(
                    account: account, limit: applied.value, level: applied.level, news: news)
            }
            try self.limits.enforce([settled])
            return settled
        }
        let report = try await rejudged(at: settled.account.key.place, since: started)
        return VolumeChange(
            imsi: imsi, volume: VolumeView(settled.level, settled.limit, settled.account), report: report)
    }
}

/// A SIM's volume of data as it is.
public struct VolumeView: Hashable, Sendable {
    public let level: SessionPolicyLevel
    public let limit: DataLimit
    public let span: DataPeriod.Span
    /// Octets that may be used in the period, with those that somebody has added.
    public let octets: UInt64
    public let added: UInt64
    public let used: UInt64
    public let remaining: UInt64
    public let reachedAt: Timestamp?

    init(_ level: SessionPolicyLevel, _ limit: DataLimit, _ account: VolumeAccount) {
        self.level = level
        self.limit = limit
        span = account.span
        octets = account.limit
        added = account.extra
        used = account.used
        remaining = account.remaining
        reachedAt = account.reachedAt
    }

    /// One that nobody has used yet.
    init(_ level: SessionPolicyLevel, _ limit: DataLimit, _ span: DataPeriod.Span) {
        self.level = level
        self.limit = limit
        self.span = span
        octets = limit.volume
        (added, used, remaining, reachedAt) = (0, 0, limit.volume, nil)
    }
}

extension [VolumeView] {
    var usedVolumes: SessionJudging.UsedVolumes {
        reduce(into: [:]) { result, view in
            if view.reachedAt != nil { result[view.level] = .init(end: view.span.end) }
        }
    }
}

extension EffectiveSessionPolicy {
    /// - Parameter level: `nil`: of the only one.
    fileprivate func dataLimit(at level: SessionPolicyLevel?, of imsi: IMSI) throws(ControlError) -> Applied<DataLimit>
    {
        let levels = dataLimits.map(\.level.rawValue).joined(separator: ", ")
        guard let level else {
            guard let only = dataLimits.first else {
                throw ControlError(.notFound, "no data limit holds for SIM \(imsi)")
            }
            guard dataLimits.count == 1 else {
                throw ControlError(
                    .invalid, "\(dataLimits.count) data limits hold for SIM \(imsi): name one of \(levels)")
            }
            return only
        }
        guard let applied = dataLimits.first(where: { $0.level == level }) else {
            throw ControlError(
                .notFound,
                "no data limit of the level \(level.rawValue) holds for SIM \(imsi)"
                    + (levels.isEmpty ? "" : ": there is \(levels)"))
        }
        return applied
    }
}

extension EnforcedSession {
    var who: SessionPolicyBook.Who { .init(sim: sim, tenant: tenant, group: group) }
}

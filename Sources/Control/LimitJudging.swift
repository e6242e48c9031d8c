import Domain
import PolicyCompiler
import Store
import Synchronization

/// Finds what limits SIMs inside a store's transaction, and writes how far volumes are used. Made for one batch or one
/// change, all at one time.
struct LimitJudging: Sendable {
    let policies: SessionPolicyBook
    let book: LimitBook
    let wallClock: WallClock
    let now: Timestamp
    /// At a start, when the data plane may have more than is known; `nil`: it is asked.
    var readings: [QuotaNumber: QuotaReading]?
    private let spans = Spans()

    init(policies: SessionPolicyBook, book: LimitBook, wallClock: WallClock, now: Timestamp) {
        self.policies = policies
        self.book = book
        self.wallClock = wallClock
        self.now = now
    }

    /// The one that was asked for last: most have the same.
    private final class Spans: Sendable {
        private let last = Mutex<(periods: DataPeriod, span: DataPeriod.Span)?>(nil)

        func span(_ periods: DataPeriod, _ find: () -> DataPeriod.Span) -> DataPeriod.Span {
            if let span = last.withLock({ $0.flatMap { $0.periods == periods ? $0.span : nil } }) { return span }
            let span = find()
            last.withLock { $0 = (periods, span) }
            return span
        }
    }

    private func span(_ periods: DataPeriod) -> DataPeriod.Span {
        spans.span(periods) { book.span(periods, at: now, wallClock) }
    }

    /// A volume as it is now.
    struct Settled: Sendable {
        let account: VolumeAccount
        let limit: DataLimit
        let level: SessionPolicyLevel
        let news: VolumeAccount.News

        var quota: Quota {
            Quota(
                period: account.period, limit: account.limit, used: account.used,
                notice: account.nextWarning(of: limit))
        }
    }

    // MARK: Of a SIM

    /// - Returns: `nil` when nothing limits the SIM, nor did.
    func resolve(
        _ who: SessionPolicyBook.Who, _ effective: EffectiveSessionPolicy, _ store: any StoreTransaction,
        finding find: ((VolumeAccount.Key) throws(StoreError) -> VolumeAccount?)? = nil
    ) throws(StoreError) -> LimitBook.Resolved? {
        guard book.isEnforcing, effective.isLimited || book.isLimited(who.sim) else { return nil }
        guard let number = LimitNumber(sim: who.sim) else {
            throw StoreError(code: .exhausted, message: "no number is left for one more SIM that is limited")
        }
        guard effective.isLimited else { return .init(sim: who.sim, number: number, limit: nil, volumes: []) }
        var volumes: [Settled] = []
        for applied in effective.dataLimits {
            let key = VolumeAccount.Key(applied.level, applied.value.pool, who)
            let known: VolumeAccount?
            if let find { known = try find(key) } else { known = try account(key, store) }
            volumes.append(try settle(known, key, applied.value, applied.level, store))
        }
        return .init(sim: who.sim, number: number, limit: Self.limit(effective, volumes), volumes: volumes)
    }

    private static func limit(_ effective: EffectiveSessionPolicy, _ volumes: [Settled]) -> DeviceLimit {
        var quotas: [QuotaNumber] = []
        var slowing: Set<QuotaNumber> = []
        var rates: (inForce: [BitRate], all: [BitRate]) = ([], [])
        for volume in volumes {
            let isReached = volume.account.reachedAt != nil
            switch volume.limit.onReached {
            case .block: quotas.append(volume.account.number)
            // What quarantine lets pass is not of the volume.
            case .quarantine: if !isReached { quotas.append(volume.account.number) }
            case .slow(let rate):
                quotas.append(volume.account.number)
                slowing.insert(volume.account.number)
                rates.all.append(rate)
                if isReached { rates.inForce.append(rate) }
            }
        }
        let burst = effective.burst?.value ?? 0
        return DeviceLimit(
            quotas: quotas, slowing: slowing,
            // The data plane slows by itself when one is reached: which of several, is said to it then.
            slow: (rates.inForce.min() ?? rates.all.min()).map { RateLimit($0) },
            up: effective.up.map { RateLimit($0.value, burst: burst) },
            down: effective.down.map { RateLimit($0.value, burst: burst) })
    }

    // MARK: Of a volume

    /// - Returns: `nil` for one that nobody has had.
    func account(_ key: VolumeAccount.Key, _ store: any StoreReader) throws(StoreError) -> VolumeAccount? {
        try store.volumeAccount(key) ?? book.unstoredVolume(key)
    }

    /// Brings an account to what is said of it now, and to what has passed; tells of what has changed by that.
    func settle(
        _ known: VolumeAccount?, _ key: VolumeAccount.Key, _ limit: DataLimit, _ level: SessionPolicyLevel,
        _ store: any StoreTransaction
    ) throws(StoreError) -> Settled {
        let span = span(limit.periods)
        let unused = VolumeAccount(unused: key, limit, span: span)
        guard var account = known ?? unused else {
            let new = try store.insertVolumeAccount(key, limit, span: span)
            return Settled(account: new, limit: limit, level: level, news: .init())
        }
        let before = account
        // What nobody has had, the data plane knows from before this process at most.
        let counted = known == nil && readings == nil ? nil : counted(account)
        let news = account.follow(limit, counted: counted, span: span, at: now)
        let settled = Settled(account: account, limit: limit, level: level, news: news)
        if account != before {
            // One that is as if nobody had had it need not be stored, unless it is.
            let isToStore = account == unused ? try store.volumeAccount(key) != nil : true
            if isToStore { try store.putVolumeAccount(account) }
        }
        if let event = try event(settled, store) { _ = try store.appendEvent(event) }
        return settled
    }

    /// What the data plane has counted of the account's period. Where it cannot be asked, what was stored stands until the
    /// next time.
    func counted(_ account: VolumeAccount) -> VolumeAccount.Counted? {
        let known =
            readings.map { $0[account.number] } ?? (try? book.dataPlane.quotas([account.number]).first).flatMap(\.self)
        guard let reading = known, reading.period == account.period else { return nil }
        return VolumeAccount.Counted(
            used: reading.used, isReached: reading.isReached && reading.limit == account.limit)
    }

    private func event(_ settled: Settled, _ store: any StoreReader) throws(StoreError) -> Event.News? {
        let (account, news) = (settled.account, settled.news)
        guard news.isReached || news.warned != nil else { return nil }
        var imsi: IMSI?
        let subject: Event.Subject
        switch account.key.owner {
        case .sim(let sim):
            guard let found = try store.sim(sim) else { return nil }
            imsi = found.imsi
            subject = Event.Subject(.sim, found.imsi)
        case .group(let group):
            guard let found = try store.group(group) else { return nil }
            subject = Event.Subject(.group, found.name)
        case .tenant:
            guard let found = try store.tenant(account.key.tenant) else { return nil }
            subject = Event.Subject(.tenant, found.name)
        }
        let volume = DataVolume(octets: account.limit)
        let period = settled.limit.period.words
        let words =
            news.warned.map { "\($0) % of \(volume)\(period) are used" }
            ?? "\(volume)\(period) are used: \(settled.limit.onReached.words)"
        var details = [
            Event.Detail("level", settled.level.rawValue), Event.Detail("limit", account.limit),
            Event.Detail("used", account.used), Event.Detail("period_start", account.span.start),
        ]
        if let end = account.span.end { details.append(Event.Detail("period_end", end)) }
        if let percent = news.warned { details.append(Event.Detail("percent", percent)) }
        if news.isReached { details.append(Event.Detail("action", settled.limit.onReached.name)) }
        return Event.News(
            news.isReached ? .limitReached : .limitWarned, of: account.key.tenant, about: subject, at: now, imsi: imsi,
            words: words, details: details)
    }

    // MARK: Without writing

    /// The volumes of a SIM as they are, or would be by another policy; those that nobody has used yet with nothing used.
    func volumes(
        of who: SessionPolicyBook.Who, _ effective: EffectiveSessionPolicy, _ store: any StoreReader
    ) throws(StoreError) -> [VolumeView] {
        var views: [VolumeView] = []
        for applied in effective.dataLimits {
            let limit = applied.value
            let span = span(limit.periods)
            guard var account = try account(VolumeAccount.Key(applied.level, limit.pool, who), store) else {
                views.append(VolumeView(applied.level, limit, span))
                continue
            }
            _ = account.follow(limit, counted: counted(account), span: span, at: now)
            views.append(VolumeView(applied.level, limit, account))
        }
        return views
    }

    /// Those of a SIM's volumes that are used, or would be by another policy.
    func usedVolumes(
        _ who: SessionPolicyBook.Who, _ effective: EffectiveSessionPolicy, _ store: any StoreReader
    ) throws(StoreError) -> SessionJudging.UsedVolumes {
        guard book.isEnforcing else { return [:] }
        return try volumes(of: who, effective, store).usedVolumes
    }

    /// Those of a SIM's volumes that are used, as far as this process has seen.
    func knownUsedVolumes(
        _ who: SessionPolicyBook.Who, _ effective: EffectiveSessionPolicy
    ) -> [SessionPolicyLevel: SessionFacts.UsedVolume] {
        guard book.isEnforcing else { return [:] }
        return effective.dataLimits.reduce(into: [:]) { result, applied in
            let key = VolumeAccount.Key(applied.level, applied.value.pool, who)
            if let account = book.usedVolume(key) { result[applied.level] = .init(end: account.span.end) }
        }
    }
}

extension LimitBook.Resolved {
    var usedVolumes: [SessionPolicyLevel: SessionFacts.UsedVolume] {
        volumes.reduce(into: [:]) { result, volume in
            if volume.account.reachedAt != nil { result[volume.level] = .init(end: volume.account.span.end) }
        }
    }
}

extension VolumeAccount.Key {
    /// A SIM in no group has a group's volume to itself.
    init(_ level: SessionPolicyLevel, _ pool: DataLimit.Pool, _ who: SessionPolicyBook.Who) {
        let owner: VolumeAccount.Owner =
            switch pool {
            case .sim: .sim(who.sim)
            case .group: who.group.map { .group($0) } ?? .sim(who.sim)
            case .tenant: .tenant
            }
        self.init(source: .init(level), tenant: who.tenant, owner: owner)
    }
}

extension DataLimit.Period {
    /// Behind a volume: `a day`.
    fileprivate var words: String {
        switch self {
        case .day: " a day"
        case .week: " a week"
        case .month: " a month"
        case .prepaid: " prepaid"
        }
    }
}

extension DataLimit.Reached {
    package var name: String {
        switch self {
        case .block: "block"
        case .quarantine: "quarantine"
        case .slow: "slow"
        }
    }

    fileprivate var words: String {
        switch self {
        case .block: "nothing passes until the next period or a higher limit"
        case .quarantine: "its sessions are in quarantine until the next period or a higher limit"
        case .slow(let rate): "it is slowed to \(rate) until the next period or a higher limit"
        }
    }
}

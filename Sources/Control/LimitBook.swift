import Domain
import PolicyCompiler
import Store
import Synchronization

/// The limits that the data plane has been given, and how far each volume was used when it was last looked at. Written by
/// the engine only: by its loop, where a batch is stored, and where it is given to the kernel; but for octets that were stored.
final class LimitBook: Sendable {
    struct Volume: Sendable {
        /// As it was stored.
        var account: VolumeAccount
        let limit: DataLimit
        let level: SessionPolicyLevel
        /// As the data plane has it; `nil`: that is not sure.
        var quota: Quota?
    }

    /// So that the table of many is small, and grows by little. It does not leave the pages.
    private final class Slot {
        var volume: Volume
        init(_ volume: Volume) { self.volume = volume }
    }

    private struct Pages {
        private(set) var slots: [QuotaNumber: Slot] = [:]
        /// Of those whose number does not follow from whose they are.
        private var counted: [VolumeAccount.Key: QuotaNumber] = [:]
        /// In the order in which they came; those that are gone stay until they are as many as are left.
        var order: [QuotaNumber] = []
        /// Periods that end, by when.
        var ends: [Timestamp: Set<QuotaNumber>] = [:]
        var limits: [SIM.ID: DeviceLimit] = [:]
        /// Whether SIMs will be limited, by batches that are stored and about to be given to the data plane, oldest first.
        var expected: [[SIM.ID: Bool]] = []
        /// Whose sessions are to be judged again, because a volume is used, or is no more.
        var unjudged: Set<VolumeAccount.Key> = []
        /// The data plane has not taken a change: all is to be given to it again.
        var isBehind = false
        var spans: [DataPeriod: DataPeriod.Span] = [:]

        mutating func set(_ volume: Volume) {
            let number = volume.account.number
            let end = volume.account.span.end
            if let slot = slots[number] {
                if let known = slot.volume.account.span.end, known != end { removeEnd(known, of: number) }
                slot.volume = volume
            } else {
                order.append(number)
                if number.ofSIM == nil { counted[volume.account.key] = number }
                slots[number] = Slot(volume)
            }
            if let end { ends[end, default: []].insert(number) }
        }

        func volume(_ number: QuotaNumber) -> Volume? { slots[number]?.volume }

        func volume(_ key: VolumeAccount.Key) -> Volume? {
            if case .sim(let sim) = key.owner, let number = QuotaNumber(key.source, of: sim),
                let slot = slots[number]
            {
                return slot.volume
            }
            return counted[key].flatMap(volume)
        }

        mutating func remove(_ number: QuotaNumber) {
            guard let known = slots.removeValue(forKey: number)?.volume else { return }
            if number.ofSIM == nil { counted[known.account.key] = nil }
            if let end = known.account.span.end { removeEnd(end, of: number) }
            // Whoever goes round has another place then: he comes to some of them earlier or a round later.
            if order.count >= 2 * slots.count + Self.compactable { order.removeAll { slots[$0] == nil } }
        }

        private mutating func removeEnd(_ end: Timestamp, of number: QuotaNumber) {
            ends[end]?.remove(number)
            if ends[end]?.isEmpty == true { ends[end] = nil }
        }

        /// Fewer are not worth it.
        private static let compactable = 64
    }

    private let pages = Mutex(Pages())
    private let enforces = Atomic<Bool>(false)
    let dataPlane: any DataPlane

    init(dataPlane: any DataPlane) { self.dataPlane = dataPlane }

    /// Whether the data plane limits anything; known from the start on.
    var isEnforcing: Bool { enforces.load(ordering: .acquiring) }
    func begin() { enforces.store(!dataPlane.enforcedLimits.isEmpty, ordering: .releasing) }

    // MARK: Looking up

    func limit(of sim: SIM.ID) -> DeviceLimit? { pages.withLock { $0.limits[sim] } }

    /// Whether the SIM has a limit, or is about to have one: for what is stored while a batch is given to the data plane.
    func isLimited(_ sim: SIM.ID) -> Bool {
        pages.withLock { pages in
            for batch in pages.expected.reversed() { if let isLimited = batch[sim] { return isLimited } }
            return pages.limits[sim] != nil
        }
    }

    /// What a batch is to give the data plane.
    func expect(_ outcomes: [Outcome]) {
        var expected: [SIM.ID: Bool] = [:]
        expected.reserveCapacity(outcomes.count)
        for outcome in outcomes {
            for one in outcome.limits { expected[one.sim] = one.limit != nil }
            for one in outcome.judged.compactMap(\.limits) { expected[one.sim] = one.limit != nil }
        }
        pages.withLock { $0.expected.append(expected) }
    }

    /// The data plane has been given what the oldest of the batches was to give.
    func expectationIsMet() { pages.withLock { pages in if !pages.expected.isEmpty { pages.expected.removeFirst() } } }

    func volume(_ number: QuotaNumber) -> Volume? { pages.withLock { $0.volume(number) } }
    func volumes(_ numbers: some Sequence<QuotaNumber> & Sendable) -> [Volume] {
        pages.withLock { pages in numbers.compactMap { pages.volume($0) } }
    }

    /// The account, when its volume is used.
    func usedVolume(_ key: VolumeAccount.Key) -> VolumeAccount? {
        pages.withLock { pages in
            guard let account = pages.volume(key)?.account else { return nil }
            return account.reachedAt == nil ? nil : account
        }
    }

    /// The account of a volume that need not be stored, as the data plane has it.
    func unstoredVolume(_ key: VolumeAccount.Key) -> VolumeAccount? {
        pages.withLock { pages in
            guard let account = pages.volume(key)?.account, account.number.ofSIM != nil else { return nil }
            return account
        }
    }

    /// Those of `count` volumes from a place on, and the place of the next; zero behind the last.
    func slice(from place: Int, _ count: Int) -> (volumes: [Volume], next: Int, total: Int) {
        pages.withLock { pages in
            let total = pages.order.count
            guard place < total else { return ([], 0, total) }
            let end = min(place + count, total)
            return (pages.order[place..<end].compactMap(pages.volume), end == total ? 0 : end, total)
        }
    }

    /// Volumes whose period is over, those that are used first.
    func due(at time: Timestamp, limit: Int) -> [QuotaNumber] {
        pages.withLock { pages in
            var (used, unused): ([QuotaNumber], [QuotaNumber]) = ([], [])
            for (end, numbers) in pages.ends where end <= time {
                for number in numbers {
                    if pages.volume(number)?.account.reachedAt != nil {
                        used.append(number)
                    } else if unused.count < limit {
                        unused.append(number)
                    }
                }
            }
            return Array((used + unused).prefix(limit))
        }
    }

    /// Volumes whose period begins later: the clock was set back.
    func begun(after time: Timestamp) -> [QuotaNumber] {
        pages.withLock { pages in pages.slots.filter { $0.value.volume.account.span.start > time }.map(\.key) }
    }

    /// The period that a time is in, worked out once for all volumes.
    func span(_ periods: DataPeriod, at time: Timestamp, _ wallClock: WallClock) -> DataPeriod.Span {
        let known = pages.withLock { $0.spans[periods] }
        if let known, let end = known.end, known.start <= time, time < end { return known }
        let span = periods.span(at: time) { time in
            wallClock.minuteOfWeek(periods.zone, time).map { SessionJudging.localMinute($0, at: time) }
        }
        if span.end != nil { pages.withLock { $0.spans[periods] = span } }
        return span
    }

    // MARK: Enforcing

    /// What limits a SIM, as a transaction has found it.
    struct Resolved: Sendable {
        let sim: SIM.ID
        let number: LimitNumber
        /// `nil`: nothing.
        let limit: DeviceLimit?
        let volumes: [LimitJudging.Settled]
    }

    /// Carries out of a store's transaction what the data plane has been given in it.
    final class Given: Sendable {
        private let stored = Mutex<[Resolved]>([])
        func set(_ resolved: [Resolved]) { stored.withLock { $0 = resolved } }
        var value: [Resolved] { stored.withLock { $0 } }
    }

    /// Gives the data plane what is new, in an order in which no octet passes that what is new denies, and none of a volume
    /// without being counted: what limits more before `body`, which changes devices, and what limits less behind it.
    func enforce(_ resolved: [Resolved], around body: () throws -> Void = {}) throws {
        try give(resolved, around: body)
        note(resolved)
    }

    func enforce(_ settled: [LimitJudging.Settled]) throws {
        try give(settled)
        note(settled)
    }

    /// The data plane's part alone, for what is not stored yet: ``note(_:)`` belongs behind the commit.
    func give(_ resolved: [Resolved], around body: () throws -> Void = {}) throws {
        guard !resolved.isEmpty else { return try body() }
        try give(resolved.flatMap(\.volumes))
        var tighter: [LimitNumber: DeviceLimit?] = [:]
        var looser: [LimitNumber: DeviceLimit?] = [:]
        tighter.reserveCapacity(resolved.count)
        for one in resolved {
            let known = limit(of: one.sim)
            (tighter[one.number], looser[one.number]) = (nil, nil)
            guard known != one.limit else { continue }
            let isLooser = one.limit.map { new in known?.quotas.contains { !new.quotas.contains($0) } ?? false } ?? true
            if isLooser { looser[one.number] = .some(one.limit) } else { tighter[one.number] = .some(one.limit) }
        }
        do {
            if !tighter.isEmpty { try dataPlane.setLimits(tighter) }
            try body()
            if !looser.isEmpty { try dataPlane.setLimits(looser) }
        } catch {
            pages.withLock { $0.isBehind = true }
            throw error
        }
    }

    /// Remembers what the data plane has been given.
    func note(_ resolved: [Resolved]) {
        guard !resolved.isEmpty else { return }
        note(resolved.flatMap(\.volumes))
        inParts(resolved) { pages, part in for one in part { pages.limits[one.sim] = one.limit } }
    }

    /// Some at a time, so that whoever stores the next batch meanwhile does not wait for all of them.
    private func inParts<Element: Sendable>(
        _ elements: [Element], _ body: (inout Pages, ArraySlice<Element>) -> Void
    ) {
        for start in stride(from: 0, to: elements.count, by: Self.part) {
            let part = elements[start..<min(start + Self.part, elements.count)]
            pages.withLock { pages in body(&pages, part) }
        }
    }

    private static let part = 16

    private func give(_ settled: [LimitJudging.Settled]) throws {
        var quotas: [QuotaNumber: Quota?] = [:]
        quotas.reserveCapacity(settled.count)
        for (one, known) in zip(settled, known(settled)) {
            let (number, wanted) = (one.account.number, one.quota)
            let isKnown =
                known.map { $0.period == wanted.period && $0.limit == wanted.limit && $0.notice == wanted.notice }
            if isKnown == true { quotas.removeValue(forKey: number) } else { quotas[number] = .some(wanted) }
        }
        do { if !quotas.isEmpty { try dataPlane.setQuotas(quotas) } } catch {
            pages.withLock { $0.isBehind = true }
            throw error
        }
    }

    /// What the data plane has of each.
    private func known(_ settled: [LimitJudging.Settled]) -> [Quota?] {
        var known: [Quota?] = []
        known.reserveCapacity(settled.count)
        for start in stride(from: 0, to: settled.count, by: Self.part) {
            let part = settled[start..<min(start + Self.part, settled.count)]
            known += pages.withLock { pages in part.map { pages.volume($0.account.number)?.quota } }
        }
        return known
    }

    private func note(_ settled: [LimitJudging.Settled]) {
        inParts(settled) { pages, part in
            for one in part {
                let wasUsed = pages.volume(one.account.number)?.account.reachedAt != nil
                pages.set(Volume(account: one.account, limit: one.limit, level: one.level, quota: one.quota))
                // There may be other sessions than the one that this was found for.
                if wasUsed != (one.account.reachedAt != nil) { pages.unjudged.insert(one.account.key) }
            }
        }
    }

    /// At a start: what the data plane has been given with everything else.
    func replaceAll(_ resolved: [Resolved]) {
        pages.withLock { pages in
            pages = Pages()
            for one in resolved {
                pages.limits[one.sim] = one.limit
                for settled in one.volumes {
                    pages.set(
                        Volume(
                            account: settled.account, limit: settled.limit, level: settled.level,
                            quota: settled.quota))
                }
            }
        }
    }

    /// The data plane may not have it as it is written here.
    func doubt(_ numbers: some Sequence<QuotaNumber>) {
        pages.withLock { pages in for number in numbers { pages.slots[number]?.volume.quota = nil } }
    }

    /// The data plane may have what was not stored: all is found and given to it again.
    func doubt(_ resolved: [Resolved]) {
        guard !resolved.isEmpty else { return }
        doubt(resolved.flatMap(\.volumes).map(\.account.number))
        pages.withLock { pages in
            for one in resolved { pages.limits[one.sim] = nil }
            pages.isBehind = true
        }
    }

    func note(used accounts: [VolumeAccount]) {
        pages.withLock { pages in
            for one in accounts where pages.volume(one.number)?.account.period == one.period {
                pages.slots[one.number]?.volume.account.note(used: one.used)
            }
        }
    }

    func takeUnjudged() -> Set<VolumeAccount.Key> {
        pages.withLock { pages in
            defer { pages.unjudged = [] }
            return pages.unjudged
        }
    }

    /// What could not be judged is given back with this.
    func judgeAgain(_ keys: Set<VolumeAccount.Key>) { pages.withLock { $0.unjudged.formUnion(keys) } }

    func takeIsBehind() -> Bool {
        pages.withLock { pages in
            defer { pages.isBehind = false }
            return pages.isBehind
        }
    }

    func noteBehind() { pages.withLock { $0.isBehind = true } }

    /// Forgets what was of a SIM, a group or a tenant that is gone.
    func forget(_ isGone: (VolumeAccount.Key) -> Bool, sim: SIM.ID? = nil) throws {
        let keys = pages.withLock { pages in pages.slots.map { ($0.key, $0.value.volume.account.key) } }
        let numbers = keys.filter { isGone($0.1) }.map(\.0)
        if let sim, limit(of: sim) != nil, let number = LimitNumber(sim: sim) {
            try dataPlane.setLimits([number: nil])
            pages.withLock { $0.limits[sim] = nil }
        }
        try forget(numbers)
    }

    /// Forgets volumes that are nobody's any more.
    func forget(_ numbers: [QuotaNumber]) throws {
        guard !numbers.isEmpty else { return }
        try dataPlane.setQuotas(Dictionary(numbers.map { ($0, nil) }) { first, _ in first })
        pages.withLock { pages in for number in numbers { pages.remove(number) } }
    }
}

extension VolumeAccount.Key {
    /// Whose sessions it concerns.
    var place: SessionPolicyPlace {
        switch owner {
        case .sim(let sim): .sim(sim, of: tenant)
        case .group(let group): .group(group, of: tenant)
        case .tenant: .tenant(tenant)
        }
    }
}

extension LimitNumber {
    /// A SIM's own: the number of its row, which no other SIM ever has.
    init?(sim: SIM.ID) {
        guard let number = UInt32(exactly: sim.rawValue) else { return nil }
        self.init(number)
    }
}

import Domain
import Logging
import Metrics
import PolicyCompiler
import ServiceLifecycle
import Store

/// Sees how far volumes are used: hears what the kernel tells, begins periods, stores what was counted, and has sessions
/// judged again when a volume is used or is no more.
struct LimitKeeper: Service {
    let control: ControlPlane
    /// How late what the kernel tells is heard, apart from what follows of it.
    private static let interval = Duration.milliseconds(200)

    init(control: ControlPlane) { self.control = control }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var sweep = LimitSweep()
            var last = control.now()
            while !Task.isCancelled {
                do {
                    let time = control.now()
                    // Set back, the clock makes periods begin that had begun.
                    if time < last { try await control.settle(control.limits.begun(after: time)) }
                    last = time
                    try await control.keepLimits()
                    try await control.storeUse(&sweep)
                } catch {
                    if Task.isCancelled { return }
                    control.logger.error(
                        "volumes of data could not be looked at; it is tried again", metadata: ["error": "\(error)"])
                }
                // Cancelled at shutdown: the loop's condition ends it.
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}

/// How far the going round among all volumes has come.
struct LimitSweep: Sendable {
    fileprivate var place = 0
    fileprivate var last = ContinuousClock.now

    /// How often some are looked at.
    fileprivate static let interval = Duration.seconds(1)
    /// All of them are looked at in twice the interval, but for more than this: that takes a fifth of a second.
    fileprivate static let maximum = 100_000
    fileprivate static let minimum = 1000
}

extension ControlPlane {
    /// Volumes that one transaction looks at; requests are answered in between.
    private static let volumesAtOnce = 250
    /// The same of those that are only looked at, and of which what is used is stored.
    private static let volumesStoredAtOnce = 4000

    /// Does what the kernel's notices and the clock call for.
    package func keepLimits() async throws {
        guard limits.isEnforcing else { return }
        if limits.takeIsBehind() {
            do { try await rejudgeEverything(.clock) } catch {
                limits.noteBehind()
                throw error
            }
        }
        let notices = try dataPlane.takeQuotaNotices()
        if !notices.isEmpty { try await settle(Array(Set(notices.map(\.quota)))) }
        var last: [QuotaNumber] = []
        while !Task.isCancelled {
            let due = limits.due(at: now(), limit: Self.volumesAtOnce)
            // The same again have not begun a period: the next time is early enough.
            guard !due.isEmpty, Set(due) != Set(last) else { break }
            last = due
            try await settle(due)
        }
        try await judgeUnjudged()
    }

    /// Brings volumes to what has been counted and to the time.
    func settle(_ numbers: [QuotaNumber]) async throws {
        for start in stride(from: 0, to: numbers.count, by: Self.volumesAtOnce) {
            let some = numbers[start..<min(start + Self.volumesAtOnce, numbers.count)]
            try await engine.exclusively {
                let judging = self.judging(at: self.now()).limits
                let known = self.limits.volumes(some)
                let (settled, gone) = try await self.store.write { store in
                    var (settled, gone): ([LimitJudging.Settled], [QuotaNumber]) = ([], [])
                    for volume in known {
                        let key = volume.account.key
                        // One whose SIM, group or tenant is gone is nobody's.
                        guard let account = try judging.account(key, store), try store.hasOwner(of: key) else {
                            gone.append(volume.account.number)
                            continue
                        }
                        settled.append(try judging.settle(account, key, volume.limit, volume.level, store))
                    }
                    return (settled, gone)
                }
                try self.limits.enforce(settled)
                try self.limits.forget(gone)
            }
            try await judgeUnjudged()
        }
    }

    /// Judges the sessions of volumes that are used, or are no more.
    private func judgeUnjudged() async throws {
        var keys = limits.takeUnjudged()
        guard !keys.isEmpty else { return }
        do {
            let sims = keys.compactMap { key in if case .sim(let sim) = key.owner { sim } else { nil } }
            for start in stride(from: 0, to: sims.count, by: Self.volumesAtOnce) {
                let some = sims[start..<min(start + Self.volumesAtOnce, sims.count)]
                let sessions = try await store.read { store in
                    try some.flatMap { try store.activeSessions(of: $0).map(\.id) }
                }
                if !sessions.isEmpty { _ = try await rejudge(sessions, .clock) }
            }
            keys = keys.filter { if case .sim = $0.owner { false } else { true } }
            for key in keys {
                _ = try await rejudgeSessions(at: key.place, .clock)
                keys.remove(key)
            }
            // Nothing that came before is answered from what was decided then.
            verdicts.forgetAll()
            try sweepSessions()
        } catch {
            limits.judgeAgain(keys)
            throw error
        }
    }

    /// Stores what was counted, so that little is lost should the kernel start anew, and finds what no notice has told.
    func storeUse(_ sweep: inout LimitSweep) async throws {
        guard limits.isEnforcing, ContinuousClock.now - sweep.last >= LimitSweep.interval else { return }
        sweep.last = .now
        let total = limits.slice(from: 0, 0).total
        let count = min(max((total + 1) / 2, LimitSweep.minimum), LimitSweep.maximum)
        for start in stride(from: 0, to: count, by: Self.volumesStoredAtOnce) {
            let (volumes, next, _) = limits.slice(from: sweep.place, min(Self.volumesStoredAtOnce, count - start))
            sweep.place = next
            try await storeUse(of: volumes)
            if next == 0 { break }
        }
    }

    package func storeAllUse() async throws {
        var place = 0
        repeat {
            let (volumes, next, _) = limits.slice(from: place, Self.volumesStoredAtOnce)
            try await storeUse(of: volumes)
            place = next
        } while place != 0
    }

    private func storeUse(of volumes: [LimitBook.Volume]) async throws {
        guard !volumes.isEmpty else { return }
        let readings = try dataPlane.quotas(volumes.map(\.account.number))
        var used: [VolumeAccount] = []
        var unsettled: [QuotaNumber] = []
        for (volume, reading) in zip(volumes, readings) {
            var account = volume.account
            guard let reading, reading.period == account.period,
                reading.limit == account.limit
            else {
                limits.doubt(CollectionOfOne(account.number))
                unsettled.append(account.number)
                continue
            }
            let isTold = account.nextWarning(of: volume.limit).map { reading.used < $0 } ?? true
            if !isTold || reading.isReached && account.reachedAt == nil {
                unsettled.append(account.number)
            } else if reading.used != account.used {
                account.note(used: reading.used)
                used.append(account)
            }
        }
        if !used.isEmpty {
            let counted = used
            try await store.write { store in try store.noteUsed(counted) }
            limits.note(used: counted)
        }
        if !unsettled.isEmpty { try await settle(unsettled) }
    }
}

extension StoreReader {
    /// Whether a volume that is not stored is still somebody's; what is stored goes with whose it is.
    fileprivate func hasOwner(of key: VolumeAccount.Key) throws(StoreError) -> Bool {
        guard case .sim(let sim) = key.owner else { return true }
        return try self.sim(sim) != nil
    }
}

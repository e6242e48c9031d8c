import Domain
import Logging
import Metrics
import PolicyCompiler
import ServiceLifecycle
import Store
import Synchronization

/// Ends sessions that nobody will report the end of: those that a NAS has lost, some at a time, those of SIMs whose test is
/// over, and stale ones.
///
/// A session is stale when its NAS, which otherwise talks to us, has not reported it for as many intervals as its profile
/// says, and its device has had no packet for as long as that says. All of them are looked at in turn; there is no index
/// over the time of the last report, which each report would have to write.
struct StaleSessionKeeper: Service {
    let control: ControlPlane
    private let stale = Counter(label: "cordon_sessions_stale_total")
    private let tests = Counter(label: "cordon_sim_tests_over_total")
    private let lost = Counter(label: "cordon_sessions_lost_total")
    private static let interval = Duration.milliseconds(200)

    init(control: ControlPlane) { self.control = control }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var reaper = Reaper(started: .now)
            while !Task.isCancelled {
                do {
                    lost.increment(by: try await control.endLostSessions())
                    tests.increment(by: try await control.endTests())
                    stale.increment(by: try await control.reap(&reaper, now: .now))
                } catch {
                    if Task.isCancelled { return }
                    control.logger.error(
                        "sessions that are over could not be ended; it is tried again", metadata: ["error": "\(error)"])
                }
                // Cancelled at shutdown: the loop's condition ends it.
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}

/// How far the search for stale sessions has come.
package struct Reaper {
    /// Reports that were not heard before this were not missed by the NAS.
    let started: ContinuousClock.Instant
    fileprivate var place: Session.ID?
    fileprivate var nextScan: ContinuousClock.Instant
    /// Sessions without a report, and since when their devices are known to have had no packet.
    fileprivate var idle: [Session.ID: ContinuousClock.Instant] = [:]
    /// Those of this round.
    fileprivate var seen: Set<Session.ID> = []

    package init(started: ContinuousClock.Instant) {
        self.started = started
        nextScan = started
    }

    /// Sessions that are looked at in a step, and the time between two: a million in 100 s, so that no connection comes and
    /// goes unseen between two looks (a UDP one is remembered for 300 s).
    fileprivate static let page = 10_000
    fileprivate static let pause = Duration.seconds(1)
    /// Between two rounds.
    fileprivate static let rest = Duration.seconds(30)
}

extension ControlPlane {
    private static let endedAtOnce = 500

    /// Ends what NAS have lost, in batches between which requests are answered.
    /// - Returns: how many ended.
    package func endLostSessions() async throws -> Int {
        guard engine.hasLosses.exchange(false, ordering: .acquiring) else { return 0 }
        var count = 0
        do {
            for loss in try await store.read({ store in try store.losses() }) {
                while true {
                    let sessions = try await store.read { store in
                        try store.sessions(of: loss, after: nil, limit: Self.endedAtOnce).map(\.id)
                    }
                    guard !sessions.isEmpty else { break }
                    count += try await engine.exclusively { try await self.endSessions(sessions, loss.cause) }
                }
                try await store.write { store in try store.deleteLoss(loss.id) }
                logger.notice(
                    "a NAS has lost its sessions; they are ended",
                    metadata: ["nas": "\(loss.nas)", "cause": "\(loss.cause.rawValue)"])
            }
        } catch {
            engine.hasLosses.store(true, ordering: .releasing)
            throw error
        }
        return count
    }

    /// One step of the search for stale sessions.
    /// - Returns: how many ended.
    package func reap(_ reaper: inout Reaper, now present: ContinuousClock.Instant) async throws -> Int {
        let all = nasByID
        guard activity.packets != nil, present >= reaper.nextScan,
            let shortest = all.values.compactMap(\.profile.silenceMilliseconds).min()
        else { return 0 }
        reaper.nextScan = present + Reaper.pause
        let time = now()
        let place = reaper.place
        let (last, found) = try await store.read { store in
            try store.silentSessions(
                since: Timestamp(milliseconds: time.milliseconds - shortest), after: place, scanning: Reaper.page)
        }
        let heard = engine.heard.withLock { $0 }
        let due = found.filter { session in
            guard let silence = all[session.nas]?.profile.silenceMilliseconds else { return false }
            let limit = Duration.milliseconds(silence)
            // A NAS that has said nothing at all, and a daemon that was not there to hear it, prove nothing.
            return time.milliseconds - session.updatedAt.milliseconds > silence && present - reaper.started >= limit
                && heard[session.nas].map { present - $0 < limit } ?? false
        }
        var ended = 0
        if !due.isEmpty { ended = try await reap(due, all, &reaper, present) }
        reaper.place = last
        if last == nil {
            reaper.nextScan = present + Reaper.rest
            let seen = reaper.seen
            reaper.idle = reaper.idle.filter { seen.contains($0.key) }
            reaper.seen = []
        }
        return ended
    }

    /// Of sessions without a report, ends those whose devices have had no packet for long enough.
    private func reap(
        _ due: [Session], _ all: [NAS.ID: NAS], _ reaper: inout Reaper, _ present: ContinuousClock.Instant
    ) async throws -> Int {
        let silences = try activity.silences(of: Set(due.flatMap(\.devices)))
        let memory = activity.packets?.memory ?? .zero
        var over: [Session] = []
        for session in due {
            reaper.seen.insert(session.id)
            let silence = ActivityBook.silence(of: session, silences)
            let since = present - (silence ?? memory)
            // A packet since the last look makes it begin anew; without one, the longer of both is known.
            let idle = silence == nil ? min(reaper.idle[session.id] ?? since, since) : since
            reaper.idle[session.id] = idle
            let limit = Duration.seconds(60 * Int64(all[session.nas]?.profile.idleMinutes ?? .max))
            if present - idle >= limit { over.append(session) }
        }
        guard !over.isEmpty else { return 0 }
        let seen = Dictionary(over.map { ($0.id, $0.updatedAt) }) { first, _ in first }
        var count = 0
        for start in stride(from: 0, to: over.count, by: Self.endedAtOnce) {
            let some = over[start..<min(start + Self.endedAtOnce, over.count)].map(\.id)
            count += try await engine.exclusively {
                // One that was reported in between is not over.
                try await self.endSessions(some, .stale) { seen[$0.id] == $0.updatedAt }
            }
        }
        for session in over { reaper.idle[session.id] = nil }
        logger.notice(
            "stale sessions are ended: no report and no packet for as long as their NAS's profile says",
            metadata: ["sessions": "\(count)", "first": "\(over[0].imsi)"])
        return count
    }
}

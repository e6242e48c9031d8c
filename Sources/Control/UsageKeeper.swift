package import Domain
import Logging
import Metrics
import PolicyCompiler
import ServiceLifecycle
package import Store

/// Reads what the kernel has counted, stores it, and forgets what is older than it is to be kept.
///
/// The kernel's counters only grow and outlive the process. What one says more than what is stored of it is added to the
/// sums and written as a record, together with what it says, in one transaction: a process that is killed anywhere has
/// done all of that or nothing (docs/decisions/0026).
struct UsageKeeper: Service {
    let control: ControlPlane
    private let counters = Gauge(label: "cordon_usage_counters")
    private let readAt = Gauge(label: "cordon_usage_read_timestamp_seconds")
    private let time = Timer(label: "cordon_usage_round_seconds")
    private let records = Counter(label: "cordon_usage_records_total")
    private let octets = Counter(label: "cordon_usage_octets_total")
    private let unowned = Gauge(label: "cordon_usage_unowned_counters")
    private let compared = Counter(label: "cordon_usage_compared_sessions_total")
    private let differing = Counter(label: "cordon_usage_differing_sessions_total")
    private let failures = Counter(label: "cordon_usage_failures_total")

    init(control: ControlPlane) { self.control = control }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var rounds = UsageRounds()
            // A kernel that cannot count says so each time.
            var said: String?
            while !Task.isCancelled {
                var failure: (any Error)?
                do {
                    let started = ContinuousClock.now
                    let report = try await control.readUsage(&rounds)
                    note(report, ContinuousClock.now - started)
                } catch { failure = error }
                // What is old goes, whether there is something new or not.
                do { try await control.forgetUsage() } catch { failure = failure ?? error }
                if Task.isCancelled { return }
                if let failure {
                    failures.increment()
                    if said != "\(failure)" {
                        control.logger.error(
                            "usage could not be read and stored; it is tried again, and nothing is lost meanwhile",
                            metadata: ["error": "\(failure)"])
                    }
                }
                said = failure.map { "\($0)" }
                // Cancelled at shutdown: the loop's condition ends it.
                try? await Task.sleep(for: untilNext())
            }
        }
        await control.tellAllDifferences()
    }

    /// To the next whole period of the clock, so that readings are where sums of five minutes begin.
    private func untilNext() -> Duration {
        let period = max(1, control.settings.usage.period.milliseconds)
        return .milliseconds(period - control.now().milliseconds.floorDivided(by: period).remainder)
    }

    private func note(_ report: UsageRound, _ duration: Duration) {
        counters.record(report.counters)
        readAt.record(Double(report.time.milliseconds) / 1000)
        time.record(duration: duration)
        records.increment(by: report.records)
        octets.increment(by: Int64(clamping: report.octets))
        unowned.record(report.unowned)
        compared.increment(by: report.ended.count)
        for (session, usage) in report.ended where usage.isDiffering {
            differing.increment()
            control.logger.debug(
                "a session's NAS has reported other octets than were counted here",
                metadata: [
                    "session": "\(session)", "counted": "\(usage.counted.octets)",
                    "reported": "\(usage.reported.octets)",
                ])
        }
    }
}

/// What came of one reading of all counters.
package struct UsageRound: Sendable {
    package let time: Timestamp
    /// That the kernel has.
    package var counters = 0
    /// That are of no session, or of one that is not known.
    package var unowned = 0
    /// That said more.
    package var records = 0
    package var octets: UInt64 = 0
    /// Sessions that have ended and whose counters are gone.
    package var ended: [Session.ID: EndedUsage] = [:]
}

extension EndedUsage {
    /// A NAS counts what is blocked and questions by UDP too, and may leave out what it has in hand at the end. Beyond a
    /// twentieth and 64 KiB somebody should look.
    package var isDiffering: Bool {
        let (here, there) = (counted.octets, reported.octets)
        let difference = here > there ? here - there : there - here
        return difference > 65_536 && difference > max(here, there) / 20
    }
}

extension UsageCounts {
    /// In both directions.
    package var octets: UInt64 { octetsUp &+ octetsDown }
}

extension Duration {
    fileprivate var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}

/// What the reader of usage remembers from one reading to the next. All of it may be lost at any time.
package struct UsageRounds: Sendable {
    /// What each counter said, summed up: 24 octets for each. Counters only grow, so one with another sum says more.
    fileprivate var said: [Name: UInt64] = [:]
    /// The same of rules, each as it was read.
    var saidOfRules: [CountedRule.ID: RuleUsageReading] = [:]
    fileprivate var untilWhole = 0
    /// Readings that are sorted and stored together, of some 150 octets each.
    fileprivate let share: Int

    fileprivate struct Name: Hashable {
        let counter: UInt64
        let way: Int64
    }

    package init(share: Int = 1 << 18) { self.share = share }

    /// Between two readings in which every counter is looked up in the store, whether it says more or not.
    fileprivate static let wholeEvery = 10
}

extension UsageReading {
    fileprivate var name: UsageRounds.Name { UsageRounds.Name(counter: counter, way: way.code) }

    fileprivate var sum: UInt64 {
        counts.octetsUp &+ counts.packetsUp &+ counts.octetsDown &+ counts.packetsDown
    }
}

/// Readings that are stored together, and the order in which they are.
private struct UsageShare {
    var readings: [UsageReading] = []
    /// With the places of their readings.
    var order: [(key: UsageCounterKey, index: Int)] = []
}

extension ControlPlane {
    /// Readings that are stored in one transaction: some 20 ms of the store's writer.
    static let usageAtOnce = 500
    /// Rows that are removed in one.
    private static let forgottenAtOnce = 5000
    /// After this, what is not in the kernel any more is not coming back.
    private static let orphanMilliseconds: Int64 = 3_600_000

    /// Reads all counters, stores what they say more, and has the kernel forget those of sessions that have ended.
    package func readUsage(_ rounds: inout UsageRounds) async throws -> UsageRound {
        let (ends, isAll) = engine.usage.takeEnds()
        let isWhole = rounds.untilWhole == 0 || !isAll
        do {
            let round = try await readUsage(&rounds, ends, isWhole: isWhole)
            rounds.untilWhole = isWhole ? UsageRounds.wholeEvery : rounds.untilWhole - 1
            return round
        } catch {
            // Ends that were taken are found in a whole round.
            rounds.untilWhole = 0
            throw error
        }
    }

    private func readUsage(
        _ rounds: inout UsageRounds, _ ends: Set<Session.ID>, isWhole: Bool
    ) async throws -> UsageRound {
        var round = UsageRound(time: now())
        var seen: Set<UsageRounds.Name> = []
        var (cursor, time): (UsageCursor?, Timestamp) = (nil, round.time)
        var share = UsageShare()
        repeat {
            let part = try dataPlane.usage(after: cursor)
            round.counters += part.readings.count
            for reading in part.readings {
                if isWhole { seen.insert(reading.name) }
                guard let session = reading.session else {
                    round.unowned += 1
                    continue
                }
                if !isWhole, rounds.said[reading.name] == reading.sum, !ends.contains(session) { continue }
                share.readings.append(reading)
            }
            cursor = part.next
            if cursor == nil || share.readings.count >= rounds.share {
                try await store(share, readAt: time, &rounds, &round)
                share = UsageShare()
                time = now()
            }
            await Task.yield()
        } while cursor != nil
        if isWhole {
            rounds.said = rounds.said.filter { seen.contains($0.key) }
            try await deleteOrphans(beside: seen, at: round.time)
        }
        try await readRuleUsage(&rounds, &round, isWhole: isWhole)
        let (last, ended, differences) = (round.time, round.ended, differences)
        let next = try await store.write { store in
            try store.setLastUsageRound(last)
            return try store.tellDifferences(ended, differences, at: last)
        }
        differences.keep(next)
        return round
    }

    /// In the order of the store's tables: what is written together is near together then.
    private func store(
        _ unordered: UsageShare, readAt time: Timestamp, _ rounds: inout UsageRounds, _ round: inout UsageRound
    ) async throws {
        var share = unordered
        share.order = try await order(share.readings)
        round.unowned += share.readings.count - share.order.count
        var rest = share.order.indices
        while !rest.isEmpty {
            let began = ContinuousClock.now
            var batch = rest.prefix(Self.usageAtOnce)
            // What was moved in the kernel meanwhile is there twice: the second must not come after its counter is forgotten.
            while batch.upperBound < rest.upperBound,
                share.order[batch.upperBound].key == share.order[batch.upperBound - 1].key
            {
                batch = rest.lowerBound..<batch.upperBound + 1
            }
            rest = batch.upperBound..<rest.upperBound
            let some = share.order[batch].map { (key: $0.key, reading: share.readings[$0.index]) }
            try await store(some, readAt: time, &rounds, &round)
            // As long as it had the writer, others have it.
            try await Task.sleep(for: max(.milliseconds(1), ContinuousClock.now - began))
        }
    }

    private func order(_ readings: [UsageReading]) async throws -> [(key: UsageCounterKey, index: Int)] {
        var order: [(key: UsageCounterKey, index: Int)] = []
        order.reserveCapacity(readings.count)
        let page = 10_000
        for start in stride(from: 0, to: readings.count, by: page) {
            let some = readings.indices[start..<min(start + page, readings.count)]
            let sessions = readings[some].compactMap(\.session)
            let owners = try await store.read { store in try store.usageOwners(of: sessions) }
            for index in some {
                let reading = readings[index]
                guard let owner = reading.session.flatMap({ owners[$0] }) else { continue }
                let key = UsageCounterKey(
                    tenant: owner.tenant, sim: owner.sim, counter: reading.counter, way: reading.way)
                order.append((key, index))
            }
        }
        order.sort { $0.key < $1.key }
        return order
    }

    private func store(
        _ batch: [(key: UsageCounterKey, reading: UsageReading)], readAt time: Timestamp,
        _ rounds: inout UsageRounds, _ round: inout UsageRound
    ) async throws {
        let samples = batch.compactMap { _, reading in
            reading.session.map {
                UsageSample(counter: reading.counter, way: reading.way, session: $0, counts: reading.counts)
            }
        }
        let addition = try await store.write { store in
            try store.addUsage(samples, from: try store.lastUsageRound(), at: time)
        }
        for (_, reading) in batch { rounds.said[reading.name] = reading.sum }
        round.records += addition.records
        round.octets &+= addition.octets
        round.unowned += addition.unowned

        let over = batch.filter { one in one.reading.session.map { addition.ended[$0] != nil } ?? false }
        guard !over.isEmpty else { return }
        // The other way round, a process killed in between would count all of it again.
        let gone = Set(try dataPlane.forgetUsage(over.map(\.reading)))
        let keys = over.filter { gone.contains($0.reading) }.map(\.key)
        try await store.write { store in try store.deleteUsageCounters(keys) }
        for (_, reading) in over {
            // One that has changed since it was read is looked at again.
            rounds.said[reading.name] = nil
            guard gone.contains(reading), let session = reading.session else { continue }
            round.ended[session] = addition.ended[session]
        }
    }

    /// Counters that the kernel does not have any more, as after it has started anew, or where a process was killed after
    /// the kernel forgot them.
    private func deleteOrphans(beside seen: Set<UsageRounds.Name>, at time: Timestamp) async throws {
        var last: UsageCounterKey?
        while true {
            let after = last
            let page = try await store.read { store in
                try store.usageCounters(after: after, limit: Self.forgottenAtOnce)
            }
            let orphans = page.filter { stored in
                stored.isOver && time.milliseconds - stored.readAt.milliseconds > Self.orphanMilliseconds
                    && !seen.contains(UsageRounds.Name(counter: stored.key.counter, way: stored.key.way))
            }.map(\.key)
            if !orphans.isEmpty { try await store.write { store in try store.deleteUsageCounters(orphans) } }
            guard let end = page.last, page.count == Self.forgottenAtOnce else { return }
            last = end.key
        }
    }

    /// Removes what is older than it is to be kept.
    package func forgetUsage() async throws {
        let settings = settings.usage
        let (present, limit) = (now().milliseconds, Self.forgottenAtOnce)
        let before = { (days: Int64) in Timestamp(milliseconds: present - days * UsageLevel.day.milliseconds) }
        for level in UsageLevel.allCases {
            guard let time = settings.days[level].map(before) else { continue }
            try await removeUsage { store in try store.forgetUsage(level, before: time, limit: limit) }
            try await removeUsage { store in try store.forgetRuleUsage(level, before: time, limit: limit) }
        }
        if let time = settings.days[.day].map(before) {
            let used = book.countedRules()
            try await store.write { store in try store.deleteCountedRules(before: time, except: used) }
        }
        let time = before(settings.recordDays)
        try await removeUsage { store in
            try store.forgetUsageRecords(before: time, keeping: settings.records, limit: limit)
        }
    }

    /// Some at a time, until there are no more.
    private func removeUsage(_ body: @escaping @Sendable (any StoreTransaction) throws -> Int) async throws {
        while true {
            let began = ContinuousClock.now
            guard try await store.write(body) >= Self.forgottenAtOnce else { return }
            try await Task.sleep(for: max(.milliseconds(1), ContinuousClock.now - began))
        }
    }
}

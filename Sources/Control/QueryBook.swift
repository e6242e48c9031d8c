import DNS
import Domain
import Synchronization

/// What devices have asked: counters of each tenant always, names that were refused by group, and a log of questions where a
/// tenant wants one. All of it is bounded.
final class QueryBook: Sendable {
    struct Counters: Hashable, Sendable {
        var questions: UInt64 = 0
        var answered: UInt64 = 0
        var refused: UInt64 = 0
        /// In monitor mode: those that would be.
        var wouldBeRefused: UInt64 = 0
        /// An alias or an address in the answer was.
        var refusedAnswers: UInt64 = 0
        var failed: UInt64 = 0
        var limited: UInt64 = 0
    }

    /// A name that devices of a group have asked for and may not look up.
    struct SeenName: Hashable, Sendable {
        let policy: PolicyMark
        let group: GroupNumber?
        let name: WireName
        let reason: NameFilter.Reason
        var count: UInt64
        /// The last that asked.
        var device: IPAddress
    }

    struct LogEntry: Sendable {
        let number: UInt64
        let time: Timestamp
        let record: QueryRecord
        let wouldBeRefused: NameFilter.Reason?
    }

    private struct GroupKey: Hashable {
        let policy: PolicyMark
        let group: GroupNumber?
    }

    fileprivate struct Log {
        var settings = TenantDNS.standard
        var entries: [LogEntry] = []
        /// Where the oldest is, once the log is full.
        var oldest = 0
        var next: UInt64 = 1
        var skipped: UInt32 = 0
    }

    private struct State {
        var counters: [Tenant.ID: Counters] = [:]
        var seen: [GroupKey: [WireName: SeenName]] = [:]
        var logs: [Tenant.ID: Log] = [:]
    }

    /// Names of one group.
    private static let seenLimit = 1024
    /// Entries of one tenant's log.
    static let logLimit = 10_000

    /// What a tenant's devices ask is in one of these, so that event loops seldom meet.
    private let shards = (0..<16).map { _ in Shard() }

    private final class Shard: Sendable {
        let state = Mutex(State())
    }

    private func shard(of tenant: Tenant.ID) -> Shard { shards[Int(truncatingIfNeeded: tenant.rawValue) & 15] }

    func note(_ record: QueryRecord, wouldBeRefused: NameFilter.Reason?, at time: () -> Timestamp) {
        shard(of: record.tenant).state.withLock { state in
            state.counters[record.tenant, default: Counters()].count(record.outcome)
            var refusal = wouldBeRefused
            if case .refused(let reason) = record.outcome { refusal = reason }
            if wouldBeRefused != nil { state.counters[record.tenant]?.wouldBeRefused += 1 }
            if let refusal {
                state.seen[GroupKey(policy: record.policy, group: record.group), default: [:]].note(
                    record, refusal, limit: Self.seenLimit)
            }
            if !state.logs.isEmpty, let log = state.logs[record.tenant]?.settings.log, log == .all || refusal != nil {
                state.logs[record.tenant]?.append(record, wouldBeRefused, at: time(), limit: Self.logLimit)
            }
        }
    }

    func setLog(_ settings: TenantDNS, of tenant: Tenant.ID) {
        shard(of: tenant).state.withLock { state in
            guard settings.log != .off else {
                state.logs[tenant] = nil
                return
            }
            state.logs[tenant, default: Log()].settings = settings
        }
    }

    func counters(of tenant: Tenant.ID) -> Counters {
        shard(of: tenant).state.withLock { $0.counters[tenant] ?? Counters() }
    }

    /// Most asked first.
    func seen(of policies: Set<PolicyMark>) -> [SeenName] {
        shards.flatMap { shard in
            shard.state.withLock { state in
                state.seen.filter { policies.contains($0.key.policy) }.values.flatMap(\.values)
            }
        }.sorted { ($0.count, $1.name.description) > ($1.count, $0.name.description) }
    }

    func forget(_ policies: some Sequence<PolicyMark>) {
        let gone = Set(policies)
        for shard in shards {
            shard.state.withLock { state in state.seen = state.seen.filter { !gone.contains($0.key.policy) } }
        }
    }

    /// Oldest first.
    func log(of tenant: Tenant.ID, after number: UInt64, limit: Int) -> [LogEntry] {
        shard(of: tenant).state.withLock { state in
            guard let log = state.logs[tenant] else { return [] }
            return Array(
                (log.entries[log.oldest...] + log.entries[..<log.oldest]).filter { $0.number > number }.prefix(limit))
        }
    }
}

extension QueryBook.Counters {
    fileprivate mutating func count(_ outcome: QueryRecord.Outcome) {
        questions += 1
        switch outcome {
        case .answered, .resolved: answered += 1
        case .refused: refused += 1
        case .refusedAlias, .rebinding: refusedAnswers += 1
        case .failed: failed += 1
        case .limited: limited += 1
        }
    }
}

extension QueryBook.Log {
    fileprivate mutating func append(
        _ record: QueryRecord, _ reason: NameFilter.Reason?, at time: Timestamp, limit: Int
    ) {
        skipped += 1
        guard skipped >= settings.sampling else { return }
        skipped = 0
        let entry = QueryBook.LogEntry(number: next, time: time, record: record, wouldBeRefused: reason)
        next += 1
        if entries.count < limit {
            entries.append(entry)
        } else {
            entries[oldest] = entry
            oldest = (oldest + 1) % limit
        }
    }
}

extension [WireName: QueryBook.SeenName] {
    fileprivate mutating func note(_ record: QueryRecord, _ reason: NameFilter.Reason, limit: Int) {
        if self[record.name] != nil {
            self[record.name]?.count += 1
            self[record.name]?.device = record.device
            return
        }
        if count >= limit {
            // Those that were asked least give way, many at once: a flood of random names costs little then.
            let least = values.sorted { $0.count < $1.count }.prefix(limit / 4)
            for seen in least { self[seen.name] = nil }
        }
        self[record.name] = QueryBook.SeenName(
            policy: record.policy, group: record.group, name: record.name, reason: reason, count: 1,
            device: record.device)
    }
}

extension NameFilter.Reason {
    /// A few words for people.
    var words: String {
        switch self {
        case .denied: "denied by the policy"
        case .notAllowed: "not allowed by the policy"
        case .listed: "on a blocklist"
        }
    }
}

extension QueryRecord.Outcome {
    var words: String {
        switch self {
        case .answered: "answered"
        case .resolved: "resolved"
        case .refused(let reason): "refused: \(reason.words)"
        case .refusedAlias(let name, let reason): "refused: its alias \(name) is \(reason.words)"
        case .rebinding(let address): "refused: \(address) is no address of the internet"
        case .failed: "no upstream answered"
        case .limited: "too many questions"
        }
    }
}

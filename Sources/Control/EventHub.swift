import Domain
import Metrics
import Store
import Synchronization

/// Wakes those who follow events when a transaction with events has been stored. It keeps none: each follower reads from
/// the store from where it is, so that one who is slow holds nothing but its place.
final class EventHub: Sendable {
    /// A place among those who follow, until it is given back or nobody reads the signals any more.
    struct Membership: Sendable {
        fileprivate let id: UInt64
        /// One waits at most. There may be something new, or it is time to show that the stream is alive.
        let signals: AsyncStream<Void>
    }

    private struct Member {
        let principal: Principal
        let signal: AsyncStream<Void>.Continuation
    }

    private struct State {
        var members: [UInt64: Member] = [:]
        var lastID: UInt64 = 0
        var last: Event.Number?
        var isClosed = false
    }

    private let limits: FollowerLimits
    private let state = Mutex(State())
    private let told = Counter(label: "cordon_events_total")
    private let followers = Gauge(label: "cordon_event_followers")

    init(limits: FollowerLimits) {
        self.limits = limits
        followers.record(0)
    }

    /// A transaction is stored, after which this is the newest event.
    func note(last number: Event.Number) {
        let signals = state.withLock { state -> [AsyncStream<Void>.Continuation] in
            guard let before = state.last else {
                state.last = number
                return state.members.values.map(\.signal)
            }
            // Transactions may be told of in another order than they were stored in.
            guard number > before else { return [] }
            state.last = number
            told.increment(by: number - before)
            return state.members.values.map(\.signal)
        }
        for signal in signals { signal.yield() }
    }

    /// - Throws: `.tooMany`, when as many follow as may.
    func join(_ principal: Principal) throws(ControlError) -> Membership {
        let (signals, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let (id, count) = try state.withLock { state throws(ControlError) in
            guard !state.isClosed else { throw ControlError(.unavailable, "the daemon is stopping; try again") }
            try limits.check(principal.role, beside: state.members.values.map(\.principal.role))
            state.lastID += 1
            state.members[state.lastID] = Member(principal: principal, signal: continuation)
            return (state.lastID, state.members.count)
        }
        followers.record(count)
        // Whoever asked has gone away without saying so.
        continuation.onTermination = { [weak self] _ in self?.remove(id) }
        return Membership(id: id, signals: signals)
    }

    func leave(_ membership: Membership) { remove(membership.id)?.signal.finish() }

    @discardableResult
    private func remove(_ id: UInt64) -> Member? {
        let (member, count) = state.withLock { ($0.members.removeValue(forKey: id), $0.members.count) }
        if member != nil { followers.record(count) }
        return member
    }

    /// How many follow now.
    var count: Int { state.withLock { $0.members.count } }

    /// So that streams on which nothing happens show that they are alive.
    func beat() {
        for signal in state.withLock({ $0.members.values.map(\.signal) }) { signal.yield() }
    }

    /// Ends the streams of whose token there is no more.
    func keep(only isThere: (Principal) -> Bool) {
        let members = state.withLock { $0.members }
        for (id, member) in members where !isThere(member.principal) { remove(id)?.signal.finish() }
    }

    func close() {
        let members = state.withLock { state in
            state.isClosed = true
            defer { state.members = [:] }
            return Array(state.members.values)
        }
        for member in members { member.signal.finish() }
        followers.record(0)
    }
}

/// How many may follow events at the same time.
public struct FollowerLimits: Sendable {
    /// By the tokens of one tenant.
    public var perTenant = 8
    /// By all. The last of them are the operator's.
    public var inAll = 64
    public var keptForOperator = 16

    public init() {}

    func check(_ owner: APIToken.Role, beside others: [APIToken.Role]) throws(ControlError) {
        if case .tenant = owner, others.count(where: { $0 == owner }) >= perTenant {
            throw ControlError(
                .tooMany, "\(perTenant) streams of events of yours are open, which is as many as may; end one")
        }
        let room = owner == .operator ? inAll : inAll - keptForOperator
        guard others.count < room else {
            throw ControlError(.tooMany, "as many follow events as the daemon takes; try again in a minute")
        }
    }
}

/// A store whose writes wake those who follow events. Every way into the store goes through it, so whatever is told is
/// heard of.
struct TellingStore: Store {
    let base: any Store
    let hub: EventHub

    func read<Value: Sendable>(
        _ body: @Sendable @escaping (any StoreReader) throws -> Value
    ) async throws -> Value {
        try await base.read(body)
    }

    func queueWrite<Value: Sendable>(
        _ body: @Sendable @escaping (any StoreTransaction) throws -> Value,
        orElse other: (@Sendable (any StoreTransaction) throws -> Value)?,
        completion: @Sendable @escaping (Result<Value, any Error>) -> Void
    ) {
        let telling = { (body: @escaping @Sendable (any StoreTransaction) throws -> Value) in
            { @Sendable (store: any StoreTransaction) in (value: try body(store), last: try store.lastEvent()) }
        }
        base.queueWrite(telling(body), orElse: other.map(telling)) { [hub] result in
            if case .success(let told) = result { hub.note(last: told.last) }
            completion(result.map(\.value))
        }
    }

    func close() async throws { try await base.close() }
}

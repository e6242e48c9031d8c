public import Domain
import Synchronization

/// How long usage is kept, and how often it is read from the kernel.
public struct UsageSettings: Hashable, Sendable {
    /// Between two readings of all counters.
    public var period: Duration = .seconds(60)
    /// How many days sums of five minutes, of hours and of days are kept.
    public var days: [UsageLevel: Int64] = [.fiveMinutes: 2, .hour: 35, .day: 400]
    /// The same of records.
    public var recordDays: Int64 = 7
    /// And how many of them at most.
    public var records: Int64 = 50_000_000

    public init() {}
}

/// What the reader of usage has to be told, and tells.
final class UsageBook: Sendable {
    private struct State {
        var ended: Set<Session.ID> = []
        /// More have ended than are remembered.
        var isOverflowing = false
    }

    private let state = Mutex(State())
    private static let capacity = 1 << 18

    /// Sessions that have ended: what they had last is to be stored, and their counters can go.
    func noteEnds(_ sessions: [Session.ID]) {
        state.withLock { state in
            guard state.ended.count + sessions.count <= Self.capacity else {
                state.isOverflowing = true
                return
            }
            state.ended.formUnion(sessions)
        }
    }

    /// - Returns: `isAll` when there are no others.
    func takeEnds() -> (sessions: Set<Session.ID>, isAll: Bool) {
        state.withLock { state in
            defer { (state.ended, state.isOverflowing) = ([], false) }
            return (state.ended, !state.isOverflowing)
        }
    }
}

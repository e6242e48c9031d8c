import Domain
import Synchronization

/// A clock that goes when the test says.
final class TestClock: Sendable {
    private let milliseconds: Mutex<Int64>
    init(_ milliseconds: Int64) { self.milliseconds = Mutex(milliseconds) }
    var now: Timestamp { Timestamp(milliseconds: milliseconds.withLock { $0 }) }
    func advance(minutes: Int64) { milliseconds.withLock { $0 += minutes * 60_000 } }
}

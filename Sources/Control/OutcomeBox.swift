import Synchronization

/// Carries a Disconnect's outcome out of the task that awaited it.
final class OutcomeBox: Sendable {
    private let stored = Mutex<DisconnectOutcome?>(nil)
    func set(_ outcome: DisconnectOutcome) { stored.withLock { $0 = outcome } }
    var value: DisconnectOutcome? { stored.withLock { $0 } }
}

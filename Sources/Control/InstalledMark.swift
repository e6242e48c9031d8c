import Domain
import Synchronization

/// Carries out of a store's transaction which policy the kernel has been given in it.
final class InstalledMark: Sendable {
    private let stored = Mutex<PolicyMark?>(nil)
    func set(_ mark: PolicyMark) { stored.withLock { $0 = mark } }
    var value: PolicyMark? { stored.withLock { $0 } }
}

import Domain
import PolicyCompiler
import Store
import Synchronization

extension ControlPlane {
    /// Writes in the store, and gives the kernel policies' rulesets within the same transaction: neither has the change
    /// without the other. Runs on the engine's loop; the book is the caller's to change after it.
    /// - Parameter write: gives what the kernel is to have then.
    func enact<Value: Sendable>(
        _ write: @escaping @Sendable (any StoreTransaction) throws -> (Value, [PolicyMark: Ruleset])
    ) async throws -> Value {
        let installed = InstalledMarks()
        do {
            return try await store.write { store in
                let (value, rulesets) = try write(store)
                guard !rulesets.isEmpty else { return value }
                do throws(DataPlaneError) {
                    try self.dataPlane.install(rulesets, removing: [])
                } catch {
                    throw ControlError(
                        .unavailable, "the kernel did not take the change (\(error)); nothing was changed")
                }
                installed.set(Set(rulesets.keys))
                return value
            }
        } catch {
            // The store could not commit what the kernel has already.
            let marks = installed.value
            if !marks.isEmpty {
                let before = book.snapshot().filter { marks.contains($0.key) }
                try dataPlane.install(before, removing: marks.subtracting(before.keys))
            }
            throw error
        }
    }
}

extension ControlPlane {
    /// Cuts the flows that these policies do not allow any more. What fails is made up for by the keeper of schedules.
    func sweep(_ rulesets: [PolicyMark: Ruleset]) throws(DataPlaneError) -> Int {
        do throws(DataPlaneError) {
            return try dataPlane.deleteFlows(.ofPolicies(Set(rulesets.keys)), judging: judge(rulesets))
        } catch {
            unswept.withLock { $0.formUnion(rulesets.keys) }
            throw error
        }
    }
}

/// Carries out of a store's transaction which policies the kernel has been given in it.
private final class InstalledMarks: Sendable {
    private let stored = Mutex<Set<PolicyMark>>([])
    func set(_ marks: Set<PolicyMark>) { stored.withLock { $0 = marks } }
    var value: Set<PolicyMark> { stored.withLock { $0 } }
}

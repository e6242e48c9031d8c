import Domain
import Synchronization

/// Who waits for the end of which session. A suspension waits here for the NAS's Accounting-Stop.
final class StopWaiters: Sendable {
    private let waiting = Mutex<[Session.ID: [Int: CheckedContinuation<Bool, Never>]]>([:])
    private let serial = Atomic<Int>(0)

    /// Tells those who wait for one of `sessions` that it has ended.
    func confirm(_ sessions: [Session.ID]) {
        let waiters = waiting.withLock { waiting in
            sessions.flatMap { Array((waiting.removeValue(forKey: $0) ?? [:]).values) }
        }
        for waiter in waiters { waiter.resume(returning: true) }
    }

    /// Returns `true` as soon as the session ends, `false` when it has not within `limit`. To miss no stop, the wait
    /// is entered before `begin` runs.
    func wait(
        for session: Session.ID, limit: Duration, after begin: @escaping @Sendable () async -> Bool
    ) async -> Bool {
        let key = serial.wrappingAdd(1, ordering: .relaxed).newValue
        return await withTaskGroup(of: Bool.self) { group in
            let (entered, enter) = AsyncStream<Void>.makeStream()
            group.addTask {
                await withCheckedContinuation { continuation in
                    self.waiting.withLock { $0[session, default: [:]][key] = continuation }
                    enter.finish()
                }
            }
            group.addTask {
                for await _ in entered {}
                if await begin() {
                    // The sleep throws when the stop came first and the group was cancelled: nothing to do then.
                    try? await Task.sleep(for: limit)
                }
                self.cancel(session, key)
                return false
            }
            let isStopped = await group.next() ?? false
            group.cancelAll()
            return isStopped
        }
    }

    private func cancel(_ session: Session.ID, _ key: Int) {
        waiting.withLock { waiting in
            defer { if waiting[session]?.isEmpty == true { waiting[session] = nil } }
            return waiting[session]?.removeValue(forKey: key)
        }?.resume(returning: false)
    }
}

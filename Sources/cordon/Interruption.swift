import Glibc
import Synchronization

/// SIGINT, SIGTERM and SIGHUP as cancellation of what is being done, so that it can tidy up.
enum Interruption {
    private static let received = Atomic<Int32>(0)

    /// Runs `body`; the first of the signals cancels it, and its error is what comes out.
    static func cancels<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        received.store(0, ordering: .relaxed)
        // A handler, not SIG_IGN: the programs that are started would inherit that.
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { Interruption.received.store($0, ordering: .relaxed) }
        }
        // A reader that went away (`| head`) ends the printing, not the tidying up.
        signal(SIGPIPE) { _ in }
        defer { for number in [SIGINT, SIGTERM, SIGHUP] { signal(number, SIG_DFL) } }
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                while received.load(ordering: .relaxed) == 0, !Task.isCancelled {
                    // Cancelled when the body has ended: the loop sees it too.
                    try? await Task.sleep(for: .milliseconds(20))
                }
                return nil
            }
            while let result = try await group.next() {
                group.cancelAll()
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    /// Returns when one of the signals has come.
    static func wait() async {
        do {
            try await cancels { try await Task.sleep(for: .seconds(1 << 32)) }
        } catch {
            // Cancelled is what was waited for.
        }
    }
}

import GRDB

/// Moves what was committed from the write-ahead log into the database, beside the writer.
///
/// SQLite does this in the commit that makes the log long, so that every few dozen commits wait for two more fsyncs and
/// for thousands of pages: a batch of admissions in some is ten times as late as the others. On a connection of its own
/// nobody waits for it. The writer begins the log anew once all of it has been moved, so it still does the last part
/// where the log never comes to rest (``writersShare``).
final class Checkpointer: Sendable {
    private let queue: DatabaseQueue
    private let task: Task<Void, Never>

    /// After so many pages of 4 KiB the writer does what is left.
    static let writersShare = 16_384
    private static let interval = Duration.milliseconds(200)

    init(path: String, configuration: Configuration) throws {
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        self.queue = queue
        // As long as the store is open; ended by `close`, or with the last reference.
        task = Task {
            while !Task.isCancelled {
                // Cancelled at the end: the loop's condition ends it.
                try? await Task.sleep(for: Self.interval)
                // Where it fails, the disk does; the writer meets the same, and says so.
                _ = try? await queue.writeWithoutTransaction { db in try db.checkpoint(.passive) }
            }
        }
    }

    deinit { task.cancel() }

    func close() async throws {
        task.cancel()
        await task.value
        try queue.close()
    }
}

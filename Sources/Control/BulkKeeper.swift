import Logging
import ServiceLifecycle

/// Does what bulk operations have left to do, and goes on after a start with those that were under way.
struct BulkKeeper: Service {
    let control: ControlPlane
    private static let interval = Duration.milliseconds(50)
    /// After something failed: store or kernel are out of order.
    private static let rest = Duration.seconds(2)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var wait = Self.interval
                do { try await control.runBulks() } catch {
                    if Task.isCancelled { return }
                    control.logger.error(
                        "a bulk operation could not go on; it is tried again", metadata: ["error": "\(error)"])
                    wait = Self.rest
                }
                // Cancelled at shutdown: the loop's condition ends it.
                try? await Task.sleep(for: wait)
            }
        }
    }
}

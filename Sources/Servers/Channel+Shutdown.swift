import NIOCore
import ServiceLifecycle

extension Channel {
    /// Returns when the channel has closed, and closes it on shutdown or cancellation.
    func closeOnShutdown() async throws {
        try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                try await self.closeFuture.get()
            } onGracefulShutdown: {
                self.close(promise: nil)
            }
        } onCancel: {
            self.close(promise: nil)
        }
    }
}

import Logging
import Metrics
import PolicyCompiler
import ServiceLifecycle

/// Compares the kernel with what it was given, a few times a second, and has differences mended.
struct KernelWatch: Service {
    let control: ControlPlane
    private let repairs = Counter(label: "cordon_kernel_repairs_total")

    init(control: ControlPlane) { self.control = control }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // Cancelled at shutdown: the loop's condition ends it.
                try? await Task.sleep(for: control.settings.verificationInterval)
                do {
                    let dataPlane = control.dataPlane
                    if let report = try await control.engine.exclusively({ try dataPlane.verify() }) {
                        repairs.increment()
                        control.logger.error(
                            "somebody else changed Cordon's part of the kernel; it has been repaired",
                            metadata: ["findings": "\(report.findings.joined(separator: "; "))"])
                    }
                } catch {
                    if Task.isCancelled { return }
                    control.logger.error(
                        "the kernel cannot be checked; the last ruleset stays in force",
                        metadata: ["error": "\(error)"])
                }
            }
        }
    }
}

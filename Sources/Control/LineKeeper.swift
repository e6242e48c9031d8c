import Domain
import Logging
import PolicyCompiler
import ServiceLifecycle
import Synchronization

/// Looks whether the lines of VPNs are up, and sends flows by the next VPN of their rule when one is not.
struct LineKeeper: Service {
    let control: ControlPlane

    /// What a flow may lose when its line goes down.
    static let interval: Duration = .milliseconds(250)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await Task.sleep(for: Self.interval) } catch { return }
                do {
                    try await control.lookAtLines()
                } catch {
                    control.logger.warning(
                        "the lines of VPNs could not be looked at; tried again", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}

extension ControlPlane {
    package func lookAtLines() async throws {
        let interfaces = lines.interfaces
        guard !interfaces.isEmpty || !areLinesSet.load(ordering: .relaxed) else { return }
        let up = try dataPlane.upInterfaces(interfaces)
        let changed = lines.note(up: up, at: now())
        // Also when the kernel did not take it before.
        guard !changed.isEmpty || !areLinesSet.load(ordering: .relaxed) else { return }
        // A line that goes down again meanwhile is told again.
        areLinesSet.store(false, ordering: .relaxed)
        try await engine.exclusively { try self.setLines() }
        for state in changed {
            let metadata: Logger.Metadata = [
                "vpn": "\(state.vpn.name)", "tenant": "\(state.vpn.tenant)", "interface": "\(state.vpn.line.interface)",
            ]
            if state.isUp {
                logger.info("a VPN is up; flows take it again", metadata: metadata)
            } else {
                logger.warning(
                    "a VPN is down; its flows take the next of their rule or are blocked: look at its interface",
                    metadata: metadata)
            }
        }
    }
}

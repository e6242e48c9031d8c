import Domain
import Logging
import PolicyCompiler
import ServiceLifecycle
import Synchronization
import VICI

/// Looks whether VPNs are up, and sends flows by the next VPN of their rule when one is not.
struct VPNKeeper: Service {
    let control: ControlPlane

    /// What a flow may lose when its VPN goes down.
    static let interval: Duration = .milliseconds(250)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await Task.sleep(for: Self.interval) } catch { return }
                do {
                    try await control.lookAtVPNs()
                } catch {
                    control.logger.warning(
                        "VPNs could not be looked at; tried again", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}

extension ControlPlane {
    package func lookAtVPNs() async throws {
        let lines = vpnBook.interfacesOfLines
        let up = try dataPlane.upInterfaces(lines)
        var changed = vpnBook.note({ self.condition(of: $0, up: up) }, at: now())
        // Asked for before: no book is asked under the lock of another.
        let flowing = vpnBook.numbersUp
        let moved = tunnels.holdAlternates { flowing.contains($0) }
        if !moved.isEmpty {
            for vpn in moved {
                guard let state = tunnels.state(of: vpn.id) else { continue }
                vpnBook.hold(vpn.number, state.isHeld, blocks: state.setup.plan.localBlocks)
            }
            changed += vpnBook.note({ self.condition(of: $0, up: up) }, at: now())
            tunnelSupport?.wake()
        }
        // Also when the kernel did not take it before.
        guard !changed.isEmpty || !moved.isEmpty || !areVPNsSet.load(ordering: .relaxed) else { return }
        let told = changed.map(\.vpn.number) + moved.map(\.number)
        let isWhole = areVPNsSet.exchange(false, ordering: .relaxed)
        // One that goes down again meanwhile is told again.
        try await engine.exclusively {
            if isWhole {
                try self.setVPNs(told)
            } else {
                try self.setAllVPNs()
            }
        }
        if !changed.isEmpty { await tell(changed) }
        for state in changed {
            let metadata: Logger.Metadata = [
                "vpn": "\(state.vpn.name)", "tenant": "\(state.vpn.tenant)", "interface": "\(state.vpn.interface)",
            ]
            if state.isUp {
                logger.info("a VPN is up; flows take it", metadata: metadata)
            } else {
                logger.warning(
                    "a VPN is down; its flows take the next of their rule or are blocked", metadata: metadata)
            }
        }
    }

    /// A line is well when its interface has a link, a tunnel when its peer is there.
    func condition(of vpn: VPN, up interfaces: Set<InterfaceName>) -> TunnelBook.Condition {
        switch vpn.way {
        case .line(let line): interfaces.contains(line.interface) ? .well : .ill
        case .tunnel: tunnels.condition(of: vpn.id)
        }
    }

    /// Gives the kernel what the book says. What fails is tried again by the keeper.
    func setAllVPNs() throws(DataPlaneError) {
        areVPNsSet.store(false, ordering: .relaxed)
        try dataPlane.setVPNs(vpnBook.entries)
        areVPNsSet.store(true, ordering: .relaxed)
    }

    /// The same for some.
    func setVPNs(_ numbers: [VPNNumber]) throws(DataPlaneError) {
        areVPNsSet.store(false, ordering: .relaxed)
        try dataPlane.changeVPNs(
            numbers.reduce(into: [:]) { $0[$1] = .some(vpnBook.state(of: $1)?.entry) })
        areVPNsSet.store(true, ordering: .relaxed)
    }
}

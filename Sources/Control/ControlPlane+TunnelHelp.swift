public import Domain
public import PeerGuides
import PolicyCompiler
import Store
import VICI

/// What a tenant needs beside the tunnel itself: the other end's configuration, and what is wrong in words.
extension ControlPlane {
    /// The configuration of the other end. The key is in it only when the caller gives it: it is not shown again.
    public func peerConfiguration(
        of name: Name, _ tenant: Name, for vendor: PeerVendor, key: PeerSharedKey?, by principal: Principal
    ) async throws(ControlError) -> (PeerConfiguration, steps: [String]) {
        let facts = try await peerFacts(of: name, tenant, key: key, by: principal)
        do throws(PeerLimitations) {
            return (try PeerConfiguration(of: vendor, for: facts), facts.nextSteps(for: vendor))
        } catch {
            throw ControlError(
                .conflict, "\(vendor.title) cannot do what VPN \(name) asks for",
                problems: error.limitations.map {
                    ControlError.Problem(line: nil, field: "for", message: "\($0.what) \($0.remedy)")
                })
        }
    }

    func peerFacts(
        of name: Name, _ tenant: Name, key: PeerSharedKey?, by principal: Principal
    ) async throws(ControlError) -> PeerFacts {
        let (vpn, tunnel, blocks) = try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            let vpn = try store.ownVPN(name, of: owner.id)
            guard let tunnel = vpn.tunnel else {
                throw ControlError(
                    .conflict, "VPN \(name) is a line of the operator's: its other end needs no configuration")
            }
            return (vpn, tunnel, try store.blocks(of: owner.id))
        }
        guard let peer = Self.peerIdentity(of: tunnel, name), let addresses = tunnelSupport?.settings.addresses,
            let address = addresses.first
        else { throw ControlError(.unavailable, "this gateway makes no tunnels: set vpn.listen in cordon.yaml") }
        let state = tunnels.state(of: vpn.id)
        var isBehindNAT = false
        if case .address(let configured) = tunnel.peer, let seen = state?.record.peer?.address {
            isBehindNAT = seen != configured
        }
        return PeerFacts(
            vpn: name, tenant: tenant, tunnel: tunnel,
            gateway: PeerFacts.Gateway(
                address: address, alternatives: Array(addresses.dropFirst()),
                identity: ownIdentity(of: name, of: tenant, tunnel)),
            peerIdentity: peer, isPeerBehindNAT: isBehindNAT, deviceBlocks: blocks, sharedKey: key)
    }

    /// What the customer has to do on its side.
    public func nextSteps(
        of name: Name, _ tenant: Name, by principal: Principal
    ) async throws(ControlError) -> [String] {
        try await peerFacts(of: name, tenant, key: nil, by: principal).nextSteps()
    }

    /// What a tunnel does and what is wrong with it.
    public struct TunnelDiagnosis: Sendable {
        public let view: VPNView
        public let tunnel: TunnelView
        /// In order of importance; none: nothing is.
        public let faults: [Fault]

        public struct Fault: Hashable, Sendable {
            public let code: String
            public let since: Timestamp?
            public let happened: String
            public let cause: String
            /// What to change at Cordon's end, and at the peer's; empty: nothing.
            public let here: String
            public let there: String
        }
    }

    public func diagnoseTunnel(
        _ name: Name, of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> TunnelDiagnosis {
        let view = try await vpn(name, of: tenant, by: principal)
        guard let tunnel = view.tunnel else {
            throw ControlError(
                .conflict,
                view.vpn.tunnel == nil
                    ? "VPN \(name) is a line of the operator's: ask the operator about its interface \(view.vpn.interface)"
                    : "this gateway makes no tunnels: set vpn.listen in cordon.yaml")
        }
        var faults: [TunnelDiagnosis.Fault] = []
        if !tunnel.isDaemonThere {
            faults.append(
                TunnelDiagnosis.Fault(
                    code: "daemon", since: nil, happened: "The gateway's IKE daemon is not there.",
                    cause: "It has ended and is being started again.", here: "Wait; if it lasts, tell the operator.",
                    there: ""))
        }
        if let fault = tunnel.record.fault {
            // Sentences say NAME where they tell a command.
            func named(_ text: String) -> String { text.replacing(" NAME", with: " \(name)") }
            faults.append(
                TunnelDiagnosis.Fault(
                    code: fault.code, since: tunnel.record.faultSince, happened: fault.words.happened,
                    cause: fault.words.cause, here: named(fault.words.gateway), there: named(fault.words.peer)))
        }
        if tunnel.counters.refusedPackets > 0 {
            faults.append(
                TunnelDiagnosis.Fault(
                    code: "refused-packets", since: nil,
                    happened: "\(tunnel.counters.refusedPackets) packets from the peer were dropped.",
                    cause:
                        "No policy's rule lets them in, or they were for devices that are not this tenant's, or came from "
                        + "addresses that are not behind this VPN.",
                    here:
                        "If they are wanted: let them in with a rule to devices (direction: to-device, via: vpn:\(name)), "
                        + "and have their network behind the VPN (`cordon vpn update \(name) --remote-network`).",
                    there: "Send only what the VPN is for: check its routes and its traffic selectors."))
        }
        return TunnelDiagnosis(view: view, tunnel: tunnel, faults: faults)
    }

    /// Makes a tunnel anew, at once: for who has changed the other end and does not want to wait.
    public func restartTunnel(_ name: Name, of tenant: Name, by principal: Principal) async throws(ControlError) {
        let view = try await vpn(name, of: tenant, by: principal)
        guard let support = tunnelSupport, let state = tunnels.state(of: view.vpn.id) else {
            throw ControlError(.conflict, "VPN \(name) is a line of the operator's, which is not made anew")
        }
        do {
            _ = try await support.daemon.terminate(state.identifier, force: true)
        } catch {
            throw ControlError(.unavailable, "\(error.sentence): try again")
        }
        tunnels.tryNow(view.vpn.id)
        support.wake()
    }
}

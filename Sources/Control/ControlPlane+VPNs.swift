public import Domain
public import PolicyCompiler
import Store
import Synchronization
package import VICI

/// Tenants' VPNs, of either kind, and the operator's lines.
extension ControlPlane {
    /// A VPN, and whether flows may take it.
    public struct VPNView: Sendable {
        public let vpn: VPN
        public let isUp: Bool
        /// When that came to be, as far as the daemon has seen it.
        public let since: Timestamp?
        /// `nil` for a line.
        public let tunnel: TunnelView?
    }

    /// A tunnel, as far as it has come.
    public struct TunnelView: Sendable {
        package let record: TunnelRecord
        /// Another VPN of the same networks has the traffic, and the IKE daemon cannot have both up.
        public let isStandingBy: Bool
        public let isProbeFailing: Bool
        public let ownIdentity: IKEIdentity
        public let peerIdentity: IKEIdentity
        /// What the peer reaches the gateway by.
        public let gatewayAddresses: [IPAddress]
        /// The traffic selectors here.
        public let blocks: [IPv4Prefix]
        public let path: String
        public let counters: TunnelCounters
        /// When its present keys were made, newest first.
        public let keys: [Timestamp]
        public let isDaemonThere: Bool
    }

    /// Makes a line the tenant's VPN of that name. In the kernel when it returns.
    /// - Throws: `.invalid` for a line that cannot be, `.conflict` when the name or the interface is taken.
    public func createVPN(
        _ name: Name, of tenant: Name, line: VPN.Line, by principal: Principal
    ) async throws(ControlError) -> VPNView {
        try principal.requireOperator()
        try check(line)
        return try await change {
            let now = self.now()
            let vpn = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                let vpn = try store.insertVPN(name: name, of: owner.id, line: line, at: now)
                if !line.networks6.isEmpty, self.settings.hasIPv6 { try store.preparePrefixes(of: owner.id) }
                try store.appendAudit(
                    actor: principal.name, action: "vpn.create", target: "\(tenant)/\(name)",
                    detail: "\(line.interface)", at: now)
                return vpn
            }
            self.book.noteChangeOfScope(of: vpn.tenant)
            try self.bringLine(vpn)
            return self.view(vpn)
        }
    }

    /// By name.
    public func vpns(of tenant: Name, by principal: Principal) async throws(ControlError) -> [VPNView] {
        let vpns = try await read { store in
            try store.vpns(of: try store.visibleTenant(tenant, to: principal).id)
        }
        // What cannot be read at this moment is shown as nothing.
        let counters = try? dataPlane.tunnelCounters(of: Set(vpns.map(\.number)))
        return vpns.map { view($0, counters: counters?[$0.number]) }
    }

    public func vpn(_ name: Name, of tenant: Name, by principal: Principal) async throws(ControlError) -> VPNView {
        view(
            try await read { store in
                try store.ownVPN(name, of: try store.visibleTenant(tenant, to: principal).id)
            })
    }

    /// - Throws: `.conflict` with their names while policies in force name it.
    public func deleteVPN(_ name: Name, of tenant: Name, by principal: Principal) async throws(ControlError) {
        try await change {
            let now = self.now()
            let references = self.book.references()
            let vpn = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                let vpn = try store.ownVPN(name, of: owner.id)
                if vpn.line != nil { try principal.requireOperator() }
                try self.refuse("VPN", name, ifNamedIn: try store.policies(of: owner.id), references, \.vpns)
                if try store.dns(of: owner.id)?.upstreams.contains(where: { $0.vpn == name }) == true {
                    throw ControlError(
                        .conflict, "VPN \(name) leads to a resolver of \(tenant)'s DNS settings: change those first")
                }
                try store.deleteVPN(vpn.id)
                try store.appendAudit(
                    actor: principal.name, action: "vpn.delete", target: "\(tenant)/\(name)", detail: "", at: now)
                return vpn
            }
            self.book.noteChangeOfScope(of: vpn.tenant)
            try await self.removeVPN(vpn)
        }
    }

    /// What a rule names stays as long as it does.
    func refuse(
        _ kind: String, _ name: Name, ifNamedIn policies: [Policy], _ references: [PolicyMark: PolicyBook.References],
        _ names: (PolicyBook.References) -> Set<Name>
    ) throws(ControlError) {
        let naming = policies.filter { policy in
            policy.mark.flatMap { references[$0] }.map { names($0).contains(name) } ?? false
        }
        guard !naming.isEmpty else { return }
        throw ControlError(
            .conflict,
            "\(kind) \(name) is named by the policies \(naming.map(\.name.description).sorted().joined(separator: ", ")): "
                + "change those first")
    }

    /// The operator's pools and infrastructure: no tenant's networks and peers are there.
    var forbiddenPrefixes: [IPv4Prefix] {
        pools.withLock { $0 } + settings.protectedPrefixes + settings.natPlan.publicPrefixes
    }

    var forbiddenPrefixes6: [IPv6Prefix] { pools6.withLock { $0 } + settings.protectedPrefixes6 }

    private func check(_ line: VPN.Line) throws(ControlError) {
        let count = line.networks.count + line.networks6.count
        guard (1...VPN.Line.maximumNetworks).contains(count) else {
            throw ControlError(
                .invalid, "a VPN has 1 to \(VPN.Line.maximumNetworks) networks behind it, not \(count)")
        }
        guard !settings.gatewayInterfaces.contains(line.interface), line.interface.description != "lo",
            !line.interface.isOfTunnel
        else {
            throw ControlError(
                .invalid, "\(line.interface) is the gateway's own: give the interface of the line to the tenant")
        }
        let own = forbiddenPrefixes
        for network in line.networks {
            // A default route is none of these: packets to devices and to the operator never take it.
            if let other = own.first(where: { $0.contains(network) || network.overlaps($0) && network.length > 0 }) {
                throw ControlError(
                    .invalid, "\(network) overlaps \(other), which is the operator's: write the tenant's own networks")
            }
        }
        let own6 = forbiddenPrefixes6
        for network in line.networks6 {
            if let other = own6.first(where: { $0.contains(network) || network.overlaps($0) && network.length > 0 }) {
                throw ControlError(
                    .invalid, "\(network) overlaps \(other), which is the operator's: write the tenant's own networks")
            }
        }
    }

    func view(_ vpn: VPN) -> VPNView {
        view(vpn, counters: (try? dataPlane.tunnelCounters(of: [vpn.number]))?[vpn.number])
    }

    func view(_ vpn: VPN, counters: TunnelCounters?) -> VPNView {
        let state = vpnBook.state(of: vpn.number)
        return VPNView(
            vpn: vpn, isUp: state?.isUp ?? false, since: state?.since,
            tunnel: tunnels.state(of: vpn.id).map { tunnel in
                var counters = counters ?? TunnelCounters()
                counters.refusedPackets &+= tunnels.dropped(of: vpn.id)
                return TunnelView(
                    record: tunnel.record, isStandingBy: tunnel.isHeld,
                    isProbeFailing: tunnel.probe.isFailing && tunnel.setup.tunnel.probe != nil,
                    ownIdentity: tunnel.setup.plan.localIdentity, peerIdentity: tunnel.setup.plan.peerIdentity,
                    gatewayAddresses: tunnelSupport?.settings.addresses ?? [], blocks: tunnel.setup.plan.localBlocks,
                    path: (tunnelPath ?? .userSpace).rawValue, counters: counters,
                    keys: tunnel.setup.keys.map(\.createdAt), isDaemonThere: tunnels.isConnected)
            })
    }

    /// Gives the kernel a line. On the engine's loop, as what follows.
    private func bringLine(_ vpn: VPN) throws {
        let up = try dataPlane.upInterfaces([vpn.interface])
        vpnBook.set(vpn, Self.entry(of: vpn), condition: condition(of: vpn, up: up), at: now())
        try setVPNs([vpn.number])
    }

    func removeVPN(_ vpn: VPN) async throws {
        let peer = tunnels.peer(of: vpn.id)
        vpnBook.remove(vpn.number)
        tunnels.remove(vpn.id)
        tunnelSupport?.wake()
        try setVPNs([vpn.number])
        try await bringAgain(tunnels.others(saying: peer, besides: vpn.id))
    }
}

extension StoreReader {
    func ownVPN(_ name: Name, of tenant: Tenant.ID) throws -> VPN {
        guard let vpn = try vpn(named: name, of: tenant) else { throw ControlError.notFound("VPN", name) }
        return vpn
    }
}

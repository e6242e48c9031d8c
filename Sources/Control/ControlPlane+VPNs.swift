public import Domain
import PolicyCompiler
import Store
import Synchronization

/// Tenants' VPNs: so far lines of the operator's, each an interface of the gateway's host.
extension ControlPlane {
    /// A VPN, and whether flows may take it.
    public struct VPNView: Sendable {
        public let vpn: VPN
        public let isUp: Bool
        /// When that came to be, as far as the daemon has seen it.
        public let since: Timestamp?
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
                try store.appendAudit(
                    actor: principal.name, action: "vpn.create", target: "\(tenant)/\(name)",
                    detail: "\(line.interface)", at: now)
                return vpn
            }
            self.book.noteChangeOfScope(of: vpn.tenant)
            try await self.bringVPNs()
            return self.view(vpn)
        }
    }

    /// By name.
    public func vpns(of tenant: Name, by principal: Principal) async throws(ControlError) -> [VPNView] {
        try await read { store in
            try store.vpns(of: try store.visibleTenant(tenant, to: principal).id).map(self.view)
        }
    }

    public func vpn(_ name: Name, of tenant: Name, by principal: Principal) async throws(ControlError) -> VPNView {
        try await read { store in
            self.view(try store.ownVPN(name, of: try store.visibleTenant(tenant, to: principal).id))
        }
    }

    /// - Throws: `.conflict` with their names while policies in force name it.
    public func deleteVPN(_ name: Name, of tenant: Name, by principal: Principal) async throws(ControlError) {
        try principal.requireOperator()
        try await change {
            let now = self.now()
            let references = self.book.references()
            let owner = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                let vpn = try store.ownVPN(name, of: owner.id)
                try self.refuse("VPN", name, ifNamedIn: try store.policies(of: owner.id), references, \.vpns)
                if try store.dns(of: owner.id)?.upstreams.contains(where: { $0.vpn == name }) == true {
                    throw ControlError(
                        .conflict, "VPN \(name) leads to a resolver of \(tenant)'s DNS settings: change those first")
                }
                try store.deleteVPN(vpn.id)
                try store.appendAudit(
                    actor: principal.name, action: "vpn.delete", target: "\(tenant)/\(name)", detail: "", at: now)
                return owner.id
            }
            self.book.noteChangeOfScope(of: owner)
            try await self.bringVPNs()
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

    private func check(_ line: VPN.Line) throws(ControlError) {
        let count = line.networks.count + line.networks6.count
        guard (1...VPN.Line.maximumNetworks).contains(count) else {
            throw ControlError(
                .invalid, "a VPN has 1 to \(VPN.Line.maximumNetworks) networks behind it, not \(count)")
        }
        guard !settings.gatewayInterfaces.contains(line.interface), line.interface.description != "lo" else {
            throw ControlError(
                .invalid, "\(line.interface) is the gateway's own: give the interface of the line to the tenant")
        }
        let own = pools.withLock { $0 } + settings.protectedPrefixes + settings.natPlan.publicPrefixes
        for network in line.networks {
            // A default route is none of these: packets to devices and to the operator never take it.
            if let other = own.first(where: { $0.contains(network) || network.overlaps($0) && network.length > 0 }) {
                throw ControlError(
                    .invalid, "\(network) overlaps \(other), which is the operator's: write the tenant's own networks")
            }
        }
    }

    private func view(_ vpn: VPN) -> VPNView {
        let state = lines.state(of: vpn.number)
        return VPNView(vpn: vpn, isUp: state?.isUp ?? false, since: state?.since)
    }

    /// Gives the kernel the VPNs of the store. Runs on the engine's loop.
    func bringVPNs() async throws {
        let vpns = try await store.read { store in try store.allVPNs() }
        let up = try dataPlane.upInterfaces(Set(vpns.map(\.line.interface)))
        lines.replaceAll(vpns, up: up, at: now())
        try setLines()
    }
}

extension ControlPlane {
    /// Gives the kernel what the book of lines says. What fails is tried again by their keeper.
    func setLines() throws(DataPlaneError) {
        areLinesSet.store(false, ordering: .relaxed)
        try dataPlane.setVPNs(lines.entries)
        areLinesSet.store(true, ordering: .relaxed)
    }
}

extension StoreReader {
    func ownVPN(_ name: Name, of tenant: Tenant.ID) throws -> VPN {
        guard let vpn = try vpn(named: name, of: tenant) else { throw ControlError.notFound("VPN", name) }
        return vpn
    }
}

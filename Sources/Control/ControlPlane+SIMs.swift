public import Domain
public import PolicyCompiler
public import Store

extension ControlPlane {
    /// A SIM with the names of what it belongs to.
    public struct SIMView: Hashable, Sendable {
        public let sim: SIM
        public let tenant: Name
        public let group: Name?
        public let leases: [AddressLease]
        public let prefixLeases: [PrefixLease]
        public let activeSessions: [Session]
    }

    public func createSIM(
        imsi: IMSI, iccid: ICCID, msisdn: MSISDN?, group: Name?, label: String, of tenant: Name,
        by principal: Principal
    ) async throws(ControlError) -> SIM {
        try await write("sim.create", "\(imsi)", by: principal) { store, now in
            let owner = try store.visibleTenant(tenant, to: principal)
            let id = try group.map { try store.ownGroup($0, of: owner.id) }?.id
            return try store.insertSIM(
                NewSIM(imsi: imsi, iccid: iccid, msisdn: msisdn, group: id, label: label), of: owner.id, at: now)
        }
    }

    public func sim(_ imsi: IMSI, by principal: Principal) async throws(ControlError) -> SIMView {
        try await read { store in try store.view(of: try store.visibleSIM(imsi, to: principal)) }
    }

    /// A page of SIMs by IMSI. Without a tenant: all that the principal may see.
    public func sims(
        of tenant: Name?, group: Name?, after: IMSI?, limit: Int, by principal: Principal
    ) async throws(ControlError) -> [SIM] {
        try await read { store in
            let owner: Tenant.ID? =
                switch (tenant, principal.role) {
                case (let name?, _): try store.visibleTenant(name, to: principal).id
                case (nil, .tenant(let own)): own
                case (nil, .operator): nil
                }
            let member = try group.map { group in
                guard let owner else { throw ControlError(.invalid, "name the tenant of the group \(group)") }
                return try store.ownGroup(group, of: owner).id
            }
            return try store.sims(of: owner, group: member, after: after, limit: min(max(limit, 1), 1000))
        }
    }

    public func setGroup(
        _ group: Name?, ofSIM imsi: IMSI, by principal: Principal
    ) async throws(ControlError) -> EnforcementReport {
        let report = try await rejudge("sim.set-group", "\(imsi)", by: principal) { store in
            let sim = try store.visibleSIM(imsi, to: principal)
            try store.setGroup(try group.map { try store.ownGroup($0, of: sim.tenant) }?.id, of: sim.id)
            return try store.enforcedSessions(of: sim.id)
        }
        // Another group may say something else of who may use it.
        let place = try await read { store in
            try store.place(of: .sim(imsi), for: principal, isChange: true)
        }
        _ = try await rejudged(at: place, since: .now)
        return report
    }

    public func deleteSIM(_ imsi: IMSI, by principal: Principal) async throws(ControlError) {
        let sim = try await sim(imsi, by: principal).sim
        try await giveUpAddresses("sim.delete", imsi, by: principal) { store, sim in try store.deleteSIM(sim) }
        sessionPolicies.remove(sim: sim.id, of: sim.tenant)
        try await Self.translating {
            try await self.engine.exclusively { try self.limits.forget({ $0.owner == .sim(sim.id) }, sim: sim.id) }
        }
    }

    /// Gives the SIM's sticky addresses back to its tenant's blocks.
    public func releaseAddresses(ofSIM imsi: IMSI, by principal: Principal) async throws(ControlError) {
        try principal.requireOperator()
        try await giveUpAddresses("sim.release-address", imsi, by: principal) { store, sim in
            try store.releaseLeases(of: sim)
        }
    }

    /// Whoever gets such an address next gets no answer to a packet of the device that had it: tracked connections are
    /// deleted. A device that only detaches keeps its address, and with it what is tracked, until that times out.
    private func giveUpAddresses(
        _ action: String, _ imsi: IMSI, by principal: Principal,
        _ body: @escaping @Sendable (any StoreTransaction, SIM.ID) throws -> Void
    ) async throws(ControlError) {
        let addresses = try await write(action, "\(imsi)", by: principal) { store, _ in
            let sim = try store.visibleSIM(imsi, to: principal).id
            let leases = try store.leases(of: sim).map { IPAddress.v4($0.address) }
            let networks = try store.prefixLeases(of: sim).flatMap(\.prefixes.networks)
            try body(store, sim)
            return Set(leases + networks.map { .v6($0.address) })
        }
        guard !addresses.isEmpty else { return }
        _ = try await Self.translating { try self.dataPlane.deleteFlows(.ofDevices(addresses)) { _ in .denied } }
    }

    /// A page of sessions by number.
    public func sessions(
        of tenant: Name?, activeOnly: Bool, after: Session.ID?, limit: Int, by principal: Principal
    ) async throws(ControlError) -> [Session] {
        try await read { store in
            let owner: Tenant.ID? =
                switch (tenant, principal.role) {
                case (let name?, _): try store.visibleTenant(name, to: principal).id
                case (nil, .tenant(let own)): own
                case (nil, .operator): nil
                }
            return try store.sessions(
                of: owner, activeOnly: activeOnly, after: after, limit: min(max(limit, 1), 1000))
        }
    }

    public func session(_ id: Session.ID, by principal: Principal) async throws(ControlError) -> Session {
        try await read { store in try store.visibleSession(id, to: principal) }
    }

    public func counts() async throws(ControlError) -> StoreCounts { try await read { try $0.counts() } }

    public func counters() async throws(ControlError) -> [DataPlaneCounter] {
        try await Self.translating { try self.dataPlane.counters() }
    }
}

extension StoreReader {
    fileprivate func view(of sim: SIM) throws -> ControlPlane.SIMView {
        guard let tenant = try tenant(sim.tenant) else { throw ControlError.notFound("SIM", sim.imsi) }
        return ControlPlane.SIMView(
            sim: sim, tenant: tenant.name, group: try sim.group.flatMap { try group($0) }?.name,
            leases: try leases(of: sim.id), prefixLeases: try prefixLeases(of: sim.id),
            activeSessions: try activeSessions(of: sim.id))
    }
}

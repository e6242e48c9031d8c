public import Domain
import PolicyCompiler
import Store
import Synchronization

/// Tenants, their groups, the operator's pools and NAS, and tokens.
extension ControlPlane {
    // MARK: Tenants

    public func createTenant(_ name: Name, by principal: Principal) async throws(ControlError) -> Tenant {
        try principal.requireOperator()
        return try await write("tenant.create", "\(name)", by: principal) { store, now in
            if try store.tenant(named: name) != nil {
                throw ControlError(.conflict, "there is a tenant \(name) already; choose another name")
            }
            return try store.insertTenant(name: name, at: now)
        }
    }

    /// All for the operator, its own for a tenant.
    public func tenants(by principal: Principal) async throws(ControlError) -> [Tenant] {
        try await read { store in try store.tenants().filter { principal.maySee($0.id) } }
    }

    public func tenant(_ name: Name, by principal: Principal) async throws(ControlError) -> Tenant {
        try await read { store in try store.visibleTenant(name, to: principal) }
    }

    public func tenant(_ id: Tenant.ID, by principal: Principal) async throws(ControlError) -> Tenant {
        try await read { store in
            guard principal.maySee(id), let tenant = try store.tenant(id) else {
                throw ControlError.notFound("tenant", id)
            }
            return tenant
        }
    }

    public func deleteTenant(_ name: Name, by principal: Principal) async throws(ControlError) {
        try principal.requireOperator()
        try await change {
            let (tenant, removed, vpns, points) = try await self.store.write { store in
                let tenant = try store.visibleTenant(name, to: principal)
                let marks = try store.policies(of: tenant.id).compactMap(\.mark)
                let vpns = try store.vpns(of: tenant.id)
                try store.deleteTenant(tenant.id)
                return (tenant.id, marks, vpns, try store.accessPoints())
            }
            self.accessPointBook.replaceAll(points)
            self.blocklists.remove(tenant)
            self.sessionPolicies.remove(tenant: tenant)
            try self.limits.forget { $0.tenant == tenant }
            try self.dataPlane.install([:], removing: Set(removed))
            for mark in removed { self.book.set(nil, for: mark) }
            for vpn in vpns { try await self.removeVPN(vpn) }
            try await self.audit("tenant.delete", "\(name)", by: principal)
        }
    }

    /// Gives the tenant's SIMs without a group another policy, `nil`: none, they reach nothing.
    public func setDefaultPolicy(
        _ policy: Name?, of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> EnforcementReport {
        let now = now()
        return try await rejudge("tenant.set-default-policy", "\(tenant)", by: principal) { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            let id = try policy.map { try store.ownPolicy($0, of: owner.id) }?.id
            try store.setDefaultPolicy(id, of: owner.id)
            if id != owner.defaultPolicy {
                try store.tellAssignment(of: policy, toGroup: nil, of: owner, by: principal.name, at: now)
            }
            return try store.enforcedSessions(ofTenant: owner.id)
        }
    }

    public func blocks(of tenant: Name, by principal: Principal) async throws(ControlError) -> [IPv4Prefix] {
        try await read { store in try store.blocks(of: try store.visibleTenant(tenant, to: principal).id) }
    }

    // MARK: Groups

    public func createGroup(
        _ name: Name, of tenant: Name, policy: Name?, by principal: Principal
    ) async throws(ControlError) -> SIMGroup {
        try await write("group.create", "\(tenant)/\(name)", by: principal) { store, now in
            let owner = try store.visibleTenant(tenant, to: principal)
            let id = try policy.map { try store.ownPolicy($0, of: owner.id) }?.id
            if let policy {
                try store.tellAssignment(of: policy, toGroup: name, of: owner, by: principal.name, at: now)
            }
            return try store.insertGroup(name: name, of: owner.id, policy: id)
        }
    }

    public func groups(of tenant: Name, by principal: Principal) async throws(ControlError) -> [SIMGroup] {
        try await read { store in try store.groups(of: try store.visibleTenant(tenant, to: principal).id) }
    }

    public func setPolicy(
        _ policy: Name?, ofGroup name: Name, of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> EnforcementReport {
        let now = now()
        return try await rejudge("group.set-policy", "\(tenant)/\(name)", by: principal) { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            let group = try store.ownGroup(name, of: owner.id)
            let id = try policy.map { try store.ownPolicy($0, of: owner.id) }?.id
            try store.setPolicy(id, ofGroup: group.id)
            if id != group.policy {
                try store.tellAssignment(of: policy, toGroup: name, of: owner, by: principal.name, at: now)
            }
            return try store.enforcedSessions(ofGroup: group.id)
        }
    }

    public func deleteGroup(_ name: Name, of tenant: Name, by principal: Principal) async throws(ControlError) {
        try await change {
            let now = self.now()
            let references = self.book.references()
            let (owner, group) = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                let group = try store.ownGroup(name, of: owner.id)
                try self.refuse("group", name, ifNamedIn: try store.policies(of: owner.id), references, \.groups)
                try store.deleteGroup(group.id)
                try store.appendAudit(
                    actor: principal.name, action: "group.delete", target: "\(tenant)/\(name)", detail: "", at: now)
                return (owner.id, group.id)
            }
            self.book.noteChangeOfScope(of: owner)
            self.sessionPolicies.remove(group: group, of: owner)
            try self.limits.forget { $0.owner == .group(group) }
        }
    }

    // MARK: Pools

    public func createPool(
        _ prefix: IPv4Prefix, blockLength: UInt8, by principal: Principal
    ) async throws(ControlError) -> AddressPool {
        try principal.requireOperator()
        guard blockLength >= prefix.length, blockLength <= 30 else {
            throw ControlError(
                .invalid,
                "blocks of /\(blockLength) do not fit into \(prefix): write a length from \(prefix.length) to 30")
        }
        return try await change {
            let pool = try await self.store.write { store in
                if let other = try store.pools().first(where: { $0.pool.prefix.overlaps(prefix) }) {
                    throw ControlError(.conflict, "\(prefix) overlaps the pool \(other.pool.prefix)")
                }
                return try store.insertPool(prefix: prefix, blockLength: blockLength)
            }
            try await self.refreshPools()
            // To devices that are none yet, so that somebody else may have had these addresses.
            _ = try self.dataPlane.deleteFlows(.all) { flow in
                guard case .v4(let destination) = flow.flow.destination else { return .notOurs }
                return prefix.contains(destination) ? .denied : .notOurs
            }
            try await self.audit("pool.create", "\(prefix)", by: principal)
            return pool
        }
    }

    public func pools(by principal: Principal) async throws(ControlError) -> [AddressPoolUsage] {
        try principal.requireOperator()
        return try await read { store in try store.pools() }
    }

    public func deletePool(_ prefix: IPv4Prefix, by principal: Principal) async throws(ControlError) {
        try principal.requireOperator()
        try await change {
            try await self.store.write { store in
                guard let usage = try store.pools().first(where: { $0.pool.prefix == prefix }) else {
                    throw ControlError.notFound("pool", prefix)
                }
                try store.deletePool(usage.pool.id)
            }
            try await self.refreshPools()
            try await self.audit("pool.delete", "\(prefix)", by: principal)
        }
    }

    private func refreshPools() async throws {
        let prefixes = try await store.read { store in try store.pools().map(\.pool.prefix) }
        pools.withLock { $0 = prefixes }
        try dataPlane.setPools(Set(prefixes))
    }

    // MARK: NAS

    public func createNAS(
        _ name: Name, address: IPv4Address, secret: Secret, requiresMessageAuthenticator: Bool = true,
        disconnectPort: UInt16 = 3799, disconnectKey: NAS.DisconnectKey = .imsiAndNSAPI, by principal: Principal
    ) async throws(ControlError) -> NAS {
        try principal.requireOperator()
        try Self.requireLong(secret)
        return try await changeNAS("nas.create", "\(name)", by: principal) { store in
            if try store.nas(named: name) != nil {
                throw ControlError(.conflict, "there is a NAS \(name) already; choose another name")
            }
            return try store.insertNAS(
                name: name, address: address, secret: secret,
                requiresMessageAuthenticator: requiresMessageAuthenticator, disconnectPort: disconnectPort,
                disconnectKey: disconnectKey)
        }
    }

    public func allNAS(by principal: Principal) async throws(ControlError) -> [NAS] {
        try principal.requireOperator()
        return try await read { store in try store.allNAS() }
    }

    public func deleteNAS(_ name: Name, by principal: Principal) async throws(ControlError) {
        try principal.requireOperator()
        try await changeNAS("nas.delete", "\(name)", by: principal) { store in
            guard let nas = try store.nas(named: name) else { throw ControlError.notFound("NAS", name) }
            try store.deleteNAS(nas.id)
        }
    }

    func changeNAS<Value: Sendable>(
        _ action: String, _ target: String, by principal: Principal,
        _ body: @escaping @Sendable (any StoreTransaction) throws -> Value
    ) async throws(ControlError) -> Value {
        try await change {
            let value = try await self.store.write(body)
            let addresses = try await self.store.read { store in Set(try store.allNAS().map(\.address)) }
            try self.dataPlane.setNAS(addresses)
            try await self.refreshClients()
            try await self.audit(action, target, by: principal)
            return value
        }
    }

    // MARK: Shared

    /// A change of the store alone, with its audit record in the same transaction.
    func write<Value: Sendable>(
        _ action: String, _ target: String, by principal: Principal,
        _ body: @escaping @Sendable (any StoreTransaction, Timestamp) throws -> Value
    ) async throws(ControlError) -> Value {
        let now = now()
        defer { verdicts.forgetAll() }
        return try await Self.translating {
            try await self.store.write { store in
                let value = try body(store, now)
                try store.appendAudit(
                    actor: principal.name, action: action, target: target, detail: "", at: now)
                return value
            }
        }
    }

    func audit(_ action: String, _ target: String, detail: String = "", by principal: Principal) async throws {
        let now = now()
        defer { verdicts.forgetAll() }
        try await store.write { store in
            try store.appendAudit(actor: principal.name, action: action, target: target, detail: detail, at: now)
        }
    }

    /// A change of which policy judges whom: stored, then the devices it touches are told to the kernel in one batch,
    /// then flows that are not allowed any more are cut.
    func rejudge(
        _ action: String, _ target: String, by principal: Principal,
        _ body: @escaping @Sendable (any StoreTransaction) throws -> [EnforcedSession]
    ) async throws(ControlError) -> EnforcementReport {
        let started = ContinuousClock.now
        let sessions = try await change {
            let now = self.now()
            let sessions = try await self.store.write { store in
                let sessions = try body(store)
                try store.appendAudit(actor: principal.name, action: action, target: target, detail: "", at: now)
                return sessions
            }
            try await self.enforce(sessions)
            return sessions
        }
        let inForce = ContinuousClock.now - started
        var cut = 0
        if !sessions.isEmpty {
            cut = try await Self.translating {
                try self.dataPlane.deleteFlows(.ofDevices(Set(sessions.flatMap(\.devices))), judging: self.judge())
            }
        }
        return EnforcementReport(
            sessions: sessions.count, inForce: inForce, flowsCut: cut, total: ContinuousClock.now - started)
    }
}

/// When a change was in force, and what it did.
public struct EnforcementReport: Hashable, Sendable {
    /// Active sessions that the change touched.
    public let sessions: Int
    /// From the call until the kernel had the change: no packet that it denies leaves a device after this.
    public let inForce: Duration
    /// Tracked connections that were cut because they are not allowed any more.
    public let flowsCut: Int
    /// From the call until those were gone too.
    public let total: Duration

    public init(sessions: Int, inForce: Duration, flowsCut: Int, total: Duration) {
        self.sessions = sessions
        self.inForce = inForce
        self.flowsCut = flowsCut
        self.total = total
    }
}

extension StoreReader {
    func ownPolicy(_ name: Name, of tenant: Tenant.ID) throws -> Policy {
        guard let policy = try policy(named: name, of: tenant) else { throw ControlError.notFound("policy", name) }
        return policy
    }

    func ownGroup(_ name: Name, of tenant: Tenant.ID) throws -> SIMGroup {
        guard let group = try group(named: name, of: tenant) else { throw ControlError.notFound("group", name) }
        return group
    }
}

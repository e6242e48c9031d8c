public import Domain
import PolicyCompiler
import Store
import Synchronization

/// The operator's pools of IPv6, and what tenants have of them.
extension ControlPlane {
    public func createPool(
        _ prefix: IPv6Prefix, blockLength: UInt8, delegatedLength: UInt8?, by principal: Principal
    ) async throws(ControlError) -> PrefixPool {
        try principal.requireOperator()
        do throws(PrefixPool.Fault) {
            _ = try PrefixPool(
                id: PrefixPool.ID(0), prefix: prefix, blockLength: blockLength, delegatedLength: delegatedLength)
        } catch {
            throw ControlError(.invalid, "\(error)")
        }
        return try await change {
            let pool = try await self.store.write { store in
                if let other = try store.prefixPools().first(where: { $0.pool.prefix.overlaps(prefix) }) {
                    throw ControlError(.conflict, "\(prefix) overlaps the pool \(other.pool.prefix)")
                }
                return try store.insertPool(
                    prefix: prefix, blockLength: blockLength, delegatedLength: delegatedLength)
            }
            try await self.refreshPrefixPools()
            // To devices that are none yet, so that somebody else may have had these addresses.
            _ = try self.dataPlane.deleteFlows(.all) { flow in
                guard case .v6(let destination) = flow.flow.destination else { return .notOurs }
                return prefix.contains(destination) ? .denied : .notOurs
            }
            try await self.audit("pool.create", "\(prefix)", by: principal)
            return pool
        }
    }

    public func prefixPools(by principal: Principal) async throws(ControlError) -> [PrefixPoolUsage] {
        try principal.requireOperator()
        return try await read { store in try store.prefixPools() }
    }

    public func deletePool(_ prefix: IPv6Prefix, by principal: Principal) async throws(ControlError) {
        try principal.requireOperator()
        try await change {
            try await self.store.write { store in
                guard let usage = try store.prefixPools().first(where: { $0.pool.prefix == prefix }) else {
                    throw ControlError.notFound("pool", prefix)
                }
                try store.deletePool(usage.pool.id)
            }
            try await self.refreshPrefixPools()
            try await self.audit("pool.delete", "\(prefix)", by: principal)
        }
    }

    /// The blocks of both families that the tenant's devices are in.
    public func allBlocks(of tenant: Name, by principal: Principal) async throws(ControlError) -> [IPPrefix] {
        try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal).id
            return try store.blocks(of: owner).map(IPPrefix.v4) + store.prefixBlocks(of: owner).map(IPPrefix.v6)
        }
    }

    private func refreshPrefixPools() async throws {
        let prefixes = try await store.read { store in try store.prefixPools().map(\.pool.prefix) }
        pools6.withLock { $0 = prefixes }
        try dataPlane.setPools(Set(prefixes))
    }
}

extension StoreTransaction {
    /// Gives the tenant a block of IPv6 when it has none and there is one: others' networks are routed to it before there is
    /// a device.
    func preparePrefixes(of tenant: Tenant.ID) throws(StoreError) {
        do throws(StoreError) {
            try ensurePrefixBlock(of: tenant)
        } catch {
            guard error.code == .exhausted else { throw error }
        }
    }
}

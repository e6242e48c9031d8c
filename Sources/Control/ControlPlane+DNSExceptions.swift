public import Domain
import Store

/// Names that no blocklist refuses a tenant's devices.
extension ControlPlane {
    /// By pattern.
    public func dnsExceptions(of tenant: Name, by principal: Principal) async throws(ControlError) -> [DNSException] {
        try await read { store in try store.dnsExceptions(of: try store.visibleTenant(tenant, to: principal).id) }
    }

    public func putDNSException(
        _ pattern: HostPattern, of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> DNSException {
        try await changeDNSExceptions("dns-exception.put", pattern, of: tenant, by: principal) { store, owner, now in
            let known = try store.dnsExceptions(of: owner)
            guard known.count < DNSException.maximumCount || known.contains(where: { $0.pattern == pattern }) else {
                throw ControlError(
                    .conflict,
                    "the tenant has \(DNSException.maximumCount) exceptions already, which is the most: delete one")
            }
            let exception = DNSException(tenant: owner, pattern: pattern, author: principal.name, createdAt: now)
            try store.putDNSException(exception)
            return exception
        }
    }

    public func deleteDNSException(
        _ pattern: HostPattern, of tenant: Name, by principal: Principal
    ) async throws(ControlError) {
        try await changeDNSExceptions("dns-exception.delete", pattern, of: tenant, by: principal) { store, owner, _ in
            guard try store.dnsExceptions(of: owner).contains(where: { $0.pattern == pattern }) else {
                throw ControlError.notFound("DNS exception", pattern)
            }
            try store.deleteDNSException(pattern, of: owner)
        }
    }

    private func changeDNSExceptions<Value: Sendable>(
        _ action: String, _ pattern: HostPattern, of tenant: Name, by principal: Principal,
        _ body: @escaping @Sendable (any StoreTransaction, Tenant.ID, Timestamp) throws -> Value
    ) async throws(ControlError) -> Value {
        try await change {
            let now = self.now()
            let (value, owner, patterns) = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal).id
                let value = try body(store, owner, now)
                try store.appendAudit(
                    actor: principal.name, action: action, target: "\(tenant)/\(pattern)", detail: "", at: now)
                return (value, owner, try store.dnsExceptions(of: owner).map(\.pattern))
            }
            self.blocklists.setExceptions(patterns, of: owner)
            return value
        }
    }
}

public import Domain
import Store

/// The operator's APNs: which are for everyone, and which are one tenant's alone.
extension ControlPlane {
    public struct AccessPointView: Hashable, Sendable {
        public let point: AccessPoint
        /// `nil`: shared.
        public let owner: Name?
    }

    /// - Parameter owner: whose SIMs alone are to come in by it; `nil`: everyone's.
    /// - Throws: `.conflict` when it is registered, or other tenants' SIMs have addresses on it.
    public func createAccessPoint(
        _ apn: APN, owner: Name?, by principal: Principal
    ) async throws(ControlError) -> AccessPointView {
        try principal.requireOperator()
        return try await changeAccessPoints("apn.create", apn, by: principal) { store, now in
            let tenant = try owner.map { try store.visibleTenant($0, to: principal) }
            return AccessPointView(
                point: try store.makeAccessPoint(apn, owner: tenant?.id, at: now), owner: tenant?.name)
        }
    }

    /// By name. All for the operator; for a tenant the shared ones and its own.
    public func accessPoints(by principal: Principal) async throws(ControlError) -> [AccessPointView] {
        try await read { store in
            let names = try store.tenants().reduce(into: [:]) { $0[$1.id] = $1.name }
            return try store.accessPoints().filter { $0.owner.map(principal.maySee) ?? true }.map { point in
                AccessPointView(point: point, owner: point.owner.flatMap { names[$0] })
            }
        }
    }

    /// It is everyone's after this, as one that was never registered.
    public func deleteAccessPoint(_ apn: APN, by principal: Principal) async throws(ControlError) {
        try principal.requireOperator()
        try await changeAccessPoints("apn.delete", apn, by: principal) { store, _ in
            try store.deleteAccessPoint(apn)
        }
    }

    private func changeAccessPoints<Value: Sendable>(
        _ action: String, _ apn: APN, by principal: Principal,
        _ body: @escaping @Sendable (any StoreTransaction, Timestamp) throws -> Value
    ) async throws(ControlError) -> Value {
        try await change {
            let now = self.now()
            let (value, points) = try await self.store.write { store in
                let value = try body(store, now)
                try store.appendAudit(actor: principal.name, action: action, target: "\(apn)", detail: "", at: now)
                return (value, try store.accessPoints())
            }
            self.accessPointBook.replaceAll(points)
            return value
        }
    }
}

extension StoreTransaction {
    /// Registers an APN, unless that would shut devices out that come in by it today.
    func makeAccessPoint(_ apn: APN, owner: Tenant.ID?, at time: Timestamp) throws -> AccessPoint {
        if let owner, try hasLeases(on: apn, besides: owner) {
            throw ControlError(
                .conflict,
                "SIMs of other tenants have addresses on the APN \(apn): choose another name, or release those first")
        }
        return try insertAccessPoint(apn, owner: owner, at: time)
    }
}

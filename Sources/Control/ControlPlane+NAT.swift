public import Domain
import Store

/// Who had which public address and ports.
extension ControlPlane {
    /// A block of NAT 1's ports and the device that had it for a time.
    public struct PortBlock: Hashable, Sendable {
        public let session: Session.ID
        public let binding: NATBinding
        public let address: IPv4Address
        public let imsi: IMSI
        /// `nil` once it is deleted.
        public let tenant: Name?
        public let validFrom: Timestamp
        /// `nil` while it lasts.
        public let validTo: Timestamp?
    }

    /// A page of the table of port blocks (RFC 7422 §4), by public address and first port, then by time. It follows from
    /// the sessions and the present plan: sessions under an earlier plan are shown with the ports that this one gives.
    /// - Parameters:
    ///   - publicAddress: one of the plan's; `nil`: all.
    ///   - port: only the block that it is in; needs `publicAddress`.
    ///   - from: blocks that lasted until then at least, `nil`: any.
    ///   - to: blocks that had begun by then, `nil`: any. The same as `from` asks for one instant.
    ///   - after: the last session of the page before.
    public func portBlocks(
        publicAddress: IPv4Address?, port: UInt16?, from: Timestamp?, to: Timestamp?, after: Session.ID?, limit: Int,
        by principal: Principal
    ) async throws(ControlError) -> [PortBlock] {
        try principal.requireOperator()
        if let from, let to, from > to { throw ControlError(.invalid, "\(from) is after \(to): exchange them") }
        guard let indexes = try natIndexes(publicAddress: publicAddress, port: port) else { return [] }
        let plan = settings.natPlan
        return try await read { store in
            let sessions = try store.sessions(
                natIndexes: indexes, from: from, to: to, after: after, limit: min(max(limit, 1), 1000))
            var names: [Tenant.ID: Name] = [:]
            for id in Set(sessions.map(\.tenant)) { names[id] = try store.tenant(id)?.name }
            // The indexes are the plan's, so each has a block.
            return sessions.filter(\.hasIPv4).compactMap { session in
                plan.binding(index: session.natIndex).map { PortBlock(session, $0, tenant: names[session.tenant]) }
            }
        }
    }

    private func natIndexes(
        publicAddress: IPv4Address?, port: UInt16?
    ) throws(ControlError) -> ClosedRange<Int64>? {
        let plan = settings.natPlan
        guard let publicAddress else {
            guard port == nil else {
                throw ControlError(.invalid, "a port alone is many devices': give the public address too")
            }
            return 0...Int64(plan.capacity - 1)
        }
        guard let ofAddress = plan.indexes(publicAddress: publicAddress) else {
            let prefixes = plan.publicPrefixes.map { "\($0)" }.joined(separator: ", ")
            throw ControlError(
                .invalid, "\(publicAddress) is no public address of NAT 1, which has \(prefixes)")
        }
        guard let port else { return ofAddress }
        return plan.index(publicAddress: publicAddress, port: port).map { $0...$0 }
    }
}

extension ControlPlane.PortBlock {
    fileprivate init(_ session: Session, _ binding: NATBinding, tenant: Name?) {
        self.init(
            session: session.id, binding: binding, address: session.address, imsi: session.imsi, tenant: tenant,
            validFrom: session.startedAt, validTo: session.endedAt)
    }
}

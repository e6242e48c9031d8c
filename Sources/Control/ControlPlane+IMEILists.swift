public import Domain
import PolicyCompiler
import Store

/// Lists of equipment that IMEI locks name: each tenant's own, and the operator's for ceilings.
extension ControlPlane {
    /// - Parameter tenant: `nil`: the operator's.
    public func imeiLists(of tenant: Name?, by principal: Principal) async throws(ControlError) -> [IMEIList] {
        try await read { store in try store.imeiLists(of: try store.owner(tenant, for: principal)) }
    }

    /// A page of a list's items, and the key to go on after.
    public func imeiList(
        _ name: Name, of tenant: Name?, after: Int64?, limit: Int, by principal: Principal
    ) async throws(ControlError) -> (list: IMEIList, items: [IMEIList.Item]) {
        try await read { store in
            let list = try store.ownIMEIList(name, of: try store.owner(tenant, for: principal))
            return (list, try store.items(of: list.id, after: after, limit: min(max(limit, 1), 1000)))
        }
    }

    /// Creates the list or replaces it whole, and judges the sessions whose locks name it.
    /// - Parameter text: one IMEI (14 to 16 digits) or TAC (8) a line, or as the first column of CSV; empty lines, lines that
    ///   begin with `#` and a first line without a digit are passed over.
    /// - Throws: `.invalid` with the first lines that are wrong.
    public func putIMEIList(
        _ name: Name, text: [UInt8], of tenant: Name?, by principal: Principal
    ) async throws(ControlError) -> (list: IMEIList, report: EnforcementReport) {
        let started = ContinuousClock.now
        let items = try Self.imeiItems(text)
        let list = try await change {
            let now = self.now()
            return try await self.store.write { store in
                let owner = try store.owner(tenant, for: principal)
                if try store.imeiList(named: name, of: owner) == nil,
                    try store.imeiLists(of: owner).count >= IMEIList.maximumCount
                {
                    throw ControlError(
                        .conflict,
                        "there are \(IMEIList.maximumCount) lists of IMEIs already, which is the most: delete one first"
                    )
                }
                let list = try store.putIMEIList(
                    named: name, of: owner, items: items, author: principal.name, at: now)
                try store.appendAudit(
                    actor: principal.name, action: "imei-list.put", target: Self.target(name, tenant),
                    detail: "\(items.count) item(s)", at: now)
                return list
            }
        }
        return (list, try await rejudged(listOf: list.owner, since: started))
    }

    /// - Throws: `.conflict` while a session policy names it.
    public func deleteIMEIList(_ name: Name, of tenant: Name?, by principal: Principal) async throws(ControlError) {
        try await change {
            let now = self.now()
            try await self.store.write { store in
                let owner = try store.owner(tenant, for: principal)
                let list = try store.ownIMEIList(name, of: owner)
                let naming = try store.sessionPolicy(
                    among: { ($0.level <= .tenantCeiling ? nil : $0.tenant) == owner },
                    saying: { policy in
                        if case .list(_, _, let names) = policy.imeiLock?.mode { names.contains(name) } else { false }
                    })
                if let record = naming {
                    throw ControlError(
                        .conflict,
                        "a session policy (\(record.place.level.rawValue)) names the list \(name); take it out of that first"
                    )
                }
                try store.deleteIMEIList(list.id)
                try store.appendAudit(
                    actor: principal.name, action: "imei-list.delete", target: Self.target(name, tenant), detail: "",
                    at: now)
            }
        }
    }

    private static func target(_ name: Name, _ tenant: Name?) -> String { tenant.map { "\($0)/\(name)" } ?? "\(name)" }

    private func rejudged(
        listOf owner: Tenant.ID?, since started: ContinuousClock.Instant
    ) async throws(ControlError) -> EnforcementReport {
        if let owner { return try await rejudged(at: .tenant(owner), since: started) }
        return try await rejudged(at: .ceiling, since: started)
    }

    /// Keys of the items in a text.
    private static func imeiItems(_ text: [UInt8]) throws(ControlError) -> Set<Int64> {
        var items: Set<Int64> = []
        var problems: [ControlError.Problem] = []
        var number = 0
        for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            let field = line.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: ";") }
                .filter { $0 > 0x20 && $0 != UInt8(ascii: "\"") }
            guard let first = field.first, first != UInt8(ascii: "#") else { continue }
            if let item = IMEIList.Item(utf8: field) {
                items.insert(item.key)
                guard items.count <= IMEIList.maximumItems else {
                    throw ControlError(.invalid, "the list has more than \(IMEIList.maximumItems) items")
                }
            } else if number > 1 || field.contains(where: { (0x30...0x39).contains($0) }) {
                guard problems.count < 20 else { break }
                let shown = String(decoding: field.prefix(40), as: UTF8.self)
                problems.append(
                    .init(
                        line: number, field: "imei",
                        message: "\"\(shown)\" is neither an IMEI of 14 to 16 digits nor a TAC of 8"))
            }
        }
        guard problems.isEmpty else {
            throw ControlError(.invalid, "the list has lines that are wrong; nothing was changed", problems: problems)
        }
        return items
    }
}

extension StoreReader {
    /// The owner of lists that a principal may see.
    fileprivate func owner(_ tenant: Name?, for principal: Principal) throws -> Tenant.ID? {
        guard let tenant else {
            try principal.requireOperator()
            return nil
        }
        return try visibleTenant(tenant, to: principal).id
    }

    fileprivate func ownIMEIList(_ name: Name, of owner: Tenant.ID?) throws -> IMEIList {
        guard let list = try imeiList(named: name, of: owner) else { throw ControlError.notFound("IMEI list", name) }
        return list
    }
}

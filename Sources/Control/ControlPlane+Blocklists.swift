import DNS
public import Domain
import PolicyCompiler
import Store

/// Blocklists of the operator, which every tenant's policies may name, and of tenants. `of` nil: the operator's.
extension ControlPlane {
    /// A list, and what is in memory of it.
    public struct BlocklistView: Sendable {
        public let list: Blocklist
        public let state: State
        /// What was found in the text that holds; `nil` as long as it is not read.
        public let found: Found?
        /// Whether it is shown to its owner: another sees neither where it comes from nor what is wrong with it.
        public let isOwn: Bool

        public enum State: String, Hashable, Sendable, CaseIterable {
            /// There has been no text yet: it refuses nothing.
            case empty
            /// The text is being read.
            case loading
            /// It is in force for the policies that name it.
            case ready
        }

        public struct Found: Hashable, Sendable {
            /// As which the text was read.
            public let format: BlocklistFormat
            public let names: Int
            public let wildcards: Int
            public let prefixes: Int
            /// Lines that were there before.
            public let repeated: Int
            /// Lines that nothing could be done with, and the first of them.
            public let junkCount: Int
            public let junk: [Junk]
        }

        public struct Junk: Hashable, Sendable {
            public let line: Int
            public let text: String
            public let reason: String
        }
    }

    // MARK: Reading

    /// By name.
    public func blocklists(of tenant: Name?, by principal: Principal) async throws(ControlError) -> [BlocklistView] {
        try await read { store in
            try store.blocklists(of: try store.blocklistOwner(tenant, principal)).map { self.view($0, principal) }
        }
    }

    public func blocklist(
        _ name: Name, of tenant: Name?, by principal: Principal
    ) async throws(ControlError) -> BlocklistView {
        try await read { store in
            self.view(try store.ownBlocklist(name, of: try store.blocklistOwner(tenant, principal)), principal)
        }
    }

    // MARK: Changing

    /// - Throws: `.conflict` when there is one of that name, `.invalid` for settings that cannot be.
    public func createBlocklist(
        _ name: Name, _ settings: Blocklist.Settings, of tenant: Name?, by principal: Principal
    ) async throws(ControlError) -> BlocklistView {
        try await putBlocklist(name, settings, isNew: true, of: tenant, by: principal)
    }

    /// Says anew what the list is. Its text stays until there is another.
    public func setBlocklist(
        _ name: Name, _ settings: Blocklist.Settings, of tenant: Name?, by principal: Principal
    ) async throws(ControlError) -> BlocklistView {
        try await putBlocklist(name, settings, isNew: false, of: tenant, by: principal)
    }

    private func putBlocklist(
        _ name: Name, _ settings: Blocklist.Settings, isNew: Bool, of tenant: Name?, by principal: Principal
    ) async throws(ControlError) -> BlocklistView {
        if tenant == nil { try principal.requireOperator() }
        let limits = try support().limits
        try limits.check(settings, isOfTenant: tenant != nil)
        let list = try await change {
            let now = self.now()
            let list = try await self.store.write { store in
                let owner = try store.blocklistOwner(tenant, principal)
                let others = try store.blocklists(of: owner)
                let known = others.first { $0.name == name }
                guard (known == nil) == isNew else {
                    guard isNew else { throw ControlError.notFound("blocklist", name) }
                    throw ControlError(.conflict, "there is a blocklist \(name) already; choose another name")
                }
                try limits.check(settings, besides: others.filter { $0.name != name }, isOfTenant: owner != nil)
                var list = try store.putBlocklist(
                    name: name, of: owner, settings: settings, author: principal.name, at: now)
                if let known, known.settings != settings {
                    list = try store.beginAnew(list)
                }
                try store.appendAudit(
                    actor: principal.name, action: isNew ? "blocklist.create" : "blocklist.set",
                    target: Self.target(tenant, name), detail: settings.detail, at: now)
                return list
            }
            self.blocklists.put(list)
            if isNew { self.book.noteChangeOfScope(of: list.owner) }
            return list
        }
        return view(list, principal)
    }

    /// Has the text fetched as soon as may be. Its status tells when that was done.
    public func refreshBlocklist(
        _ name: Name, of tenant: Name?, by principal: Principal
    ) async throws(ControlError) -> BlocklistView {
        if tenant == nil { try principal.requireOperator() }
        _ = try support()
        let list = try await read { store in
            try store.ownBlocklist(name, of: try store.blocklistOwner(tenant, principal))
        }
        guard case .web = list.settings.source else {
            throw ControlError(.conflict, "blocklist \(name) has no address to fetch it from: upload its text")
        }
        blocklists.want(list.id)
        return view(list, principal)
    }

    /// - Throws: `.conflict` with their names while policies in force name it.
    public func deleteBlocklist(
        _ name: Name, of tenant: Name?, by principal: Principal
    ) async throws(ControlError) {
        if tenant == nil { try principal.requireOperator() }
        try await change {
            let now = self.now()
            let references = self.book.references()
            let list = try await self.store.write { store in
                let owner = try store.blocklistOwner(tenant, principal)
                let list = try store.ownBlocklist(name, of: owner)
                if let owner {
                    try self.refuse(
                        "blocklist", name, ifNamedIn: try store.policies(of: owner), references, \.blocklists)
                } else {
                    try self.refuseOperatorsBlocklist(name, references, store)
                }
                try store.deleteBlocklist(list.id)
                try store.appendAudit(
                    actor: principal.name, action: "blocklist.delete", target: Self.target(tenant, name), detail: "",
                    at: now)
                return list
            }
            self.blocklists.remove(list)
            self.book.noteChangeOfScope(of: list.owner)
        }
    }

    /// What a tenant has a list of its own for is not the operator's.
    private func refuseOperatorsBlocklist(
        _ name: Name, _ references: [PolicyMark: PolicyBook.References], _ store: any StoreReader
    ) throws {
        let marks = Set(references.filter { $0.value.blocklists.contains(name) }.keys)
        guard !marks.isEmpty else { return }
        let tenants = Dictionary(try store.tenants().map { ($0.id, $0.name) }) { first, _ in first }
        let naming = try store.allPolicies().filter { policy in
            try policy.mark.map(marks.contains) ?? false
                && store.blocklist(named: name, of: policy.tenant) == nil
        }
        guard !naming.isEmpty else { return }
        let places = naming.compactMap { policy in
            tenants[policy.tenant].map { PolicyPlace(tenant: $0, policy: policy.name) }
        }
        .sorted()
        let more = places.count > 10 ? " and \(places.count - 10) more" : ""
        throw ControlError(
            .conflict,
            "blocklist \(name) is named by the policies \(places.prefix(10).map(\.description).joined(separator: ", "))"
                + "\(more): change those first")
    }

    // MARK: Hits

    /// How often the list that a tenant's policies mean by this name has decided for the tenant's devices.
    public func blocklistHits(
        _ name: Name, for tenant: Name, by principal: Principal
    ) async throws(ControlError) -> BlocklistBook.Hits {
        let (list, owner) = try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal).id
            guard let own = try store.blocklist(named: name, of: owner) else {
                return (try store.ownBlocklist(name, of: nil), owner)
            }
            return (own, owner)
        }
        return blocklists.hits(of: list.id, for: owner)
    }

    /// How often a list of the operator's has decided: together, and for each tenant, most first.
    public func blocklistHits(
        _ name: Name, by principal: Principal
    ) async throws(ControlError) -> (all: BlocklistBook.Hits, tenants: [(tenant: Name, hits: UInt64)]) {
        try principal.requireOperator()
        let (list, names) = try await read { store in
            let tenants = try store.tenants()
            return (try store.ownBlocklist(name, of: nil), tenants)
        }
        let hits = blocklists.hits(of: list.id)
        let tenants = names.compactMap { tenant in
            hits.tenants[tenant.id].flatMap { $0 > 0 ? (tenant: tenant.name, hits: $0) : nil }
        }
        return (hits.all, tenants.sorted { ($0.hits, $1.tenant) > ($1.hits, $0.tenant) })
    }

    // MARK: Shared

    /// At the start. Texts are read behind it.
    func beginBlocklists() async throws {
        let (lists, exceptions) = try await store.read { store in
            (try store.allBlocklists(), try store.allDNSExceptions())
        }
        blocklists.begin(with: lists, exceptions)
    }

    func support() throws(ControlError) -> BlocklistSupport {
        guard let blocklistSupport else { throw ControlError(.unavailable, "this gateway has no room for blocklists") }
        return blocklistSupport
    }

    static func target(_ tenant: Name?, _ name: Name) -> String { (tenant.map { "\($0)/" } ?? "") + "\(name)" }

    func view(_ list: Blocklist, _ principal: Principal) -> BlocklistView {
        let loaded = blocklists.loaded(list.id)
        let isReady = loaded?.digest == list.status.text?.digest && loaded?.format == list.settings.format
        let isOwn = list.owner.map(principal.maySee) ?? (principal.role == .operator)
        return BlocklistView(
            list: list, state: list.status.text == nil ? .empty : isReady ? .ready : .loading,
            found: loaded.map { BlocklistView.Found($0.report) }, isOwn: isOwn)
    }
}

extension ControlPlane.BlocklistView.Found {
    fileprivate init(_ report: NameListReport) {
        format = report.format
        names = report.count.names
        wildcards = report.count.wildcards
        prefixes = report.count.prefixes
        repeated = report.repeated
        junkCount = report.junkCount
        junk = report.junk.map {
            ControlPlane.BlocklistView.Junk(line: $0.line, text: $0.text, reason: $0.reason.rawValue)
        }
    }
}

extension StoreReader {
    /// `nil` for the operator's, which all may see.
    func blocklistOwner(_ tenant: Name?, _ principal: Principal) throws -> Tenant.ID? {
        try tenant.map { try visibleTenant($0, to: principal).id }
    }

    func ownBlocklist(_ name: Name, of owner: Tenant.ID?) throws -> Blocklist {
        guard let list = try blocklist(named: name, of: owner) else { throw ControlError.notFound("blocklist", name) }
        return list
    }
}

extension StoreTransaction {
    /// What a server called the text means nothing at another address, and what is said anew is tried at once.
    fileprivate func beginAnew(_ list: Blocklist) throws -> Blocklist {
        var status = list.status
        status.text = status.text.map { Blocklist.Text(digest: $0.digest, octets: $0.octets) }
        status.triedAt = nil
        status.error = nil
        try setStatus(status, of: list.id)
        return try blocklist(list.id) ?? list
    }
}

extension Blocklist.Settings {
    fileprivate var detail: String {
        switch source {
        case .upload: "\(format.rawValue), uploaded"
        case .web(let address, let seconds): "\(format.rawValue), \(address) every \(seconds) s"
        }
    }
}

extension BlocklistSupport.Limits {
    fileprivate func check(_ settings: Blocklist.Settings, isOfTenant: Bool) throws(ControlError) {
        let octets = isOfTenant ? tenantOctets : operatorOctets
        guard (1...octets).contains(settings.maximumOctets) else {
            throw ControlError(.invalid, "a text has 1 to \(octets) octets, not \(settings.maximumOctets)")
        }
        guard case .web(_, let seconds) = settings.source else { return }
        guard (Blocklist.minimumSeconds...Blocklist.maximumSeconds).contains(seconds) else {
            throw ControlError(
                .invalid,
                "it can be fetched every \(Blocklist.minimumSeconds) to \(Blocklist.maximumSeconds) s, not \(seconds)")
        }
    }

    fileprivate func check(
        _ settings: Blocklist.Settings, besides others: [Blocklist], isOfTenant: Bool
    ) throws(ControlError) {
        let most = isOfTenant ? tenantLists : operatorLists
        guard others.count < most else {
            throw ControlError(.conflict, "there are \(most) blocklists already, which is the most: delete one first")
        }
        guard isOfTenant else { return }
        let octets = others.reduce(settings.maximumOctets) { $0 + $1.settings.maximumOctets }
        guard octets <= tenantOctetsTogether else {
            throw ControlError(
                .conflict,
                "the tenant's blocklists may have \(tenantOctetsTogether) octets together, and with this one they "
                    + "could have \(octets): lower the maximum of one")
        }
    }
}

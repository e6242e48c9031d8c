import DNS
public import Domain
import Store
import Synchronization

/// A text that somebody brings for a blocklist, piece by piece. It holds when ``finish()`` has returned; without that,
/// nothing has changed.
public final class BlocklistUpload {
    private let control: ControlPlane
    private let draft: TextDirectory.Draft
    private let list: Blocklist
    private let tenant: Name?
    private let principal: Principal

    fileprivate init(
        control: ControlPlane, draft: TextDirectory.Draft, list: Blocklist, tenant: Name?, principal: Principal
    ) {
        self.control = control
        self.draft = draft
        self.list = list
        self.tenant = tenant
        self.principal = principal
    }

    deinit { control.uploads.withLock { $0[list.owner, default: 1] -= 1 } }

    public var maximumOctets: Int64 { list.settings.maximumOctets }

    /// - Throws: `.invalid` when it becomes longer than it may be.
    public func write(_ bytes: Span<UInt8>) throws(ControlError) {
        guard draft.octets + Int64(bytes.count) <= maximumOctets else {
            throw ControlError(.invalid, "the text is longer than the \(maximumOctets) octets that the list may have")
        }
        do { try draft.write(bytes) } catch { throw ControlError(error) }
    }

    /// - Throws: `.invalid` for a text that is not the one of the checksum, or in which no line says anything.
    public func finish() async throws(ControlError) -> ControlPlane.BlocklistView {
        let found = try await control.install(draft, entityTag: nil, in: list, for: (tenant, principal))
        return control.view(found, principal)
    }
}

extension ControlPlane {
    /// Begins to take a text for a list that has no address to fetch it from.
    public func uploadBlocklist(
        _ name: Name, of tenant: Name?, by principal: Principal
    ) async throws(ControlError) -> BlocklistUpload {
        if tenant == nil { try principal.requireOperator() }
        let list = try await read { store in
            try store.ownBlocklist(name, of: try store.blocklistOwner(tenant, principal))
        }
        guard list.settings.source == .upload else {
            throw ControlError(.conflict, "blocklist \(name) is fetched from its address: take that away first")
        }
        let draft: TextDirectory.Draft
        do { draft = try support().texts.draft() } catch {
            switch error {
            case let error as StoreError: throw ControlError(error)
            case let error as ControlError: throw error
            default: throw ControlError(.unavailable, "the text cannot be written: \(error)")
            }
        }
        try takeUpload(of: list.owner)
        return BlocklistUpload(control: self, draft: draft, list: list, tenant: tenant, principal: principal)
    }

    private func takeUpload(of owner: Tenant.ID?) throws(ControlError) {
        let limits = try support().limits
        let isTaken = uploads.withLock { uploads in
            guard uploads.values.reduce(0, +) < limits.uploads,
                owner == nil || uploads[owner, default: 0] < limits.tenantUploads
            else { return false }
            uploads[owner, default: 0] += 1
            return true
        }
        guard isTaken else { throw ControlError(.tooMany, "other texts are being brought at the moment: try again") }
    }

    /// Reads a text that was written, and makes it the one that holds.
    /// - Parameter by: who brought it; `nil` when it was fetched.
    func install(
        _ draft: TextDirectory.Draft, entityTag: String?, in list: Blocklist, for author: (tenant: Name?, Principal)?
    ) async throws(ControlError) -> Blocklist {
        if let checksum = list.settings.checksum, checksum != draft.digest {
            throw ControlError(.invalid, "the text's SHA-256 is \(draft.digest), and not \(checksum)")
        }
        let octets = draft.octets
        let digest: TextDigest
        do { digest = try draft.commit() } catch { throw ControlError(error) }
        let loaded = try await readBlocklist(list, digest)
        let count = loaded.names.count
        guard count.names + count.wildcards + count.prefixes > 0 else {
            let first = loaded.report.junk.first.map { "; line \($0.line) is \($0.reason.rawValue)" } ?? ""
            throw ControlError(.invalid, "no line of the text names anything to refuse\(first)")
        }
        let text = Blocklist.Text(digest: digest, octets: octets, entityTag: entityTag)
        return try await change {
            let now = self.now()
            let stored = try await self.store.write { store in
                guard let current = try store.blocklist(list.id), current.settings == list.settings else {
                    throw ControlError(.conflict, "blocklist \(list.name) was changed in the meantime: try again")
                }
                try store.setStatus(Blocklist.Status(text: text, goodAt: now, triedAt: now), of: list.id)
                if let (tenant, principal) = author {
                    try store.appendAudit(
                        actor: principal.name, action: "blocklist.upload", target: Self.target(tenant, list.name),
                        detail: "\(count.names) names, \(count.wildcards) wildcards, SHA-256 \(digest)", at: now)
                }
                return try store.blocklist(list.id) ?? current
            }
            self.blocklists.put(stored, loaded)
            return stored
        }
    }

    /// Reads a text from the disk. Takes a second for millions of names, and lets others work in between.
    func readBlocklist(_ list: Blocklist, _ digest: TextDigest) async throws(ControlError) -> BlocklistBook.Loaded {
        let support = try support()
        let limit =
            list.owner == nil
            ? support.limits.operatorEntries
            : max(0, support.limits.tenantEntriesTogether - blocklists.entries(of: list.owner, but: list.id))
        var parser = NameListParser(format: list.settings.format, limit: limit)
        do throws(StoreError) {
            let reader = try support.texts.reader(of: digest)
            while try reader.next({ parser.consume($0) }) { await Task.yield() }
        } catch {
            throw ControlError(error)
        }
        let (names, report) = parser.finish()
        return BlocklistBook.Loaded(digest: digest, format: list.settings.format, names: names, report: report)
    }
}

public import DNS
public import Domain
import Synchronization

/// The blocklists of the operator and of all tenants, as far as they are in memory, and tenants' exceptions. What filters of
/// policies are made of.
///
/// Written on the engine's loop only, together with the store; read from any thread.
public final class BlocklistBook: Sendable {
    /// A text that was read.
    struct Loaded: Sendable {
        let digest: TextDigest
        /// As which it was to be read.
        let format: BlocklistFormat
        let names: NameList
        let report: NameListReport
    }

    /// How often lists have decided.
    public struct Hits: Hashable, Sendable {
        /// Since the daemon started, or since the tenant's policies named it first.
        public var total: UInt64 = 0
        /// By entry, since its text is in memory, most first.
        public var top: [Entry] = []

        public struct Entry: Hashable, Sendable {
            public let text: String
            public let hits: UInt64
        }
    }

    fileprivate struct Count {
        var hits = ListHits()
        /// With texts before.
        var earlier: UInt64 = 0
        var total: UInt64 { earlier + hits.total }
    }

    fileprivate struct Pages {
        var rows: [Blocklist.ID: Blocklist] = [:]
        var named: [Tenant.ID?: [Name: Blocklist.ID]] = [:]
        var loaded: [Blocklist.ID: Loaded] = [:]
        var counts: [Blocklist.ID: [Tenant.ID: Count]] = [:]
        var exceptions: [Tenant.ID: [HostPattern]] = [:]
        var editions: [Tenant.ID?: Int] = [:]
        /// Those that somebody wants fetched now.
        var wanted: Set<Blocklist.ID> = []
    }

    private let pages = Mutex(Pages())
    private let observer = Mutex<(@Sendable (Tenant.ID?) -> Void)?>(nil)

    // MARK: For filters

    /// The lists that a tenant's policy names, in its order: the tenant's own goes before one of the operator's that has the
    /// same name. One that is not in memory yet is left out; ``edition(for:)`` changes when it is.
    public func filterLists(for tenant: Tenant.ID, _ names: [Name]) -> [NameFilter.List] {
        pages.withLock { pages in
            names.compactMap { name in
                guard let id = pages.named[tenant]?[name] ?? pages.named[nil]?[name], let loaded = pages.loaded[id]
                else { return nil }
                let count = pages.counts[id]?[tenant] ?? Count()
                pages.counts[id, default: [:]][tenant] = count
                return NameFilter.List(name: name, names: loaded.names, hits: count.hits)
            }
        }
    }

    /// Names that no blocklist refuses the tenant's devices.
    public func exceptions(of tenant: Tenant.ID) -> [HostPattern] { pages.withLock { $0.exceptions[tenant] ?? [] } }

    /// Another number when ``filterLists(for:_:)`` or ``exceptions(of:)`` would give something else.
    public func edition(for tenant: Tenant.ID) -> Int {
        pages.withLock { ($0.editions[nil] ?? 0) + ($0.editions[tenant] ?? 0) }
    }

    /// Calls `observer` after each change, on any thread, with whose filters have to be made anew: one tenant's, or with
    /// `nil` those of all. The one before is not called any more.
    public func observe(_ observer: @escaping @Sendable (Tenant.ID?) -> Void) {
        self.observer.withLock { $0 = observer }
    }

    // MARK: Hits

    /// Of a list for one tenant.
    func hits(of list: Blocklist.ID, for tenant: Tenant.ID) -> Hits {
        let (count, names) = pages.withLock { ($0.counts[list]?[tenant], $0.loaded[list]?.names) }
        guard let count else { return Hits() }
        return Hits(
            total: count.total,
            top: names.map { names in
                count.hits.top.map { Hits.Entry(text: names.text(of: $0.entry), hits: UInt64($0.hits)) }
            } ?? [])
    }

    /// Of a list for all tenants together, and what each has of that.
    func hits(of list: Blocklist.ID) -> (all: Hits, tenants: [Tenant.ID: UInt64]) {
        let (counts, names) = pages.withLock { ($0.counts[list] ?? [:], $0.loaded[list]?.names) }
        var entries: [NameList.Entry: UInt64] = [:]
        for count in counts.values {
            for (entry, hits) in count.hits.top { entries[entry, default: 0] += UInt64(hits) }
        }
        let top = names.map { names in entries.map { Hits.Entry(text: names.text(of: $0.key), hits: $0.value) } } ?? []
        return (
            Hits(
                total: counts.values.reduce(0) { $0 + $1.total },
                top: Array(top.sorted { ($0.hits, $1.text) > ($1.hits, $0.text) }.prefix(ListHits.entries))),
            counts.mapValues(\.total)
        )
    }

    // MARK: What the control plane writes

    func begin(with lists: [Blocklist], _ exceptions: [DNSException]) {
        pages.withLock { pages in
            for list in lists { pages.put(list) }
            pages.exceptions = exceptions.reduce(into: [:]) { $0[$1.tenant, default: []].append($1.pattern) }
            pages.editions[nil, default: 0] += 1
        }
        changed(nil)
    }

    /// The row as it is now, and when its text was read, that.
    func put(_ list: Blocklist, _ loaded: Loaded? = nil) {
        pages.withLock { pages in
            pages.put(list)
            if let loaded { pages.load(loaded, list.id) }
            pages.editions[list.owner, default: 0] += 1
        }
        changed(list.owner)
    }

    /// The row as it is now, where nothing that filters know of has changed.
    func note(_ list: Blocklist) { pages.withLock { $0.rows[list.id] = list } }

    func remove(_ list: Blocklist) {
        pages.withLock { pages in
            pages.remove(list)
            pages.editions[list.owner, default: 0] += 1
        }
        changed(list.owner)
    }

    func setExceptions(_ patterns: [HostPattern], of tenant: Tenant.ID) {
        pages.withLock { pages in
            pages.exceptions[tenant] = patterns
            pages.editions[tenant, default: 0] += 1
        }
        changed(tenant)
    }

    /// The tenant is no more.
    func remove(_ tenant: Tenant.ID) {
        pages.withLock { pages in
            for list in pages.rows.values.filter({ $0.owner == tenant }) { pages.remove(list) }
            for id in pages.counts.keys { pages.counts[id]?[tenant] = nil }
            pages.exceptions[tenant] = nil
            pages.named[tenant] = nil
            pages.editions[tenant] = nil
        }
    }

    private func changed(_ owner: Tenant.ID?) { observer.withLock { $0 }?(owner) }

    // MARK: What the keeper asks

    func loaded(_ list: Blocklist.ID) -> Loaded? { pages.withLock { $0.loaded[list] } }

    var rows: [Blocklist] { pages.withLock { Array($0.rows.values) } }

    /// Those whose text in memory is not the one that holds, the operator's first.
    var unread: [Blocklist] {
        pages.withLock { pages in
            pages.rows.values.filter { list in
                let loaded = pages.loaded[list.id]
                return list.status.text.map { $0.digest != loaded?.digest || list.settings.format != loaded?.format }
                    ?? false
            }
            .sorted { ($0.owner?.rawValue ?? 0, $0.id) < ($1.owner?.rawValue ?? 0, $1.id) }
        }
    }

    /// How many names, wildcards and prefixes the owner's other lists have.
    func entries(of owner: Tenant.ID?, but list: Blocklist.ID) -> Int {
        pages.withLock { pages in
            (pages.named[owner] ?? [:]).values.filter { $0 != list }.reduce(0) { sum, id in
                guard let count = pages.loaded[id]?.names.count else { return sum }
                return sum + count.names + count.wildcards + count.prefixes
            }
        }
    }

    func want(_ list: Blocklist.ID) { pages.withLock { _ = $0.wanted.insert(list) } }

    /// Those to fetch at this time, whose fetches had been over long enough before or that somebody wants.
    func due(at time: Timestamp) -> [Blocklist] {
        pages.withLock { pages in
            pages.rows.values.filter { list in
                guard case .web(_, let seconds) = list.settings.source else { return false }
                guard !pages.wanted.contains(list.id), let tried = list.status.triedAt else { return true }
                let wait = list.status.error == nil ? seconds : min(seconds, Blocklist.minimumSeconds)
                // Also when the clock was set back.
                return time.milliseconds >= tried.milliseconds + wait * 1000 || time < tried
            }
        }
    }

    func begun(_ list: Blocklist.ID) { pages.withLock { _ = $0.wanted.remove(list) } }
}

extension BlocklistBook.Pages {
    fileprivate mutating func put(_ list: Blocklist) {
        rows[list.id] = list
        named[list.owner, default: [:]][list.name] = list.id
    }

    fileprivate mutating func load(_ new: BlocklistBook.Loaded, _ list: Blocklist.ID) {
        loaded[list] = new
        // Entries of the text before mean nothing in this one.
        counts[list] = counts[list]?.mapValues { BlocklistBook.Count(earlier: $0.total) }
    }

    fileprivate mutating func remove(_ list: Blocklist) {
        rows[list.id] = nil
        loaded[list.id] = nil
        counts[list.id] = nil
        wanted.remove(list.id)
        named[list.owner]?[list.name] = nil
    }
}

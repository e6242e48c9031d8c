import Domain
import PolicyCompiler
import Synchronization

/// The policies in force, compiled, by mark. Written by the engine's loop only; read by sweeps and by `explain`.
final class PolicyBook: Sendable {
    private struct Pages {
        var rulesets: [PolicyMark: Ruleset] = [:]
        /// Those whose ruleset depends on the time.
        var scheduled: [PolicyMark: CompiledPolicy] = [:]
        /// What they name that is not in their documents; nothing for those that are not valid any more.
        var references: [PolicyMark: References] = [:]
        var edition = Edition()
        /// How often a tenant's lists have changed; under `nil`, the services of all.
        var changesOfScope: [Tenant.ID?: Int] = [:]

        mutating func set(_ compiled: CompiledPolicy?, for mark: PolicyMark) {
            rulesets[mark] = compiled?.ruleset
            scheduled[mark] = compiled.flatMap { $0.isScheduled ? $0 : nil }
            references[mark] = compiled?.policy?.references
            edition.policies += 1
        }
    }

    /// What a policy names that is not in its document.
    struct References: Hashable, Sendable {
        let lists: Set<Name>
        let services: Set<Name>
        let groups: Set<Name>
        let vpns: Set<Name>
        let blocklists: Set<Name>
    }

    /// Tells whether policies that were compiled beside the engine's loop are still what the engine would compile.
    struct Edition: Hashable, Sendable {
        /// How often lists and services have changed.
        fileprivate(set) var scopes = 0
        /// How often policies have.
        fileprivate(set) var policies = 0
    }

    private let pages = Mutex(Pages())
    /// Told of each policy, as the resolver needs it.
    private let names: NameRegistry

    init(names: NameRegistry) { self.names = names }

    func replaceAll(_ all: [PolicyMark: CompiledPolicy], owners: [PolicyMark: Tenant.ID]) {
        names.replaceAll(all.mapValues(\.policy), owners: owners)
        pages.withLock { pages in
            pages = Pages(
                rulesets: all.mapValues(\.ruleset),
                scheduled: all.filter(\.value.isScheduled),
                references: all.compactMapValues { $0.policy?.references }, edition: pages.edition,
                changesOfScope: pages.changesOfScope)
            pages.edition.policies += 1
        }
    }

    func set(_ compiled: CompiledPolicy?, for mark: PolicyMark) {
        names.set(compiled?.policy, for: mark)
        pages.withLock { pages in pages.set(compiled, for: mark) }
    }

    func set(_ all: [PolicyMark: CompiledPolicy]) {
        for (mark, compiled) in all { names.set(compiled.policy, for: mark) }
        pages.withLock { pages in for (mark, compiled) in all { pages.set(compiled, for: mark) } }
    }

    /// A list of the tenant, or for `nil` a service, has changed in the store.
    func noteChangeOfScope(of tenant: Tenant.ID?) {
        pages.withLock { pages in
            pages.edition.scopes += 1
            pages.changesOfScope[tenant, default: 0] += 1
        }
    }

    /// How often what the tenant's documents may name has changed. Other tenants have no part in it: one that changes
    /// its lists all the time costs the others nothing.
    func changesOfScope(of tenant: Tenant.ID) -> Int {
        pages.withLock { ($0.changesOfScope[nil] ?? 0) + ($0.changesOfScope[tenant] ?? 0) }
    }

    func snapshot() -> [PolicyMark: Ruleset] { pages.withLock { $0.rulesets } }
    /// The rules that are counted.
    func countedRules() -> Set<CountedRule.ID> {
        Set(snapshot().values.flatMap { $0.ways.compactMap { $0.rate?.counted } })
    }
    func scheduled() -> [PolicyMark: CompiledPolicy] { pages.withLock { $0.scheduled } }
    func references() -> [PolicyMark: References] { pages.withLock { $0.references } }
    var edition: Edition { pages.withLock { $0.edition } }
}

/// A policy and what it compiles to at some time.
struct CompiledPolicy: Sendable {
    /// `nil` for a stored document that is not valid any more, and for the policy of devices that have none.
    let policy: ValidatedPolicy?
    /// The schedules that are open at that time.
    let open: Set<Schedule>
    let ruleset: Ruleset

    static let blockAll = CompiledPolicy()

    private init() { (policy, open, ruleset) = (nil, [], .blockAll) }

    init(_ policy: ValidatedPolicy, open: Set<Schedule>) {
        self.policy = policy
        self.open = open
        ruleset = compile(policy, isOpen: open.contains)
    }

    var isScheduled: Bool { policy?.schedules.isEmpty == false }
}

extension ValidatedPolicy {
    var schedules: Set<Schedule> { Set(rules.compactMap(\.schedule)) }

    var references: PolicyBook.References {
        PolicyBook.References(
            lists: sharedLists, services: Set(rules.flatMap(\.services)),
            groups: Set(groups.keys), vpns: Set(vpns.keys), blocklists: Set(dns.blocklists))
    }
}

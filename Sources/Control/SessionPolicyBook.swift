import Domain
import Store
import Synchronization

/// The session policies in force, read, by place. Written by the engine's loop only, so that a batch and a change of what
/// judges it never meet. Texts that were the same at the start are one value: of a million SIMs with a document of their own
/// there are seldom more than a few.
final class SessionPolicyBook: Sendable {
    final class Document: Sendable {
        let policy: SessionPolicy
        init(_ policy: SessionPolicy) { self.policy = policy }
    }

    private struct Pages {
        var ceiling: Document?
        var tenantCeilings: [Tenant.ID: Document] = [:]
        var tenants: [Tenant.ID: Document] = [:]
        var groups: [SIMGroup.ID: Document] = [:]
        /// Those that have a document.
        var groupsOf: [Tenant.ID: Set<SIMGroup.ID>] = [:]
        var sims: [SIM.ID: Document] = [:]
        /// How many documents are a tenant's or for it.
        var counts: [Tenant.ID: Int] = [:]
        /// SIMs that somebody has put into quarantine.
        var held: Set<SIM.ID> = []
        var hook: ApprovalHook?
        var known: [Key: EffectiveSessionPolicy] = [:]

        mutating func set(_ document: Document?, at place: SessionPolicyPlace) {
            known = [:]
            let before: Document?
            switch place {
            case .ceiling:
                ceiling = document
                return
            case .tenantCeiling(let tenant): before = Self.replace(&tenantCeilings, tenant, document)
            case .tenant(let tenant): before = Self.replace(&tenants, tenant, document)
            case .group(let group, let tenant):
                before = Self.replace(&groups, group, document)
                if document != nil {
                    groupsOf[tenant, default: []].insert(group)
                } else {
                    groupsOf[tenant]?.remove(group)
                    if groupsOf[tenant]?.isEmpty == true { groupsOf[tenant] = nil }
                }
            case .sim(let sim, _): before = Self.replace(&sims, sim, document)
            }
            guard let tenant = place.tenant else { return }
            counts[tenant, default: 0] += (document == nil ? 0 : 1) - (before == nil ? 0 : 1)
            if counts[tenant] == 0 { counts[tenant] = nil }
        }

        private static func replace<ID>(
            _ documents: inout [ID: Document], _ id: ID, _ document: Document?
        ) -> Document? {
            let before = documents[id]
            documents[id] = document
            return before
        }

        func documents(for sim: Who) -> [SessionPolicyLevel: SessionPolicy] {
            var documents: [SessionPolicyLevel: SessionPolicy] = [:]
            documents[.ceiling] = ceiling?.policy
            documents[.tenantCeiling] = tenantCeilings[sim.tenant]?.policy
            documents[.tenant] = tenants[sim.tenant]?.policy
            documents[.group] = sim.group.flatMap { groups[$0] }?.policy
            documents[.sim] = sims[sim.sim]?.policy
            return documents
        }
    }

    /// A SIM and what it belongs to.
    struct Who: Hashable, Sendable {
        let sim: SIM.ID
        let tenant: Tenant.ID
        let group: SIMGroup.ID?
    }

    /// Those that have the same of all three have the same effective policy.
    private struct Key: Hashable {
        let tenant: Tenant.ID
        let group: SIMGroup.ID?
        let own: ObjectIdentifier?
    }

    private let pages = Mutex(Pages())
    private static let maximumKnown = 65_536

    func replaceAll(_ documents: [(SessionPolicyPlace, Document)], held: [SIM.ID], hook: ApprovalHook?) {
        pages.withLock { pages in
            pages = Pages()
            for (place, document) in documents { pages.set(document, at: place) }
            pages.held = Set(held)
            pages.hook = hook
        }
    }

    func set(_ policy: SessionPolicy?, at place: SessionPolicyPlace) {
        pages.withLock { $0.set(policy.map(Document.init), at: place) }
    }

    /// Forgets what was for a SIM, a group or a tenant that is gone.
    func remove(sim: SIM.ID, of tenant: Tenant.ID) {
        pages.withLock { pages in
            pages.held.remove(sim)
            guard pages.sims[sim] != nil else { return }
            pages.set(nil, at: .sim(sim, of: tenant))
        }
    }

    func remove(group: SIMGroup.ID, of tenant: Tenant.ID) {
        pages.withLock { $0.set(nil, at: .group(group, of: tenant)) }
    }

    /// With the documents of its groups; those of its SIMs are gone with them, before it.
    func remove(tenant: Tenant.ID) {
        pages.withLock { pages in
            for group in pages.groupsOf[tenant] ?? [] { pages.set(nil, at: .group(group, of: tenant)) }
            pages.set(nil, at: .tenantCeiling(tenant))
            pages.set(nil, at: .tenant(tenant))
            pages.counts[tenant] = nil
        }
    }

    func setHeld(_ isHeld: Bool, _ sim: SIM.ID) {
        pages.withLock { pages in
            if isHeld { pages.held.insert(sim) } else { pages.held.remove(sim) }
        }
    }

    func setHook(_ hook: ApprovalHook?) { pages.withLock { $0.hook = hook } }
    var hook: ApprovalHook? { pages.withLock { $0.hook } }

    func isHeld(_ sim: SIM.ID) -> Bool { pages.withLock { $0.held.contains(sim) } }

    /// Whether anything is said of any of the tenant's SIMs.
    func concerns(_ tenant: Tenant.ID) -> Bool { pages.withLock { $0.ceiling != nil || $0.counts[tenant] != nil } }

    func effective(for sim: Who) -> EffectiveSessionPolicy {
        pages.withLock { pages in
            guard pages.ceiling != nil || pages.counts[sim.tenant] != nil else { return .none }
            let key = Key(
                tenant: sim.tenant, group: sim.group, own: pages.sims[sim.sim].map(ObjectIdentifier.init))
            if let known = pages.known[key] { return known }
            let effective = EffectiveSessionPolicy(pages.documents(for: sim))
            if pages.known.count >= Self.maximumKnown { pages.known = [:] }
            pages.known[key] = effective
            return effective
        }
    }

    /// With another document, or none, at a place.
    func effective(
        for sim: Who, replacing place: SessionPolicyPlace, by policy: SessionPolicy?
    ) -> EffectiveSessionPolicy {
        pages.withLock { pages in
            var documents = pages.documents(for: sim)
            let isConcerned =
                switch place {
                case .ceiling: true
                case .tenantCeiling(let tenant), .tenant(let tenant): tenant == sim.tenant
                case .group(let group, _): group == sim.group
                case .sim(let own, _): own == sim.sim
                }
            if isConcerned { documents[place.level] = policy }
            return EffectiveSessionPolicy(documents)
        }
    }
}

extension EffectiveSessionPolicy {
    /// Nothing is said.
    static let none = EffectiveSessionPolicy([:])
}

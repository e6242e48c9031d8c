public import Domain
public import PolicyCompiler
import Store

/// Lists that a tenant's policies share, and the operator's services. A change of one is a change of every policy that
/// names it.
extension ControlPlane {
    /// What a change of a list or a service did.
    public struct SharedChange: Hashable, Sendable {
        /// The policies in force that name it, by tenant and name.
        public let policies: [PolicyPlace]
        public let report: EnforcementReport
    }

    /// A policy among those of all tenants.
    public struct PolicyPlace: Hashable, Comparable, Sendable, CustomStringConvertible {
        public let tenant: Name
        public let policy: Name

        public static func < (a: Self, b: Self) -> Bool { (a.tenant, a.policy) < (b.tenant, b.policy) }
        public var description: String { "\(tenant)/\(policy)" }
    }

    // MARK: Lists

    /// By name.
    public func lists(of tenant: Name, by principal: Principal) async throws(ControlError) -> [SharedList] {
        try await read { store in try store.lists(of: try store.visibleTenant(tenant, to: principal).id) }
    }

    public func list(_ name: Name, of tenant: Name, by principal: Principal) async throws(ControlError) -> SharedList {
        try await read { store in try store.ownList(name, of: try store.visibleTenant(tenant, to: principal).id) }
    }

    /// Creates the list or replaces what it holds. Returns when every policy that names it is in force with that.
    /// - Throws: `.conflict` when a policy would not be valid any more; nothing is changed then.
    public func putList(
        _ name: Name, _ items: SharedListItems, of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> SharedChange {
        try await changeShared(
            Shared(kind: "list", name: name, tenant: tenant), "list.put", detail: "\(items.items.count) items",
            by: principal
        ) { store, concerned in
            let owner = try store.visibleTenant(tenant, to: principal)
            var scope = try self.scope(of: owner.id, store)
            scope.lists[name] = items.items
            return try store.policies(of: owner.id).filter { concerned($0) }.map {
                ($0, PolicyPlace(tenant: tenant, policy: $0.name), scope)
            }
        } write: { store, now in
            let owner = try store.visibleTenant(tenant, to: principal)
            if try store.list(named: name, of: owner.id) == nil,
                try store.lists(of: owner.id).count >= SharedList.maximumCount
            {
                throw ControlError(
                    .conflict,
                    "the tenant has \(SharedList.maximumCount) lists already, which is the most: delete one first")
            }
            try store.putList(
                SharedList(
                    tenant: owner.id, name: name, items: items.items, author: principal.name, updatedAt: now))
            return owner.id
        }
    }

    /// - Throws: `.conflict` with their names while policies in force name it.
    public func deleteList(_ name: Name, of tenant: Name, by principal: Principal) async throws(ControlError) {
        _ = try await changeShared(
            Shared(kind: "list", name: name, tenant: tenant, isRemoved: true), "list.delete", by: principal
        ) { store, concerned in
            let owner = try store.visibleTenant(tenant, to: principal)
            _ = try store.ownList(name, of: owner.id)
            var scope = try self.scope(of: owner.id, store)
            scope.lists[name] = nil
            return try store.policies(of: owner.id).filter { concerned($0) }.map {
                ($0, PolicyPlace(tenant: tenant, policy: $0.name), scope)
            }
        } write: { store, _ in
            let owner = try store.visibleTenant(tenant, to: principal)
            try store.deleteList(named: name, of: owner.id)
            return owner.id
        }
    }

    // MARK: Services

    /// A service that rules may name.
    public struct NamedService: Hashable, Sendable {
        public let name: Name
        public let definition: ServiceDefinition
        /// Who put it there; `nil` for one that Cordon brings along.
        public let author: String?
        public let updatedAt: Timestamp?
    }

    /// How many services an operator may add.
    public static let maximumServices = 1024

    /// Everything that rules may name, by name.
    public func services(by principal: Principal) async throws(ControlError) -> [NamedService] {
        let records = try await read { store in try store.services() }
        let own = Dictionary(records.map { ($0.name, $0) }) { first, _ in first }
        let catalogue = commonScope(records).services
        return catalogue.services.keys.sorted().compactMap { name in
            catalogue.definition(of: name).map {
                NamedService(name: name, definition: $0, author: own[name]?.author, updatedAt: own[name]?.updatedAt)
            }
        }
    }

    /// Creates the service or says anew what it is, also for one that Cordon brings along. Returns when every policy
    /// that names it is in force with that.
    /// - Throws: `.conflict` when a policy would not be valid any more; nothing is changed then.
    public func putService(
        _ name: Name, _ definition: ServiceDefinition, by principal: Principal
    ) async throws(ControlError) -> SharedChange {
        try principal.requireOperator()
        return try await changeShared(
            Shared(kind: "service", name: name, tenant: nil), "service.put", detail: "\(definition)", by: principal
        ) { store, concerned in
            let new = ServiceRecord(name: name, definition: "\(definition)", author: "", updatedAt: self.now())
            return try self.policies(
                concerned, store, services: try store.services().filter { $0.name != name } + [new])
        } write: { store, now in
            let services = try store.services()
            if services.count >= Self.maximumServices, !services.contains(where: { $0.name == name }) {
                throw ControlError(
                    .conflict, "there are \(Self.maximumServices) services already, which is the most: delete one")
            }
            try store.putService(
                ServiceRecord(name: name, definition: "\(definition)", author: principal.name, updatedAt: now))
            return nil
        }
    }

    /// Policies that name a service which Cordon brings along go back to what that is.
    /// - Throws: `.conflict` with their names while policies in force name it, and it is not one of those.
    public func deleteService(_ name: Name, by principal: Principal) async throws(ControlError) -> SharedChange {
        try principal.requireOperator()
        return try await changeShared(
            Shared(
                kind: "service", name: name, tenant: nil, isRemoved: ServiceCatalogue.standard[name] == nil),
            "service.delete", by: principal
        ) { store, concerned in
            let services = try store.services()
            guard services.contains(where: { $0.name == name }) else {
                guard ServiceCatalogue.standard[name] == nil else {
                    throw ControlError(
                        .conflict, "service \(name) comes with Cordon and stays; put one of that name to change it")
                }
                throw ControlError.notFound("service", name)
            }
            return try self.policies(concerned, store, services: services.filter { $0.name != name })
        } write: { store, _ in
            try store.deleteService(named: name)
            return nil
        }
    }

    /// The policies of all tenants that are concerned, with what they could name if these were the services.
    private func policies(
        _ concerned: (Policy) -> Bool, _ store: any StoreReader, services: [ServiceRecord]
    ) throws -> [(Policy, PolicyPlace, PolicyScope)] {
        let tenants = Dictionary(try store.tenants().map { ($0.id, $0.name) }) { first, _ in first }
        let policies = try store.allPolicies().filter(concerned)
        guard !policies.isEmpty else { return [] }
        let scopes = PolicyScopes(
            common: commonScope(services), lists: try store.allLists(), groups: try store.allGroups(),
            vpns: try store.allVPNs(), blocklists: try store.allBlocklists(),
            countedRules: try store.countedRules(of: nil))
        return policies.compactMap { policy in
            tenants[policy.tenant].map {
                (policy, PolicyPlace(tenant: $0, policy: policy.name), scopes[policy.tenant])
            }
        }
    }

    // MARK: Both

    /// What is changed.
    private struct Shared: Sendable {
        let kind: String
        let name: Name
        /// `nil` for what all have.
        let tenant: Name?
        /// Whether it is not there after the change.
        var isRemoved = false

        var target: String { (tenant.map { "\($0)/" } ?? "") + "\(name)" }

        func isNamed(in references: PolicyBook.References) -> Bool {
            (tenant == nil ? references.services : references.lists).contains(name)
        }
    }

    /// Concerned policies, compiled with a change that is not made yet.
    private struct Preparation: Sendable {
        let edition: PolicyBook.Edition
        /// Schedules are looked at in whole minutes.
        let minute: Int64
        var compiled: [PolicyMark: CompiledPolicy] = [:]
        var policies: [(id: Policy.ID, place: PolicyPlace)] = []
    }

    /// Which of the policies that the closure is to ask for are concerned, each with its place and what it may name
    /// after the change.
    private typealias Concern =
        @Sendable (any StoreReader, (Policy) -> Bool) throws -> [(Policy, PolicyPlace, PolicyScope)]

    /// Makes the change in the store, then in the kernel for all policies at once, then cuts flows that they do not
    /// allow any more. A policy that would not be valid any more prevents it.
    /// - Parameter write: gives the tenant whose list it was, `nil` for a service.
    private func changeShared(
        _ shared: Shared, _ action: String, detail: String = "", by principal: Principal, concerning: @escaping Concern,
        write: @escaping @Sendable (any StoreTransaction, Timestamp) throws -> Tenant.ID?
    ) async throws(ControlError) -> SharedChange {
        let started = ContinuousClock.now
        // Compiling ten thousand policies takes a second, in which nobody could attach: it is done before the engine is
        // stopped for the change. When something else changed in between it is done again, at last inside.
        for _ in 0..<3 {
            let early = try await Self.translating { try await self.prepare(shared, concerning) }
            let made = try await change {
                self.isCurrent(early)
                    ? try await self.make(early, of: shared, action, detail: detail, by: principal, write) : nil
            }
            if let made { return try sweep(made, since: started) }
        }
        let made = try await change {
            let prepared = try await self.prepare(shared, concerning)
            return try await self.make(prepared, of: shared, action, detail: detail, by: principal, write)
        }
        return try sweep(made, since: started)
    }

    /// A change that is in force.
    private struct Made: Sendable {
        let policies: [PolicyPlace]
        let rulesets: [PolicyMark: Ruleset]
        let sessions: Int
        let isSwept: Bool
        let at: ContinuousClock.Instant
    }

    private func isCurrent(_ prepared: Preparation) -> Bool {
        prepared.edition == book.edition && prepared.minute == minute
    }

    /// Runs on the engine's loop.
    private func make(
        _ prepared: Preparation, of shared: Shared, _ action: String, detail: String, by principal: Principal,
        _ write: @escaping @Sendable (any StoreTransaction, Timestamp) throws -> Tenant.ID?
    ) async throws -> Made {
        let now = now()
        let present = book.snapshot()
        let rulesets = prepared.compiled.mapValues(\.ruleset)
        let changed = rulesets.filter { present[$0.key] != $0.value }
        let owner = try await enact { store in
            let owner = try write(store, now)
            try store.appendAudit(
                actor: principal.name, action: action, target: shared.target, detail: detail, at: now)
            return (owner, changed)
        }
        book.noteChangeOfScope(of: owner)
        book.set(prepared.compiled)
        let at = ContinuousClock.now
        let sessions = try await store.read { store in
            try prepared.policies.reduce(0) { $0 + (try store.enforcedSessions(judgedBy: $1.id).count) }
        }
        let needsSweep = changed.keys.contains { present[$0]?.needsSweep ?? false }
        return Made(
            policies: prepared.policies.map(\.place).sorted(), rulesets: rulesets, sessions: sessions,
            isSwept: sessions > 0 || needsSweep, at: at)
    }

    private func sweep(_ made: Made, since started: ContinuousClock.Instant) throws(ControlError) -> SharedChange {
        var cut = 0
        // Also when no ruleset changed: the one who tries again may do so because this failed.
        if made.isSwept {
            do throws(DataPlaneError) { cut = try sweep(made.rulesets) } catch { throw ControlError(error) }
        }
        return SharedChange(
            policies: made.policies,
            report: EnforcementReport(
                sessions: made.sessions, inForce: made.at - started, flowsCut: cut, total: ContinuousClock.now - started
            ))
    }

    private var minute: Int64 { now().milliseconds / 60_000 }

    /// Compiles the policies that a change concerns.
    /// - Throws: `.conflict` when one in force would not be valid any more.
    private func prepare(_ shared: Shared, _ concerning: @escaping Concern) async throws -> Preparation {
        var result = Preparation(edition: book.edition, minute: minute)
        let references = book.references()
        // A stored policy that is not valid may become so; it may name anything.
        let isValid = { @Sendable (policy: Policy) in policy.mark.flatMap { references[$0] } != nil }
        let concerned = try await store.read { store in
            try concerning(store) { policy in
                policy.mark.map { references[$0].map(shared.isNamed) ?? true } ?? false
            }
        }
        let outcomes = await inParallel(concerned) { policy, _, scope in
            Result { () throws(ControlError) in
                try self.compiled(policy.document, named: "\(policy.name).yaml", in: scope).inForce
            }
        }
        var refusals: [(place: PolicyPlace, error: ControlError)] = []
        for ((policy, place, _), outcome) in zip(concerned, outcomes) {
            switch outcome {
            case .success(let compiled):
                guard isValid(policy) || compiled.policy.map({ shared.isNamed(in: $0.references) }) == true,
                    let mark = policy.mark
                else { continue }
                result.compiled[mark] = compiled
                result.policies.append((policy.id, place))
            case .failure(let error):
                if isValid(policy) { refusals.append((place, error)) }
            }
        }
        guard refusals.isEmpty else { throw Self.refusal(of: shared, refusals) }
        return result
    }

    private static func refusal(
        of shared: Shared, _ refusals: [(place: PolicyPlace, error: ControlError)]
    ) -> ControlError {
        // A tenant knows its policies by their names.
        let name = { (place: PolicyPlace) in shared.tenant == nil ? "\(place)" : "\(place.policy)" }
        let sorted = refusals.sorted { $0.place < $1.place }
        let shown = sorted.prefix(10).map { name($0.place) }.joined(separator: ", ")
        let more = sorted.count > 10 ? " and \(sorted.count - 10) more" : ""
        guard !shared.isRemoved else {
            return ControlError(
                .conflict,
                "policies in force name \(shared.kind) \(shared.name): \(shown)\(more); take it out of them first")
        }
        return ControlError(
            .conflict,
            "with this \(shared.kind) \(shared.name), policies in force would not be valid any more: \(shown)\(more); "
                + "nothing was changed",
            problems: sorted.prefix(10).flatMap { refusal in
                refusal.error.problems.prefix(5).map {
                    ControlError.Problem(
                        line: $0.line, field: "\(name(refusal.place)): \($0.field)", message: $0.message)
                }
            })
    }
}

extension StoreReader {
    fileprivate func ownList(_ name: Name, of tenant: Tenant.ID) throws -> SharedList {
        guard let list = try list(named: name, of: tenant) else { throw ControlError.notFound("list", name) }
        return list
    }
}

public import Domain
public import PolicyCompiler
import Store

extension ControlPlane {
    /// A policy that was applied: its version, and when it was in force.
    public struct AppliedPolicy: Hashable, Sendable {
        public let policy: Policy
        public let warnings: [ControlError.Problem]
        public let report: EnforcementReport
    }

    /// Parses and validates without applying. Throws `.invalid` with every problem found.
    /// - Parameter tenant: whose lists the document may name; `nil` for a document that names none.
    public func validatePolicy(
        _ document: String, file: String, for tenant: Name? = nil, by principal: Principal
    ) async throws(ControlError) -> (name: Name, warnings: [ControlError.Problem]) {
        let scope = try await read { store in
            guard let tenant else { return self.commonScope(try store.services()) }
            return try self.scope(of: store.visibleTenant(tenant, to: principal).id, store)
        }
        let compiled = try compiled(document, named: file, in: scope)
        return (compiled.policy.name, compiled.policy.warnings.map(ControlError.Problem.init))
    }

    /// Which version of a policy a change was made for. Another in force, and nothing is changed.
    public enum Expectation: Hashable, Sendable {
        case anything
        case absent
        case present
        case version(Int64)

        func check(_ policy: Policy?, named name: Name) throws(ControlError) {
            let isMet =
                switch self {
                case .anything: true
                case .absent: policy == nil
                case .present: policy != nil
                case .version(let version): policy?.version == version
                }
            guard !isMet else { return }
            let found =
                policy.map { "version \($0.version), applied by \($0.author) at \($0.appliedAt), is in force" }
                ?? "there is none"
            throw ControlError(
                .changed, "policy \(name) is not as expected: \(found); look at it, and make the change for that")
        }
    }

    /// Makes the document the policy's version in force: stored, in the kernel in one transaction, flows that it does
    /// not allow cut. Returns when all of that is true.
    public func applyPolicy(
        _ document: String, file: String, comment: String, to tenant: Name, expecting: Expectation = .anything,
        by principal: Principal
    ) async throws(ControlError) -> AppliedPolicy {
        try await apply(
            document, file: file, comment: comment, to: tenant, expecting: expecting, action: "policy.apply",
            by: principal)
    }

    private func apply(
        _ document: String, file: String, comment: String, to tenant: Name, expecting: Expectation, action: String,
        by principal: Principal
    ) async throws(ControlError) -> AppliedPolicy {
        let started = ContinuousClock.now
        // Compiled before the engine is stopped for the change, and again only when a list or a service came to be another.
        let early = try await compiled(document, named: file, for: tenant, by: principal)
        let (policy, compiled, mark, sessions, isSwept) = try await change {
            let isCurrent = early.changesOfScope == self.book.changesOfScope(of: early.tenant)
            let prepared =
                isCurrent ? early : try await self.compiled(document, named: file, for: tenant, by: principal)
            let (policy, mark, compiled) = try await self.enact(
                document, prepared, comment: comment, to: tenant, expecting: expecting, action: action, by: principal)
            let needsSweep = self.book.snapshot()[mark]?.needsSweep ?? false
            self.names.setOwner(policy.tenant, of: mark)
            self.book.set(compiled.inForce, for: mark)
            let sessions = try await self.store.read { store in try store.enforcedSessions(judgedBy: policy.id).count }
            return (policy, compiled, mark, sessions, sessions > 0 || needsSweep)
        }
        let inForce = ContinuousClock.now - started
        let ruleset = compiled.inForce.ruleset
        let cut = isSwept ? try await Self.translating { try self.sweep([mark: ruleset]) } : 0
        return AppliedPolicy(
            policy: policy, warnings: compiled.policy.warnings.map(ControlError.Problem.init),
            report: EnforcementReport(
                sessions: sessions, inForce: inForce, flowsCut: cut, total: ContinuousClock.now - started))
    }

    /// Stores the version and puts it in force.
    private func enact(
        _ document: String, _ compiled: CompiledForTenant, comment: String, to tenant: Name, expecting: Expectation,
        action: String, by principal: Principal
    ) async throws -> (Policy, PolicyMark, CompiledForTenant) {
        let name = compiled.policy.name
        let now = now()
        return try await enact { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            guard owner.id == compiled.tenant else {
                throw ControlError(.conflict, "tenant \(tenant) was made anew in the meantime; try again")
            }
            let before = try store.policy(named: name, of: owner.id)
            try expecting.check(before, named: name)
            let policy = try store.putPolicy(
                name: name, of: owner.id, document: document, author: principal.name, comment: comment, at: now)
            guard let mark = policy.mark else {
                throw ControlError(.exhausted, "no policy number is left; delete policies that are not used")
            }
            try store.tell(applied: policy, before: before, by: principal.name, at: now)
            let detail = before.map { "version \($0.version) to \(policy.version)" } ?? "version \(policy.version)"
            try store.appendAudit(
                actor: principal.name, action: action, target: "\(tenant)/\(name)", detail: detail, at: now)
            let compiled = compiled.counting(
                try store.countRules(compiled.policy.rulesWithUsage, of: name, of: owner.id, at: now))
            return ((policy, mark, compiled), [mark: compiled.inForce.ruleset])
        }
    }

    /// Applies the document of an earlier version as a new one.
    /// - Parameter version: `nil` for the one before that in force.
    public func rollBackPolicy(
        _ name: Name, of tenant: Name, to version: Int64?, comment: String, expecting: Expectation = .present,
        by principal: Principal
    ) async throws(ControlError) -> AppliedPolicy {
        let (present, target) = try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            let present = try store.ownPolicy(name, of: owner.id)
            try expecting.check(present, named: name)
            return (present, try store.version(version ?? present.version - 1, of: present))
        }
        // Whoever was faster in between has made another version.
        return try await apply(
            target.document, file: "version \(target.version) of \(name)",
            comment: "back to version \(target.version)" + (comment.isEmpty ? "" : ": \(comment)"), to: tenant,
            expecting: .version(present.version), action: "policy.rollback", by: principal)
    }

    /// What applying a document would do.
    public struct PolicyPlan: Sendable {
        public let name: Name
        /// The version in force, `nil` for a policy that is new.
        public let version: Int64?
        public let difference: PolicyDifference
        public let warnings: [ControlError.Problem]
        /// Active sessions that the policy judges.
        public let sessions: Int
        /// Tracked connections that would be cut, and the first of them.
        public let flowsCut: Int
        public let flows: [CutFlow]

        public struct CutFlow: Hashable, Sendable {
            public let flow: Flow
            /// What decides now; `nil` for the default.
            public let rule: Name?
            /// What would decide.
            public let newRule: Name?
        }
    }

    /// Says what applying the document would do, and changes nothing.
    public func planPolicy(
        _ document: String, file: String, for tenant: Name, by principal: Principal
    ) async throws(ControlError) -> PolicyPlan {
        let new = try await compiled(document, named: file, for: tenant, by: principal)
        let (present, scope, sessions) = try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            let present = try store.policy(named: new.policy.name, of: owner.id)
            let sessions = try present.map { try store.enforcedSessions(judgedBy: $0.id).count } ?? 0
            return (present, try self.scope(of: owner.id, store), sessions)
        }
        // One that is not valid any more is as good as none.
        let old = present.flatMap { present in
            try? PolicyDocument(parsing: present.document, file: "\(present.name)").validated(in: scope)
        }
        var cut = (count: 0, listed: [TrackedFlow]())
        if let mark = present?.mark, sessions > 0 {
            cut = try await Self.translating {
                try self.dataPlane.flows(
                    .ofPolicies([mark]), listing: 20, judging: self.judge([mark: new.inForce.ruleset]))
            }
        }
        let situation = situation(at: now(), of: present?.mark)
        return PolicyPlan(
            name: new.policy.name, version: present?.version, difference: PolicyDifference(from: old, to: new.policy),
            warnings: new.policy.warnings.map(ControlError.Problem.init), sessions: sessions, flowsCut: cut.count,
            flows: cut.listed.map { tracked in
                let packet = scope.packet(tracked)
                var situation = situation
                situation.groups = { $0 == tracked.flow.destination ? scope.groups(of: tracked) : [] }
                return PolicyPlan.CutFlow(
                    flow: tracked.flow, rule: old?.verdict(for: packet, in: situation).rule,
                    newRule: new.policy.verdict(for: packet, in: situation).rule)
            })
    }

    /// How one version differs from another.
    /// - Parameter last: `nil` for the one in force.
    public func difference(
        of name: Name, of tenant: Name, from first: Int64, to last: Int64?, by principal: Principal
    ) async throws(ControlError) -> PolicyDifference {
        let (old, new) = try await read { store in
            let present = try store.ownPolicy(name, of: try store.visibleTenant(tenant, to: principal).id)
            return (
                try store.version(first, of: present), try last.map { try store.version($0, of: present) } ?? present
            )
        }
        return PolicyDifference(
            from: try await compiled(old, named: "version \(old.version) of \(name)").policy,
            to: try await compiled(new, named: "version \(new.version) of \(name)").policy)
    }

    public func policyVersion(
        _ version: Int64, of name: Name, of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> Policy {
        try await read { store in
            try store.version(version, of: store.ownPolicy(name, of: store.visibleTenant(tenant, to: principal).id))
        }
    }

    public func policies(of tenant: Name, by principal: Principal) async throws(ControlError) -> [Policy] {
        try await read { store in try store.policies(of: try store.visibleTenant(tenant, to: principal).id) }
    }

    public func policy(
        _ name: Name, of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> Policy {
        try await read { store in
            try store.ownPolicy(name, of: try store.visibleTenant(tenant, to: principal).id)
        }
    }

    /// Newest first.
    public func policyVersions(
        _ name: Name, of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> [Policy] {
        try await read { store in
            try store.versions(of: try store.ownPolicy(name, of: try store.visibleTenant(tenant, to: principal).id).id)
        }
    }

    public func deletePolicy(_ name: Name, of tenant: Name, by principal: Principal) async throws(ControlError) {
        try await change {
            let now = self.now()
            let mark = try await self.store.write { store in
                let policy = try store.ownPolicy(name, of: try store.visibleTenant(tenant, to: principal).id)
                if try store.isQuarantinePolicy(policy) {
                    throw ControlError(
                        .conflict,
                        "a session policy names \(name) as that of its quarantine; let it name another first")
                }
                try store.deletePolicy(policy.id)
                try store.appendEvent(
                    Event.News(
                        .policyDeleted, of: policy.tenant, about: Event.Subject(.policy, name), at: now,
                        words: "policy \(name) is deleted", details: [Event.Detail("by", principal.name)]))
                try store.appendAudit(
                    actor: principal.name, action: "policy.delete", target: "\(tenant)/\(name)", detail: "", at: now)
                return policy.mark
            }
            guard let mark else { return }
            try self.dataPlane.install([:], removing: [mark])
            self.book.set(nil, for: mark)
        }
    }

    /// What verdicts depend on beside the document, at a time.
    /// - Parameter policy: whose devices have been told addresses of names.
    func situation(at time: Timestamp, of policy: PolicyMark? = nil) -> PolicySituation {
        PolicySituation(
            names: { address in policy.map { self.names.names(of: address, for: $0) } ?? [] },
            addresses: { pattern in
                policy.map { self.names.book.facts(of: $0) }?.filter { pattern.matches($0.name) }.map(\.address)
                    .sorted()
                    ?? []
            },
            minuteOfWeek: { self.wallClock.minuteOfWeek($0, time) })
    }

    /// A document that compiles for a tenant as it is at a moment.
    private struct CompiledForTenant: Sendable {
        let tenant: Tenant.ID
        let policy: ValidatedPolicy
        let inForce: CompiledPolicy
        let changesOfScope: Int

        /// The same with the numbers by which rules are counted.
        func counting(_ rules: [Name: CountedRule.ID]) -> Self {
            guard rules != policy.countedRules else { return self }
            let policy = policy.counting(rules)
            return Self(
                tenant: tenant, policy: policy, inForce: CompiledPolicy(policy, open: inForce.open),
                changesOfScope: changesOfScope)
        }
    }

    private func compiled(
        _ document: String, named file: String, for tenant: Name, by principal: Principal
    ) async throws(ControlError) -> CompiledForTenant {
        let owner = try await read { store in try store.visibleTenant(tenant, to: principal).id }
        // Before lists and services are read: a change in between is noticed.
        let changes = book.changesOfScope(of: owner)
        let scope = try await read { store in try self.scope(of: owner, store) }
        let (policy, inForce) = try compiled(document, named: file, in: scope)
        return CompiledForTenant(tenant: owner, policy: policy, inForce: inForce, changesOfScope: changes)
    }

    /// A stored document with what its tenant has now.
    func compiled(
        _ policy: Policy, named file: String
    ) async throws(ControlError) -> (policy: ValidatedPolicy, inForce: CompiledPolicy) {
        try compiled(
            policy.document, named: file, in: try await read { store in try self.scope(of: policy.tenant, store) })
    }

    func compiled(
        _ document: String, named file: String, in scope: PolicyScope
    ) throws(ControlError) -> (policy: ValidatedPolicy, inForce: CompiledPolicy) {
        do throws(PolicyError) {
            let policy = try PolicyDocument(parsing: document, file: file).validated(in: scope)
            let time = now()
            return (policy, CompiledPolicy(policy, open: policy.schedules.filter { isOpen($0, at: time) }))
        } catch {
            throw ControlError(
                .invalid, "the policy has \(error.diagnostics.count) error(s); nothing was changed",
                problems: error.diagnostics.map(ControlError.Problem.init))
        }
    }
}

extension PolicyScope {
    /// A tracked flow's first packet.
    fileprivate func packet(_ tracked: TrackedFlow) -> PacketQuery {
        var direction = PacketQuery.Direction.fromDevice
        if tracked.isToDevice, case .access(let number) = tracked.way?.route,
            let name = vpns.first(where: { $0.value == number })?.key
        {
            direction = .toDevice(source: tracked.flow.source, via: name)
        }
        return PacketQuery(
            destination: tracked.flow.destination, protocol: tracked.flow.protocol, port: tracked.flow.destinationPort,
            direction: direction)
    }

    fileprivate func groups(of tracked: TrackedFlow) -> Set<Name> {
        Set(groups.filter { $0.value == tracked.group }.keys)
    }
}

extension StoreReader {
    /// The group of the tenant's device that has the address.
    func groups(at address: IPAddress, of tenant: Tenant.ID) throws -> Set<Name> {
        guard let session = try activeSession(address: address),
            session.tenant == tenant, let group = try sim(session.sim)?.group
        else { return [] }
        return Set([try self.group(group)?.name].compactMap { $0 })
    }

    /// Whether a session policy for the tenant names it as that of its quarantine.
    fileprivate func isQuarantinePolicy(_ policy: Policy) throws -> Bool {
        try sessionPolicy(
            among: { $0.tenant == policy.tenant }, saying: { $0.quarantine?.policy == policy.name }) != nil
    }

    fileprivate func version(_ version: Int64, of policy: Policy) throws -> Policy {
        guard let found = try versions(of: policy.id).first(where: { $0.version == version }) else {
            throw ControlError(
                .notFound, "policy \(policy.name) has no version \(version); its versions are 1 to \(policy.version)")
        }
        return found
    }
}

extension ControlError.Problem {
    init(_ diagnostic: Diagnostic) {
        self.init(
            line: diagnostic.line, column: diagnostic.column, field: diagnostic.field, message: diagnostic.message)
    }
}

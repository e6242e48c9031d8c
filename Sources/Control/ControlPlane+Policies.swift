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
    public func validatePolicy(
        _ document: String, file: String
    ) throws(ControlError) -> (name: Name, warnings: [ControlError.Problem]) {
        let compiled = try compiled(document, named: file)
        return (compiled.policy.name, compiled.policy.warnings.map(ControlError.Problem.init))
    }

    /// Makes the document the policy's version in force: stored, in the kernel in one transaction, flows that it does
    /// not allow cut. Returns when all of that is true.
    public func applyPolicy(
        _ document: String, file: String, comment: String, to tenant: Name, by principal: Principal
    ) async throws(ControlError) -> AppliedPolicy {
        let started = ContinuousClock.now
        let compiled = try compiled(document, named: file)
        let name = compiled.policy.name
        let ruleset = compiled.inForce.ruleset
        let (policy, mark, sessions) = try await change {
            let now = self.now()
            let policy = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                let policy = try store.putPolicy(
                    name: name, of: owner.id, document: document, author: principal.name, comment: comment, at: now)
                try store.appendAudit(
                    actor: principal.name, action: "policy.apply", target: "\(tenant)/\(name)",
                    detail: "version \(policy.version)", at: now)
                return policy
            }
            guard let mark = policy.mark else {
                throw ControlError(.exhausted, "no policy number is left; delete policies that are not used")
            }
            try self.dataPlane.install([mark: ruleset], removing: [])
            self.book.set(compiled.inForce, for: mark)
            let sessions = try await self.store.read { store in try store.enforcedSessions(judgedBy: policy.id).count }
            return (policy, mark, sessions)
        }
        let inForce = ContinuousClock.now - started
        let cut =
            sessions == 0
            ? 0
            : try await Self.translating {
                try self.dataPlane.deleteFlows(ofDevices: nil) { flow, owner in
                    owner == mark && !ruleset.allows(flow)
                }
            }
        return AppliedPolicy(
            policy: policy, warnings: compiled.policy.warnings.map(ControlError.Problem.init),
            report: EnforcementReport(
                sessions: sessions, inForce: inForce, flowsCut: cut, total: ContinuousClock.now - started))
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
                try store.deletePolicy(policy.id)
                try store.appendAudit(
                    actor: principal.name, action: "policy.delete", target: "\(tenant)/\(name)", detail: "", at: now)
                return policy.mark
            }
            guard let mark else { return }
            try self.dataPlane.install([:], removing: [mark])
            self.book.set(CompiledPolicy?.none, for: mark)
        }
    }

    /// What the SIM's policy says about a packet, and why.
    public struct PolicyExplanation: Sendable {
        public let imsi: IMSI
        /// `nil`: no policy, so everything is blocked.
        public let policy: Policy?
        public let explanation: Explanation?
    }

    public func explain(
        _ query: PacketQuery, sim imsi: IMSI, by principal: Principal
    ) async throws(ControlError) -> PolicyExplanation {
        let policy = try await read { store in
            let sim = try store.visibleSIM(imsi, to: principal)
            return try store.effectivePolicy(of: sim.id).flatMap { try store.policy($0) }
        }
        guard let policy else { return PolicyExplanation(imsi: imsi, policy: nil, explanation: nil) }
        let validated = try compiled(policy.document, named: "\(policy.name).yaml").policy
        return PolicyExplanation(
            imsi: imsi, policy: policy, explanation: validated.explain(query, in: situation(at: now())))
    }

    /// What verdicts depend on beside the document, at a time.
    func situation(at time: Timestamp) -> PolicySituation {
        PolicySituation(minuteOfWeek: { self.wallClock.minuteOfWeek($0, time) })
    }

    /// What documents may name.
    private var scope: PolicyScope {
        let time = now()
        return PolicyScope(
            unsupported: Set(PolicyFeature.allCases), isTimeZone: { self.wallClock.minuteOfWeek($0, time) != nil })
    }

    func compiled(
        _ document: String, named file: String
    ) throws(ControlError) -> (policy: ValidatedPolicy, inForce: CompiledPolicy) {
        do throws(PolicyError) {
            let policy = try PolicyDocument(parsing: document, file: file).validated(in: scope)
            let time = now()
            return (policy, CompiledPolicy(policy: policy, ruleset: compile(policy) { self.isOpen($0, at: time) }))
        } catch {
            throw ControlError(
                .invalid, "the policy has \(error.diagnostics.count) error(s); nothing was changed",
                problems: error.diagnostics.map(ControlError.Problem.init))
        }
    }
}

extension ControlError.Problem {
    init(_ diagnostic: Diagnostic) {
        self.init(line: diagnostic.line, field: diagnostic.field, message: diagnostic.message)
    }
}

import Domain
import PolicyCompiler
import Store

extension OnboardingTransaction {
    /// In the scope of what the tenant has by now: lists, groups and VPNs of the document are there.
    mutating func policies(_ owner: Tenant) throws {
        let scope = try control.scope(of: owner.id, store)
        var parts: [(OnboardingDocument.PolicyPart, ValidatedPolicy)] = []
        for part in document.policies {
            do throws(PolicyError) {
                let policy = try part.validated(in: scope)
                warnings += policy.warnings.map { placed(part.placed($0)) }
                parts.append((part, policy))
            } catch {
                for diagnostic in error.diagnostics { report(diagnostic) }
            }
        }
        for (part, policy) in parts {
            let before = try store.policy(named: part.name, of: owner.id)
            let size = "\(policy.rules.count) rules"
            if let before, before.document == part.text {
                note(.keep, .policy, part.name, "version \(before.version): \(size)")
                continue
            }
            let stored = try store.putPolicy(
                name: part.name, of: owner.id, document: part.text, author: principal.name,
                comment: "from \(document.file)", at: now)
            guard let mark = stored.mark else {
                throw ControlError(.exhausted, "no policy number is left; delete policies that are not used")
            }
            result.policies[mark] = compiled(
                policy.counting(
                    try store.countRules(policy.rulesWithUsage, of: part.name, of: owner.id, at: now)))
            try store.tell(applied: stored, before: before, by: principal.name, at: now)
            note(
                before == nil ? .create : .change, .policy, part.name, "version \(stored.version): \(size)",
                before.map { Self.changes(from: $0, to: policy, in: scope) } ?? [])
        }
        if result.isScopeNew { try recompileOthers(owner, scope) }
    }

    private func compiled(_ policy: ValidatedPolicy) -> CompiledPolicy {
        CompiledPolicy(policy, open: policy.schedules.filter { control.isOpen($0, at: now) })
    }

    private static func changes(
        from before: Policy, to policy: ValidatedPolicy, in scope: PolicyScope
    ) -> [Plan.FieldChange] {
        // One that is not valid any more is as good as none.
        let old = try? PolicyDocument(parsing: before.document, file: "\(before.name)").validated(in: scope)
        let difference = PolicyDifference(from: old, to: policy)
        let changes =
            difference.settings.map { Plan.FieldChange(field: $0.name, before: $0.before, after: $0.after) }
            + difference.rules.map { change in
                Plan.FieldChange(
                    field: "rule \(change.rule)\(change.kind == .moved ? " (moved)" : "")", before: change.before,
                    after: change.after)
            }
        // Comments, or the order of keys.
        return changes.isEmpty
            ? [Plan.FieldChange(field: "text", before: "as it was", after: "as in the document")] : changes
    }

    /// Policies that the document does not have, and whose lists it changes.
    private mutating func recompileOthers(_ owner: Tenant, _ scope: PolicyScope) throws {
        let references = control.book.references()
        let changed = Set(steps.filter { $0.kind == .list && $0.action == .change }.map(\.name))
        guard !changed.isEmpty else { return }
        for policy in try store.policies(of: owner.id) {
            guard let mark = policy.mark, result.policies[mark] == nil,
                references[mark]?.lists.contains(where: { changed.contains("\($0)") }) == true
            else { continue }
            do throws(PolicyError) {
                let file = "\(policy.name).yaml"
                result.policies[mark] = compiled(
                    try PolicyDocument(parsing: policy.document, file: file).validated(in: scope))
            } catch {
                for diagnostic in error.diagnostics { report(diagnostic) }
            }
        }
    }

    /// Which policy judges whom.
    mutating func assignments(_ owner: Tenant) throws {
        let policies = try store.policies(of: owner.id)
        // What is wrong with a policy has been said; that there is none then, need not be.
        let known = Set(policies.map(\.name)).union(document.policies.map(\.name))
        let names = policies.reduce(into: [:]) { $0[$1.id] = $1.name }
        let ids = policies.reduce(into: [:]) { $0[$1.name] = $1.id }
        for placed in document.groups {
            guard let group = try store.group(named: placed.value.name, of: owner.id) else { continue }
            let isNew = newGroups.contains(group.name)
            if let policy = placed.value.policy, !known.contains(policy) {
                report(placed.place["policy"].diagnostic(unknown: "policy", policy, known: known))
                continue
            }
            let before = group.policy.flatMap { names[$0] }
            let after = placed.value.policy ?? before
            let detail = after.map { "policy \($0)" } ?? "without a policy: the tenant's default holds"
            if let id = after.flatMap({ ids[$0] }), id != group.policy {
                try store.setPolicy(id, ofGroup: group.id)
                try store.tellAssignment(of: after, toGroup: group.name, of: owner, by: principal.name, at: now)
                result.isRejudged = result.isRejudged || !isNew
            }
            if isNew {
                note(.create, .group, group.name, detail)
            } else if before == after {
                note(.keep, .group, group.name, detail)
            } else {
                note(.change, .group, group.name, detail, [Self.change("policy", before, after)])
            }
        }
        guard let placed = document.defaultPolicy else { return }
        guard known.contains(placed.value) else {
            return report(placed.place.diagnostic(unknown: "policy", placed.value, known: known))
        }
        guard let id = ids[placed.value] else { return }
        guard owner.defaultPolicy != id else { return note(.keep, .defaultPolicy, placed.value) }
        try store.setDefaultPolicy(id, of: owner.id)
        try store.tellAssignment(of: placed.value, toGroup: nil, of: owner, by: principal.name, at: now)
        result.isRejudged = true
        let before = owner.defaultPolicy.flatMap { names[$0] }
        note(
            before == nil ? .create : .change, .defaultPolicy, placed.value, "for SIMs whose group has none",
            before.map { [Self.change("policy", $0, placed.value)] } ?? [])
    }

    static func change(_ field: String, _ before: Name?, _ after: Name?) -> Plan.FieldChange {
        Plan.FieldChange(field: field, before: before?.description, after: after?.description)
    }
}

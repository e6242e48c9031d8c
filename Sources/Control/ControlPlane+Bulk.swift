public import Domain
import Logging
import PolicyCompiler
import Store
import Synchronization

/// One action on many SIMs. It is an operation of its own: begun at once, done in the background, and after a restart gone
/// on with where it was. What each SIM's item says is true of that SIM: it is stored in the transaction that changes the
/// SIM.
extension ControlPlane {
    /// Which SIMs are meant, as who asks names them.
    public struct BulkSelection: Sendable {
        public var tenant: Name?
        public var group: Name?
        public var state: SIM.State?
        /// With `*` and `?`.
        public var label: String?
        /// IMSIs or ICCIDs.
        public var names: [String]?

        public init(
            tenant: Name? = nil, group: Name? = nil, state: SIM.State? = nil, label: String? = nil,
            names: [String]? = nil
        ) {
            self.tenant = tenant
            self.group = group
            self.state = state
            self.label = label
            self.names = names
        }

        /// For lists and the audit.
        var words: String {
            [
                tenant.map { "tenant \($0)" }, group.map { "group \($0)" }, state.map { "state \($0.rawValue)" },
                label.map { "label \($0)" }, names.map { "\($0.count) named" },
            ].compactMap { $0 }.joined(separator: ", ")
        }
    }

    public struct BulkView: Hashable, Sendable {
        public let operation: BulkOperation
        public let counts: [BulkItem.State: Int]
    }

    /// What an operation would do.
    public struct BulkPreview: Hashable, Sendable {
        /// SIMs that match.
        public let matching: Int
        /// Of these, how many are as wanted already.
        public let unchanged: Int
        /// The first of those that match.
        public let first: [IMSI]
        /// What was named and is no SIM that matches.
        public let missing: [String]
    }

    public func previewBulk(
        _ action: BulkOperation.Action, on selection: BulkSelection, by principal: Principal
    ) async throws(ControlError) -> BulkPreview {
        try await read { store in
            let (sims, missing) = try store.sims(selection, to: principal, for: action)
            let unchanged = try sims.count(where: { try store.isUnchanged($0, by: action) })
            return BulkPreview(
                matching: sims.count, unchanged: unchanged, first: sims.prefix(20).map(\.imsi), missing: missing)
        }
    }

    /// Begins an operation. Which SIMs it is about is settled by this call; what follows is done in the background.
    public func startBulk(
        _ action: BulkOperation.Action, on selection: BulkSelection, by principal: Principal
    ) async throws(ControlError) -> BulkView {
        let owner: Tenant.ID? = if case .tenant(let own) = principal.role { own } else { nil }
        let view = try await write("sim.bulk-\(action.kind.rawValue)", selection.words, by: principal) { store, now in
            let (sims, missing) = try store.sims(selection, to: principal, for: action)
            let operation = try store.insertBulk(
                action, of: owner, filter: selection.words, sims: sims, missing: missing, author: principal.name,
                at: now)
            return BulkView(operation: operation, counts: try store.bulkCounts(of: operation.id))
        }
        hasBulk.store(true, ordering: .releasing)
        return view
    }

    public func bulk(_ id: BulkOperation.ID, by principal: Principal) async throws(ControlError) -> BulkView {
        try await read { store in
            BulkView(
                operation: try store.visibleBulk(id, to: principal), counts: try store.bulkCounts(of: id))
        }
    }

    /// Newest first.
    public func bulks(
        before: BulkOperation.ID?, limit: Int, by principal: Principal
    ) async throws(ControlError) -> [BulkView] {
        let owner: Tenant.ID? = if case .tenant(let own) = principal.role { own } else { nil }
        return try await read { store in
            try store.bulks(of: owner, before: before, limit: min(max(limit, 1), 1000)).map {
                BulkView(operation: $0, counts: try store.bulkCounts(of: $0.id))
            }
        }
    }

    public func bulkItems(
        of id: BulkOperation.ID, in state: BulkItem.State?, after: Int64?, limit: Int, by principal: Principal
    ) async throws(ControlError) -> [BulkItem] {
        try await read { store in
            _ = try store.visibleBulk(id, to: principal)
            return try store.bulkItems(of: id, in: state, after: after, limit: min(max(limit, 1), 1000))
        }
    }

    /// Leaves undone what has not been done. What has been is not undone.
    public func cancelBulk(_ id: BulkOperation.ID, by principal: Principal) async throws(ControlError) -> BulkView {
        try await write("sim.bulk-cancel", "\(id)", by: principal) { store, _ in
            let operation = try store.visibleBulk(id, to: principal)
            guard operation.state == .running else {
                throw ControlError(.conflict, "operation \(id) is \(operation.state.rawValue) already")
            }
            try store.cancelBulk(id, detail: "cancelled by \(principal.name) before its turn")
            return BulkView(operation: try store.visibleBulk(id, to: principal), counts: try store.bulkCounts(of: id))
        }
    }

    // MARK: In the background

    /// SIMs that one transaction and one netlink batch take.
    private static let bulkBatch = 1000
    /// SIMs whose NAS are asked at the same time; each NAS has a pace of its own.
    private static let bulkAtOnce = 250
    /// Of so many that are read.
    private static let bulkPage = 5000

    /// Does what running operations have left to do.
    package func runBulks() async throws {
        guard hasBulk.exchange(false, ordering: .acquiring) else { return }
        do {
            for operation in try await store.read({ store in try store.openBulks() }) { try await run(operation) }
        } catch {
            hasBulk.store(true, ordering: .releasing)
            throw error
        }
    }

    private func run(_ operation: BulkOperation) async throws {
        let (id, action) = (operation.id, operation.action)
        // The kernel's elements first, of all of them; NAS are told when no packet passes any more.
        while true {
            let step = try await engine.exclusively { try await self.applySome(of: operation) }
            verdicts.forgetAll()
            if action.endsTest { try await refreshTests() }
            // Another group may say something else of who may use them.
            if !step.sessions.isEmpty { _ = try await rejudge(step.sessions, .edit) }
            if !step.cut.isEmpty {
                let judging: (TrackedFlow) -> FlowJudgement = action.endsSessions ? { _ in .denied } : judge()
                _ = try dataPlane.deleteFlows(.ofDevices(step.cut), judging: judging)
            }
            guard step.count > 0 else { break }
        }
        let now = now()
        try await store.write { store in try store.setBulk(id, appliedAt: now) }
        try await confirmAll(of: id)
        let finished = self.now()
        let (state, counts) = try await store.write { store in
            try store.finishBulk(id, at: finished)
            return (try store.bulk(id)?.state, try store.bulkCounts(of: id))
        }
        logger.notice(
            "a bulk operation is over",
            metadata: [
                "operation": "\(id)", "action": "\(action.kind.rawValue)", "state": "\(state?.rawValue ?? "")",
                "done": "\(counts[.done] ?? 0)", "unchanged": "\(counts[.unchanged] ?? 0)",
                "unconfirmed": "\(counts[.unconfirmed] ?? 0)", "failed": "\(counts[.failed] ?? 0)",
            ])
    }

    /// What one batch of an operation was about.
    private struct BulkStep: Sendable {
        let count: Int
        /// Devices whose flows are to be looked at.
        let cut: Set<IPAddress>
        /// Those that the kernel has been told something new of.
        let sessions: [Session.ID]
    }

    /// On the engine's loop. The kernel gets the batch within the store's transaction, so that one that it refuses is not
    /// stored; should the commit fail after that, the batch is done again.
    private func applySome(of operation: BulkOperation) async throws -> BulkStep {
        let given = LimitBook.Given()
        do {
            let step = try await storeSome(of: operation, given)
            limits.note(given.value)
            return step
        } catch {
            limits.doubt(given.value)
            throw error
        }
    }

    private func storeSome(of operation: BulkOperation, _ given: LimitBook.Given) async throws -> BulkStep {
        let now = now()
        return try await store.write { store in
            var items = try store.bulkItems(of: operation.id, in: .waiting, after: nil, limit: Self.bulkBatch)
            var (changes, enforced): ([DeviceChange], [EnforcedSession]) = ([], [])
            for index in items.indices {
                guard let id = items[index].sim, let sim = try store.sim(id) else {
                    items[index].state = .failed
                    items[index].detail = "the SIM has been deleted meanwhile"
                    continue
                }
                let outcome = try store.apply(operation.action, to: sim, at: now)
                if operation.action.changesState, outcome.state == .done || outcome.state == .applied {
                    try store.tellState(of: sim, by: operation.author, at: now)
                }
                items[index].state = outcome.state
                items[index].detail = outcome.detail
                changes += outcome.removed
                enforced += outcome.enforced
            }
            try store.setBulkItems(items, of: operation.id)
            // What limits a SIM comes with its device: this process may not know of it yet, and another group has another.
            let resolved = try self.limits(of: enforced, at: now, store)
            changes += self.changes(enforced, resolved)
            given.set(resolved)
            if !changes.isEmpty { try self.limits.give(resolved) { try self.dataPlane.apply(changes) } }
            return BulkStep(
                count: items.count, cut: Set(changes.map(\.address)),
                sessions: Array(Set(changes.compactMap(\.session))))
        }
    }

    /// Has the sessions of SIMs that are stopped ended by their NAS. One that does not answer holds up no other.
    private func confirmAll(of id: BulkOperation.ID) async throws {
        var place: Int64 = 0
        while true {
            let after = place
            let items = try await store.read { store in
                try store.bulkItems(of: id, in: .applied, after: after, limit: Self.bulkPage)
            }
            guard let last = items.last else { return }
            place = last.number
            try await withThrowingTaskGroup(of: BulkItem.self) { group in
                var rest = items.makeIterator()
                var done: [BulkItem] = []
                for _ in 0..<Self.bulkAtOnce {
                    if let item = rest.next() { group.addTask { await self.confirm(item) } }
                }
                while let item = try await group.next() {
                    if let item = rest.next() { group.addTask { await self.confirm(item) } }
                    done.append(item)
                    guard done.count >= Self.bulkAtOnce else { continue }
                    let some = done
                    try await store.write { store in try store.setBulkItems(some, of: id) }
                    done = []
                }
                let some = done
                try await store.write { store in try store.setBulkItems(some, of: id) }
            }
        }
    }

    private func confirm(_ item: BulkItem) async -> BulkItem {
        var item = item
        guard let sim = item.sim else { return item }
        guard let sessions = try? await store.read({ store in try store.activeSessions(of: sim) }) else {
            item.state = .unconfirmed
            item.detail = "the store could not be read"
            return item
        }
        var record = StepRecord()
        var isComplete = true
        for session in sessions { isComplete = await end(session, &record) == .ended && isComplete }
        item.state = isComplete ? .done : .unconfirmed
        item.detail = isComplete ? "" : record.steps.map(\.detail).joined(separator: "; ")
        return item
    }
}

extension StoreReader {
    fileprivate func visibleBulk(_ id: BulkOperation.ID, to principal: Principal) throws -> BulkOperation {
        guard let operation = try bulk(id) else { throw ControlError.notFound("bulk operation", id) }
        if case .tenant(let own) = principal.role, operation.tenant != own {
            throw ControlError.notFound("bulk operation", id)
        }
        return operation
    }

    /// The SIMs that are meant.
    fileprivate func sims(
        _ selection: ControlPlane.BulkSelection, to principal: Principal, for action: BulkOperation.Action
    ) throws -> (sims: [SIM], missing: [String]) {
        guard !selection.words.isEmpty else {
            throw ControlError(
                .invalid, "say which SIMs: by tenant, group, label, state or a list; nothing was changed")
        }
        var filter = SIMFilter(state: selection.state, label: selection.label, names: selection.names)
        switch (selection.tenant, principal.role) {
        case (let name?, _): filter.tenant = try visibleTenant(name, to: principal).id
        case (nil, .tenant(let own)): filter.tenant = own
        case (nil, .operator): break
        }
        if let group = selection.group {
            guard let owner = filter.tenant else {
                throw ControlError(.invalid, "name the tenant of the group \(group)")
            }
            filter.group = try ownGroup(group, of: owner).id
        }
        if case .setGroup(let group?) = action {
            guard let owner = filter.tenant else {
                throw ControlError(.invalid, "name the tenant of the group \(group)")
            }
            _ = try ownGroup(group, of: owner)
        }
        if case .setLabel(let label) = action, label.utf8.count > 100 {
            throw ControlError(.invalid, "the label is longer than 100 octets: shorten it")
        }
        let found = try sims(matching: filter, limit: BulkOperation.maximumCount + 1)
        guard found.sims.count <= BulkOperation.maximumCount else {
            throw ControlError(
                .invalid, "more than \(BulkOperation.maximumCount) SIMs match: narrow the filter; nothing was changed")
        }
        return found
    }

    /// Whether the SIM is as the action would make it.
    fileprivate func isUnchanged(_ sim: SIM, by action: BulkOperation.Action) throws -> Bool {
        switch action {
        case .suspend: try sim.state == .suspended && activeSessions(of: sim.id).isEmpty
        case .terminate: try sim.state == .terminated && activeSessions(of: sim.id).isEmpty
        case .resume: sim.state == .active || sim.state == .test
        case .activate: sim.state == .active
        case .test: sim.state == .test
        case .setGroup(let name):
            try sim.group == name.flatMap { try group(named: $0, of: sim.tenant) }?.id
                && (name == nil || sim.group != nil)
        case .setLabel(let label): sim.label == label
        }
    }
}

extension StoreTransaction {
    /// What came of an action for one SIM.
    fileprivate typealias BulkOutcome = (
        state: BulkItem.State, detail: String, removed: [DeviceChange], enforced: [EnforcedSession]
    )

    /// Does it to one SIM.
    fileprivate func apply(
        _ action: BulkOperation.Action, to sim: SIM, at now: Timestamp
    ) throws -> BulkOutcome {
        guard try !isUnchanged(sim, by: action) else { return (.unchanged, "", [], []) }
        if sim.state == .terminated, action.kind != .terminate, action.kind != .setLabel, action.kind != .setGroup {
            return (.failed, "the SIM is terminated, which is for good", [], [])
        }
        switch action {
        case .suspend, .terminate:
            try setState(action.kind == .suspend ? .suspended : .terminated, of: sim.id)
            let sessions = try activeSessions(of: sim.id)
            return (sessions.isEmpty ? .done : .applied, "", sessions.flatMap(\.removals), [])
        case .resume:
            try setState(.active, of: sim.id)
            return (.done, "", [], try enforcedSessions(of: sim.id))
        case .activate:
            guard sim.state == .test else { return (.failed, "the SIM is suspended: resume it", [], []) }
            try setTest(nil, of: sim.id)
            return (.done, "", [], [])
        case .test(let terms):
            guard sim.state == .active else { return (.failed, "the SIM is suspended: resume it first", [], []) }
            try setTest(terms.allowance(from: now), of: sim.id)
            return (.done, "", [], [])
        case .setGroup(let name):
            let member = try name.flatMap { try self.group(named: $0, of: sim.tenant) }?.id
            if let name, member == nil { return (.failed, "its tenant has no group \(name)", [], []) }
            try setGroup(member, of: sim.id)
            return (.done, "", [], try enforcedSessions(of: sim.id))
        case .setLabel(let label):
            try setLabel(label, of: sim.id)
            return (.done, "", [], [])
        }
    }
}

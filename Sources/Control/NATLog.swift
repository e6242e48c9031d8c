public import Domain
import Store

/// What NAT 1 did, for those who are to be told of it: events in the order in which they were stored, worked out from the
/// sessions and the plans (docs/decisions/0015). It asks nothing of the engine.
public struct NATLog: Sendable {
    private let store: any Store
    private let plan: NATPlan
    private let now: @Sendable () -> Timestamp

    init(store: any Store, plan: NATPlan, now: @escaping @Sendable () -> Timestamp) {
        self.store = store
        self.plan = plan
        self.now = now
    }

    public struct Page: Hashable, Sendable {
        public let events: [NATEvent]
        /// Where the next page begins.
        public let end: NATLogPosition
        /// There is nothing more for now.
        public let isLast: Bool
    }

    /// Says who is to be told from now on, before anything is served. A collector that was there goes on where it was; a
    /// new one is first told the blocks that are in use. One that is not named any more is forgotten. When the plan has
    /// changed, each is told in its turn that blocks under the old one were released, and others allocated.
    public func register(_ collectors: Set<String>) async throws(ControlError) -> [String: NATLogPosition] {
        try await ControlPlane.translating {
            try await store.write { [plan, now] store in
                let known = try store.natCollectors()
                for name in known.keys.sorted() where !collectors.contains(name) { try store.deleteNATCollector(name) }
                let last = try store.lastOfNATLog()
                guard !collectors.isEmpty else {
                    try store.forgetSessionEnds(upTo: last.end, limit: .max)
                    return [:]
                }
                var record = try store.natPlans().last
                if record?.plan != plan { record = try store.appendNATPlan(plan, at: now()) }
                guard let record else { return [:] }
                for name in collectors.sorted() where known[name] == nil {
                    try store.putNATCollector(
                        name,
                        at: NATLogPosition(
                            plan: record.id, previousPlan: nil, walked: Session.ID(0), walkEnd: last.session,
                            begun: last.session, ended: last.end))
                }
                return try store.natCollectors()
            }
        }
    }

    /// The events after a position, `limit` sessions at most.
    public func page(after position: NATLogPosition, limit: Int) async throws(ControlError) -> Page {
        try await ControlPlane.translating {
            try await store.read { store in
                var reading = Reading(store: store, position: position, limit: max(1, limit))
                return try reading.page()
            }
        }
    }

    /// Keeps how far collectors have been told, and forgets what all of them know.
    public func save(_ positions: [String: NATLogPosition]) async throws(ControlError) {
        try await ControlPlane.translating {
            try await store.write { store in
                for (name, position) in positions { try store.putNATCollector(name, at: position) }
                guard let told = try store.natCollectors().values.map(\.ended).min() else { return }
                try store.forgetSessionEnds(upTo: told, limit: Self.forgottenAtOnce)
            }
        }
    }

    /// Some milliseconds of the store's writer, which admissions wait for.
    private static let forgottenAtOnce = 10_000
}

extension ControlPlane {
    public var natLog: NATLog { NATLog(store: store, plan: settings.natPlan, now: now) }
}

/// One page being put together.
private struct Reading {
    let store: any StoreReader
    var position: NATLogPosition
    let limit: Int
    var events: [NATEvent] = []

    mutating func page() throws -> NATLog.Page {
        let plans = try store.natPlans()
        guard let plan = plans.first(where: { $0.id == position.plan }) else {
            throw ControlError(.unavailable, "the log of NAT 1 names a plan that the store does not have")
        }
        if position.walked < position.walkEnd {
            try walk(to: plan, from: plans.first { $0.id == position.previousPlan }?.plan)
            return NATLog.Page(events: events, end: position, isLast: false)
        }
        let next = plans.first { $0.id > plan.id }
        let isComplete = try merge(under: plan.plan, until: next)
        if isComplete, let next {
            position = NATLogPosition(
                plan: next.id, previousPlan: plan.id, walked: Session.ID(0), walkEnd: next.lastSession,
                begun: next.lastSession, ended: next.lastEnd)
        }
        return NATLog.Page(events: events, end: position, isLast: isComplete && next == nil)
    }

    /// The sessions that are open where the walk began: with their blocks, and those that they had under the plan before.
    private mutating func walk(to record: NATPlanRecord, from previous: NATPlan?) throws {
        let open = try store.sessionsOpen(
            atEnd: position.ended, after: position.walked, upTo: position.walkEnd, limit: limit)
        for lease in open {
            guard let previous else {
                tell(beginning: lease, under: record.plan, at: lease.startedAt)
                continue
            }
            guard previous.binding(index: lease.natIndex) != record.plan.binding(index: lease.natIndex) else {
                continue
            }
            tell(end: lease, under: previous, at: record.beganAt)
            tell(beginning: lease, under: record.plan, at: record.beganAt)
        }
        position.walked = open.count < limit ? position.walkEnd : open.last?.session ?? position.walkEnd
    }

    /// Beginnings and ends in the order in which they were stored: an end comes after the sessions that had begun by then.
    /// - Returns: whether that was all under this plan.
    private mutating func merge(under plan: NATPlan, until next: NATPlanRecord?) throws -> Bool {
        let begun = try store.sessionsBegun(after: position.begun, upTo: next?.lastSession, limit: limit)
        let ended = try store.sessionEnds(after: position.ended, upTo: next?.lastEnd, limit: limit)
        var (beginnings, ends) = (begun[...], ended[...])
        merging: while true {
            switch (beginnings.first, ends.first) {
            case (let beginning?, let end?) where beginning.session <= end.lastSession:
                tell(beginning: beginning, under: plan, at: beginning.startedAt)
                position.begun = beginning.session
                beginnings.removeFirst()
            case (let beginning, let end?):
                // One that was not read may have begun before this end.
                guard beginning != nil || begun.count < limit || position.begun >= end.lastSession else {
                    break merging
                }
                tell(end: end.lease, under: plan, at: end.endedAt)
                position.ended = end.number
                ends.removeFirst()
            case (let beginning?, nil):
                // An end that was not read may have come before it.
                guard ended.count < limit else { break merging }
                tell(beginning: beginning, under: plan, at: beginning.startedAt)
                position.begun = beginning.session
                beginnings.removeFirst()
            case (nil, nil):
                break merging
            }
        }
        return begun.count < limit && ended.count < limit
    }

    private mutating func tell(beginning lease: SessionLease, under plan: NATPlan, at time: Timestamp) {
        guard lease.hasIPv4 else { return }
        guard let binding = plan.binding(index: lease.natIndex) else {
            events.append(.exhausted(at: time))
            return
        }
        events.append(.allocated(binding, device: lease.address, at: time))
    }

    private mutating func tell(end lease: SessionLease, under plan: NATPlan, at time: Timestamp) {
        guard lease.hasIPv4, let binding = plan.binding(index: lease.natIndex) else { return }
        events.append(.released(binding, device: lease.address, at: time))
    }
}

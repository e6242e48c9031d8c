public import Domain
import Store

extension ControlPlane {
    /// Whose usage is asked for.
    public enum UsageQuestion: Hashable, Sendable {
        case sim(IMSI)
        case group(Name, of: Name)
        case tenant(Name)
    }

    /// What one line of an answer is about.
    public enum UsageStep: String, Hashable, Sendable, CaseIterable {
        case fiveMinutes = "5m"
        case hour, day, month, total
    }

    /// Usage in a time, by something. Steps without any are left out.
    public struct UsageReport<Item: Hashable & Sendable>: Hashable, Sendable {
        public let from: Timestamp
        public let to: Timestamp
        public let step: UsageStep
        /// Whether all of it is still kept as finely as it was asked for.
        public let isComplete: Bool
        /// Up to when usage has been read; `nil`: never yet.
        public let readAt: Timestamp?
        public let items: [Item]
        public let total: UsageCounts
    }

    public struct WayUsage: Hashable, Sendable {
        public let from: Timestamp
        public let to: Timestamp
        /// `internet`, `gateway`, `group` or `vpn:NAME`; `nil` for all together.
        public let way: String?
        public let counts: UsageCounts
    }

    /// What one SIM had in a time.
    public struct SIMUsage: Hashable, Sendable {
        public let imsi: IMSI
        public let group: Name?
        public let counts: UsageCounts
    }

    /// Usage of all SIMs in a time, some SIMs at once.
    public struct SIMUsagePage: Hashable, Sendable {
        public let from: Timestamp
        public let to: Timestamp
        public let isComplete: Bool
        public let items: [SIMUsage]
        /// After which the next page begins; `nil`: there is none.
        public let next: IMSI?
    }

    /// Records in the order in which they were made.
    public struct UsageRecords: Hashable, Sendable {
        public let items: [Item]
        /// Where the next reading goes on.
        public let position: UsageRecord.Number
        public let hasMore: Bool

        public struct Item: Hashable, Sendable {
            public let record: UsageRecord
            /// `nil` once it is deleted, and so is the group's.
            public let tenant: Name?
            public let group: Name?
            public let way: String
        }
    }

    /// Lines of an answer at most: 34 days in steps of five minutes.
    private static let usageSteps: Int64 = 10_000
    /// Sums that one page of SIMs is put together from at most: some hundred milliseconds.
    private static let usageLookUps = 100_000

    /// Usage of a SIM, a group's SIMs while they were in it, or all of a tenant's.
    /// - Parameters:
    ///   - from: `nil`: the beginning of the month, for steps shorter than a day of the day.
    ///   - to: `nil`: now.
    ///   - byWay: for each way a line.
    public func usage(
        of question: UsageQuestion, from: Timestamp?, to: Timestamp?, step: UsageStep, byWay: Bool,
        by principal: Principal
    ) async throws(ControlError) -> UsageReport<WayUsage> {
        let range = try usageRange(from: from, to: to, step: step)
        return try await read { store in
            let subject = try store.usageSubject(question, principal)
            var summary = UsageSums<UsageRoute>(store) { piece in
                try store.usage(of: subject, piece.level, buckets: piece.buckets).map {
                    ($0.start, $0.route, $0.counts)
                }
            }
            try summary.read(range, step)
            return UsageReport(
                from: UsageLevel.fiveMinutes.start(of: range.lowerBound),
                to: UsageLevel.fiveMinutes.start(of: range.upperBound), step: step, isComplete: summary.isComplete,
                readAt: try store.lastUsageRound(), items: try Self.items(of: summary, byWay: byWay, store),
                total: summary.total)
        }
    }

    /// What each of the tenant's SIMs had, by IMSI.
    public func usageOfSIMs(
        of tenant: Name, group: Name?, from: Timestamp?, to: Timestamp?, after: IMSI?, limit: Int,
        by principal: Principal
    ) async throws(ControlError) -> SIMUsagePage {
        let range = try usageRange(from: from, to: to, step: .total)
        let pieces = UsagePiece.covering(range)
        let limit = min(limit, max(1, Self.usageLookUps / pieces.reduce(1) { $0 + $1.buckets.count }))
        return try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            let member = try group.map { try store.ownGroup($0, of: owner.id) }
            let names = Dictionary(try store.groups(of: owner.id).map { ($0.id, $0.name) }) { first, _ in first }
            let sims = try store.sims(of: owner.id, group: member?.id, after: after, limit: limit)
            let items = try sims.map { sim in
                var counts = UsageCounts()
                for piece in pieces {
                    let buckets = try store.usage(
                        of: .sim(sim.id, of: owner.id), piece.level, buckets: piece.buckets)
                    counts = buckets.reduce(counts) { $0 + $1.counts }
                }
                return SIMUsage(imsi: sim.imsi, group: sim.group.flatMap { names[$0] }, counts: counts)
            }
            let fives = UsageLevel.fiveMinutes
            return SIMUsagePage(
                from: fives.start(of: range.lowerBound), to: fives.start(of: range.upperBound),
                isComplete: try pieces.allSatisfy { try store.isKept($0) }, items: items,
                next: sims.count < limit ? nil : sims.last?.imsi)
        }
    }

    /// Records from the one after a number on, oldest first. Each is there once, and in every reading in the same place.
    /// - Parameters:
    ///   - tenant: only its; for a tenant its own in any case.
    ///   - number: the position of the reading before; `nil`: from the oldest that is kept.
    /// - Throws: `.gone` when records after the number have been removed already.
    public func usageRecords(
        of tenant: Name?, after number: UsageRecord.Number?, limit: Int, by principal: Principal
    ) async throws(ControlError) -> UsageRecords {
        try await read { store in
            let owner: Tenant.ID? =
                switch (tenant, principal.role) {
                case (let name?, _): try store.visibleTenant(name, to: principal).id
                case (nil, .tenant(let own)): own
                case (nil, .operator): nil
                }
            let forgotten = try store.forgottenUsageRecords(of: owner)
            if let number, number < forgotten {
                throw ControlError(
                    .gone,
                    "records up to number \(forgotten) are not kept any more, and some of those after \(number) were "
                        + "never read: take what is missing from the sums, and go on after \(forgotten)")
            }
            let page = try store.usageRecords(of: owner, after: number ?? 0, limit: limit)
            var names = UsageNames(store: store)
            return UsageRecords(
                items: try page.records.map { record in
                    UsageRecords.Item(
                        record: record, tenant: try names.tenant(record.tenant),
                        group: try record.group.flatMap { try names.group($0) }, way: try names.way(record.route))
                }, position: page.position, hasMore: page.hasMore)
        }
    }

    /// What was counted here of a session, which is not what its NAS reports: what is blocked is left out.
    public func countedUsage(
        of id: Session.ID, by principal: Principal
    ) async throws(ControlError) -> UsageCounts {
        try await read { store in try store.countedUsage(of: try store.visibleSession(id, to: principal)) }
    }

    private static func items(
        of sums: UsageSums<UsageRoute>, byWay: Bool, _ store: any StoreReader
    ) throws -> [WayUsage] {
        var names = UsageNames(store: store)
        return try sums.lines.flatMap { line in
            guard byWay else {
                return [
                    WayUsage(
                        from: line.from, to: line.to, way: nil,
                        counts: line.counts.values.reduce(UsageCounts(), +))
                ]
            }
            return try line.counts.sorted { $0.key < $1.key }.map { route, counts in
                WayUsage(from: line.from, to: line.to, way: try names.way(route), counts: counts)
            }
        }
    }

    /// In buckets of five minutes, on whole steps. What is asked for of the future is left out.
    func usageRange(
        from: Timestamp?, to: Timestamp?, step: UsageStep
    ) throws(ControlError) -> Range<Int64> {
        let (fives, days) = (UsageLevel.fiveMinutes, UsageLevel.day)
        if let from, let to, from >= to { throw ControlError(.invalid, "\(from) is not before \(to): exchange them") }
        let present = now()
        // Up to the end of the day: what is to come of it is empty, and the day can be read as such.
        let last = days.start(of: days.bucket(of: present) + 1)
        let end = min(to ?? last, last)
        let first = from ?? (step.isShort ? days.start(of: days.bucket(of: present)) : present.startOfMonth)
        let size = step.level.map { $0.milliseconds } ?? fives.milliseconds
        let start = max(0, first.milliseconds.floorDivided(by: size).quotient * size) / fives.milliseconds
        let stop = -(-end.milliseconds).floorDivided(by: size).quotient * size / fives.milliseconds
        guard start < stop else {
            throw ControlError(.invalid, "there is no time between \(first) and \(end): give other times")
        }
        let count = UsagePiece.covering(start..<stop).reduce(0) { $0 + Int64($1.buckets.count) }
        guard (step.level == nil ? count : (stop - start) * fives.milliseconds / size) <= Self.usageSteps else {
            throw ControlError(
                .invalid, "these are more than \(Self.usageSteps) steps: ask for less time, or for longer steps")
        }
        return start..<stop
    }
}

extension ControlPlane.UsageStep {
    /// The sums that make one line each; `nil`: several sums do.
    var level: UsageLevel? {
        switch self {
        case .fiveMinutes: .fiveMinutes
        case .hour: .hour
        case .day: .day
        case .month, .total: nil
        }
    }

    fileprivate var isShort: Bool { self == .fiveMinutes || self == .hour }
}

/// The names behind numbers, each read once.
private struct UsageNames {
    let store: any StoreReader
    private var tenants: [Tenant.ID: Name?] = [:]
    private var groups: [SIMGroup.ID: Name?] = [:]
    private var vpns: [VPN.ID: Name?] = [:]

    init(store: any StoreReader) { self.store = store }

    mutating func tenant(_ id: Tenant.ID) throws -> Name? {
        if let known = tenants[id] { return known }
        let name = try store.tenant(id)?.name
        tenants[id] = .some(name)
        return name
    }

    mutating func group(_ id: SIMGroup.ID) throws -> Name? {
        if let known = groups[id] { return known }
        let name = try store.group(id)?.name
        groups[id] = .some(name)
        return name
    }

    /// As policies have it; a VPN that is deleted is `vpn`.
    mutating func way(_ route: UsageRoute) throws -> String {
        switch route {
        case .internet: return "internet"
        case .gateway: return "gateway"
        case .group: return "group"
        case .formerVPN: return "vpn"
        case .vpn(let id):
            if vpns[id] == nil { vpns[id] = .some(try store.vpn(id)?.name) }
            return (vpns[id] ?? nil).map { "vpn:\($0)" } ?? "vpn"
        }
    }
}

extension StoreReader {
    fileprivate func usageSubject(
        _ question: ControlPlane.UsageQuestion, _ principal: Principal
    ) throws -> UsageSubject {
        switch question {
        case .sim(let imsi):
            let sim = try visibleSIM(imsi, to: principal)
            return .sim(sim.id, of: sim.tenant)
        case .group(let group, let tenant):
            let owner = try visibleTenant(tenant, to: principal)
            return .group(try ownGroup(group, of: owner.id).id, of: owner.id)
        case .tenant(let tenant): return .tenant(try visibleTenant(tenant, to: principal).id)
        }
    }

    /// Whether nothing of it has been forgotten.
    func isKept(_ piece: UsagePiece) throws -> Bool {
        guard let forgotten = try forgottenUsage(piece.level) else { return true }
        return piece.level.start(of: piece.buckets.lowerBound) >= forgotten
    }
}

extension Timestamp {
    /// In UTC.
    fileprivate var startOfMonth: Timestamp {
        // Its own form of a date can be read.
        (try? Timestamp(parsing: "\(description.prefix(7))-01T00:00:00Z")) ?? self
    }

    var startOfNextMonth: Timestamp {
        // No month is longer, and none shorter than what is over of it.
        Timestamp(milliseconds: startOfMonth.milliseconds + 32 * UsageLevel.day.milliseconds).startOfMonth
    }
}

public import Domain

/// What one of the kernel's counters said.
public struct UsageSample: Hashable, Sendable {
    /// With ``way`` the counter's name.
    public let counter: UInt64
    public let way: UsageWay
    public let session: Session.ID
    /// Since the counter began.
    public let counts: UsageCounts

    public init(counter: UInt64, way: UsageWay, session: Session.ID, counts: UsageCounts) {
        self.counter = counter
        self.way = way
        self.session = session
        self.counts = counts
    }
}

/// Whose a counter is, and its name. In this order they are written.
public struct UsageCounterKey: Hashable, Comparable, Sendable {
    public let tenant: Tenant.ID
    public let sim: SIM.ID
    public let counter: UInt64
    /// Of ``Domain/UsageWay``.
    package let way: Int64

    public init(tenant: Tenant.ID, sim: SIM.ID, counter: UInt64, way: UsageWay) {
        self.init(tenant: tenant, sim: sim, counter: counter, code: way.code)
    }

    init(tenant: Tenant.ID, sim: SIM.ID, counter: UInt64, code: Int64) {
        self.tenant = tenant
        self.sim = sim
        self.counter = counter
        way = code
    }

    public static func < (a: Self, b: Self) -> Bool {
        (a.tenant.rawValue, a.sim.rawValue, a.counter, a.way) < (b.tenant.rawValue, b.sim.rawValue, b.counter, b.way)
    }
}

/// A counter that is remembered.
public struct StoredUsageCounter: Hashable, Sendable {
    public let key: UsageCounterKey
    /// When it last had more than before.
    public let readAt: Timestamp
    /// Whether its session has ended, or is not known any more.
    public let isOver: Bool

    public init(key: UsageCounterKey, readAt: Timestamp, isOver: Bool) {
        self.key = key
        self.readAt = readAt
        self.isOver = isOver
    }
}

/// What came of adding samples.
public struct UsageAddition: Hashable, Sendable {
    /// How many samples said more than what was known.
    public var records = 0
    /// Of these.
    public var octets: UInt64 = 0
    /// How many were of no session that is known. They are left where they are.
    public var unowned = 0
    /// Those of the samples' sessions that have ended.
    public var ended: [Session.ID: EndedUsage] = [:]

    public init() {}
}

/// A session that has ended: what was counted here, and what its NAS has reported.
public struct EndedUsage: Hashable, Sendable {
    public let counted: UsageCounts
    public let reported: SessionUsage

    public init(counted: UsageCounts, reported: SessionUsage) {
        self.counted = counted
        self.reported = reported
    }
}

/// Some of the records that were asked for.
public struct UsageRecordPage: Hashable, Sendable {
    public let records: [UsageRecord]
    /// Where the next reading goes on.
    public let position: UsageRecord.Number
    public let hasMore: Bool

    public init(records: [UsageRecord], position: UsageRecord.Number, hasMore: Bool) {
        self.records = records
        self.position = position
        self.hasMore = hasMore
    }
}

/// What a ``StoreReader`` reads of usage.
public protocol UsageReader {
    /// Whose sessions are; those that are not known are left out.
    func usageOwners(of sessions: [Session.ID]) throws(StoreError) -> [Session.ID: (tenant: Tenant.ID, sim: SIM.ID)]
    /// Of each of the buckets that has something, in their order, then by route. A look-up for each bucket.
    func usage(
        of subject: UsageSubject, _ level: UsageLevel, buckets: Range<Int64>
    ) throws(StoreError) -> [UsageBucket]
    /// Before this time nothing of the level is kept; `nil`: everything is.
    func forgottenUsage(_ level: UsageLevel) throws(StoreError) -> Timestamp?
    /// When all counters were last read.
    func lastUsageRound() throws(StoreError) -> Timestamp?
    /// What the kernel has counted of a session.
    func countedUsage(of session: Session) throws(StoreError) -> UsageCounts
    /// Counters that are remembered, in their order.
    func usageCounters(after key: UsageCounterKey?, limit: Int) throws(StoreError) -> [StoredUsageCounter]

    /// Oldest first, from the one after `number`.
    /// - Parameter tenant: `nil`: of all tenants.
    func usageRecords(
        of tenant: Tenant.ID?, after number: UsageRecord.Number, limit: Int
    ) throws(StoreError) -> UsageRecordPage
    /// The highest number of a record of the tenant (`nil`: of any) that retention has removed; 0 when there is none.
    /// Whoever goes on from a lower number has missed something.
    func forgottenUsageRecords(of tenant: Tenant.ID?) throws(StoreError) -> UsageRecord.Number
}

/// What a ``StoreTransaction`` writes of usage.
public protocol UsageTransaction: UsageReader {
    /// Adds what counters say more than they did, to every level and as records, and remembers what they say. A sample that
    /// says less than the one before it says nothing.
    ///
    /// What a counter has more is counted in the middle of the time in which it came.
    /// - Parameters:
    ///   - from: when all counters were last read; `nil`: they have not been.
    ///   - time: when the samples were read.
    func addUsage(_ samples: [UsageSample], from: Timestamp?, at time: Timestamp) throws(StoreError) -> UsageAddition
    func setLastUsageRound(_ time: Timestamp) throws(StoreError)
    /// Counters that the kernel does not have any more, and so never names again.
    func deleteUsageCounters(_ keys: [UsageCounterKey]) throws(StoreError)
    /// Removes the oldest buckets that ended by a time, so many rows at most.
    /// - Returns: how many rows.
    func forgetUsage(_ level: UsageLevel, before time: Timestamp, limit: Int) throws(StoreError) -> Int
    /// Removes the oldest records, of the first `limit`, that ended before a time or are not among the newest `count`. The
    /// newest of all stays.
    /// - Returns: how many.
    func forgetUsageRecords(before time: Timestamp, keeping count: Int64, limit: Int) throws(StoreError) -> Int
}

/// What is used of one volume of data: one SIM's, or one that many share.
public struct VolumeAccount: Hashable, Sendable {
    /// What it is in the data plane. No other account ever has it.
    public let number: QuotaNumber
    public let key: Key
    /// Names a period in the data plane: grows with each that begins with nothing used. Where the number is a SIM's, it is at
    /// least the minute since 1970 in which the period begins, so that it is known without having been written down.
    public private(set) var period: UInt64
    public private(set) var periods: DataPeriod
    public private(set) var span: DataPeriod.Span
    /// Octets, of the document.
    public private(set) var volume: UInt64
    /// Octets that somebody has added for this period.
    public private(set) var extra: UInt64
    /// Octets of the period, as far as is known.
    public private(set) var used: UInt64
    /// The highest percentage that has been told in this period; zero: none.
    public private(set) var warned: Int
    /// Since when the volume is used.
    public private(set) var reachedAt: Timestamp?

    /// Whose limit it is, and of whom.
    public struct Key: Hashable, Sendable {
        public let source: Source
        public let tenant: Tenant.ID
        public let owner: Owner

        public init(source: Source, tenant: Tenant.ID, owner: Owner) {
            self.source = source
            self.tenant = tenant
            self.owner = owner
        }
    }

    /// Who has set the limit. What a tenant says of a SIM at different levels is one: only the nearest holds.
    public enum Source: String, Hashable, Sendable, CaseIterable {
        case ceiling
        case tenantCeiling = "tenant-ceiling"
        case tenant

        public init(_ level: SessionPolicyLevel) {
            self =
                switch level {
                case .ceiling: .ceiling
                case .tenantCeiling: .tenantCeiling
                case .tenant, .group, .sim: .tenant
                }
        }
    }

    public enum Owner: Hashable, Sendable {
        case sim(SIM.ID)
        case group(SIMGroup.ID)
        case tenant
    }

    public init(
        number: QuotaNumber, key: Key, period: UInt64, periods: DataPeriod, span: DataPeriod.Span, volume: UInt64,
        extra: UInt64 = 0, used: UInt64 = 0, warned: Int = 0, reachedAt: Timestamp? = nil
    ) {
        self.number = number
        self.key = key
        self.period = period
        self.periods = periods
        self.span = span
        self.volume = volume
        self.extra = extra
        self.used = used
        self.warned = warned
        self.reachedAt = reachedAt
    }

    /// One of which nothing is used, and that is therefore the same whenever it is made in the period.
    /// - Returns: `nil` where it has to be written down from the beginning: it is not one SIM's alone, or has no end.
    public init?(unused key: Key, _ limit: DataLimit, span: DataPeriod.Span) {
        guard case .sim(let sim) = key.owner, span.end != nil, let number = QuotaNumber(key.source, of: sim) else {
            return nil
        }
        self.init(
            number: number, key: key, period: Self.firstPeriod(span), periods: limit.periods, span: span,
            volume: limit.volume)
    }

    private static func firstPeriod(_ span: DataPeriod.Span) -> UInt64 {
        UInt64(max(1, span.start.milliseconds / 60_000))
    }

    /// Octets that may be used in the period.
    public var limit: UInt64 {
        let (sum, isTooLarge) = volume.addingReportingOverflow(extra)
        return isTooLarge ? .max : sum
    }

    public var remaining: UInt64 { used < limit ? limit - used : 0 }

    /// So many octets are this part of the limit; at least one.
    public func octets(percent: Int) -> UInt64 {
        let product = limit.multipliedFullWidth(by: UInt64(min(max(percent, 0), 100)))
        return max(1, UInt64(100).dividingFullWidth(product).quotient)
    }

    /// At how many octets there is something to tell next.
    public func nextWarning(of limit: DataLimit) -> UInt64? {
        limit.warnAt.first { $0 > warned }.map(octets)
    }

    // MARK: Changes

    /// What has changed for people.
    public struct News: Hashable, Sendable {
        /// A percentage that has been passed.
        public var warned: Int?
        public var isReached = false
        /// It was used, and is no more.
        public var isOpenAgain = false

        public init() {}
    }

    /// What the data plane says of the period that it has.
    public struct Counted: Hashable, Sendable {
        public let used: UInt64
        /// Whether it has refused or slowed a packet, for this limit.
        public let isReached: Bool

        public init(used: UInt64, isReached: Bool) {
            self.used = used
            self.isReached = isReached
        }
    }

    /// Brings it to what is said of the volume at a time. A period that is over ends, and what was used goes with it. Where
    /// periods are of another length, or begin at other times, what was used is kept if it may belong to the one that is now.
    /// - Parameters:
    ///   - counted: of this period; `nil`: the data plane does not know it, and what was stored stands.
    ///   - span: of the limit's periods, the one that now is in.
    public mutating func follow(
        _ limit: DataLimit, counted: Counted?, span now: DataPeriod.Span, at time: Timestamp
    ) -> News {
        let wasReached = reachedAt != nil
        let before = self.limit
        if let counted { used = counted.used }
        let isOver = span.end.map { time >= $0 } ?? false
        if periods != limit.periods {
            let isKept = !isOver && (periods.length.isAlike(limit.period) || now.start <= span.start)
            periods = limit.periods
            if isKept { span = now } else { begin(now) }
        } else if isOver {
            begin(now)
        } else if now.start < span.start {
            // The clock was set back.
            span = now
        }
        volume = limit.volume
        if self.limit != before {
            reachedAt = used >= self.limit ? reachedAt ?? time : nil
        } else if used >= self.limit || (used > 0 && counted?.isReached == true) {
            reachedAt = reachedAt ?? time
        }
        var news = News()
        let passed = limit.warnAt.last { octets(percent: $0) <= used } ?? 0
        if passed > warned, reachedAt == nil { news.warned = passed }
        warned = passed
        news.isReached = reachedAt != nil && !wasReached
        news.isOpenAgain = reachedAt == nil && wasReached
        return news
    }

    private mutating func begin(_ span: DataPeriod.Span) {
        self.span = span
        period = max(period + 1, number.ofSIM == nil ? 0 : Self.firstPeriod(span))
        (used, extra, warned, reachedAt) = (0, 0, 0, nil)
    }

    /// What was stored of this period, where the data plane knows more.
    public mutating func note(used: UInt64) { self.used = used }

    /// Adds to the volume for this period.
    public mutating func add(_ octets: UInt64) {
        let (sum, isTooLarge) = extra.addingReportingOverflow(octets)
        extra = isTooLarge ? .max : sum
        if used < limit { reachedAt = nil }
    }

    /// Begins anew with nothing used. The period ends when it would have ended.
    public mutating func reset(at time: Timestamp) {
        begin(DataPeriod.Span(start: periods.length == .prepaid ? time : span.start, end: span.end))
    }
}

extension DataLimit.Period {
    /// Whether periods of both are of one length.
    fileprivate func isAlike(_ other: Self) -> Bool {
        switch (self, other) {
        case (.day, .day), (.week, .week), (.month, .month), (.prepaid, .prepaid): true
        case (.day, _), (.week, _), (.month, _), (.prepaid, _): false
        }
    }
}

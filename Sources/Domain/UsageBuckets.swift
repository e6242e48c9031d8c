/// The ways of usage as they are remembered: a VPN by its row, since the number that stands for it at the gateway
/// (``UsageWay/vpn(_:)``) is another's once it is deleted.
public enum UsageRoute: Hashable, Comparable, Sendable {
    case internet
    /// To or from the gateway itself: names.
    case gateway
    /// To or from other devices.
    case group
    /// Through a VPN that was deleted before its octets were read.
    case formerVPN
    case vpn(VPN.ID)

    /// As the store has it. The most frequent one takes no octet there.
    package var code: Int64 {
        switch self {
        case .internet: 0
        case .gateway: 1
        case .group: 2
        case .formerVPN: 3
        case .vpn(let id): 8 + id.rawValue
        }
    }

    package init?(code: Int64) {
        switch code {
        case 0: self = .internet
        case 1: self = .gateway
        case 2: self = .group
        case 3: self = .formerVPN
        case 9...: self = .vpn(VPN.ID(code - 8))
        default: return nil
        }
    }

    public static func < (a: Self, b: Self) -> Bool { a.code < b.code }
}

extension UsageWay {
    /// As the store has it in the name of a counter.
    package var code: Int64 {
        switch self {
        case .internet: 0
        case .gateway: 1
        case .group: 2
        case .vpn(let number): 8 + Int64(number.rawValue)
        }
    }
}

/// How long the times are that usage is summed up for. All of them begin where the shorter ones do, in UTC.
public enum UsageLevel: String, Hashable, Sendable, CaseIterable {
    case fiveMinutes = "5m"
    case hour
    case day

    public var milliseconds: Int64 {
        switch self {
        case .fiveMinutes: 300_000
        case .hour: 3_600_000
        case .day: 86_400_000
        }
    }

    /// The number, from 1970 on, of the time that this point is in.
    public func bucket(of time: Timestamp) -> Int64 { time.milliseconds.floorDivided(by: milliseconds).quotient }

    /// When the time of that number begins.
    public func start(of bucket: Int64) -> Timestamp {
        Timestamp(milliseconds: bucket.multipliedReportingOverflow(by: milliseconds).partialValue)
    }
}

/// Whose usage is summed up.
public enum UsageSubject: Hashable, Sendable {
    case sim(SIM.ID, of: Tenant.ID)
    /// Of SIMs while they were in it.
    case group(SIMGroup.ID, of: Tenant.ID)
    case tenant(Tenant.ID)

    public var tenant: Tenant.ID {
        switch self {
        case .sim(_, let tenant), .group(_, let tenant), .tenant(let tenant): tenant
        }
    }
}

/// What has passed one way in one time.
public struct UsageBucket: Hashable, Sendable {
    public let start: Timestamp
    public let route: UsageRoute
    public let counts: UsageCounts

    public init(start: Timestamp, route: UsageRoute, counts: UsageCounts) {
        self.start = start
        self.route = route
        self.counts = counts
    }
}

/// What a session had one way between two readings of the kernel's counters.
public struct UsageRecord: Hashable, Sendable {
    /// The place among all records, of every tenant: grows with each, and is never given to another. What a reader
    /// remembers to go on from.
    public typealias Number = Int64
    public let number: Number
    public let session: Session.ID
    public let imsi: IMSI
    public let tenant: Tenant.ID
    /// The SIM's, when it was read.
    public let group: SIMGroup.ID?
    public let route: UsageRoute
    public let from: Timestamp
    public let to: Timestamp
    public let counts: UsageCounts

    public init(
        number: Number, session: Session.ID, imsi: IMSI, tenant: Tenant.ID, group: SIMGroup.ID?, route: UsageRoute,
        from: Timestamp, to: Timestamp, counts: UsageCounts
    ) {
        self.number = number
        self.session = session
        self.imsi = imsi
        self.tenant = tenant
        self.group = group
        self.route = route
        self.from = from
        self.to = to
        self.counts = counts
    }
}

/// A part of a time, in buckets of one level.
public struct UsagePiece: Hashable, Sendable {
    public let level: UsageLevel
    /// Numbers of ``UsageLevel/bucket(of:)``.
    public let buckets: Range<Int64>

    public init(level: UsageLevel, buckets: Range<Int64>) {
        self.level = level
        self.buckets = buckets
    }

    /// A time in as few buckets as it can be put together from: five minutes to the next hour, hours to the next day, days,
    /// and back.
    /// - Parameter fives: numbers of buckets of five minutes.
    public static func covering(_ fives: Range<Int64>) -> [UsagePiece] {
        let fivesAnHour = UsageLevel.hour.milliseconds / UsageLevel.fiveMinutes.milliseconds
        let hoursADay = UsageLevel.day.milliseconds / UsageLevel.hour.milliseconds
        let hours = inner(fives, fivesAnHour)
        let days = inner(hours, hoursADay)
        let all: [(UsageLevel, Range<Int64>)] =
            [(.fiveMinutes, before(fives, hours, fivesAnHour)), (.hour, before(hours, days, hoursADay)), (.day, days)]
            + [(.hour, after(hours, days, hoursADay)), (.fiveMinutes, after(fives, hours, fivesAnHour))]
        return all.compactMap { $1.isEmpty ? nil : UsagePiece(level: $0, buckets: $1) }
    }

    /// The whole longer times within; empty, and anywhere, when there is none.
    private static func inner(_ range: Range<Int64>, _ size: Int64) -> Range<Int64> {
        let first = -(-range.lowerBound).floorDivided(by: size).quotient
        let end = range.upperBound.floorDivided(by: size).quotient
        return first < end ? first..<end : first..<first
    }

    private static func before(_ range: Range<Int64>, _ inner: Range<Int64>, _ size: Int64) -> Range<Int64> {
        inner.isEmpty ? range : range.lowerBound..<inner.lowerBound * size
    }

    private static func after(_ range: Range<Int64>, _ inner: Range<Int64>, _ size: Int64) -> Range<Int64> {
        inner.isEmpty ? range.upperBound..<range.upperBound : inner.upperBound * size..<range.upperBound
    }
}

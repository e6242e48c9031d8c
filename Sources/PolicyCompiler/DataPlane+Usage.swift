public import Domain

/// What one counter says.
public struct UsageReading: Hashable, Sendable {
    /// With `way` its name: each session of a device has one that no other ever has, whatever restarts between. Below 2^48.
    public let counter: UInt64
    public let way: UsageWay
    /// An address, or the first address of a prefix.
    public let device: IPAddress
    /// As ``DeviceEntry/session`` was when it counted.
    public let session: Session.ID?
    /// Since the counter began. A reading made while a session ends may be smaller than the one before: then that one is
    /// still right.
    public let counts: UsageCounts

    public init(counter: UInt64, way: UsageWay, device: IPAddress, session: Session.ID?, counts: UsageCounts) {
        self.counter = counter
        self.way = way
        self.device = device
        self.session = session
        self.counts = counts
    }
}

/// What the counter of a rule says: of the flows of all devices that the rule lets pass, whatever the version of its policy.
public struct RuleUsageReading: Hashable, Sendable {
    public let rule: CountedRule.ID
    /// With `rule` the counter's name, which no other ever has.
    public let counter: UInt64
    /// Since the counter began.
    public let counts: UsageCounts
    /// Whether packets could still be counted there when it was read.
    public let isInUse: Bool

    public init(rule: CountedRule.ID, counter: UInt64, counts: UsageCounts, isInUse: Bool) {
        self.rule = rule
        self.counter = counter
        self.counts = counts
        self.isInUse = isInUse
    }
}

/// Some of all readings.
public struct UsagePart: Hashable, Sendable {
    public let readings: [UsageReading]
    /// Where the next part begins; `nil`: there is none.
    public let next: UsageCursor?

    public init(readings: [UsageReading], next: UsageCursor?) {
        self.readings = readings
        self.next = next
    }
}

/// A place among all readings, good for as long as one goes through them.
public struct UsageCursor: Hashable, Sendable {
    package let table: Int
    package let place: UInt32

    package init(table: Int, place: UInt32) {
        self.table = table
        self.place = place
    }
}

extension DataPlane {
    /// All readings, part by part.
    public func readUsage(_ body: ([UsageReading]) -> Void) throws(DataPlaneError) {
        var cursor: UsageCursor?
        repeat {
            let part = try usage(after: cursor)
            body(part.readings)
            cursor = part.next
        } while cursor != nil
    }
}

/// What limits a device. A packet passes when every part of it lets it.
public struct DeviceLimit: Hashable, Sendable {
    /// Of the SIM, its group and its tenant: ``maximumQuotas`` at most. Each is for both directions together. One that is
    /// not there limits nothing.
    public let quotas: [QuotaNumber]
    /// Those of them that do not end when they are reached: then ``slow`` holds, and they count on. It holds for the packet
    /// that would exceed them already.
    public let slowing: Set<QuotaNumber>
    /// For each direction, beside ``up`` and ``down``.
    public let slow: RateLimit?
    /// From the device.
    public let up: RateLimit?
    /// To the device.
    public let down: RateLimit?

    public static let maximumQuotas = 3

    public init(
        quotas: [QuotaNumber] = [], slowing: Set<QuotaNumber> = [], slow: RateLimit? = nil, up: RateLimit? = nil,
        down: RateLimit? = nil
    ) {
        precondition(quotas.count <= Self.maximumQuotas)
        self.quotas = quotas
        self.slowing = slowing.intersection(quotas)
        self.slow = slow
        self.up = up
        self.down = down
    }
}

/// How much may pass in a time: octets of IP packets.
public struct RateLimit: Hashable, Sendable {
    public let rate: BitRate
    /// How many octets may pass at once.
    public let burst: UInt64

    /// The least burst is what passes in this time, in milliseconds: TCP waits for 200 ms at least (Linux' and others'
    /// retransmission time-out), and what it may not catch up afterwards would be missing from the rate.
    public static let leastBurstMilliseconds: UInt64 = 300
    /// The largest burst is what passes in a minute.
    public static let mostBurstMilliseconds: UInt64 = 60_000

    /// A burst that is too small or too large becomes the least or the largest.
    public init(_ rate: BitRate, burst: UInt64 = 0) {
        self.rate = rate
        let octets = { (milliseconds: UInt64) in rate.bitsPerSecond * milliseconds / 8000 }
        self.burst = min(max(burst, octets(Self.leastBurstMilliseconds)), octets(Self.mostBurstMilliseconds))
    }
}

/// A volume of data for a period.
public struct Quota: Hashable, Sendable {
    /// Any number that names the period. As long as it is the same, the kernel keeps what it has counted.
    public let period: UInt64
    /// Octets of the period, up and down together. The packet that would exceed them is the first that does not pass, or, for
    /// devices that it slows, the first that is slowed.
    public let limit: UInt64
    /// What is used of a period that the kernel does not know yet, octets.
    public let used: UInt64
    /// At how many used octets to give notice; `nil`: at none.
    public let notice: UInt64?

    public init(period: UInt64, limit: UInt64, used: UInt64 = 0, notice: UInt64? = nil) {
        self.period = period
        self.limit = limit
        self.used = used
        self.notice = notice
    }
}

public struct QuotaReading: Hashable, Sendable {
    public let period: UInt64
    public let limit: UInt64
    /// Octets that have passed in the period, and where it began: ``Quota/used``.
    public let used: UInt64
    /// Whether a packet has been refused or slowed. Then none passes, or all are slowed, until the limit is raised or a period
    /// begins.
    public let isReached: Bool

    public init(period: UInt64, limit: UInt64, used: UInt64, isReached: Bool) {
        self.period = period
        self.limit = limit
        self.used = used
        self.isReached = isReached
    }
}

/// What the kernel tells of a quota once.
public struct QuotaNotice: Hashable, Sendable {
    public let quota: QuotaNumber
    public let period: UInt64
    /// Whether the limit is reached; otherwise ``Quota/notice`` is.
    public let isReached: Bool

    public init(quota: QuotaNumber, period: UInt64, isReached: Bool) {
        self.quota = quota
        self.period = period
        self.isReached = isReached
    }
}

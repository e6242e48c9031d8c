/// How much a SIM may send and receive, up and down together.
public struct DataLimit: Hashable, Sendable {
    /// Octets.
    public var volume: UInt64
    public var period: Period
    public var zone: String
    /// Percent of the volume, ascending, at which it is told.
    public var warnAt: [Int]
    /// Whose the volume is.
    public var pool: Pool
    public var onReached: Reached

    public enum Period: Hashable, Sendable {
        case day
        /// From Monday.
        case week
        /// From this day of the month, 1...28.
        case month(anchorDay: Int)
        /// Once.
        case prepaid
    }

    public enum Pool: String, Hashable, Sendable, CaseIterable {
        case sim
        case group
        case tenant
    }

    public enum Reached: Hashable, Sendable {
        case block
        case quarantine
        /// Both ways at this rate.
        case slow(BitRate)
    }

    public init(
        volume: UInt64, period: Period, zone: String, warnAt: [Int], pool: Pool, onReached: Reached
    ) {
        self.volume = volume
        self.period = period
        self.zone = zone
        self.warnAt = warnAt
        self.pool = pool
        self.onReached = onReached
    }
}

/// How fast a SIM may be.
public struct Bandwidth: Hashable, Sendable {
    public var up: BitRate?
    public var down: BitRate?
    /// Octets that may pass at once beyond the rate; `nil`: the data plane's choice.
    public var burst: UInt64?

    public init(up: BitRate?, down: BitRate?, burst: UInt64?) {
        self.up = up
        self.down = down
        self.burst = burst
    }
}

/// Bits a second, 8,000 to 1,000,000,000.
public struct BitRate: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let bitsPerSecond: UInt64

    public static let range: ClosedRange<UInt64> = 8_000...1_000_000_000

    public init?(bitsPerSecond: UInt64) {
        guard Self.range.contains(bitsPerSecond) else { return nil }
        self.bitsPerSecond = bitsPerSecond
    }

    /// Parses `64kbit/s`, `2Mbit/s`, `1Gbit/s`.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        guard
            let value = Quantity.value(
                text, units: [("Gbit/s", 1_000_000_000), ("Mbit/s", 1_000_000), ("kbit/s", 1000)]),
            let rate = BitRate(bitsPerSecond: value)
        else {
            throw ParseError(
                kind: "a rate", text: text, expected: "write one from 8kbit/s to 1Gbit/s, such as 64kbit/s or 2Mbit/s")
        }
        self = rate
    }

    public static func < (a: Self, b: Self) -> Bool { a.bitsPerSecond < b.bitsPerSecond }
    public var description: String {
        Quantity.text(bitsPerSecond, units: [("Gbit/s", 1_000_000_000), ("Mbit/s", 1_000_000), ("kbit/s", 1000)])
            ?? "\(bitsPerSecond)bit/s"
    }
}

/// A number of octets as documents write it: `50MB`, `1GB`, `64KB`; multiples of 1000 (ISO 80000-13).
public struct DataVolume: Hashable, Sendable, CustomStringConvertible {
    public let octets: UInt64

    private static let units: [(String, UInt64)] = [
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("kB", 1000), ("B", 1),
    ]

    public init(octets: UInt64) { self.octets = octets }

    public init(parsing text: some StringProtocol) throws(ParseError) {
        guard let octets = Quantity.value(text, units: Self.units), octets > 0 else {
            throw ParseError(
                kind: "a volume", text: text, expected: "write a number with its unit, such as 50MB or 2GB")
        }
        self.octets = octets
    }

    public var description: String { Quantity.text(octets, units: Self.units) ?? "\(octets)B" }
}

private enum Quantity {
    /// A whole number of at most nine digits with a unit, perhaps with a space between them.
    static func value(_ text: some StringProtocol, units: [(String, UInt64)]) -> UInt64? {
        guard let (unit, factor) = units.first(where: { text.hasSuffix($0.0) }) else { return nil }
        let number = text.dropLast(unit.count)
        let digits = number.hasSuffix(" ") ? number.dropLast() : number
        return Digits(digits.utf8, count: 1...9).flatMap {
            let (product, overflow) = $0.value.multipliedReportingOverflow(by: factor)
            return overflow ? nil : product
        }
    }

    static func text(_ value: UInt64, units: [(String, UInt64)]) -> String? {
        units.first { value >= $0.1 && value % $0.1 == 0 }.map { "\(value / $0.1)\($0.0)" }
    }
}

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Read from a clock by the caller; this module has none.
public struct Timestamp: Hashable, Comparable, Sendable {
    public let milliseconds: Int64
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }
    public static func < (a: Self, b: Self) -> Bool { a.milliseconds < b.milliseconds }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC with milliseconds: `2026-11-25T22:31:00.123Z`.
    public var description: String {
        let (days, milli) = milliseconds.floorDivided(by: 86_400_000)
        let (year, month, day) = Self.civil(daysSinceEpoch: days)
        let seconds = milli / 1000
        return "\(Self.pad(year, 4))-\(Self.pad(month, 2))-\(Self.pad(day, 2))T"
            + "\(Self.pad(seconds / 3600, 2)):\(Self.pad(seconds / 60 % 60, 2)):\(Self.pad(seconds % 60, 2))."
            + "\(Self.pad(milli % 1000, 3))Z"
    }

    /// Parses a date and time of RFC 3339 §5.6: `2026-11-25T22:31:00Z`, with a fraction, or with an offset such as `+01:00`.
    /// Fractions beyond milliseconds are cut; a leap second is the next minute's first.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let expected = "write a date, a time and a zone, such as 2026-11-25T22:31:00Z or 2026-11-25T23:31:00+01:00"
        let octets = Array(text.utf8)
        let number = { (range: Range<Int>) -> Int64? in
            guard range.upperBound <= octets.count, octets[range].allSatisfy({ (0x30...0x39).contains($0) }) else {
                return nil
            }
            return octets[range].reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        }
        let isAt = { (place: Int, marks: String) in place < octets.count && marks.utf8.contains(octets[place]) }
        var end = 19
        if isAt(end, ".") { repeat { end += 1 } while number(end..<end + 1) != nil }
        var offset: Int64?
        if end + 1 == octets.count, isAt(end, "Zz") {
            offset = 0
        } else if end + 6 == octets.count, isAt(end, "+-"), isAt(end + 3, ":"), let hours = number(end + 1..<end + 3),
            let minutes = number(end + 4..<end + 6), hours < 24, minutes < 60
        {
            offset = (hours * 60 + minutes) * (isAt(end, "-") ? -60 : 60)
        }
        guard isAt(4, "-"), isAt(7, "-"), isAt(10, "Tt "), isAt(13, ":"), isAt(16, ":"), end != 20,
            let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19), let offset,
            (1...12).contains(month), day >= 1, hour < 24, minute < 60, second <= 60
        else { throw ParseError(kind: "a time", text: text, expected: expected) }
        let days = Self.days(year: year, month: month, day: day)
        guard Self.civil(daysSinceEpoch: days) == (year, month, day) else {
            throw ParseError(kind: "a time", text: text, expected: "the month has no day \(day)")
        }
        let fraction = octets[min(20, end)..<end].prefix(3).map { Int64($0 - 0x30) }
        let milli = (0..<3).reduce(0) { $0 * 10 + ($1 < fraction.count ? fraction[$1] : 0) }
        milliseconds = (days * 86_400 + hour * 3600 + minute * 60 + second - offset) * 1000 + milli
    }

    /// The inverse of ``civil(daysSinceEpoch:)``.
    static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let (era, yearOfEra) = (month <= 2 ? year - 1 : year).floorDivided(by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Days to a date of the proleptic Gregorian calendar, in eras of 400 years (146,097 days) that start on 1 March.
    static func civil(daysSinceEpoch: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (daysSinceEpoch + 719_468).floorDivided(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func pad(_ number: Int64, _ width: Int) -> String {
        let text = String(number.magnitude)
        return (number < 0 ? "-" : "") + String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}

extension Int64 {
    /// Rounds towards minus infinity, so that times before 1970 come out right.
    package func floorDivided(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

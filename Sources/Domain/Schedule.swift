/// When a rule holds: a span of the day on some days of the week, in the local time of a zone.
///
/// Pure arithmetic on minutes of the week, counted from Monday 00:00 on the zone's own clocks: who knows the zone says
/// which minute it is there.
public struct Schedule: Hashable, Sendable {
    /// Never empty. A span over midnight belongs to the day on which it begins.
    public let days: Set<Weekday>
    /// The minute of the day at which it opens, 0...1439.
    public let from: Int
    /// The minute of the day at which it closes, 1...1440; below ``from`` it is the next day's.
    public let to: Int
    /// A name of the IANA time zone database.
    public let zone: String

    public static let minutesPerDay = 1440
    public static let minutesPerWeek = 7 * minutesPerDay

    /// `nil` when there is no day, or when the times are out of range or equal.
    public init?(days: Set<Weekday>, from: Int, to: Int, zone: String) {
        guard !days.isEmpty, (0..<Self.minutesPerDay).contains(from), (1...Self.minutesPerDay).contains(to), from != to
        else { return nil }
        self.days = days
        self.from = from
        self.to = to
        self.zone = zone
    }

    /// Whether it is open in the minute that begins `minuteOfWeek` minutes after Monday 00:00; any number counts, by
    /// weeks.
    public func isOpen(atLocal minuteOfWeek: Int) -> Bool {
        let minute = Self.wrapped(minuteOfWeek)
        return spans.contains { start, length in Self.wrapped(minute - start) < length }
    }

    /// The minutes of the week, ascending, at which it opens or closes; none when it is always open. Spans that touch
    /// are one.
    public var edges: [Int] {
        let ends = spans.flatMap { [$0.start, Self.wrapped($0.start + $0.length)] }
        return Set(ends).filter { isOpen(atLocal: $0) != isOpen(atLocal: $0 - 1) }.sorted()
    }

    /// Where each day's span begins in the week, and its length in minutes.
    private var spans: [(start: Int, length: Int)] {
        let length = to > from ? to - from : to + Self.minutesPerDay - from
        return days.map { ($0.rawValue * Self.minutesPerDay + from, length) }
    }

    private static func wrapped(_ minute: Int) -> Int {
        let rest = minute % minutesPerWeek
        return rest < 0 ? rest + minutesPerWeek : rest
    }
}

extension Schedule: CustomStringConvertible {
    /// `mon-fri 01:00-05:00 Europe/Zurich`.
    public var description: String { "\(dayText) \(Self.time(from))-\(Self.time(to)) \(zone)" }

    private var dayText: String {
        var runs: [ClosedRange<Int>] = []
        for day in days.map(\.rawValue).sorted() {
            if let last = runs.last, last.upperBound + 1 == day {
                runs[runs.count - 1] = last.lowerBound...day
            } else {
                runs.append(day...day)
            }
        }
        return runs.map { run in
            let names = run.compactMap(Weekday.init(rawValue:)).map(\.description)
            return names.count > 2 ? "\(names[0])-\(names[names.count - 1])" : names.joined(separator: ",")
        }.joined(separator: ",")
    }

    private static func time(_ minute: Int) -> String {
        let pad = { (number: Int) in number < 10 ? "0\(number)" : "\(number)" }
        return "\(pad(minute / 60)):\(pad(minute % 60))"
    }
}

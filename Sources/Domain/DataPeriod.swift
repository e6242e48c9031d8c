/// The periods that a volume of data is for: their length, and the zone on whose clocks they begin.
public struct DataPeriod: Hashable, Sendable {
    public let length: DataLimit.Period
    /// A name of the IANA time zone database.
    public let zone: String

    public init(_ length: DataLimit.Period, zone: String) {
        self.length = length
        self.zone = zone
    }

    /// One of the periods.
    public struct Span: Hashable, Sendable {
        public let start: Timestamp
        /// The first moment of the next; `nil`: it does not end by itself.
        public let end: Timestamp?

        public init(start: Timestamp, end: Timestamp?) {
            self.start = start
            self.end = end
        }
    }

    /// The one that a time is in. A day begins with its first minute on the zone's clocks: where those leave out midnight, with
    /// the minute that comes in its place, and where they have it twice, with the first. A prepaid volume's begins now.
    /// - Parameter local: the minute since 1970-01-01 00:00 that the zone's clocks show at a time; `nil` for a zone that is not
    ///   known, which is then UTC.
    public func span(at now: Timestamp, local: @escaping (Timestamp) -> Int?) -> Span {
        guard length != .prepaid else { return Span(start: now, end: nil) }
        let clocks = Clocks(local: local)
        let minute = Int(now.milliseconds.floorDivided(by: 60_000).quotient)
        let day = Int(Int64(clocks.local(minute)).floorDivided(by: Int64(Schedule.minutesPerDay)).quotient)
        var first = firstDay(of: day)
        var next = firstDay(after: first)
        var start = clocks.beginning(ofDay: first, near: minute)
        var end = clocks.beginning(ofDay: next, near: minute)
        // Clocks that are set back over midnight show the day before once more.
        if end <= minute {
            (first, start) = (next, end)
            next = firstDay(after: first)
            end = clocks.beginning(ofDay: next, near: minute)
        }
        return Span(
            start: Timestamp(milliseconds: Int64(start) * 60_000), end: Timestamp(milliseconds: Int64(end) * 60_000))
    }

    /// Days since 1970-01-01, which was a Thursday.
    private func firstDay(of day: Int) -> Int {
        switch length {
        case .day, .prepaid: return day
        case .week: return day - Int(Int64(day + 3).floorDivided(by: 7).remainder)
        case .month(let anchor):
            let (year, month, dayOfMonth) = Timestamp.civil(daysSinceEpoch: Int64(day))
            let (wholeYear, wholeMonth) =
                dayOfMonth >= Int64(anchor) ? (year, month) : month == 1 ? (year - 1, 12) : (year, month - 1)
            return Int(Timestamp.days(year: wholeYear, month: wholeMonth, day: Int64(anchor)))
        }
    }

    private func firstDay(after first: Int) -> Int {
        switch length {
        case .day, .prepaid: return first + 1
        case .week: return first + 7
        case .month(let anchor):
            let (year, month, _) = Timestamp.civil(daysSinceEpoch: Int64(first))
            let (nextYear, nextMonth) = month == 12 ? (year + 1, 1) : (year, month + 1)
            return Int(Timestamp.days(year: nextYear, month: nextMonth, day: Int64(anchor)))
        }
    }

    /// In minutes since 1970-01-01 00:00, UTC and local.
    private struct Clocks {
        let local: (Timestamp) -> Int?

        func local(_ minute: Int) -> Int { local(Timestamp(milliseconds: Int64(minute) * 60_000)) ?? minute }

        /// When a day begins, at a time that is not far from `now`.
        func beginning(ofDay day: Int, near now: Int) -> Int {
            let wanted = day * Schedule.minutesPerDay
            let guess = wanted - (local(now) - now)
            let likely = wanted - (local(guess) - guess)
            let isFirst = { (minute: Int) in local(minute) >= wanted && local(minute - 1) < wanted }
            if local(likely) == wanted, isFirst(likely), local(likely - Self.shift) == wanted - Self.shift {
                return likely
            }
            // The clocks are changed around then.
            return (likely - Self.shift...likely + Self.shift).first(where: isFirst) ?? likely
        }

        /// No zone has changed its clocks by more at once in this century, but for one that skipped a day.
        private static let shift = 180
    }
}

extension DataPeriod: CustomStringConvertible {
    /// `day Europe/Zurich`, `month 15 UTC`: as it is stored.
    public var description: String {
        switch length {
        case .day: "day \(zone)"
        case .week: "week \(zone)"
        case .month(let anchor): "month \(anchor) \(zone)"
        case .prepaid: "prepaid \(zone)"
        }
    }

    /// Reads ``description``; `nil` for anything else.
    public init?(stored text: some StringProtocol) {
        let words = text.split(separator: " ")
        switch (words.first, words.count) {
        case ("day", 2): length = .day
        case ("week", 2): length = .week
        case ("prepaid", 2): length = .prepaid
        case ("month", 3):
            guard let anchor = Int(words[1]), (1...28).contains(anchor) else { return nil }
            length = .month(anchorDay: anchor)
        default: return nil
        }
        zone = String(words[words.count - 1])
    }
}

extension DataLimit {
    public var periods: DataPeriod { DataPeriod(period, zone: zone) }
}

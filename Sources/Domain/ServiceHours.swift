/// When a SIM may be used: windows of the week, and dates that have hours of their own, in the local time of a zone.
public struct ServiceHours: Hashable, Sendable {
    /// Open in any of these. All in ``zone``.
    public var windows: [Schedule]
    /// In place of the windows on these dates.
    public var dates: [DateHours]
    /// A name of the IANA time zone database.
    public var zone: String
    /// What happens at the end to sessions that began before it.
    public var atEnd: End
    /// How long after the end that happens. With ``End/finish``, `nil` means that they may go on until they end.
    public var grace: TimeSpan?
    public var onViolation: ViolationAction

    public enum End: String, Hashable, Sendable, CaseIterable {
        /// They go on as before, until they end or the grace time is over.
        case finish
        /// They are treated as others are, after the grace time; flows are cut.
        case cut
    }

    /// The hours of a date: nothing is open beside them.
    public struct DateHours: Hashable, Sendable {
        public let date: CivilDate
        /// Minutes of the day; `nil`: closed.
        public let open: Range<Int>?

        public init(date: CivilDate, open: Range<Int>?) {
            self.date = date
            self.open = open
        }
    }

    public init(
        windows: [Schedule], dates: [DateHours] = [], zone: String, atEnd: End = .cut, grace: TimeSpan? = nil,
        onViolation: ViolationAction
    ) {
        self.windows = windows
        self.dates = dates
        self.zone = zone
        self.atEnd = atEnd
        self.grace = grace
        self.onViolation = onViolation
    }

    /// Whether it is open in a minute, counted from 1970-01-01 00:00 on the zone's clocks.
    public func isOpen(atLocal minute: Int) -> Bool {
        let (day, minuteOfDay) = Self.split(minute)
        let own = dates.filter { $0.date.day == day }
        guard own.isEmpty else { return own.contains { $0.open?.contains(minuteOfDay) ?? false } }
        // 1970-01-01 was a Thursday.
        return windows.contains { $0.isOpen(atLocal: minute + 3 * Schedule.minutesPerDay) }
    }

    private static func split(_ minute: Int) -> (day: Int, minuteOfDay: Int) {
        let (day, rest) = Int64(minute).floorDivided(by: Int64(Schedule.minutesPerDay))
        return (Int(day), Int(rest))
    }

    /// So far is looked ahead and back.
    private static let reach = 8

    /// The minutes at which something may change on a day.
    private func candidates(on day: Int) -> [Int] {
        let start = day * Schedule.minutesPerDay
        var minutes: Set<Int> = [0]
        for window in windows { minutes.formUnion([window.from, window.to]) }
        for date in dates where date.date.day == day {
            if let open = date.open { minutes.formUnion([open.lowerBound, open.upperBound]) }
        }
        return minutes.sorted().map { start + $0 }
    }

    /// The next minute in which it is otherwise; `nil` when it stays as it is for more than a week.
    func nextChange(after minute: Int) -> Int? {
        let isOpen = isOpen(atLocal: minute)
        let day = Self.split(minute).day
        for next in day...day + Self.reach {
            for candidate in candidates(on: next) where candidate > minute {
                if self.isOpen(atLocal: candidate) != isOpen { return candidate }
            }
        }
        return nil
    }

    /// The minute since which it is as it is; `nil` when that is more than a week ago.
    func lastChange(upTo minute: Int) -> Int? {
        let isOpen = isOpen(atLocal: minute)
        let day = Self.split(minute).day
        for past in (day - Self.reach...day).reversed() {
            for candidate in candidates(on: past).reversed() where candidate <= minute {
                if self.isOpen(atLocal: candidate - 1) != isOpen { return candidate }
            }
        }
        return nil
    }
}

/// A day of the Gregorian calendar.
public struct CivilDate: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Days since 1970-01-01.
    public let day: Int

    public init(day: Int) { self.day = day }

    /// Parses `2026-12-24` (RFC 3339 §5.6, full-date).
    public init(parsing text: some StringProtocol) throws(ParseError) {
        guard text.utf8.count == 10, let time = try? Timestamp(parsing: "\(text)T00:00:00Z") else {
            throw ParseError(kind: "a date", text: text, expected: "write year, month and day, such as 2026-12-24")
        }
        day = Int(time.milliseconds / 86_400_000)
    }

    public static func < (a: Self, b: Self) -> Bool { a.day < b.day }
    public var description: String {
        String("\(Timestamp(milliseconds: Int64(day) * 86_400_000))".prefix(10))
    }
}

/// What hours say at a moment, for how long they have, and until when they will.
public struct HoursOutlook: Hashable, Sendable {
    public let isOpen: Bool
    /// `nil`: for more than a week.
    public let since: Timestamp?
    /// When to look again: the next change, or earlier.
    public let until: Timestamp

    private static let minute: Int64 = 60_000

    /// - Parameter local: the minute since 1970-01-01 00:00 that a zone's clocks show at a time; `nil` for a zone that is not
    ///   known, in which nothing is open. The zone's offset may change between any two times.
    public init(_ hours: ServiceHours, at now: Timestamp, local: @escaping (Timestamp) -> Int?) {
        let start = now.milliseconds.floorDivided(by: Self.minute).quotient * Self.minute
        guard let minute = local(Timestamp(milliseconds: start)) else {
            (isOpen, since, until) = (false, nil, now + TimeSpan(milliseconds: 3_600_000))
            return
        }
        let open = hours.isOpen(atLocal: minute)
        let at = { (steps: Int) in Timestamp(milliseconds: start + Int64(steps) * Self.minute) }
        let differs = { (steps: Int) in local(at(steps)).map { hours.isOpen(atLocal: $0) != open } ?? false }
        isOpen = open

        // Where the zone's clocks were not changed in between, arithmetic is enough; else each minute is looked at. An hour
        // that is left out has edges that never come, and one that comes twice has some that come twice.
        let ahead = hours.nextChange(after: minute).map { $0 - minute } ?? Self.week
        if local(at(ahead)) == minute + ahead, differs(ahead) || ahead == Self.week {
            until = at(ahead)
        } else {
            until = at((1...ahead + Self.shift).first(where: differs) ?? ahead)
        }
        if let back = hours.lastChange(upTo: minute).map({ minute - $0 }) {
            if local(at(-back)) == minute - back, differs(-back - 1) {
                since = at(-back)
            } else {
                since = (1...Self.week).first { differs(-$0) }.map { at(1 - $0) }
            }
        } else {
            since = nil
        }
    }

    private static let week = 7 * Schedule.minutesPerDay
    /// No zone has changed its clocks by more at once in this century, but for one that skipped a day.
    private static let shift = 180
}

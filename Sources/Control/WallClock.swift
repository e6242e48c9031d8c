public import Domain

/// What the clocks on the wall say, in the zones that schedules name. The zones' rules come with Foundation, so who composes
/// the daemon brings them.
public struct WallClock: Sendable {
    /// The minute of the week, from Monday 00:00; `nil` for a zone that is not known.
    public let minuteOfWeek: @Sendable (_ zone: String, Timestamp) -> Int?

    public init(minuteOfWeek: @escaping @Sendable (_ zone: String, Timestamp) -> Int?) {
        self.minuteOfWeek = minuteOfWeek
    }

    /// Knows UTC only.
    public static let utc = WallClock { zone, time in zone == "UTC" ? minuteOfWeek(time, offset: 0) : nil }

    /// - Parameter offset: the zone's at that time, in seconds east of UTC.
    public static func minuteOfWeek(_ time: Timestamp, offset: Int64) -> Int {
        let (minute, _) = (time.milliseconds + offset * 1000).floorDivided(by: 60_000)
        // 1970-01-01 was a Thursday.
        let (_, minuteOfWeek) = (minute + 3 * 1440).floorDivided(by: 7 * 1440)
        return Int(minuteOfWeek)
    }
}

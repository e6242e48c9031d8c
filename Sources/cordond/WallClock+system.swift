import Control
import Domain
import Foundation

extension WallClock {
    /// With Foundation's time zones.
    static let system = WallClock { zone, time in
        guard let zone = TimeZone(identifier: zone) else { return nil }
        let date = Date(timeIntervalSince1970: Double(time.milliseconds) / 1000)
        return minuteOfWeek(time, offset: Int64(zone.secondsFromGMT(for: date)))
    }
}

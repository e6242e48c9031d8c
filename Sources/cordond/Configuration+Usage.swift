import Control
import Domain

extension Configuration {
    /// How often usage is read from the kernel, and how long it is kept.
    static func usage(_ root: inout ConfigurationSection) throws(ConfigurationError) -> UsageSettings {
        var settings = UsageSettings()
        var section = try root.section("usage")
        settings.period = .seconds(try section.number("read-seconds", or: Int64(60), in: 10...300))
        var kept = try section.section("keep-days")
        for (level, key) in [(UsageLevel.fiveMinutes, "five-minutes"), (.hour, "hours"), (.day, "days")] {
            settings.days[level] = try kept.number(key, or: settings.days[level] ?? 1, in: 1...3660)
        }
        settings.recordDays = try kept.number("records", or: settings.recordDays, in: 1...3660)
        try kept.finish()
        settings.records = try section.number("records", or: settings.records, in: 1000...10_000_000_000)
        try section.finish()
        return settings
    }
}

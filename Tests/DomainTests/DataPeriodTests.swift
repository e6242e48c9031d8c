import Domain
import Foundation
import Testing

@Suite struct DataPeriodTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let length: DataLimit.Period
        let zone: String
        let now: String
        let start: String
        let end: String
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(
            name: "a day of 23 hours", length: .day, zone: "Europe/Zurich", now: "2026-03-29T10:00:00Z",
            start: "2026-03-28T23:00:00Z", end: "2026-03-29T22:00:00Z"),
        Case(
            name: "a day of 25 hours", length: .day, zone: "Europe/Zurich", now: "2026-10-25T00:30:00Z",
            start: "2026-10-24T22:00:00Z", end: "2026-10-25T23:00:00Z"),
        Case(
            name: "its last minute", length: .day, zone: "Europe/Zurich", now: "2026-10-25T22:59:59Z",
            start: "2026-10-24T22:00:00Z", end: "2026-10-25T23:00:00Z"),
        Case(
            name: "a week begins on Monday", length: .week, zone: "Europe/Zurich", now: "2026-11-29T12:00:00Z",
            start: "2026-11-22T23:00:00Z", end: "2026-11-29T23:00:00Z"),
        Case(
            name: "a week over the change of the clocks", length: .week, zone: "Europe/Zurich",
            now: "2026-03-25T12:00:00Z", start: "2026-03-22T23:00:00Z", end: "2026-03-29T22:00:00Z"),
        Case(
            name: "a month", length: .month(anchorDay: 1), zone: "UTC", now: "2026-02-28T23:59:59Z",
            start: "2026-02-01T00:00:00Z", end: "2026-03-01T00:00:00Z"),
        Case(
            name: "a month from its anchor day, behind it", length: .month(anchorDay: 15), zone: "Europe/Zurich",
            now: "2026-03-20T12:00:00Z", start: "2026-03-14T23:00:00Z", end: "2026-04-14T22:00:00Z"),
        Case(
            name: "a month from its anchor day, before it", length: .month(anchorDay: 28), zone: "Europe/Zurich",
            now: "2026-01-05T12:00:00Z", start: "2025-12-27T23:00:00Z", end: "2026-01-27T23:00:00Z"),
        Case(
            name: "the first minute of the anchor day", length: .month(anchorDay: 28), zone: "UTC",
            now: "2028-02-28T00:00:00Z", start: "2028-02-28T00:00:00Z", end: "2028-03-28T00:00:00Z"),
        Case(
            name: "a zone far ahead", length: .day, zone: "Pacific/Auckland", now: "2026-07-01T12:30:00Z",
            start: "2026-07-01T12:00:00Z", end: "2026-07-02T12:00:00Z"),
        Case(
            name: "a zone that is not known is UTC", length: .day, zone: "Nowhere/None", now: "2026-07-01T12:30:00Z",
            start: "2026-07-01T00:00:00Z", end: "2026-07-02T00:00:00Z"),
        // Midnight comes twice: 00:00 to 01:00 in summer time, then again.
        Case(
            name: "a day that begins twice", length: .day, zone: "America/Havana", now: "2026-11-01T05:30:00Z",
            start: "2026-11-01T04:00:00Z", end: "2026-11-02T05:00:00Z"),
    ]

    static func local(_ zone: String) -> (Timestamp) -> Int? {
        let zone = TimeZone(identifier: zone)
        return { time in
            zone.map {
                let seconds = Double(time.milliseconds) / 1000
                let offset = $0.secondsFromGMT(for: Date(timeIntervalSince1970: seconds))
                return Int(((seconds + Double(offset)) / 60).rounded(.down))
            }
        }
    }

    @Test(arguments: cases) func `a time is in the period that the zone's clocks say`(_ one: Case) throws {
        let period = DataPeriod(one.length, zone: one.zone)
        let span = period.span(at: try Timestamp(parsing: one.now), local: Self.local(one.zone))
        #expect(span.start == (try Timestamp(parsing: one.start)))
        #expect(span.end == (try Timestamp(parsing: one.end)))
        #expect(DataPeriod(stored: "\(period)") == period)
    }

    /// Zones that change their clocks at midnight, over it, by half an hour, and never.
    @Test func `periods follow each other without a gap, whatever the clocks do`() throws {
        let lengths: [DataLimit.Period] = [.day, .week, .month(anchorDay: 1), .month(anchorDay: 28)]
        for zone in [
            "Europe/Zurich", "America/Havana", "Africa/Cairo", "Asia/Beirut", "America/Santiago", "Australia/Lord_Howe",
            "Asia/Kathmandu", "Pacific/Chatham", "UTC",
        ] {
            let local = Self.local(zone)
            for length in lengths {
                let period = DataPeriod(length, zone: zone)
                var time = try Timestamp(parsing: "2026-01-01T12:00:00Z")
                let end = try Timestamp(parsing: "2027-03-01T00:00:00Z")
                while time < end {
                    let span = period.span(at: time, local: local)
                    let next = try #require(span.end)
                    #expect(span.start <= time && time < next, "\(zone) \(period) \(time)")
                    // The whole of it is one period, and the next begins where it ends.
                    let last = Timestamp(milliseconds: next.milliseconds - 1)
                    for other in [span.start, last] {
                        #expect(period.span(at: other, local: local) == span, "\(zone) \(period) \(other)")
                    }
                    #expect(period.span(at: next, local: local).start == next, "\(zone) \(period) \(next)")
                    time = next
                }
            }
        }
    }

    @Test func `a prepaid volume's does not end, and what is stored otherwise is none`() {
        let now = Timestamp(milliseconds: 5)
        #expect(
            DataPeriod(.prepaid, zone: "UTC").span(at: now, local: { _ in 0 }) == DataPeriod.Span(start: now, end: nil))
        for text in ["", "day", "year UTC", "month UTC", "month 29 UTC", "month 0 UTC", "day UTC x"] {
            #expect(DataPeriod(stored: text) == nil, "\(text)")
        }
    }
}

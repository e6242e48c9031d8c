import Domain
import Testing

@Suite struct ServiceHoursTests {
    /// Central European Time: one hour ahead, two from 2026-03-29T01:00Z to 2026-10-25T01:00Z.
    private static func zurich(_ time: Timestamp) -> Int {
        let summer = at("2026-03-29T01:00:00Z")..<at("2026-10-25T01:00:00Z")
        return Int(time.milliseconds / 60_000) + (summer.contains(time) ? 120 : 60)
    }

    private static func at(_ text: String) -> Timestamp {
        do { return try Timestamp(parsing: text) } catch { preconditionFailure("\(error)") }
    }

    private static func hours(
        _ from: Int, _ to: Int, days: Set<Weekday> = Set(Weekday.allCases), dates: [ServiceHours.DateHours] = [],
        atEnd: ServiceHours.End = .cut, grace: TimeSpan? = nil
    ) -> ServiceHours {
        ServiceHours(
            windows: Schedule(days: days, from: from, to: to, zone: "Europe/Zurich").map { [$0] } ?? [], dates: dates,
            zone: "Europe/Zurich", atEnd: atEnd, grace: grace, onViolation: .block)
    }

    @Test func `the outlook is what looking at each minute says, over both changes of the clocks`() {
        let all = [
            Self.hours(6 * 60, 20 * 60), Self.hours(22 * 60, 5 * 60), Self.hours(150, 180), Self.hours(120, 240),
            Self.hours(60, 150), Self.hours(0, 1440, days: [.saturday, .monday]),
            Self.hours(
                8 * 60, 18 * 60, days: [.monday, .friday],
                dates: [
                    .init(date: CivilDate(day: 20_540), open: nil),
                    .init(date: CivilDate(day: 20_542), open: 130..<170),
                ]),
        ]
        for hours in all {
            for start in ["2026-03-27T12:00:00Z", "2026-10-23T12:00:00Z", "2026-07-01T00:00:00Z"] {
                for step in stride(from: 0, to: 4 * 1440, by: 89) {
                    let now = Self.at(start) + TimeSpan(milliseconds: Int64(step) * 60_000 + 17_000)
                    let outlook = HoursOutlook(hours, at: now, local: Self.zurich)
                    let isOpen = { (time: Timestamp) in hours.isOpen(atLocal: Self.zurich(time)) }
                    #expect(outlook.isOpen == isOpen(now))
                    let minute = now.milliseconds / 60_000 * 60_000
                    let next = (1...7 * 1440).lazy.map { Timestamp(milliseconds: minute + Int64($0) * 60_000) }
                        .first { isOpen($0) != outlook.isOpen }
                    // It may say to look earlier when an edge falls into an hour that is left out.
                    if let next { #expect(outlook.until <= next, "\(hours) at \(now)") }
                    if let next, start.contains("07-01") { #expect(outlook.until == next, "\(hours) at \(now)") }
                    let past = (1...7 * 1440).lazy.map { Timestamp(milliseconds: minute - Int64($0) * 60_000) }
                        .first { isOpen($0) != outlook.isOpen }
                    if let past {
                        #expect(outlook.since == past + TimeSpan(milliseconds: 60_000), "\(hours) at \(now)")
                    }
                }
            }
        }
    }

    @Test func `a zone that is not known is never open`() {
        let outlook = HoursOutlook(Self.hours(0, 1440), at: Self.at("2026-03-27T12:00:00Z")) { _ in nil }
        #expect(!outlook.isOpen)
    }

    struct End: Sendable {
        let atEnd: ServiceHours.End
        let grace: TimeSpan?
        /// Minutes after the end, of a session from before it.
        let cutAfter: Int64?
    }

    @Test(arguments: [
        End(atEnd: .cut, grace: nil, cutAfter: 0),
        End(atEnd: .cut, grace: TimeSpan(milliseconds: 900_000), cutAfter: 15),
        End(atEnd: .finish, grace: nil, cutAfter: nil),
        End(atEnd: .finish, grace: TimeSpan(milliseconds: 900_000), cutAfter: 15),
    ])
    func `at the end sessions from before it have what the hours say, and others are not let in`(_ end: End) {
        let policy = EffectiveSessionPolicy([
            .tenant: SessionPolicy(hours: Self.hours(6 * 60, 20 * 60, atEnd: end.atEnd, grace: end.grace))
        ])
        let close = Self.at("2026-10-26T19:00:00Z")
        for minute in [-1, 0, 1, 14, 15, 16, 300] as [Int64] {
            let now = close + TimeSpan(milliseconds: minute * 60_000)
            for moment in SessionPolicyJudgeTests.moments where moment != .attach {
                var facts = SessionPolicyJudgeTests.facts(moment, at: now)
                facts.outlook = { HoursOutlook($0, at: now, local: Self.zurich) }
                facts.startedAt = Self.at("2026-10-26T12:00:00Z")
                let isCut = end.cutAfter.map { minute >= $0 } ?? false
                let found = SessionPolicyJudge.judge(policy, facts)
                #expect(found.violations.map(\.reason) == (isCut ? [.outsideHours] : []), "\(minute) \(moment)")
                // One that began outside has no part in it.
                facts.startedAt = now
                #expect(SessionPolicyJudge.judge(policy, facts).violations.isEmpty == (minute < 0))
            }
            var facts = SessionPolicyJudgeTests.facts(.attach, at: now)
            facts.outlook = { HoursOutlook($0, at: now, local: Self.zurich) }
            #expect(SessionPolicyJudge.judge(policy, facts).violations.isEmpty == (minute < 0))
        }
    }

    @Test func `lengths of time, dates, rates and volumes are read and written`() throws {
        for text in ["90s", "15m", "24h", "7d", "0s"] {
            let span = try TimeSpan(parsing: text)
            #expect(try TimeSpan(parsing: "\(span)") == span)
        }
        #expect(try TimeSpan(parsing: "90m").milliseconds == 5_400_000)
        for text in ["", "10", "m", "1.5h", "-1s", "4000d", "9999999999s"] {
            #expect(throws: ParseError.self) { try TimeSpan(parsing: text) }
        }
        #expect("\(try CivilDate(parsing: "2026-12-24"))" == "2026-12-24")
        for text in ["2026-02-30", "2026-12-24T", "24.12.2026"] {
            #expect(throws: ParseError.self) { try CivilDate(parsing: text) }
        }
        #expect(try BitRate(parsing: "64kbit/s").bitsPerSecond == 64_000)
        #expect("\(try BitRate(parsing: "1500kbit/s"))" == "1500kbit/s")
        for text in ["7kbit/s", "2Gbit/s", "64", "64kb/s", "1e3kbit/s"] {
            #expect(throws: ParseError.self) { try BitRate(parsing: text) }
        }
        #expect(try DataVolume(parsing: "50MB").octets == 50_000_000)
        #expect("\(try DataVolume(parsing: "1500KB"))" == "1500KB")
        for text in ["0MB", "MB", "5 0MB", "999999999TB9", "18446744073709551616B"] {
            #expect(throws: ParseError.self) { try DataVolume(parsing: text) }
        }
    }
}

import Domain
import TestSupport
import Testing

@Suite struct ScheduleTests {
    private static func schedule(_ days: Set<Weekday>, _ from: Int, _ to: Int) throws -> Schedule {
        try #require(Schedule(days: days, from: from, to: to, zone: "UTC"))
    }

    private static func minute(_ day: Weekday, _ hour: Int, _ minute: Int = 0) -> Int {
        day.rawValue * 1440 + hour * 60 + minute
    }

    @Test func `holds from the first minute up to the last`() throws {
        let schedule = try Self.schedule([.monday, .tuesday, .wednesday, .thursday, .friday], 60, 300)
        #expect("\(schedule)" == "mon-fri 01:00-05:00 UTC")
        #expect(!schedule.isOpen(atLocal: Self.minute(.monday, 0, 59)))
        #expect(schedule.isOpen(atLocal: Self.minute(.monday, 1)))
        #expect(schedule.isOpen(atLocal: Self.minute(.friday, 4, 59)))
        #expect(!schedule.isOpen(atLocal: Self.minute(.friday, 5)))
        #expect(!schedule.isOpen(atLocal: Self.minute(.saturday, 2)))
        let edges = (0..<5).flatMap { (day: Int) in [day * 1440 + 60, day * 1440 + 300] }
        #expect(schedule.edges == edges)
    }

    @Test func `a span over midnight belongs to the day on which it begins`() throws {
        let schedule = try Self.schedule([.friday, .sunday], 22 * 60, 6 * 60)
        #expect("\(schedule)" == "fri,sun 22:00-06:00 UTC")
        #expect(!schedule.isOpen(atLocal: Self.minute(.friday, 3)))
        #expect(schedule.isOpen(atLocal: Self.minute(.friday, 23)))
        #expect(schedule.isOpen(atLocal: Self.minute(.saturday, 5, 59)))
        #expect(!schedule.isOpen(atLocal: Self.minute(.saturday, 6)))
        #expect(!schedule.isOpen(atLocal: Self.minute(.saturday, 23)))
        // Over the end of the week.
        #expect(schedule.isOpen(atLocal: Self.minute(.sunday, 22)) && schedule.isOpen(atLocal: Self.minute(.monday, 5)))
        #expect(
            schedule.edges == [
                Self.minute(.monday, 6), Self.minute(.friday, 22), Self.minute(.saturday, 6), Self.minute(.sunday, 22),
            ])
    }

    @Test func `spans that touch have no edge between them`() throws {
        let weekend = try Self.schedule([.saturday, .sunday], 0, 1440)
        #expect(weekend.edges == [0, Self.minute(.saturday, 0)])
        #expect("\(weekend)" == "sat,sun 00:00-24:00 UTC")
        let always = try Self.schedule(Set(Weekday.allCases), 0, 1440)
        #expect(always.edges.isEmpty && always.isOpen(atLocal: 0))
        #expect("\(always)" == "mon-sun 00:00-24:00 UTC")
    }

    @Test func `equal times, no day and times out of range make no schedule`() {
        #expect(Schedule(days: [.monday], from: 60, to: 60, zone: "UTC") == nil)
        #expect(Schedule(days: [], from: 60, to: 61, zone: "UTC") == nil)
        for (from, to) in [(-1, 60), (1440, 60), (60, 0), (60, 1441)] {
            #expect(Schedule(days: [.monday], from: from, to: to, zone: "UTC") == nil)
        }
    }

    @Test func `opens and closes at its edges and nowhere else, week after week`() throws {
        try forAll(200) { random in
            let days = Set(Weekday.allCases.filter { _ in random.oneIn(2) })
            let (from, to) = (Int.random(in: 0..<1440, using: &random), Int.random(in: 1...1440, using: &random))
            guard let schedule = Schedule(days: days, from: from, to: to, zone: "UTC") else { return }
            let changes = (0..<Schedule.minutesPerWeek).filter {
                schedule.isOpen(atLocal: $0) != schedule.isOpen(atLocal: $0 - 1)
            }
            try #require(schedule.edges == changes, "\(schedule)")
            let length = to > from ? to - from : to + 1440 - from
            let open = (0..<Schedule.minutesPerWeek).count { schedule.isOpen(atLocal: $0) }
            try #require(open == days.count * length, "\(schedule)")
            let minute = Int.random(in: -20_000...20_000, using: &random)
            try #require(
                schedule.isOpen(atLocal: minute) == schedule.isOpen(atLocal: minute + Schedule.minutesPerWeek))
        }
    }
}

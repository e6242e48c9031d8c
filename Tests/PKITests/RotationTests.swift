import Domain
import TestSupport
import Testing

import PKI

@Suite struct RotationTests {
    typealias Life = Rotation<String>.Term

    private static func at(_ day: Int64) -> Timestamp { Fixture.days(day) }

    private static let first = Life("first", from: at(0), until: at(300))
    private static let second = Life("second", from: at(200), until: at(500))

    private func change(offered: Int64 = 210, until: Int64 = 220) throws -> Rotation<String>.Change {
        try #require(.init(next: Self.second, offered: Self.at(offered), oldTakenUntil: Self.at(until)))
    }

    @Test func `is due after two thirds of a life`() {
        let rotation = Rotation(Self.first)
        #expect(!rotation.isDue(at: Self.at(199)))
        #expect(rotation.isDue(at: Self.at(200)))
        #expect(rotation.nextChange(after: Self.at(0)) == Self.at(200))
        #expect(rotation.nextChange(after: Self.at(200)) == nil)
        #expect(!Rotation(Life("key", from: Self.at(0), until: nil)).isDue(at: Self.at(100_000)))
    }

    @Test func `takes both from one to the next, and shows the next when it is offered`() throws {
        var rotation = Rotation(Self.first)
        try rotation.begin(try change(), at: Self.at(201))
        for (day, state, offered, taken) in [
            (201, Rotation<String>.State.announced, "first", ["first", "second"]),
            (209, .announced, "first", ["first", "second"]),
            (210, .overlapping, "second", ["second", "first"]), (219, .overlapping, "second", ["second", "first"]),
            (220, .steady, "second", ["second"]),
        ] as [(Int64, Rotation<String>.State, String, [String])] {
            #expect(rotation.state(at: Self.at(day)) == state)
            #expect(rotation.offered(at: Self.at(day)) == offered)
            #expect(rotation.taken(at: Self.at(day)) == taken)
            #expect(!rotation.isDue(at: Self.at(day)))
        }
        rotation.advance(to: Self.at(219))
        #expect(rotation.current == Self.first)
        rotation.advance(to: Self.at(220))
        #expect(rotation.current == Self.second && rotation.change == nil)
    }

    @Test func `shows the next one when the old one's life is over`() throws {
        var rotation = Rotation(Self.first)
        try rotation.begin(try change(offered: 310, until: 320), at: Self.at(250))
        #expect(rotation.offered(at: Self.at(300)) == "first")
        let after = Timestamp(milliseconds: Self.at(300).milliseconds + 1)
        #expect(rotation.nextChange(after: Self.at(300)) == after)
        #expect(rotation.offered(at: after) == "second")
        #expect(rotation.taken(at: after) == ["second"])
    }

    @Test func `is cancelled before the next one is shown, not after`() throws {
        var rotation = Rotation(Self.first)
        #expect(throws: Rotation<String>.Refusal.nothingPlanned) { try rotation.cancel(at: Self.at(1)) }
        try rotation.begin(try change(), at: Self.at(201))
        try rotation.begin(try change(offered: 211), at: Self.at(202))
        var other = rotation
        try other.cancel(at: Self.at(205))
        #expect(other == Rotation(Self.first))
        #expect(throws: Rotation<String>.Refusal.shownAlready) { try rotation.cancel(at: Self.at(212)) }
        #expect(throws: Rotation<String>.Refusal.shownAlready) { try rotation.begin(try change(), at: Self.at(212)) }
    }

    @Test func `is finished at once when the old one is known to others`() throws {
        var rotation = Rotation(Self.first)
        try rotation.begin(try change(), at: Self.at(201))
        rotation.finish()
        #expect(rotation.taken(at: Self.at(201)) == ["second"])
        rotation.finish()
        #expect(rotation.current == Self.second)
    }

    @Test func `has no gap: nothing is shown before it is valid, nor taken after`() {
        let make = { (offered: Int64, until: Int64) in
            Rotation<String>.Change(next: Self.second, offered: Self.at(offered), oldTakenUntil: Self.at(until))
        }
        #expect(make(199, 220) == nil)
        #expect(make(220, 219) == nil)
        #expect(make(220, 500) == nil)
        #expect(make(200, 200) != nil)
    }

    @Test func `answers change at the times that it says, and advancing changes none`() throws {
        try forAll(300) { random in
            let time = { (random: inout Generator) in Timestamp(milliseconds: Int64.random(in: 0..<60, using: &random))
            }
            let current = Life("a", from: time(&random), until: random.oneIn(4) ? nil : time(&random))
            let next = Life("b", from: time(&random), until: random.oneIn(4) ? nil : time(&random))
            guard let change = Rotation.Change(next: next, offered: time(&random), oldTakenUntil: time(&random)) else {
                return
            }
            let rotation = Rotation(current, change: change)
            let answers = { (rotation: Rotation<String>, now: Timestamp) in
                "\(rotation.offered(at: now)) \(rotation.taken(at: now)) \(rotation.state(at: now)) "
                    + "\(rotation.isDue(at: now))"
            }
            for moment in 0..<Int64(80) {
                let (now, after) = (Timestamp(milliseconds: moment), Timestamp(milliseconds: moment + 1))
                if answers(rotation, now) != answers(rotation, after) {
                    #expect(rotation.nextChange(after: now) == after, "seed \(random.seed) at \(moment)")
                }
                var advanced = rotation
                advanced.advance(to: now)
                #expect(answers(advanced, now) == answers(rotation, now), "seed \(random.seed) at \(moment)")
                #expect(advanced.nextChange(after: now) == rotation.nextChange(after: now), "seed \(random.seed)")
                #expect(rotation.taken(at: now).contains(rotation.offered(at: now)), "seed \(random.seed)")
            }
        }
    }
}

import Domain
import TestSupport
import Testing

@Suite struct UsageBucketTests {
    private static func fives(_ piece: UsagePiece) -> Range<Int64> {
        let size = piece.level.milliseconds / UsageLevel.fiveMinutes.milliseconds
        return piece.buckets.lowerBound * size..<piece.buckets.upperBound * size
    }

    @Test func `pieces follow each other, cover the time, and are as long as they can be`() throws {
        try forAll(2000) { random in
            let start = Int64.random(in: 0...6_000_000, using: &random)
            let longest: Int64 = random.pick(5, 40, 700, 20_000)
            let length = Int64.random(in: 1...longest, using: &random)
            let pieces = UsagePiece.covering(start..<start + length)
            var next = start
            for piece in pieces {
                let range = Self.fives(piece)
                #expect(range.lowerBound == next && !range.isEmpty)
                next = range.upperBound
            }
            #expect(next == start + length)
            let short = pieces.filter { $0.level == .fiveMinutes }.reduce(0) { $0 + $1.buckets.count }
            let hours = pieces.filter { $0.level == .hour }.reduce(0) { $0 + $1.buckets.count }
            #expect(short <= 22 && hours <= 46)
        }
    }

    @Test func `nothing is covered by nothing`() {
        #expect(UsagePiece.covering(288..<288).isEmpty)
        #expect(UsagePiece.covering(288..<576) == [UsagePiece(level: .day, buckets: 1..<2)])
        #expect(UsagePiece.covering(12..<24) == [UsagePiece(level: .hour, buckets: 1..<2)])
    }

    @Test func `a time is in one bucket of each level, before 1970 too`() throws {
        try forAll(500) { random in
            let time = Timestamp(milliseconds: Int64.random(in: -1 << 45...1 << 45, using: &random))
            for level in UsageLevel.allCases {
                let start = level.start(of: level.bucket(of: time)).milliseconds
                #expect((start..<start + level.milliseconds).contains(time.milliseconds))
            }
        }
    }

    @Test func `a way has a number of its own`() throws {
        let routes: [UsageRoute] = [.internet, .gateway, .group, .formerVPN, .vpn(VPN.ID(1)), .vpn(VPN.ID(.max - 8))]
        #expect(Set(routes.map(\.code)).count == routes.count)
        for route in routes { #expect(UsageRoute(code: route.code) == route) }
        for code: Int64 in [-1, 4, 8] { #expect(UsageRoute(code: code) == nil) }
        let ways: [UsageWay] = [.internet, .gateway, .group, .vpn(try #require(VPNNumber(0)))]
        #expect(Set(ways.map(\.code)).count == ways.count)
    }

    @Test func `what is more is by each number, and nothing where there is less`() {
        let before = UsageCounts(octetsUp: 10, packetsUp: 1, octetsDown: 20, packetsDown: 2)
        let after = UsageCounts(octetsUp: 15, packetsUp: 2, octetsDown: 5, packetsDown: 2)
        #expect(after.exceeding(before) == UsageCounts(octetsUp: 5, packetsUp: 1))
    }
}

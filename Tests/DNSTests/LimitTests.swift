import DNS
import TestSupport
import Testing

@Suite struct TokenBucketsTests {
    @Test func `gives a burst, then the rate`() {
        var buckets = TokenBuckets<Int>(rate: 50, burst: 100)
        let taken = { (buckets: inout TokenBuckets<Int>, at: Int64) in
            (0..<1000).count { _ in buckets.take(from: 1, at: at) }
        }
        #expect(taken(&buckets, 0) == 100)
        #expect(taken(&buckets, 1_000_000_000) == 50)
        #expect(taken(&buckets, 1_010_000_000) == 0)
        #expect(taken(&buckets, 1_020_000_000) == 1)
        #expect(taken(&buckets, 100_000_000_000) == 100)
        // Another's is another.
        let isTaken = buckets.take(from: 2, at: 100_000_000_000)
        #expect(isTaken)
    }

    @Test func `holds nobody who has been silent`() {
        var buckets = TokenBuckets<Int>(rate: 10, burst: 10)
        for key in 0..<1_000_000 { _ = buckets.take(from: key, at: Int64(key) * 1_000_000) }
        #expect(buckets.count <= 8192)
    }
}

@Suite struct UpstreamHealthTests {
    private static func tick(_ health: inout UpstreamHealth, at now: Int64) -> UpstreamHealth.Action? {
        health.tick(at: now)
    }

    private static func answered(_ health: inout UpstreamHealth) -> Bool { health.answered() }

    @Test func `silence alone does not take an upstream down, an unanswered probe does`() {
        var health = UpstreamHealth()
        for _ in 0..<2 { health.wasSilent() }
        #expect(Self.tick(&health, at: 0) == nil)
        health.wasSilent()
        #expect(Self.tick(&health, at: 0) == .probe)
        #expect(health.isUp)
        #expect(!Self.answered(&health))
        #expect(Self.tick(&health, at: 2000) == nil)
        for _ in 0..<3 { health.wasSilent() }
        #expect(Self.tick(&health, at: 3000) == .probe)
        #expect(Self.tick(&health, at: 3999) == nil)
        #expect(Self.tick(&health, at: 4000) == .goneDown)
        #expect(!health.isUp)
    }

    @Test func `it is asked again, ever less often, until it answers`() {
        var health = UpstreamHealth()
        for _ in 0..<3 { health.wasSilent() }
        var probes: [Int64] = []
        for second in Int64(0)..<100 where health.tick(at: second * 1000) == .probe { probes.append(second) }
        #expect(probes == [0, 2, 5, 10, 19, 36, 53, 70, 87])
        #expect(Self.answered(&health))
        #expect(health.isUp)
        #expect(health.tick(at: 200_000) == nil)
    }
}

import DNS
import Domain
import TestSupport
import Testing

@Suite struct AnswerCacheTests {
    private static func answer(_ name: String, ttl: Int = 100, records: Int = 1) throws -> UpstreamAnswer {
        try Messages.upstream(name, (0..<records).map { _ in .a([1, 2, 3, 4], ttl: ttl) })
    }

    private static func age(
        of question: Question, scope: AnswerCache.Scope = 0, in cache: inout AnswerCache, at now: Int64
    ) -> UInt32? {
        cache.answer(to: question, scope: scope, at: now)?.age
    }

    @Test func `an answer is found until its time is over, with its age`() throws {
        var cache = AnswerCache(capacity: 1 << 20)
        cache.insert(try Self.answer("a.example"), scope: 0, at: 1000)
        let question = Messages.question("a.example")
        #expect(Self.age(of: question, in: &cache, at: 1000) == 0)
        #expect(Self.age(of: question, in: &cache, at: 1099) == 99)
        #expect(Self.age(of: question, in: &cache, at: 1100) == nil)
        #expect(cache.count == 0)
        #expect(cache.octets == 0)
    }

    @Test func `another type, DO, CD or scope is another question`() throws {
        var cache = AnswerCache(capacity: 1 << 20)
        cache.insert(try Self.answer("a.example"), scope: 0, at: 0)
        let name = Messages.wireName("a.example")
        #expect(Self.age(of: Question(name: name, type: 1), in: &cache, at: 0) != nil)
        #expect(Self.age(of: Question(name: name, type: 28), in: &cache, at: 0) == nil)
        #expect(Self.age(of: Question(name: name, type: 1, isDNSSECOK: true), in: &cache, at: 0) == nil)
        #expect(Self.age(of: Question(name: name, type: 1, isCheckingDisabled: true), in: &cache, at: 0) == nil)
        #expect(Self.age(of: Question(name: name, type: 1), scope: 1, in: &cache, at: 0) == nil)
    }

    @Test func `what has no lifetime or is half the cache is not kept`() throws {
        var cache = AnswerCache(capacity: 8192)
        cache.insert(try Self.answer("a.example", ttl: 0), scope: 0, at: 0)
        cache.insert(try Self.answer("b.example", records: 300), scope: 0, at: 0)
        #expect(cache.count == 0)
    }

    @Test func `it holds what it may, and what is asked for stays`() throws {
        var cache = AnswerCache(capacity: 100_000)
        cache.insert(try Self.answer("wanted.example"), scope: 0, at: 0)
        for number in 0..<2000 {
            cache.insert(try Self.answer("n\(number).example"), scope: 0, at: 0)
            #expect(cache.octets <= 100_000)
            #expect(Self.age(of: Messages.question("wanted.example"), in: &cache, at: 0) != nil)
        }
        #expect(cache.count > 50)
        cache.removeAll()
        #expect(cache.octets == 0 && cache.count == 0)
    }

    @Test func `gives what a plain model has, or nothing`() throws {
        try forAll(100) { random in
            var cache = AnswerCache(capacity: 20_000)
            var model: [String: (answer: UpstreamAnswer, at: Int64)] = [:]
            var now: Int64 = 0
            for _ in 0..<300 {
                now += Int64.random(in: 0...5, using: &random)
                let name = "n\(Int.random(in: 0..<60, using: &random)).example"
                let scope = UInt32.random(in: 0...1, using: &random)
                if Bool.random(using: &random) {
                    let answer = try Self.answer(name, ttl: Int.random(in: 0...50, using: &random))
                    cache.insert(answer, scope: scope, at: now)
                    // One that may not be kept leaves the one before where it was.
                    if answer.lifetime > 0 { model["\(scope) \(name)"] = (answer, now) }
                } else if let hit = cache.answer(to: Messages.question(name), scope: scope, at: now) {
                    let known = model["\(scope) \(name)"]
                    #expect(hit.answer === known?.answer, "seed \(random.seed)")
                    #expect(hit.age == UInt32(now - (known?.at ?? 0)), "seed \(random.seed)")
                    #expect(hit.age < hit.answer.lifetime, "seed \(random.seed)")
                }
                #expect(cache.octets <= 20_000, "seed \(random.seed)")
            }
        }
    }
}

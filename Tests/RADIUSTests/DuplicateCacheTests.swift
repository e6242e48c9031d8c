import Domain
import RADIUS
import TestSupport
import Testing

@Suite struct DuplicateCacheTests {
    private static func key(_ identifier: UInt8, port: UInt16 = 1, authenticator: UInt8 = 0) throws
        -> DuplicateCache.Key
    {
        let packet = [1, identifier, 0, 20] + [UInt8](repeating: authenticator, count: 16)
        return DuplicateCache.Key(
            address: IPv4Address(bits: 1), port: port, header: try Header(decoding: packet.span))
    }

    @Test func `a request is new once, then in progress, then answered with the same octets, then new again`() throws {
        var cache = DuplicateCache()
        let start = ContinuousClock.now
        let key = try Self.key(1)
        #expect(cache.look(for: key, at: start) == .new)
        #expect(cache.look(for: key, at: start + .seconds(1)) == .inProgress)
        cache.answer(key, with: [1, 2, 3])
        #expect(cache.look(for: key, at: start + .seconds(29)) == .answered([1, 2, 3]))
        #expect(cache.look(for: key, at: start + .seconds(30)) == .new)
    }

    @Test func `another port, identifier or authenticator is another request`() throws {
        var cache = DuplicateCache()
        let now = ContinuousClock.now
        #expect(cache.look(for: try Self.key(1), at: now) == .new)
        #expect(cache.look(for: try Self.key(2), at: now) == .new)
        #expect(cache.look(for: try Self.key(1, port: 2), at: now) == .new)
        #expect(cache.look(for: try Self.key(1, authenticator: 1), at: now) == .new)
        #expect(cache.look(for: try Self.key(1), at: now) == .inProgress)
    }

    @Test func `what got no answer is new when it comes again`() throws {
        var cache = DuplicateCache()
        let now = ContinuousClock.now
        let key = try Self.key(1)
        _ = cache.look(for: key, at: now)
        cache.forget(key)
        #expect(cache.look(for: key, at: now + .seconds(1)) == .new)
        cache.answer(key, with: [9])
        // The place in the order that the first try left behind does not take the second along.
        #expect(cache.look(for: key, at: now + .seconds(30.5)) == .answered([9]))
    }

    @Test func `it holds what it may and no more, and forgets the oldest first`() throws {
        var cache = DuplicateCache(capacity: 100)
        let now = ContinuousClock.now
        for port in 0..<1000 {
            #expect(cache.look(for: try Self.key(0, port: UInt16(port)), at: now + .milliseconds(port)) == .new)
            #expect(cache.count <= 100)
        }
        #expect(cache.look(for: try Self.key(0, port: 999), at: now + .seconds(1)) == .inProgress)
        #expect(cache.look(for: try Self.key(0, port: 899), at: now + .seconds(1)) == .new)
    }

    @Test func `agrees with a plain model over random traffic`() throws {
        try forAll(200) { random in
            var cache = DuplicateCache()
            var model: [DuplicateCache.Key: (answer: [UInt8]?, until: ContinuousClock.Instant)] = [:]
            var now = ContinuousClock.now
            for _ in 0..<300 {
                now += .milliseconds(Int.random(in: 0...2000, using: &random))
                let key = try Self.key(UInt8.random(in: 0...7, using: &random))
                model = model.filter { $0.value.until > now }
                let expected: DuplicateCache.Finding =
                    if let known = model[key] { known.answer.map { .answered($0) } ?? .inProgress } else { .new }
                #expect(cache.look(for: key, at: now) == expected, "seed \(random.seed)")
                if expected == .new { model[key] = (nil, now + .seconds(30)) }
                switch Int.random(in: 0...3, using: &random) {
                case 0:
                    let answer = [UInt8.random(in: 0...255, using: &random)]
                    cache.answer(key, with: answer)
                    model[key]?.answer = answer
                case 1:
                    cache.forget(key)
                    model[key] = nil
                default: break
                }
            }
        }
    }
}

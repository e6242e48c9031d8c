import CMallocCount
import DNS
import Domain
import Testing

/// Anybody with a session can send queries: that one is read, or refused, costs no memory.
@Suite struct MessageAllocationTests {
    /// Allocations of this thread while `body` ran.
    private static func count(_ body: () -> Void) -> UInt64 {
        let before = cmalloc_count()
        body()
        return cmalloc_count() - before
    }

    private static func decode(_ query: [UInt8]) -> UInt64 {
        count {
            do throws(MessageError) { _ = try QueryMessage(decoding: query.span) } catch {}
        }
    }

    private static let whole = Messages.query(
        additional: [.opt(isDNSSECOK: true, options: Messages.option(10, Array(0..<16)))])

    @Test func `reading a query allocates nothing`() throws {
        _ = try QueryMessage(decoding: Self.whole.span)
        #expect(Self.decode(Self.whole) == 0)
        #expect(Self.decode(Messages.query()) == 0)
    }

    @Test func `nor does refusing one`() {
        for refused in QueryMessageTests.refused { #expect(Self.decode(refused.octets) == 0, "\(refused.what)") }
        for offset in Self.whole.indices {
            #expect(Self.decode(Array(Self.whole.prefix(offset))) == 0)
            for bit in 0..<8 {
                var changed = Self.whole
                changed[offset] ^= 1 << UInt8(bit)
                #expect(Self.decode(changed) == 0, "\(offset), \(bit)")
            }
        }
    }

    @Test func `answering from the cache allocates nothing but the name`() throws {
        let query = try QueryMessage(decoding: Self.whole.span)
        var cache = AnswerCache(capacity: 1 << 20)
        let question = Question(
            name: Messages.wireName("mqtt.acme.example"), type: 1, isDNSSECOK: true)
        let octets = Messages.answer([.cname(to: "a.example"), .a(Messages.name("a.example"), [1, 2, 3, 4])])
        cache.insert(try UpstreamAnswer(decoding: octets.span, to: question), scope: 0, at: 0)
        var scratch: [UInt8] = []
        scratch.reserveCapacity(4096)
        var name = WireName.root
        #expect(Self.count { name = query.name(in: Self.whole.span) } == 1)
        #expect(name == question.name)
        var hits = 0
        let cost = Self.count {
            guard let hit = cache.answer(to: question, scope: 0, at: 3) else { return }
            hits += 1
            query.writeAnswer(hit.answer, age: hit.age, limit: 1232, to: Self.whole.span, into: &scratch)
        }
        #expect(hits == 1)
        #expect(cost == 0)
        #expect(scratch.count > 60)
    }

    @Test func `nor does writing a block or an error into a buffer that is there`() throws {
        let query = try QueryMessage(decoding: Self.whole.span)
        var scratch: [UInt8] = []
        scratch.reserveCapacity(4096)
        let why = ExtendedError(.prohibited, "this name is not allowed by the policy")
        for answer in [LocalAnswer.nxdomain, .nodata, .refused, .address(.v4(IPv4Address(bits: 1)))] {
            #expect(
                Self.count { query.writeAnswer(answer, for: 30, why, to: Self.whole.span, into: &scratch) } == 0)
        }
        #expect(
            Self.count { _ = QueryMessage.writeError(.truncated, answering: Self.whole.span, into: &scratch) } == 0)
    }
}

/// A token bucket for each of many keys. Those that are full again are not kept, so that what it holds is bounded by who
/// was there in the time of a filling. It knows no clock: nanoseconds are the caller's.
public struct TokenBuckets<Key: Hashable & Sendable>: Sendable {
    /// When each will be full again.
    @usableFromInline var fullAt: [Key: Int64] = [:]
    @usableFromInline let interval: Int64
    @usableFromInline let burst: Int64
    @usableFromInline var sweepAt: Int

    @usableFromInline static var smallestSweep: Int { 4096 }

    /// - Parameters:
    ///   - rate: a second, at least 1.
    ///   - burst: at once after a silence, at least 1.
    public init(rate: Int, burst: Int) {
        interval = 1_000_000_000 / Int64(max(1, min(rate, 1_000_000_000)))
        self.burst = Int64(max(1, burst))
        sweepAt = Self.smallestSweep
    }

    public var count: Int { fullAt.count }

    /// Takes a token; `false` when there is none.
    ///
    /// Inlinable, so that it is compiled for the keys that there are: without that a query's time goes into asking the
    /// runtime for types.
    @inlinable public mutating func take(from key: Key, at now: Int64) -> Bool {
        if fullAt.count >= sweepAt { sweep(at: now) }
        return Self.take(from: &fullAt[key, default: now], at: now, interval, most: burst * interval)
    }

    @inlinable static func take(from fullAt: inout Int64, at now: Int64, _ interval: Int64, most: Int64) -> Bool {
        let next = max(now, fullAt) + interval
        guard next - now <= most else { return false }
        fullAt = next
        return true
    }

    @inlinable mutating func sweep(at now: Int64) {
        fullAt = fullAt.filter { $0.value > now }
        sweepAt = max(Self.smallestSweep, 2 * fullAt.count)
    }
}

/// A token bucket for each of many keys. Those that are full again are not kept, so that what it holds is bounded by who
/// was there in the time of a filling. It knows no clock: nanoseconds are the caller's.
public struct TokenBuckets<Key: Hashable & Sendable>: Sendable {
    private struct Bucket {
        /// When it will be full again.
        var fullAt: Int64
    }

    private var buckets: [Key: Bucket] = [:]
    private let interval: Int64
    private let burst: Int64
    private var sweepAt: Int

    static var smallestSweep: Int { 4096 }

    /// - Parameters:
    ///   - rate: a second, at least 1.
    ///   - burst: at once after a silence, at least 1.
    public init(rate: Int, burst: Int) {
        interval = 1_000_000_000 / Int64(max(1, min(rate, 1_000_000_000)))
        self.burst = Int64(max(1, burst))
        sweepAt = Self.smallestSweep
    }

    public var count: Int { buckets.count }

    /// Takes a token; `false` when there is none.
    public mutating func take(from key: Key, at now: Int64) -> Bool {
        if buckets.count >= sweepAt { sweep(at: now) }
        let fullAt = max(now, buckets[key]?.fullAt ?? now)
        guard fullAt + interval - now <= burst * interval else { return false }
        buckets[key] = Bucket(fullAt: fullAt + interval)
        return true
    }

    private mutating func sweep(at now: Int64) {
        buckets = buckets.filter { $0.value.fullAt > now }
        sweepAt = max(Self.smallestSweep, 2 * buckets.count)
    }
}

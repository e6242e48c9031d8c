import Domain
import Store

/// Sums of usage for an answer, in steps of time, each by something: a way, a rule.
struct UsageSums<Key: Hashable> {
    private let store: any StoreReader
    private let find: (UsagePiece) throws -> [(start: Timestamp, key: Key, counts: UsageCounts)]
    /// How many sums the answer may have.
    private let limit: Int
    /// Whether all of it is still kept as finely as it was asked for.
    private(set) var isComplete = true
    private(set) var total = UsageCounts()
    private(set) var lines: [(from: Timestamp, to: Timestamp, counts: [Key: UsageCounts])] = []

    /// - Parameter find: what there is of a piece, in the order of time.
    init(
        _ store: any StoreReader, limit: Int = .max,
        _ find: @escaping (UsagePiece) throws -> [(start: Timestamp, key: Key, counts: UsageCounts)]
    ) {
        self.store = store
        self.limit = limit
        self.find = find
    }

    /// - Parameter range: in buckets of five minutes.
    mutating func read(_ range: Range<Int64>, _ step: ControlPlane.UsageStep) throws {
        let fives = UsageLevel.fiveMinutes
        if let level = step.level {
            let size = level.milliseconds / fives.milliseconds
            let buckets = range.lowerBound / size..<range.upperBound / size
            isComplete = try store.isKept(UsagePiece(level: level, buckets: buckets))
            // Bucket by bucket, so that a large answer is refused before it is there.
            for bucket in buckets {
                let found = try sums(UsagePiece(level: level, buckets: bucket..<bucket + 1))
                guard let first = found.first else { continue }
                let end = Timestamp(milliseconds: first.start.milliseconds + level.milliseconds)
                try append(first.start, end, Dictionary(found.map { ($0.key, $0.counts) }, uniquingKeysWith: +))
            }
            return
        }
        var start = range.lowerBound
        while start < range.upperBound {
            let begin = fives.start(of: start)
            let next = step == .month ? fives.bucket(of: begin.startOfNextMonth) : range.upperBound
            let end = min(max(next, start + 1), range.upperBound)
            var counts: [Key: UsageCounts] = [:]
            for piece in UsagePiece.covering(start..<end) {
                isComplete = try isComplete && store.isKept(piece)
                for bucket in try sums(piece) {
                    counts[bucket.key] = (counts[bucket.key] ?? UsageCounts()) + bucket.counts
                }
            }
            if !counts.isEmpty { try append(begin, fives.start(of: end), counts) }
            start = end
        }
    }

    private var count = 0

    private mutating func append(_ from: Timestamp, _ to: Timestamp, _ counts: [Key: UsageCounts]) throws {
        count += counts.count
        guard count <= limit else {
            throw ControlError(
                .invalid, "these are more than \(limit) lines: ask for less time, for longer steps, or for one policy")
        }
        lines.append((from, to, counts))
    }

    private mutating func sums(
        _ piece: UsagePiece
    ) throws -> [(start: Timestamp, key: Key, counts: UsageCounts)] {
        let buckets = try find(piece)
        total = buckets.reduce(total) { $0 + $1.counts }
        return buckets
    }
}

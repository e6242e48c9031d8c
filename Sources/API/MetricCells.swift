import Metrics
import Synchronization

/// What a registry lists.
protocol Series: AnyObject, Sendable {
    func write(name: String, labels: String, to text: inout String)
}

final class CounterCell: CounterHandler, Series {
    private let value = Atomic<Int64>(0)

    func increment(by amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { value.store(0, ordering: .relaxed) }

    func write(name: String, labels: String, to text: inout String) {
        text += "\(name)\(PrometheusSample.braced(labels)) \(value.load(ordering: .relaxed))\n"
    }
}

/// A floating-point value that several threads change: its bit pattern in an atomic integer.
struct AtomicDouble: ~Copyable {
    private let bits = Atomic<UInt64>(0)

    var value: Double {
        get { Double(bitPattern: bits.load(ordering: .relaxed)) }
        nonmutating set { bits.store(newValue.bitPattern, ordering: .relaxed) }
    }

    func add(_ amount: Double) {
        var known = bits.load(ordering: .relaxed)
        while true {
            let sum = Double(bitPattern: known) + amount
            let (isDone, found) = bits.weakCompareExchange(
                expected: known, desired: sum.bitPattern, ordering: .relaxed)
            if isDone { return }
            known = found
        }
    }
}

final class GaugeCell: FloatingPointCounterHandler, MeterHandler, RecorderHandler, Series {
    private let number = AtomicDouble()

    func set(_ value: Int64) { number.value = Double(value) }
    func set(_ value: Double) { number.value = value }
    func record(_ value: Int64) { number.value = Double(value) }
    func record(_ value: Double) { number.value = value }
    func increment(by amount: Double) { number.add(amount) }
    func decrement(by amount: Double) { number.add(-amount) }
    func reset() { number.value = 0 }

    func write(name: String, labels: String, to text: inout String) {
        text += "\(name)\(PrometheusSample.braced(labels)) \(number.value.prometheus)\n"
    }
}

/// Counts values by size: a summary of count and sum without bounds, a histogram with them.
final class DistributionCell: TimerHandler, RecorderHandler, Series {
    private let bounds: [Double]
    private let counts: Mutex<[UInt64]>
    private let sum = AtomicDouble()

    /// Seconds: 0.1 ms to 10 s, about 2.5 times apart.
    static let timeBounds: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = Mutex(Array(repeating: 0, count: bounds.count + 1))
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        let place = bounds.firstIndex { value <= $0 } ?? bounds.count
        counts.withLock { $0[place] &+= 1 }
        sum.add(value)
    }

    func write(name: String, labels: String, to text: inout String) {
        let counts = counts.withLock { $0 }
        var count: UInt64 = 0
        let prefix = labels.isEmpty ? "" : labels + ","
        for place in 0...bounds.count {
            count += counts[place]
            guard !bounds.isEmpty else { break }
            let bound = place < bounds.count ? bounds[place].prometheus : "+Inf"
            text += "\(name)_bucket{\(prefix)le=\"\(bound)\"} \(count)\n"
        }
        text += "\(name)_sum\(PrometheusSample.braced(labels)) \(sum.value.prometheus)\n"
        text += "\(name)_count\(PrometheusSample.braced(labels)) \(count)\n"
    }
}

extension Double {
    /// The shortest text that reads back as the same number.
    fileprivate var prometheus: String {
        if isNaN { return "NaN" }
        if isInfinite { return self < 0 ? "-Inf" : "+Inf" }
        return self == rounded() && magnitude < 1e15 ? "\(Int64(self))" : "\(self)"
    }
}

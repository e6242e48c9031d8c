public import Metrics
import Synchronization

/// Collects the metrics of this process and writes them in Prometheus's text format. Give it to
/// `MetricsSystem.bootstrap` before anything that counts is made.
///
/// Counters count, meters and recorders that do not aggregate are gauges, recorders that do are summaries (count and
/// sum), timers are histograms in seconds. The same label and dimensions always give the same series.
public final class PrometheusRegistry: MetricsFactory, Sendable {
    private let families = Mutex<[String: Family]>([:])

    private struct Family {
        let kind: String
        var series: [String: any Series] = [:]
    }

    public init() {}

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, "counter") { CounterCell() }
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(label, dimensions, "counter") { GaugeCell() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, "gauge") { GaugeCell() }
    }

    public func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        guard aggregate else { return series(label, dimensions, "gauge") { GaugeCell() } }
        return series(label, dimensions, "summary") { DistributionCell(bounds: []) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, "histogram") { DistributionCell(bounds: DistributionCell.timeBounds) }
    }

    // A series stays listed when its handle is destroyed: a counter that disappears reads as a restart.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    /// Every series, in order of name and labels, in the text format 0.0.4.
    public func text() -> String {
        var text = ""
        for (name, family) in families.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            text += "# TYPE \(name) \(family.kind)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                series.write(name: name, labels: labels, to: &text)
            }
        }
        return text
    }

    private func series<Cell: Series>(
        _ label: String, _ dimensions: [(String, String)], _ kind: String, _ make: () -> Cell
    ) -> Cell {
        let name = PrometheusSample.name(label)
        let labels = PrometheusSample.labels(dimensions)
        return families.withLock { families in
            var family = families[name] ?? Family(kind: kind)
            if family.kind == kind, let known = family.series[labels] as? Cell { return known }
            let cell = make()
            // One name has one type in this format: what is declared as a second type counts, but is not listed.
            guard family.kind == kind, family.series[labels] == nil else { return cell }
            family.series[labels] = cell
            families[name] = family
            return cell
        }
    }
}

/// One value on its own line, for what is read when it is asked for rather than counted here.
struct PrometheusSample {
    private let name: String
    private let kind: String
    private let labels: String
    private let value: String

    init(_ name: String, _ kind: String, _ labels: [(String, String)] = [], value: some BinaryInteger) {
        self.name = name
        self.kind = kind
        self.labels = Self.labels(labels)
        self.value = "\(value)"
    }

    /// Samples of one name are brought together, as the format demands.
    static func write(_ samples: [PrometheusSample], to text: inout String) {
        for name in Set(samples.map(\.name)).sorted() {
            let family = samples.filter { $0.name == name }
            text += "# TYPE \(name) \(family.first?.kind ?? "untyped")\n"
            for sample in family { text += "\(name)\(braced(sample.labels)) \(sample.value)\n" }
        }
    }

    static func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`; whatever else stands in it becomes an underscore.
    static func name(_ text: String) -> String {
        let name = String(
            text.unicodeScalars.map { scalar -> Character in
                switch scalar {
                case "a"..."z", "A"..."Z", "0"..."9", "_": Character(scalar)
                default: "_"
                }
            })
        return name.first.map { $0.isNumber } ?? true ? "_" + name : name
    }

    static func labels(_ dimensions: [(String, String)]) -> String {
        dimensions.map { "\(name($0.0))=\"\(escaped($0.1))\"" }.joined(separator: ",")
    }

    private static func escaped(_ value: String) -> String {
        value.reduce(into: "") { text, character in
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
    }
}

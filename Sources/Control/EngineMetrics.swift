import Domain
import Metrics

/// The engine's counters, created once.
struct EngineMetrics: Sendable {
    let shed = Counter(label: "cordon_radius_shed_total")
    let late = Counter(label: "cordon_radius_late_total")
    let storeFailures = Counter(label: "cordon_store_failures_total")
    let kernelFailures = Counter(label: "cordon_kernel_failures_total")
    let batchSize = Recorder(label: "cordon_engine_batch_requests", aggregate: false)
    let batchTime = Timer(label: "cordon_engine_batch_seconds")
    private let accepted = Counter(label: "cordon_attach_total", dimensions: [("result", "accept")])
    private let rejected: [AttachRejection: Counter]
    private let accounted = Counter(label: "cordon_accounting_total")
    private let unanswered = Counter(label: "cordon_requests_unanswered_total")

    init() {
        rejected = Dictionary(
            uniqueKeysWithValues: AttachRejection.allCases.map {
                ($0, Counter(label: "cordon_attach_total", dimensions: [("result", $0.rawValue)]))
            })
    }

    func count(_ outcome: Outcome) {
        switch outcome.answer {
        case .attach(.accept), .attach(.acceptIPv6): accepted.increment()
        case .attach(.reject(let reason)): rejected[reason]?.increment()
        case .attach(.noAnswer), .dropped: unanswered.increment()
        case .accounted: accounted.increment()
        }
    }
}

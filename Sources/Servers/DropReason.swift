import Metrics

/// Why a datagram got no answer. The raw value is the label in `cordon_radius_dropped_total`.
enum DropReason: Hashable, Sendable {
    /// The source is not a registered NAS's address.
    case unknownNAS
    /// Not an IPv4 source, or a datagram longer than RADIUS allows.
    case oversized
    /// What the codec or the authenticator check found.
    case malformed(String)
    /// The same request is being worked on.
    case duplicateInProgress
    /// The engine's queue is full.
    case shed
    /// Our own fault: store or kernel out of order.
    case undecided
    /// An answer could not be encoded.
    case unencodable

    var label: String {
        switch self {
        case .unknownNAS: "unknown-nas"
        case .oversized: "oversized"
        case .malformed(let reason): reason
        case .duplicateInProgress: "duplicate-in-progress"
        case .shed: "shed"
        case .undecided: "undecided"
        case .unencodable: "unencodable"
        }
    }
}

/// Counters of one socket, used on its event loop only; made once for each reason that occurs.
struct DropCounters {
    private let service: String
    private var counters: [DropReason: Counter] = [:]

    init(service: String) { self.service = service }

    mutating func count(_ reason: DropReason) {
        if let counter = counters[reason] {
            counter.increment()
            return
        }
        let counter = Counter(
            label: "cordon_radius_dropped_total", dimensions: [("service", service), ("reason", reason.label)])
        counters[reason] = counter
        counter.increment()
    }
}

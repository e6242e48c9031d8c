import DNS
import Metrics

/// Counters of the resolver, of one event loop; all count into the same.
struct DNSMetrics {
    let datagrams = Counter(label: "cordon_dns_queries_total", dimensions: [("transport", "udp")])
    let overStreams = Counter(label: "cordon_dns_queries_total", dimensions: [("transport", "tcp")])
    let streams = Counter(label: "cordon_dns_connections_total")
    let upstreamQueries = Counter(label: "cordon_dns_upstream_queries_total")
    let upstreamTimeouts = Counter(label: "cordon_dns_upstream_timeouts_total")
    let upstreamStreams = Counter(label: "cordon_dns_upstream_tcp_total")
    /// Queries that waited for an answer that another had already asked for.
    let joined = Counter(label: "cordon_dns_joined_total")
    let truncated = Counter(label: "cordon_dns_truncated_total")
    /// Answers that left before their addresses were known to be in the kernel.
    let late = Counter(label: "cordon_dns_lessons_late_total")
    /// From the query to its answer.
    let seconds = Timer(label: "cordon_dns_answer_seconds")
    let cached = Self.answers("cache")
    let resolved = Self.answers("upstream")
    let refused = Self.answers("filter")
    let rebinding = Self.answers("rebinding")
    let failed = Self.answers("failure")
    private var drops = LabelledCounters("cordon_dns_dropped_total")
    private var malformed = LabelledCounters("cordon_dns_malformed_total")
    private var ignored = LabelledCounters("cordon_dns_upstream_ignored_total")

    private static func answers(_ source: String) -> Counter {
        Counter(label: "cordon_dns_answers_total", dimensions: [("source", source)])
    }

    /// Why a query got no answer, or a connection was closed.
    enum Drop: String {
        /// Nobody with a session: the resolver is not an open one.
        case noSession = "no-session"
        case deviceLimit = "device-limit"
        case tenantLimit = "tenant-limit"
        /// A connection beyond those that a device, or all together, may have.
        case connectionLimit = "connection-limit"
        /// A connection on which nothing happened, or too slowly.
        case slow
        /// Too many queries wait already.
        case waitingLimit = "waiting-limit"
        /// Not even a header, or an answer.
        case noQuery = "no-query"
    }

    /// Why what came from an upstream's address was not used.
    enum Ignored: String {
        case noAnswer = "no-answer"
        /// No query of that id waits, or it was sent from another port.
        case id, port
        case question
        case letterCase = "case"
        /// It has addresses of names that were not asked for.
        case stray
    }

    mutating func drop(_ reason: Drop) { drops.count(reason.rawValue) }
    mutating func malformed(_ error: MessageError) { malformed.count(error.label) }
    mutating func ignore(_ reason: Ignored) { ignored.count(reason.rawValue) }
    mutating func ignore(_ error: AnswerError) { ignored.count(error.label) }
}

/// Counters of one label for each reason that occurs, made when it does. The reasons are few and our own.
private struct LabelledCounters {
    private let label: String
    private var counters: [String: Counter] = [:]

    init(_ label: String) { self.label = label }

    mutating func count(_ reason: String) {
        if let counter = counters[reason] { return counter.increment() }
        let counter = Counter(label: label, dimensions: [("reason", reason)])
        counters[reason] = counter
        counter.increment()
    }
}

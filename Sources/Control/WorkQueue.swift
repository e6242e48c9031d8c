import Domain

/// A request of a NAS on its way through the engine.
struct Request: Sendable {
    let question: Question
    let received: ContinuousClock.Instant
    let complete: @Sendable (Answer) -> Void

    enum Question: Sendable {
        case attach(AttachRequest)
        case accounting(AccountingReport)
    }

    enum Answer: Hashable, Sendable {
        case attach(AttachVerdict)
        /// The report is durable.
        case accounted
        /// Nothing is sent.
        case dropped
    }
}

/// An administrative change: run once, or refused once.
struct ExclusiveJob: Sendable {
    let run: @Sendable () async -> Void
    let refuse: @Sendable () -> Void

    init(run: @escaping @Sendable () async -> Void, refuse: @escaping @Sendable () -> Void) {
        self.run = run
        self.refuse = refuse
    }
}

/// What waits for the engine. Administrative changes do not wait behind a flood of requests: each goes between two
/// batches, in turn with them.
struct WorkQueue {
    private let capacity: Int
    private var requests: [Request] = []
    private var jobs: [ExclusiveJob] = []
    private var isClosed = false
    private var jobIsNext = true

    enum Next {
        case requests([Request])
        case exclusive(ExclusiveJob)
    }

    init(capacity: Int) { self.capacity = capacity }

    mutating func append(_ request: Request) -> Bool {
        guard !isClosed, requests.count < capacity else { return false }
        requests.append(request)
        return true
    }

    mutating func append(_ job: ExclusiveJob) -> Bool {
        guard !isClosed else { return false }
        jobs.append(job)
        return true
    }

    mutating func next(limit: Int) -> Next? {
        if !jobs.isEmpty, jobIsNext || requests.isEmpty {
            jobIsNext = false
            return .exclusive(jobs.removeFirst())
        }
        jobIsNext = true
        guard !requests.isEmpty else { return nil }
        if requests.count <= limit {
            defer { requests = [] }
            return .requests(requests)
        }
        let batch = Array(requests.prefix(limit))
        requests.removeFirst(limit)
        return .requests(batch)
    }

    /// No more work is taken; what waited of administrative changes is handed back.
    mutating func close() -> [ExclusiveJob] {
        isClosed = true
        defer { (requests, jobs) = ([], []) }
        return jobs
    }
}

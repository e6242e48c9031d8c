package import Domain

/// A request of a NAS on its way through the engine.
package struct Request: Sendable {
    package let question: Question
    let received: ContinuousClock.Instant
    let complete: @Sendable (Answer) -> Void

    package init(
        question: Question, received: ContinuousClock.Instant, complete: @escaping @Sendable (Answer) -> Void
    ) {
        self.question = question
        self.received = received
        self.complete = complete
    }

    package enum Question: Sendable {
        case attach(AttachRequest)
        case accounting(AccountingReport)
    }

    package enum Answer: Hashable, Sendable {
        case attach(AttachVerdict)
        /// The report is durable.
        case accounted
        /// Nothing is sent.
        case dropped
    }
}

/// An administrative change: run once, or refused once.
package struct ExclusiveJob: Sendable {
    let run: @Sendable () async -> Void
    let refuse: @Sendable () -> Void

    init(run: @escaping @Sendable () async -> Void, refuse: @escaping @Sendable () -> Void) {
        self.run = run
        self.refuse = refuse
    }
}

extension Request {
    /// Who sent it.
    package var nas: NAS.ID {
        switch question {
        case .attach(let request): request.nas
        case .accounting(let report): report.nas
        }
    }
}

/// What waits for the engine. Administrative changes do not wait behind a flood of requests: each goes between two
/// batches, in turn with them. NAS are served in turn, whatever each has sent, and when the queue is full the one with
/// the most requests in it gives way to one that has fewer.
package struct WorkQueue {
    private let capacity: Int
    private var queues: [NAS.ID: FIFO] = [:]
    /// Those with requests, in the order of their turns.
    private var turns: [NAS.ID] = []
    private var count = 0
    private var jobs: [ExclusiveJob] = []
    private var isClosed = false
    private var jobIsNext = true

    package enum Next {
        case requests([Request])
        case exclusive(ExclusiveJob)
    }

    package enum Admission {
        case queued
        /// In the place of this request, which is shed.
        case displacing(Request)
        case refused
    }

    package init(capacity: Int) { self.capacity = capacity }

    package mutating func append(_ request: Request) -> Admission {
        guard !isClosed else { return .refused }
        let nas = request.nas
        var displaced: Request?
        if count >= capacity {
            let own = queues[nas]?.count ?? 0
            guard let (longest, queue) = queues.max(by: { $0.value.count < $1.value.count }), queue.count > own + 1
            else { return .refused }
            displaced = queues[longest]?.removeLast()
            count -= displaced == nil ? 0 : 1
        }
        if queues[nas] == nil { turns.append(nas) }
        queues[nas, default: FIFO()].append(request)
        count += 1
        return displaced.map(Admission.displacing) ?? .queued
    }

    mutating func append(_ job: ExclusiveJob) -> Bool {
        guard !isClosed else { return false }
        jobs.append(job)
        return true
    }

    package mutating func next(limit: Int) -> Next? {
        if !jobs.isEmpty, jobIsNext || count == 0 {
            jobIsNext = false
            return .exclusive(jobs.removeFirst())
        }
        jobIsNext = true
        return count > 0 ? .requests(take(limit)) : nil
    }

    /// The next batch when it is as large as a batch can be, and it is its turn.
    package mutating func nextWhole(limit: Int) -> [Request]? {
        guard jobs.isEmpty, count >= limit else { return nil }
        jobIsNext = true
        return take(limit)
    }

    private mutating func take(_ limit: Int) -> [Request] {
        var batch: [Request] = []
        batch.reserveCapacity(min(limit, count))
        // Round by round, one request of each NAS. The next batch begins with the NAS that this one did not reach.
        var place = 0
        while batch.count < limit, !turns.isEmpty {
            if place >= turns.count { place = 0 }
            let nas = turns[place]
            if let request = queues[nas]?.removeFirst() {
                batch.append(request)
                place += 1
            }
            if queues[nas]?.isEmpty ?? true {
                queues[nas] = nil
                turns.removeAll { $0 == nas }
                if place > 0 { place -= 1 }
            }
        }
        if place > 0, place < turns.count { turns = Array(turns[place...] + turns[..<place]) }
        count -= batch.count
        return batch
    }

    /// No more work is taken; what waited of administrative changes is handed back.
    mutating func close() -> [ExclusiveJob] {
        isClosed = true
        defer { (queues, turns, count, jobs) = ([:], [], 0, []) }
        return jobs
    }
}

/// Requests of one NAS, first in, first out.
private struct FIFO {
    private var requests: [Request] = []
    private var head = 0

    var count: Int { requests.count - head }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ request: Request) { requests.append(request) }

    mutating func removeFirst() -> Request? {
        guard head < requests.count else { return nil }
        defer {
            head += 1
            if head == requests.count {
                requests.removeAll(keepingCapacity: true)
                head = 0
            } else if head >= 1024, head > requests.count / 2 {
                requests.removeFirst(head)
                head = 0
            }
        }
        return requests[head]
    }

    /// The newest.
    mutating func removeLast() -> Request? { isEmpty ? nil : requests.removeLast() }
}

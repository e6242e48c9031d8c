import Domain
import Logging
import Metrics
import PolicyCompiler
import ServiceLifecycle
import Store
import Synchronization

/// The one consumer of ordered work: everything that changes both the store and the kernel passes through its loop.
///
/// Attach and accounting requests that are waiting share one store transaction and one netlink batch, so that the
/// costs of fsync and of a kernel commit are divided among them under load, and latency stays low without it.
/// Administrative changes run between batches, alone. No answer leaves before the store has committed and the kernel
/// has the change.
final class Engine: Service {
    let store: any Store
    let dataPlane: any DataPlane
    let settings: ControlSettings
    private let tunnels: TunnelBook
    let now: @Sendable () -> Timestamp
    let logger: Logger
    let stops = StopWaiters()
    let usage = UsageBook()
    let accessPoints: AccessPointBook
    let sessionPolicies: SessionPolicyBook
    let limits: LimitBook
    let wallClock: WallClock
    let followUp = SessionFollowUp()
    private let queue: Mutex<WorkQueue>
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation
    private let metrics = EngineMetrics()
    let verdicts: VerdictBook
    let refusals: RefusalBook
    /// In a manufacturing test.
    let simsInTest = Mutex<Set<SIM.ID>>([])
    /// Whether a NAS may have lost sessions that are not ended yet.
    let hasLosses = Atomic<Bool>(true)
    /// When each NAS was last heard.
    let heard = Mutex<[NAS.ID: ContinuousClock.Instant]>([:])

    init(
        store: any Store, dataPlane: any DataPlane, settings: ControlSettings, tunnels: TunnelBook,
        accessPoints: AccessPointBook, sessionPolicies: SessionPolicyBook, limits: LimitBook, verdicts: VerdictBook,
        refusals: RefusalBook, wallClock: WallClock, now: @escaping @Sendable () -> Timestamp, logger: Logger
    ) {
        self.accessPoints = accessPoints
        self.sessionPolicies = sessionPolicies
        self.limits = limits
        self.verdicts = verdicts
        self.refusals = refusals
        self.wallClock = wallClock
        self.store = store
        self.dataPlane = dataPlane
        self.settings = settings
        self.tunnels = tunnels
        self.now = now
        self.logger = logger
        queue = Mutex(WorkQueue(capacity: settings.queueCapacity))
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: Entrances

    /// Queues a request from a NAS. The completion is called once: from the engine's loop, or, when the request has to
    /// give way to another NAS's, from the caller that queued that one.
    /// - Returns: `false` when the queue is full: the request is shed, counted, and the completion never called.
    func submit(_ request: Request) -> Bool {
        switch queue.withLock({ $0.append(request) }) {
        case .queued: break
        case .displacing(let other):
            metrics.shed.increment()
            other.complete(.dropped)
        case .refused:
            metrics.shed.increment()
            return false
        }
        wakeUp.yield()
        return true
    }

    /// Runs an administrative change on the loop, alone, and returns what it returns.
    func exclusively<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let job = ExclusiveJob {
                do { continuation.resume(returning: try await body()) } catch { continuation.resume(throwing: error) }
            } refuse: {
                continuation.resume(throwing: ControlError(.unavailable, "the daemon is stopping; try again"))
            }
            if queue.withLock({ $0.append(job) }) { wakeUp.yield() } else { job.refuse() }
        }
    }

    // MARK: Loop

    func run() async throws {
        await withGracefulShutdownHandler {
            for await _ in wakeUps {
                while let next = queue.withLock({ $0.next(limit: settings.batchLimit) }) {
                    switch next {
                    case .requests(let batch): await process(batch)
                    case .exclusive(let job): await job.run()
                    }
                }
            }
        } onGracefulShutdown: {
            self.wakeUp.finish()
        }
        // What is still waiting is refused, not dropped silently: requests of a NAS are asked again by it.
        for job in queue.withLock({ $0.close() }) { job.refuse() }
    }

    private func process(_ batch: [Request]) async {
        let started = ContinuousClock.now
        let (fresh, late) = batch.split { started - $0.received <= settings.maximumWait }
        if !late.isEmpty {
            metrics.late.increment(by: late.count)
            for request in late { request.complete(.dropped) }
        }
        heard.withLock { heard in for request in batch { heard[request.nas] = started } }
        guard !fresh.isEmpty else { return }

        let changesBefore = verdicts.changes
        let outcomes: [Outcome]
        do {
            let now = now()
            let work = BatchTransaction(
                requests: fresh.map(\.question), settings: settings, owners: accessPoints.owners,
                judging: SessionJudging(book: sessionPolicies, limits: limits, wallClock: wallClock, now: now),
                simsInTest: simsInTest.withLock { $0 }, refusals: refusals, now: now)
            let result = try await run(work)
            outcomes = result.outcomes
            refusals.note(outcomes.compactMap(\.refusal), told: result.told, at: now)
        } catch {
            metrics.storeFailures.increment()
            logger.error(
                "no request could be stored; requests stay unanswered until the store takes them",
                metadata: ["error": "\(error)", "requests": "\(fresh.count)"])
            for request in fresh { request.complete(.dropped) }
            return
        }

        verdicts.remember(Self.rejections(fresh, outcomes), since: changesBefore, at: started)
        var enforced = true
        let changes = Self.lastChangePerDevice(outcomes.flatMap(\.changes))
        do {
            try limits.enforce(outcomes.flatMap(\.limits) + outcomes.flatMap(\.judged).compactMap(\.limits)) {
                if !changes.isEmpty { try dataPlane.apply(changes) }
            }
        } catch {
            enforced = false
            metrics.kernelFailures.increment()
            logger.error(
                "the kernel did not take a batch; it will be repaired and the NAS will ask again",
                metadata: ["error": "\(error)", "devices": "\(changes.count)"])
        }
        for (request, outcome) in zip(fresh, outcomes) {
            metrics.count(outcome)
            // An answer that lets a device in needs the kernel; a stop is true once it is stored.
            let isAnswerable = enforced || outcome.changes.allSatisfy(\.isRemoval)
            request.complete(isAnswerable ? outcome.answer : .dropped)
            // Its tenant may have been given a block for it.
            if let (address, tenant) = outcome.lease { tunnels.note(address, of: tenant) }
            if let fault = outcome.fault {
                logger.error("a request could not be decided", metadata: ["error": "\(fault)"])
            }
            if outcome.lacksNAT {
                logger.warning(
                    "NAT 1 has no port block left: a device has no way to the internet; add public addresses to nat.public",
                    metadata: ["capacity": "\(settings.natPlan.capacity)"])
            }
            if outcome.lacksPrefixes {
                logger.warning("no pool of IPv6 prefixes has a block left: a device has IPv4 alone; add a pool")
            }
        }
        followUp.note(outcomes.flatMap(\.judged))
        if outcomes.contains(where: \.leavesLoss) { hasLosses.store(true, ordering: .releasing) }
        let ended = outcomes.flatMap(\.ended)
        if !ended.isEmpty {
            stops.confirm(ended)
            usage.noteEnds(ended)
        }
        metrics.batchSize.record(fresh.count)
        metrics.batchTime.record(duration: ContinuousClock.now - started)
    }

    /// All requests together; when one of them is at fault, which is rare, once more, each to itself.
    private func run(_ work: BatchTransaction) async throws -> BatchTransaction.Result {
        do {
            return try await store.write { transaction in try work.run(in: transaction, isAlone: false) }
        } catch let error as StoreError where error.code != .unavailable {
            return try await store.write { transaction in try work.run(in: transaction, isAlone: true) }
        }
    }

    private static func rejections(
        _ requests: [Request], _ outcomes: [Outcome]
    ) -> [(request: AttachRequest, reason: AttachRejection)] {
        zip(requests, outcomes).compactMap { request, outcome in
            guard case .attach(let attach) = request.question, case .attach(.reject(let reason)) = outcome.answer
            else { return nil }
            return (attach, reason)
        }
    }

    /// The last change of each device, in the order of first appearance.
    private static func lastChangePerDevice(_ changes: [DeviceChange]) -> [DeviceChange] {
        var places: [IPAddress: Int] = [:]
        var result: [DeviceChange] = []
        for change in changes {
            if let place = places[change.address] {
                result[place] = change
            } else {
                places[change.address] = result.count
                result.append(change)
            }
        }
        return result
    }
}

extension Array {
    fileprivate func split(_ isFirst: (Element) -> Bool) -> (first: [Element], second: [Element]) {
        var (first, second): ([Element], [Element]) = ([], [])
        for element in self {
            if isFirst(element) { first.append(element) } else { second.append(element) }
        }
        return (first, second)
    }
}

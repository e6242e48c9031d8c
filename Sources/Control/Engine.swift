import Dispatch
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
/// has the change; while the kernel is given one batch, the store takes the next.
final class Engine: Service {
    let store: any Store
    let dataPlane: any DataPlane
    let settings: ControlSettings
    let tunnels: TunnelBook
    let now: @Sendable () -> Timestamp
    let logger: Logger
    let stops = StopWaiters()
    let usage = UsageBook()
    let accessPoints: AccessPointBook
    let sessionPolicies: SessionPolicyBook
    let limits: LimitBook
    let wallClock: WallClock
    let followUp = SessionFollowUp()
    /// Where the kernel is waited for, so that nobody else's thread is.
    private let enforcement = DispatchQueue(label: "cordon.enforcement")
    private let queue: Mutex<WorkQueue>
    private let progress = Mutex(Progress())
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation
    let metrics = EngineMetrics()
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

    /// Batches that have begun.
    private struct Progress {
        /// In the store, or on their way there.
        var storing = 0
        /// Not answered yet.
        var begun = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    /// One is given to the kernel, one stored, and one is next.
    private static let batchesAtOnce = 3

    func run() async throws {
        await withGracefulShutdownHandler {
            for await _ in wakeUps { await beginWork() }
        } onGracefulShutdown: {
            self.wakeUp.finish()
        }
        await workHasEnded()
        // What is still waiting is refused, not dropped silently: requests of a NAS are asked again by it.
        for job in queue.withLock({ $0.close() }) { job.refuse() }
    }

    /// Begins what can be begun; whoever ends something wakes the loop for the rest. While one batch is given to the kernel and
    /// answered, the next is stored, and the one behind it made ready, when it is whole: what is less waits for more. Batches
    /// stay in their order, and an administrative change has none beside it.
    private func beginWork() async {
        while true {
            let (storing, begun) = progress.withLock { ($0.storing, $0.begun) }
            guard begun < Self.batchesAtOnce, storing < 2 else { return }
            guard storing == 0 else {
                guard let whole = queue.withLock({ $0.nextWhole(limit: settings.batchLimit) }) else { return }
                begin(whole)
                continue
            }
            switch queue.withLock({ $0.next(limit: settings.batchLimit) }) {
            case .requests(let batch): begin(batch)
            case .exclusive(let job):
                await workHasEnded()
                await job.run()
            case nil: return
            }
        }
    }

    /// Returns when no batch is under way.
    private func workHasEnded() async {
        await withCheckedContinuation { continuation in
            let isOver = progress.withLock { progress in
                if progress.begun > 0 { progress.waiter = continuation }
                return progress.begun == 0
            }
            if isOver { continuation.resume() }
        }
    }

    private func begin(_ batch: [Request]) {
        guard let ready = prepare(batch) else { return }
        progress.withLock { progress in
            progress.storing += 1
            progress.begun += 1
        }
        let work = ready.work
        store.queueWrite(
            { transaction in try work.run(in: transaction, isAlone: false) },
            orElse: { transaction in try work.run(in: transaction, isAlone: true) }
        ) { result in self.end(ready, result) }
    }

    /// Before the next batch is stored.
    private func end(_ batch: ReadyBatch, _ result: Result<BatchTransaction.Result, any Error>) {
        let stored = note(batch, result)
        progress.withLock { $0.storing -= 1 }
        wakeUp.yield()
        enforcement.async {
            if let stored { self.enforce(stored) }
            let waiter = self.progress.withLock { progress in
                progress.begun -= 1
                return progress.begun == 0 ? progress.waiter.take() : nil
            }
            waiter?.resume()
            self.wakeUp.yield()
        }
    }
}

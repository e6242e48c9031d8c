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

    func run() async throws {
        await withGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { enforcing in
                for await _ in wakeUps { await drain(&enforcing) }
            }
        } onGracefulShutdown: {
            self.wakeUp.finish()
        }
        // What is still waiting is refused, not dropped silently: requests of a NAS are asked again by it.
        for job in queue.withLock({ $0.close() }) { job.refuse() }
    }

    /// Does what is waiting. While one batch is given to the kernel and answered, the next is stored, when it comes, and the one
    /// behind it made ready, when it is whole: each is of another part of the machine, and batches stay in their order. An
    /// administrative change has none of them beside it.
    private func drain(_ enforcing: inout TaskGroup<Void>) async {
        var ready: ReadyBatch?
        while true {
            if ready == nil {
                switch queue.withLock({ $0.next(limit: settings.batchLimit) }) {
                case .requests(let batch): ready = prepare(batch)
                case .exclusive(let job):
                    await enforcing.waitForAll()
                    await job.run()
                case nil: return
                }
            }
            guard let batch = ready.take() else { continue }
            async let storing = store(batch)
            ready = queue.withLock { $0.nextWhole(limit: settings.batchLimit) }.flatMap(prepare)
            let stored = await storing
            await enforcing.waitForAll()
            guard let stored else { continue }
            limits.expect(stored.outcomes)
            enforcing.addTask { await self.enforceAside(stored) }
        }
    }

    private func enforceAside(_ batch: StoredBatch) async {
        await withCheckedContinuation { continuation in
            enforcement.async {
                self.enforce(batch)
                continuation.resume()
            }
        }
    }
}

import Domain
import Logging
import PolicyCompiler
import ServiceLifecycle
import Store
import Synchronization

/// Hands what the kernel tells of traced packets to those who trace. As long as nobody does, it sleeps, and nothing of it
/// is in the kernel.
final class TraceHub: Service {
    /// What has come since the last time.
    struct Batch: Sendable {
        let packets: [TracedPacket]
        /// How many packets each device has had; `nil` between two readings.
        let counts: [IPAddress: UInt64]?
        /// The packets were noted after this time, and before that.
        let since: Timestamp
        let time: Timestamp
    }

    enum Delivery: Sendable {
        case batch(Batch)
        case failed(DataPlaneError)
    }

    /// A place among those who trace, until it is given back or nobody reads the deliveries any more.
    struct Membership: Sendable {
        fileprivate let id: UInt64
        let deliveries: AsyncStream<Delivery>
    }

    private struct Member {
        let owner: APIToken.Role
        var addresses: Set<IPAddress>
        let deliveries: AsyncStream<Delivery>.Continuation
    }

    private struct State {
        var members: [UInt64: Member] = [:]
        var lastID: UInt64 = 0
        /// Counts joins and moves.
        var edition = 0
        var isClosed = false
    }

    private let tracing: any PacketTracing
    private let limits: TraceLimits
    private let now: @Sendable () -> Timestamp
    private let logger: Logger
    private let state = Mutex(State())
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    /// Twice this is how late a packet is told.
    private static let pause: Duration = .milliseconds(25)
    /// Batches that wait for somebody slow; what comes then is left out.
    private static let waiting = 40

    init(
        tracing: any PacketTracing, limits: TraceLimits, now: @escaping @Sendable () -> Timestamp, logger: Logger
    ) {
        self.tracing = tracing
        self.limits = limits
        self.now = now
        self.logger = logger
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: Members

    /// - Throws: `.tooMany`, when as many trace as may.
    func join(_ owner: APIToken.Role, addresses: Set<IPAddress>) throws(ControlError) -> Membership {
        let (deliveries, continuation) = AsyncStream<Delivery>.makeStream(
            bufferingPolicy: .bufferingNewest(Self.waiting))
        let id = try state.withLock { state throws(ControlError) in
            guard !state.isClosed else { throw ControlError(.unavailable, "the daemon is stopping; try again") }
            try limits.check(owner, beside: state.members.values.map(\.owner))
            state.lastID += 1
            state.edition += 1
            state.members[state.lastID] = Member(owner: owner, addresses: addresses, deliveries: continuation)
            return state.lastID
        }
        // Whoever asked has gone away without saying so.
        continuation.onTermination = { [weak self] _ in self?.remove(id) }
        wakeUp.yield()
        return Membership(id: id, deliveries: deliveries)
    }

    func move(_ membership: Membership, to addresses: Set<IPAddress>) {
        state.withLock { state in
            guard state.members[membership.id] != nil, state.members[membership.id]?.addresses != addresses else {
                return
            }
            state.members[membership.id]?.addresses = addresses
            state.edition += 1
        }
    }

    func leave(_ membership: Membership) { remove(membership.id)?.deliveries.finish() }

    @discardableResult
    private func remove(_ id: UInt64) -> Member? { state.withLock { $0.members.removeValue(forKey: id) } }

    /// How many trace now.
    var count: Int { state.withLock { $0.members.count } }

    // MARK: Loop

    func run() async throws {
        // What an earlier process has left.
        stopTracing()
        await cancelWhenGracefulShutdown {
            for await _ in self.wakeUps { await self.serve() }
        }
        let members = state.withLock { state in
            state.isClosed = true
            defer { state.members = [:] }
            return Array(state.members.values)
        }
        for member in members { member.deliveries.finish() }
    }

    /// Until nobody traces any more.
    private func serve() async {
        defer { stopTracing() }
        var since = now()
        var edition: Int?
        var nextCount = ContinuousClock.now
        while !Task.isCancelled {
            let (members, present) = state.withLock { ($0.members, $0.edition) }
            guard !members.isEmpty else { return }
            do throws(DataPlaneError) {
                try tracing.trace(members.values.reduce(into: []) { $0.formUnion($1.addresses) })
                let isDue = present != edition || ContinuousClock.now >= nextCount
                let counts = isDue ? try tracing.tracedCounts() : nil
                if isDue { nextCount = ContinuousClock.now + .seconds(1) }
                edition = present
                let packets = try tracing.tracedPackets()
                let time = now()
                for member in members.values {
                    deliver(packets, counts, since: since, time: time, to: member)
                }
                since = time
            } catch {
                logger.error("packets cannot be traced", metadata: ["error": "\(error)"])
                for (id, member) in members {
                    member.deliveries.yield(.failed(error))
                    remove(id)?.deliveries.finish()
                }
            }
            // Cancelled at shutdown: the loop's condition ends it.
            try? await Task.sleep(for: Self.pause)
        }
    }

    private func deliver(
        _ packets: [TracedPacket], _ counts: [IPAddress: UInt64]?, since: Timestamp, time: Timestamp, to member: Member
    ) {
        let own = packets.filter { member.addresses.contains($0.device) }
        guard !own.isEmpty || counts != nil else { return }
        member.deliveries.yield(
            .batch(
                Batch(
                    packets: own, counts: counts?.filter { member.addresses.contains($0.key) }, since: since,
                    time: time)))
    }

    private func stopTracing() {
        do throws(DataPlaneError) {
            try tracing.trace([])
        } catch {
            logger.error("the kernel's table for tracing could not be removed", metadata: ["error": "\(error)"])
        }
    }
}

/// How much may be traced at the same time.
public struct TraceLimits: Sendable {
    /// By the tokens of one tenant.
    public var perTenant = 4
    /// By all. The last of them are the operator's.
    public var inAll = 16
    public var keptForOperator = 4

    public init() {}

    func check(_ owner: APIToken.Role, beside others: [APIToken.Role]) throws(ControlError) {
        let (own, room) =
            switch owner {
            case .operator: (0, inAll)
            case .tenant: (others.count { $0 == owner }, inAll - keptForOperator)
            }
        guard own < perTenant else {
            throw ControlError(.tooMany, "\(perTenant) traces of yours are running, which is as many as may; end one")
        }
        guard others.count < room else {
            throw ControlError(.tooMany, "as many traces are running as the gateway takes; try again in a minute")
        }
    }
}

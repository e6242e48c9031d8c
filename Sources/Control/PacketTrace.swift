import Domain
import PolicyCompiler
import ServiceLifecycle
import Store

extension ControlPlane {
    /// Begins to trace what the SIM's devices send and are sent. The trace is written down, as a change is.
    /// - Throws: `.notFound` for a SIM of somebody else, as for one that does not exist; `.tooMany` when as many trace as
    ///   may; `.unavailable` on a gateway that cannot.
    public func trace(_ question: TraceQuestion, by principal: Principal) async throws(ControlError) -> PacketTrace {
        guard let traceHub else { throw ControlError(.unavailable, "this gateway does not trace packets") }
        let sim = try await read { store in try store.visibleSIM(question.imsi, to: principal) }
        // Nothing yet: which addresses are the SIM's is looked up when the trace runs, and each second.
        let membership = try traceHub.join(principal.role, addresses: [])
        let trace = PacketTrace(
            control: self, hub: traceHub, membership: membership, sim: sim.id, question: question,
            principal: principal)
        do throws(ControlError) {
            try await write("sim.trace", "\(question.imsi)", by: principal) { store, _ in
                _ = try store.visibleSIM(question.imsi, to: principal)
            }
        } catch {
            traceHub.leave(membership)
            throw error
        }
        return trace
    }

    /// How many trace now.
    public var traces: Int { traceHub?.count ?? 0 }
}

/// A trace that has begun. It ends with its time, when its reader goes away, or when this is forgotten.
public struct PacketTrace: Sendable {
    let control: ControlPlane
    let hub: TraceHub
    let membership: TraceHub.Membership
    let sim: SIM.ID
    let question: TraceQuestion
    let principal: Principal

    /// The most that may be asked for.
    public static let longest: Duration = .seconds(600)

    /// Tells everything until the end, which is told too. To be called once.
    public func run(_ tell: (TraceEvent) async throws -> Void) async throws {
        defer { hub.leave(membership) }
        var run = TraceRun(trace: self)
        var reason = "the daemon is stopping"
        try await run.begin()
        for await delivery in membership.deliveries.cancelOnGracefulShutdown() {
            switch delivery {
            case .failed(let error): reason = "the gateway cannot trace: \(error)"
            case .batch(let batch):
                guard let end = try await run.take(batch, tell) else { continue }
                reason = end
            }
            break
        }
        try await tell(.end(reason: reason, run.status))
    }
}

/// The state of a trace that runs.
private struct TraceRun {
    let trace: PacketTrace
    private let start = ContinuousClock.now
    private let end: ContinuousClock.Instant
    private(set) var status = TraceStatus()
    private var told: (status: TraceStatus, at: ContinuousClock.Instant)?
    /// The sessions by their addresses, with the times of their beginning.
    private var sessions: [IPAddress: Timestamp] = [:]
    private var reference: TraceReference?
    /// What was in force before, and until when.
    private var earlier: (reference: TraceReference, until: Timestamp)?
    private var count = TraceCount()
    /// How many packets were told in this second of the trace.
    private var second: (start: ContinuousClock.Instant, packets: Int)

    init(trace: PacketTrace) {
        self.trace = trace
        end = start + min(trace.question.time, PacketTrace.longest)
        second = (start, 0)
    }

    /// The first status is told when the kernel has what is to be traced.
    mutating func begin() async throws { _ = try await lookUp() }

    /// - Returns: why the trace ends, `nil` when it goes on.
    mutating func take(_ batch: TraceHub.Batch, _ tell: (TraceEvent) async throws -> Void) async throws -> String? {
        guard try await lookUp() else { return "the SIM is not there any more" }
        for packet in batch.packets {
            // An address that came to this SIM in between may have been another's when the packet was noted.
            guard let begun = sessions[packet.device], begun <= batch.since else { continue }
            count.seen += 1
            guard trace.question.isAllowed.map({ $0 == packet.fate.isPassed }) ?? true else { continue }
            guard mayTell() else {
                count.seen -= 1
                continue
            }
            if let verdict = verdict(packet, at: batch.time) {
                status.packets += 1
                try await tell(.packet(verdict))
            }
            if let limit = trace.question.limit, status.packets >= limit {
                note(batch)
                return "as many packets as were asked for"
            }
        }
        note(batch)
        guard ContinuousClock.now < end else { return "its time is over" }
        if isNews(batch) {
            told = (status, .now)
            try await tell(.status(status))
        }
        return nil
    }

    private func isNews(_ batch: TraceHub.Batch) -> Bool {
        if ContinuousClock.now - (told?.at ?? start) >= .seconds(2) { return true }
        guard let counts = batch.counts, sessions.keys.allSatisfy({ counts[$0] != nil }) else { return false }
        return told.map { !$0.status.hasSameNews(as: status) } ?? true
    }

    private mutating func note(_ batch: TraceHub.Batch) {
        if let counts = batch.counts { count.note(counts) }
        status.leftOut = max(status.leftOut, count.leftOut)
    }

    private mutating func mayTell() -> Bool {
        let now = ContinuousClock.now
        if now - second.start >= .seconds(1) { second = (now, 0) }
        second.packets += 1
        return second.packets <= trace.question.packetsPerSecond
    }

    // MARK: Who and what

    /// Looks up which addresses are the SIM's and which policy judges it, now.
    /// - Returns: whether there is such a SIM, for the one who asked.
    private mutating func lookUp() async throws -> Bool {
        let (trace, control) = (trace, trace.control)
        let found = try await control.read { store -> (sessions: [Session], policy: Policy?, changes: Int)? in
            guard let sim = try store.sim(imsi: trace.question.imsi), sim.id == trace.sim,
                trace.principal.maySee(sim.tenant)
            else { return nil }
            let policy = try store.effectivePolicy(of: sim.id).flatMap { try store.policy($0) }
            return (try store.activeSessions(of: sim.id), policy, control.book.changesOfScope(of: sim.tenant))
        }
        guard let found else { return false }
        sessions = Dictionary(
            found.sessions.flatMap { session in session.devices.map { ($0, session.startedAt) } }
        ) { $1 }
        status.addresses = sessions.keys.sorted()
        trace.hub.move(trace.membership, to: Set(sessions.keys))
        count.forget(allBut: sessions.keys)
        let isCurrent =
            reference.map { reference in
                reference.policy?.id == found.policy?.id && reference.policy?.version == found.policy?.version
                    && reference.changesOfScope == found.changes
            } ?? false
        if !isCurrent {
            if let reference { earlier = (reference, control.now()) }
            // One that is not valid any more blocks everything, as none does.
            let validated: ValidatedPolicy? =
                if let policy = found.policy {
                    try? await control.compiled(policy, named: "\(policy.name).yaml").policy
                } else { nil }
            reference = TraceReference(policy: found.policy, validated: validated, changesOfScope: found.changes)
        }
        return true
    }

    private func verdict(_ packet: TracedPacket, at time: Timestamp) -> PacketVerdict? {
        let situation = trace.control.situation(at: time)
        let verdict = reference?.verdict(packet, at: time, in: situation)
        // A packet that came just before a change has been judged by what was in force then.
        if verdict?.difference != nil, let earlier, time.milliseconds - earlier.until.milliseconds < 1000 {
            let before = earlier.reference.verdict(packet, at: time, in: situation)
            if before.difference == nil { return before }
        }
        return verdict
    }
}

extension TraceStatus {
    /// But for the number of packets, which whoever reads them counts.
    fileprivate func hasSameNews(as other: Self) -> Bool { addresses == other.addresses && leftOut == other.leftOut }
}

/// How many packets a trace has left out.
struct TraceCount {
    /// Packets of which all was seen.
    var seen: UInt64 = 0
    /// By the kernel's count, at its last reading.
    private var all: UInt64 = 0
    /// At one so long before that those packets have come by now.
    private var settled: UInt64 = 0
    private var waiting: (all: UInt64, since: ContinuousClock.Instant)?
    private var last: [IPAddress: UInt64] = [:]

    var leftOut: UInt64 { settled > seen ? settled - seen : 0 }

    /// What a device has had before the first reading is not this trace's. A count that went back began anew.
    mutating func note(_ counts: [IPAddress: UInt64], at time: ContinuousClock.Instant = .now) {
        if let waiting, time - waiting.since >= .milliseconds(500) {
            settled = waiting.all
            self.waiting = nil
        }
        for (device, count) in counts {
            if let last = last[device] { all += count >= last ? count - last : count }
            last[device] = count
        }
        if waiting == nil { waiting = (all, time) }
    }

    mutating func forget(allBut devices: some Collection<IPAddress>) {
        last = last.filter { devices.contains($0.key) }
    }
}

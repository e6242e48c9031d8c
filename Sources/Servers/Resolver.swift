import Control
import DNS
import Domain
import Logging
import Metrics
import NIOCore
import Synchronization

/// What one event loop does with devices' queries: judges them, answers from its cache or from upstreams, and teaches the
/// kernel what it answers. Everything happens on the loop, except for the lessons, which leave it and come back once.
final class Resolver {
    let eventLoop: any EventLoop
    let settings: DNSSettings
    let logger: Logger
    var metrics = DNSMetrics()
    /// Connections of devices.
    var streams: [ObjectIdentifier: DNSStreamHandler] = [:]

    private let names: any NameService
    private let limits: DeviceLimits
    /// This loop's part of what may wait, and of the cache.
    let share: Int
    var cache: AnswerCache
    var links: [Upstream: UpstreamLink] = [:]
    /// The gateway's own, and those of tenants that have some.
    var common: UpstreamSet?
    var sets: [[Upstream]: UpstreamSet] = [:]
    var nextScope: AnswerCache.Scope = 0
    var lookups: [Lookup.Key: Lookup] = [:]
    var waiting = 0
    var waitingOfTenant: [Tenant.ID: Int] = [:]
    private var held: [UInt64: HeldAnswer] = [:]
    private var nextHeld: UInt64 = 0
    private var isGivingLessons = false
    var openUpstreamStreams = 0
    private var scratch: [UInt8] = []
    private var ticks: RepeatedTask?
    private var sweepAt = NIODeadline.now()

    static let mostUpstreamStreams = 128

    init(
        eventLoop: any EventLoop, loops: Int, names: any NameService, limits: DeviceLimits, settings: DNSSettings,
        logger: Logger
    ) {
        self.eventLoop = eventLoop
        self.names = names
        self.limits = limits
        self.settings = settings
        self.logger = logger
        share = max(1, loops)
        cache = AnswerCache(capacity: settings.cacheOctets / max(1, loops))
        scratch.reserveCapacity(4096)
    }

    // MARK: Queries

    func take(_ bytes: Span<UInt8>, from device: IPAddress, over path: ReplyPath) {
        guard let client = names.client(at: device) else {
            metrics.drop(.noSession)
            return path.abandon()
        }
        let now = NIODeadline.now()
        let verdict = limits.admit(device, of: client.tenant, at: Int64(now.uptimeNanoseconds))
        let query: QueryMessage
        do throws(MessageError) { query = try QueryMessage(decoding: bytes) } catch {
            metrics.malformed(error)
            guard verdict == .admitted, QueryMessage.writeError(error, answering: bytes, into: &scratch) else {
                return path.abandon()
            }
            return path.send(scratch)
        }
        var asked = Asked(
            client: client, device: device, query: query, name: query.name(in: bytes), path: path, since: now)
        guard verdict == .admitted else { return exceed(verdict, asked, bytes) }
        guard query.recordClass == QueryMessage.internet, query.isRecursionDesired else {
            query.writeAnswer(.refused, to: bytes, into: &scratch)
            return path.send(scratch)
        }
        let judgement = client.filter.judgement(on: asked.name)
        if isSettled(judgement.verdict, asked, bytes) { return }
        asked.isRuled = judgement.isRuled
        let question = Question(
            name: asked.name, type: query.type, isDNSSECOK: query.isDNSSECOK,
            isCheckingDisabled: query.isCheckingDisabled)
        let upstreams = upstreamSet(client.upstreams, at: now)
        if let hit = cache.answer(to: question, scope: upstreams.scope, at: Self.seconds(now)) {
            return deliver(hit.answer, age: hit.age, to: asked, bytes, isFromCache: true)
        }
        look(for: Lookup.Key(question: question, scope: upstreams.scope), asked, bytes, upstreams)
    }

    static func seconds(_ time: NIODeadline) -> Int64 { Int64(time.uptimeNanoseconds / 1_000_000_000) }

    private func exceed(_ verdict: DeviceLimits.Verdict, _ asked: Asked, _ bytes: Span<UInt8>) {
        metrics.drop(verdict == .deviceLimit ? .deviceLimit : .tenantLimit)
        note(asked, .limited, .refused)
        switch asked.path {
        // An answer to each query of a flood is a flood too.
        case .datagram: break
        case .stream:
            asked.query.writeAnswer(
                .refused, ExtendedError(.prohibited, "too many queries"), to: bytes, into: &scratch)
            asked.path.send(scratch)
        }
    }

    /// Does what a verdict says, unless it is that the query goes on.
    /// - Parameter alias: whom it is about, when that is not the name that was asked for.
    private func isSettled(
        _ verdict: NameFilter.Verdict, _ asked: Asked, _ bytes: Span<UInt8>, alias: WireName? = nil
    ) -> Bool {
        switch verdict {
        case .allowed: return false
        case .allowedOverTCP:
            guard case .datagram = asked.path else { return false }
            asked.query.writeTruncated(to: bytes, into: &scratch)
            asked.path.send(scratch)
            metrics.truncated.increment()
            return true
        case .refused(let reason):
            let outcome = alias.map { QueryRecord.Outcome.refusedAlias($0, reason) } ?? .refused(reason)
            refuse(asked, bytes, asked.client.refusal(reason), outcome)
            return true
        }
    }

    func refuse(_ asked: Asked, _ bytes: Span<UInt8>, _ refusal: Refusal, _ outcome: QueryRecord.Outcome) {
        metrics.refused.increment()
        let code: ResponseCode
        switch refusal.content {
        case .nothing:
            asked.path.abandon()
            return note(asked, outcome, .noError)
        case .local(let answer):
            code =
                switch answer {
                case .nxdomain: .nameError
                case .refused: .refused
                case .nodata, .address: .noError
                }
            asked.query.writeAnswer(answer, for: settings.blockSeconds, refusal.error, to: bytes, into: &scratch)
        case .records(let records):
            code = .noError
            let records = records.compactMap { $0.record(answering: asked.name, asked.query.type) }
            if records.isEmpty {
                asked.query.writeAnswer(.nodata, for: settings.blockSeconds, refusal.error, to: bytes, into: &scratch)
            } else {
                asked.query.writeAnswer(
                    records: records, refusal.error, limit: asked.path.limit(of: asked.query), to: bytes,
                    into: &scratch)
            }
        }
        asked.path.send(scratch)
        note(asked, outcome, code)
    }

    func fail(_ asked: Asked, _ bytes: Span<UInt8>, _ error: ExtendedError) {
        asked.query.writeAnswer(.serverFailure, error, to: bytes, into: &scratch)
        asked.path.send(scratch)
        metrics.failed.increment()
        note(asked, .failed, .serverFailure)
    }

    private func note(_ asked: Asked, _ outcome: QueryRecord.Outcome, _ code: ResponseCode) {
        let took = (NIODeadline.now() - asked.since).nanoseconds
        metrics.seconds.recordNanoseconds(took)
        names.note(
            QueryRecord(
                device: asked.device, tenant: asked.client.tenant, policy: asked.client.policy,
                group: asked.client.group, name: asked.name, type: asked.query.type, outcome: outcome,
                responseCode: UInt8(truncatingIfNeeded: code.rawValue),
                microseconds: UInt32(clamping: took / 1000)))
    }

    // MARK: Answers

    private struct HeldAnswer {
        let query: WaitingQuery
        let answer: UpstreamAnswer
        let age: UInt32
        let isFromCache: Bool
        let deadline: NIODeadline
    }

    func deliver(
        _ answer: UpstreamAnswer, age: UInt32, to asked: Asked, _ bytes: Span<UInt8>, isFromCache: Bool
    ) {
        let filter = asked.client.filter
        for alias in answer.review.aliases {
            if isSettled(filter.verdict(onAlias: alias), asked, bytes, alias: alias) { return }
        }
        for address in answer.review.addresses {
            if isSettled(filter.verdict(onAddress: address, of: asked.name), asked, bytes) { return }
        }
        // What no rule has opens nothing, and there is a lot of it.
        guard !answer.review.addresses.isEmpty,
            asked.isRuled || answer.review.aliases.contains(where: filter.isRuled)
        else { return send(answer, age: age, to: asked, bytes, isFromCache: isFromCache) }
        let number = nextHeld
        nextHeld += 1
        let meeting = Meeting()
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        let left = answer.review.timeToLive
        names.learn(
            NameLesson(
                policy: asked.client.policy, names: answer.review.names, addresses: answer.review.addresses,
                timeToLive: left > age ? left - age : 0, device: asked.device)
        ) { [eventLoop, late = metrics.late] result in
            if result == .late { late.increment() }
            guard meeting.arrive() == .second else { return }
            eventLoop.execute { this.value.release(number) }
        }
        guard meeting.arrive() == .first, held.count < settings.limits.waiting / share + 1 else {
            giveLessons()
            return send(answer, age: age, to: asked, bytes, isFromCache: isFromCache)
        }
        held[number] = HeldAnswer(
            query: WaitingQuery(asked: asked, octets: asked.query.octets(of: bytes)), answer: answer, age: age,
            isFromCache: isFromCache, deadline: .now() + TimeAmount(settings.lessonWait))
        giveLessons()
    }

    /// Gives what all answers of this turn of the loop teach, in one transaction.
    private func giveLessons() {
        guard !isGivingLessons else { return }
        isGivingLessons = true
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            this.value.isGivingLessons = false
            this.value.names.giveLessons()
        }
    }

    /// The lesson of an answer is in force, or its time is over.
    private func release(_ number: UInt64) {
        guard let held = held.removeValue(forKey: number) else { return }
        send(
            held.answer, age: held.age, to: held.query.asked, held.query.octets.span, isFromCache: held.isFromCache)
    }

    private func send(
        _ answer: UpstreamAnswer, age: UInt32, to asked: Asked, _ bytes: Span<UInt8>, isFromCache: Bool
    ) {
        asked.query.writeAnswer(
            answer, age: age, limit: asked.path.limit(of: asked.query), to: bytes, into: &scratch)
        if scratch[2] & 0x02 != 0 { metrics.truncated.increment() }
        asked.path.send(scratch)
        (isFromCache ? metrics.cached : metrics.resolved).increment()
        note(asked, isFromCache ? .answered : .resolved, answer.responseCode)
    }

    // MARK: Connections

    func admits(streamOf device: IPAddress) -> Bool {
        guard names.client(at: device) != nil else {
            metrics.drop(.noSession)
            return false
        }
        guard limits.openStream(of: device) else {
            metrics.drop(.connectionLimit)
            return false
        }
        metrics.streams.increment()
        return true
    }

    func ended(streamOf device: IPAddress) { limits.closeStream(of: device) }

    // MARK: Time

    func start() {
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        ticks = eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(20), delay: .milliseconds(20)) { _ in
            this.value.tick(at: .now())
        }
    }

    func stop() {
        ticks?.cancel()
        for link in links.values { link.close() }
        links = [:]
        common = nil
        sets = [:]
        lookups = [:]
        held = [:]
    }

    private func tick(at now: NIODeadline) {
        for (number, answer) in held where answer.deadline <= now {
            metrics.late.increment()
            release(number)
        }
        for lookup in lookups.values where !lookup.isDone {
            if lookup.deadline <= now {
                timeOut(lookup)
                finish(lookup)
            } else if lookup.nextAttemptAt <= now {
                timeOut(lookup)
                attempt(lookup, at: now)
            }
        }
        for link in links.values { link.tick(at: now) }
        guard now >= sweepAt else { return }
        sweepAt = now + .seconds(1)
        for stream in streams.values { stream.tick(at: now) }
        // What a tenant had as upstreams, until it changed them or went.
        for (upstreams, set) in sets where now - set.lastUsed > .minutes(5) { sets[upstreams] = nil }
        for (upstream, link) in links where now - link.lastUsed > .minutes(5) {
            let isInUse = { (set: UpstreamSet) in set.links.contains { $0 === link } }
            guard !(common.map(isInUse) ?? false), !sets.values.contains(where: isInUse) else { continue }
            link.close()
            links[upstream] = nil
        }
    }

    private func timeOut(_ lookup: Lookup) {
        metrics.upstreamTimeouts.increment()
        lookup.outstanding.last?.link.health.wasSilent()
    }
}

/// Two parties that come to one place, of which each learns whether it was the first.
private final class Meeting: Sendable {
    enum Place { case first, second }

    private let isTaken = Atomic(false)

    func arrive() -> Place { isTaken.exchange(true, ordering: .acquiringAndReleasing) ? .second : .first }
}

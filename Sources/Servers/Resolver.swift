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
    private let share: Int
    private var cache: AnswerCache
    private var links: [Upstream: UpstreamLink] = [:]
    /// The gateway's own, and those of tenants that have some.
    private var common: UpstreamSet?
    private var sets: [[Upstream]: UpstreamSet] = [:]
    private var nextScope: AnswerCache.Scope = 0
    private var lookups: [Lookup.Key: Lookup] = [:]
    private var waiting = 0
    private var waitingOfTenant: [Tenant.ID: Int] = [:]
    private var held: [UInt64: HeldAnswer] = [:]
    private var nextHeld: UInt64 = 0
    private var isGivingLessons = false
    private var openUpstreamStreams = 0
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

    private static func seconds(_ time: NIODeadline) -> Int64 { Int64(time.uptimeNanoseconds / 1_000_000_000) }

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

    private func refuse(_ asked: Asked, _ bytes: Span<UInt8>, _ refusal: Refusal, _ outcome: QueryRecord.Outcome) {
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

    private func fail(_ asked: Asked, _ bytes: Span<UInt8>, _ error: ExtendedError) {
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

    // MARK: Lookups

    private func look(for key: Lookup.Key, _ asked: Asked, _ bytes: Span<UInt8>, _ upstreams: UpstreamSet) {
        let tenant = asked.client.tenant
        let waitingOfThis = waitingOfTenant[tenant] ?? 0
        guard waiting < settings.limits.waiting / share + 1,
            waitingOfThis < settings.limits.waitingPerTenant / share + 1
        else {
            metrics.drop(.waitingLimit)
            return fail(asked, bytes, ExtendedError(.other, "too many queries wait"))
        }
        waiting += 1
        waitingOfTenant[tenant] = waitingOfThis + 1
        let waits = WaitingQuery(asked: asked, octets: asked.query.octets(of: bytes))
        if let lookup = lookups[key] {
            metrics.joined.increment()
            return lookup.waiting.append(waits)
        }
        let lookup = Lookup(key, upstreams: upstreams, now: asked.since, timing: settings.timing)
        lookup.waiting.append(waits)
        lookups[key] = lookup
        attempt(lookup, at: asked.since)
    }

    /// Asks whose turn it is.
    private func attempt(_ lookup: Lookup, at now: NIODeadline) {
        guard let link = lookup.upstreams.link(at: lookup.attempts, without: lookup.failed) else {
            return finish(lookup)
        }
        let round = lookup.attempts / max(1, lookup.upstreams.links.count)
        lookup.attempts += 1
        lookup.nextAttemptAt = now + TimeAmount(settings.timing.attempt) * (1 << min(round, 2))
        if !link.send(lookup.key.question, for: lookup, at: now) { failed(lookup, at: link) }
    }

    /// An answer that belongs to the lookup, as far as its header and question go.
    func received(_ bytes: Span<UInt8>, for lookup: Lookup, from link: UpstreamLink, isStream: Bool) {
        guard !lookup.isDone else { return }
        let answer: UpstreamAnswer
        do throws(AnswerError) {
            answer = try UpstreamAnswer(decoding: bytes, to: lookup.key.question)
        } catch {
            metrics.ignore(error)
            return failed(lookup, at: link)
        }
        if answer.isTruncated {
            guard !isStream, openUpstreamStreams < Self.mostUpstreamStreams else { return failed(lookup, at: link) }
            openUpstreamStreams += 1
            metrics.upstreamStreams.increment()
            lookup.nextAttemptAt = .now() + TimeAmount(settings.timing.attempt) * 5
            return UpstreamStream.open(to: link, for: lookup, resolver: self)
        }
        guard !answer.review.hasStrayAddresses else {
            metrics.ignore(.stray)
            return failed(lookup, at: link)
        }
        switch answer.responseCode {
        case .noError, .nameError: break
        case _ where answer.isBogus: break
        default:
            // Another may know better; if none does, this is what the device is told.
            lookup.failure = answer
            return failed(lookup, at: link)
        }
        end(lookup)
        let refused = settings.guarding.firstRefused(
            of: answer.review.addresses, isPrivate: link.upstream.isPrivate)
        if refused == nil { cache.insert(answer, scope: lookup.key.scope, at: Self.seconds(.now())) }
        for query in lookup.waiting {
            if let refused {
                metrics.rebinding.increment()
                refuse(query.asked, query.octets.span, query.asked.client.rebindingRefusal, .rebinding(refused))
            } else {
                deliver(answer, age: 0, to: query.asked, query.octets.span, isFromCache: false)
            }
        }
    }

    /// The upstream is of no use to this lookup.
    func failed(_ lookup: Lookup, at link: UpstreamLink) {
        guard !lookup.isDone else { return }
        lookup.failed.insert(ObjectIdentifier(link))
        attempt(lookup, at: .now())
    }

    /// Nobody is at the upstream's port. It may be there again soon: only another is asked at once.
    func refused(_ lookup: Lookup) {
        guard !lookup.isDone, lookup.attempts < lookup.upstreams.links.count else { return }
        attempt(lookup, at: .now())
    }

    func sawOtherCase(_ lookup: Lookup, on link: UpstreamLink) {
        lookup.caseMismatches += 1
        // A third would be somebody's guess, and what is waited for is in plain case by then.
        guard lookup.caseMismatches <= 2, !lookup.isDone else { return }
        _ = link.send(lookup.key.question, for: lookup, at: .now())
    }

    func streamEnded() { openUpstreamStreams -= 1 }

    /// Nobody answered in time, or nothing that can be passed on.
    private func finish(_ lookup: Lookup) {
        end(lookup)
        if let failure = lookup.failure, failure.responseCode != .formatError {
            if failure.lifetime > 0 { cache.insert(failure, scope: lookup.key.scope, at: Self.seconds(.now())) }
            for query in lookup.waiting {
                deliver(failure, age: 0, to: query.asked, query.octets.span, isFromCache: false)
            }
            return
        }
        let hasAnswered = lookup.failed.count == lookup.upstreams.links.count
        let error =
            hasAnswered
            ? ExtendedError(.networkError, "no resolver has a usable answer")
            : ExtendedError(.noReachableAuthority, "no resolver answers")
        for query in lookup.waiting { fail(query.asked, query.octets.span, error) }
    }

    private func end(_ lookup: Lookup) {
        lookup.isDone = true
        lookups[lookup.key] = nil
        for (link, id) in lookup.outstanding { link.forget(id) }
        lookup.outstanding = []
        waiting -= lookup.waiting.count
        for query in lookup.waiting {
            let tenant = query.asked.client.tenant
            let left = (waitingOfTenant[tenant] ?? 1) - 1
            waitingOfTenant[tenant] = left > 0 ? left : nil
        }
    }

    // MARK: Answers

    private struct HeldAnswer {
        let query: WaitingQuery
        let answer: UpstreamAnswer
        let age: UInt32
        let isFromCache: Bool
        let deadline: NIODeadline
    }

    private func deliver(
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

    // MARK: Upstreams

    private func upstreamSet(_ own: [Upstream], at now: NIODeadline) -> UpstreamSet {
        if let set = own.isEmpty ? common : sets[own] {
            set.lastUsed = now
            return set
        }
        let links = (own.isEmpty ? settings.upstreams : own).compactMap(link)
        let set = UpstreamSet(scope: nextScope, links: links, now: now)
        nextScope += 1
        if own.isEmpty { common = set } else { sets[own] = set }
        return set
    }

    private func link(to upstream: Upstream) -> UpstreamLink? {
        if let link = links[upstream] { return link }
        do {
            let link = try UpstreamLink(upstream, resolver: self)
            links[upstream] = link
            return link
        } catch {
            // The address came out of an address: NIO takes them all.
            logger.error("an upstream cannot be asked", metadata: ["upstream": "\(upstream.address)"])
            return nil
        }
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

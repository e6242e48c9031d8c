import Control
import DNS
import Domain
import Logging
import Metrics
import NIOCore

// What is asked of others: a question of which several may wait for the answer, and whom it is put to.
extension Resolver {
    func look(for key: Lookup.Key, _ asked: Asked, _ bytes: Span<UInt8>, _ upstreams: UpstreamSet) {
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
    func attempt(_ lookup: Lookup, at now: NIODeadline) {
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
    func finish(_ lookup: Lookup) {
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

    func end(_ lookup: Lookup) {
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

    // MARK: Upstreams

    func upstreamSet(_ own: [Upstream], at now: NIODeadline) -> UpstreamSet {
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

    func link(to upstream: Upstream) -> UpstreamLink? {
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
}

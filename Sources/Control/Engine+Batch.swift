import Domain
import Logging
import Metrics
import PolicyCompiler
import Store
import Synchronization

/// The two steps of a batch of requests: into the store, and from there to the kernel and back to who asked.
extension Engine {
    /// Requests with what they are judged by.
    struct ReadyBatch: Sendable {
        let requests: [Request]
        let work: BatchTransaction
        let started: ContinuousClock.Instant
        /// Of ``VerdictBook``, before they are judged.
        let changes: UInt64
    }

    /// Requests that the store has.
    struct StoredBatch: Sendable {
        let requests: [Request]
        let outcomes: [Outcome]
        let started: ContinuousClock.Instant
        let changes: UInt64
    }

    /// - Returns: `nil` when there is nothing to be done of them any more.
    func prepare(_ batch: [Request]) -> ReadyBatch? {
        let started = ContinuousClock.now
        let (fresh, late) = batch.split { started - $0.received <= settings.maximumWait }
        if !late.isEmpty {
            metrics.late.increment(by: late.count)
            for request in late { request.complete(.dropped) }
        }
        heard.withLock { heard in for request in batch { heard[request.nas] = started } }
        guard !fresh.isEmpty else { return nil }

        let (changes, now) = (verdicts.changes, now())
        let work = BatchTransaction(
            requests: fresh.map(\.question), settings: settings, owners: accessPoints.owners,
            judging: SessionJudging(book: sessionPolicies, limits: limits, wallClock: wallClock, now: now),
            simsInTest: simsInTest.withLock { $0 }, refusals: refusals, now: now)
        return ReadyBatch(requests: fresh, work: work, started: started, changes: changes)
    }

    /// What the store has made of a batch. Called before the next is stored, for which this is how things are.
    /// - Returns: `nil` when there is nothing to be done of it any more.
    func note(_ batch: ReadyBatch, _ result: Result<BatchTransaction.Result, any Error>) -> StoredBatch? {
        switch result {
        case .success(let result):
            refusals.note(result.outcomes.compactMap(\.refusal), told: result.told, at: batch.work.now)
            limits.expect(result.outcomes)
            return StoredBatch(
                requests: batch.requests, outcomes: result.outcomes, started: batch.started, changes: batch.changes)
        case .failure(let error):
            metrics.storeFailures.increment()
            logger.error(
                "no request could be stored; requests stay unanswered until the store takes them",
                metadata: ["error": "\(error)", "requests": "\(batch.requests.count)"])
            for request in batch.requests { request.complete(.dropped) }
            return nil
        }
    }

    func enforce(_ batch: StoredBatch) {
        let (requests, outcomes) = (batch.requests, batch.outcomes)
        verdicts.remember(Self.rejections(requests, outcomes), since: batch.changes, at: batch.started)
        var enforced = true
        let changes = Self.lastChangePerDevice(outcomes.flatMap(\.changes))
        do {
            let limited = outcomes.flatMap(\.limits) + outcomes.flatMap(\.judged).compactMap(\.limits)
            try limits.enforce(limited) { if !changes.isEmpty { try dataPlane.apply(changes) } }
        } catch {
            enforced = false
            metrics.kernelFailures.increment()
            logger.error(
                "the kernel did not take a batch; it will be repaired and the NAS will ask again",
                metadata: ["error": "\(error)", "devices": "\(changes.count)"])
        }
        limits.expectationIsMet()
        for (request, outcome) in zip(requests, outcomes) {
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
        metrics.batchSize.record(requests.count)
        metrics.batchTime.record(duration: ContinuousClock.now - batch.started)
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

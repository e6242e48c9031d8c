import DNS
import NIOCore

/// One question on its way to upstreams, and all who wait for its answer. On one event loop.
final class Lookup {
    struct Key: Hashable {
        let question: Question
        let scope: AnswerCache.Scope
    }

    let key: Key
    let upstreams: UpstreamSet
    let deadline: NIODeadline
    var waiting: [WaitingQuery] = []
    /// Queries of this lookup that an answer may still come to.
    var outstanding: [(link: UpstreamLink, id: UInt16)] = []
    var attempts = 0
    var nextAttemptAt: NIODeadline
    /// Answers that had the question in another case than was sent.
    var caseMismatches = 0
    /// Upstreams that have failed, each by an answer of no use; when all have, there is no use in waiting.
    var failed: Set<ObjectIdentifier> = []
    /// What the last of them said.
    var failure: UpstreamAnswer?
    var isDone = false

    init(_ key: Key, upstreams: UpstreamSet, now: NIODeadline, timing: DNSSettings.Timing) {
        self.key = key
        self.upstreams = upstreams
        deadline = now + TimeAmount(timing.total)
        nextAttemptAt = deadline
    }

    /// Two answers in the wrong case, or two without any: some upstreams do not repeat letters as they were sent.
    var isPlain: Bool { caseMismatches >= 2 || attempts >= 2 * upstreams.links.count && attempts >= 2 }
}

/// Upstreams that are asked in an order.
final class UpstreamSet {
    let scope: AnswerCache.Scope
    let links: [UpstreamLink]
    var lastUsed: NIODeadline

    init(scope: AnswerCache.Scope, links: [UpstreamLink], now: NIODeadline) {
        self.scope = scope
        self.links = links
        lastUsed = now
    }

    /// Who is to be asked at an attempt: those that are up before those that are not, as they stand.
    func link(at attempt: Int, without failed: Set<ObjectIdentifier>) -> UpstreamLink? {
        // Nearly always: nobody has failed, and the first is up.
        if attempt == 0, failed.isEmpty, let first = links.first, first.health.isUp { return first }
        let able = links.filter { !failed.contains(ObjectIdentifier($0)) }
        guard !able.isEmpty else { return nil }
        let ordered = able.filter(\.health.isUp) + able.filter { !$0.health.isUp }
        return ordered[attempt % ordered.count]
    }
}

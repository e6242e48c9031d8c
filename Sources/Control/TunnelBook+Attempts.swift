package import Domain
import Synchronization
import VICI

extension TunnelBook {
    /// The gateway's attempts to make a tunnel.
    package struct Attempt: Hashable, Sendable {
        /// `nil`: none under way.
        package var startedAt: Timestamp?
        package var notBefore: Timestamp?
        package var failures = 0
        /// It was up when the former daemon ended: its peer is most likely there.
        package var isReturning = false

        package static let patienceMilliseconds: Int64 = 30_000
        /// A peer that is there has answered by then. Later the daemon only waits, which costs it next to nothing.
        package static let workMilliseconds: Int64 = 500
        package static let longestWaitMilliseconds: Int64 = 30_000

        func isAtWork(at time: Timestamp) -> Bool {
            startedAt.map { time.milliseconds - $0.milliseconds < Self.workMilliseconds } ?? false
        }

        /// After the next failure: 1 s, doubled each time.
        mutating func fail(at time: Timestamp, jitter: Int64) {
            let wait = min(Self.longestWaitMilliseconds, 1000 << Int64(min(failures, 5)))
            failures += 1
            (startedAt, isReturning) = (nil, false)
            notBefore = Timestamp(milliseconds: time.milliseconds + wait + jitter % max(1, wait / 4))
        }
    }

    /// What is left of it when the daemon is gone: those that were up come first, and peers that did not answer the former
    /// daemon are no more likely to answer the next one.
    static func afterDaemon(_ state: State, at time: Timestamp) -> Attempt {
        var attempt = state.attempt
        if let started = attempt.startedAt {
            if time.milliseconds - started.milliseconds >= Attempt.workMilliseconds { attempt.failures += 1 }
            attempt.startedAt = nil
        }
        if state.isEstablished { attempt = Attempt(isReturning: true) }
        return attempt
    }

    /// Does not wait for the next attempt's time.
    package func tryNow(_ id: VPN.ID) {
        contents.withLock { contents in
            contents.states[id]?.attempt = Attempt()
            contents.states[id]?.isWanted = true
        }
    }

    /// Attempts that have come to an end without success are made again later.
    package func judgeAttempts(at time: Timestamp) {
        contents.withLock { contents in
            for (id, state) in contents.states {
                guard let started = state.attempt.startedAt else { continue }
                if state.isEstablished {
                    contents.states[id]?.attempt = Attempt()
                    continue
                }
                let age = time.milliseconds - started.milliseconds
                let hasFailed = state.record.state == .down || state.record.state == .noAnswer
                guard hasFailed && age > 500 || age > Attempt.patienceMilliseconds else { continue }
                Self.noteFailure(&contents.states[id], at: time)
            }
        }
    }

    /// One that a device has asked for is tried until it is up: while it is not offered, no device asks again.
    static func noteFailure(_ state: inout State?, at time: Timestamp) {
        if state?.attempt.startedAt != nil { state?.isWanted = true }
        state?.attempt.fail(at: time, jitter: Int64.random(in: 0..<1000))
    }
}

import Domain
import PolicyCompiler
import Store
import Synchronization

/// What the judging of sessions leaves to be done away from the engine's loop.
final class SessionFollowUp: Sendable {
    private struct Work {
        /// Devices whose flows are to be looked at.
        var sweeps: Set<IPAddress> = []
        /// SIMs about which the approval hook is to be asked.
        var questions: Set<SIM.ID> = []
        var hasRejections = false
    }
    private let work = Mutex(Work())

    /// More are asked about when they are judged again.
    private static let maximumQuestions = 100_000

    func note(_ consequences: [SessionJudging.Consequence]) {
        guard !consequences.isEmpty else { return }
        work.withLock { work in
            for one in consequences {
                let isNarrower = (one.restriction?.action ?? .report) > .report
                if !one.changes.isEmpty || isNarrower && one.previous == nil { work.sweeps.formUnion(one.devices) }
                if one.isRejected { work.hasRejections = true }
                if one.asksApproval, work.questions.count < Self.maximumQuestions { work.questions.insert(one.sim) }
            }
        }
    }

    /// What could not be swept is given back with this.
    func sweep(_ addresses: Set<IPAddress>) { work.withLock { $0.sweeps.formUnion(addresses) } }
    func noteRejections() { work.withLock { $0.hasRejections = true } }
    func ask(about sim: SIM.ID) { work.withLock { _ = $0.questions.insert(sim) } }

    func takeSweeps() -> Set<IPAddress> {
        work.withLock { work in
            defer { work.sweeps = [] }
            return work.sweeps
        }
    }

    func takeQuestions() -> Set<SIM.ID> {
        work.withLock { work in
            defer { work.questions = [] }
            return work.questions
        }
    }

    func takeRejections() -> Bool {
        work.withLock { work in
            defer { work.hasRejections = false }
            return work.hasRejections
        }
    }
}

import Domain
import PolicyCompiler
import Synchronization

/// The policies in force, compiled, by mark. Written by the engine's loop only; read by sweeps and by `explain`.
final class PolicyBook: Sendable {
    private struct Pages {
        var rulesets: [PolicyMark: Ruleset] = [:]
        /// Those whose ruleset depends on the time.
        var scheduled: [PolicyMark: ValidatedPolicy] = [:]
    }

    private let pages = Mutex(Pages())

    func replaceAll(_ all: [PolicyMark: CompiledPolicy]) {
        pages.withLock { pages in
            pages = Pages(
                rulesets: all.mapValues(\.ruleset),
                scheduled: all.compactMapValues { $0.policy?.isScheduled == true ? $0.policy : nil })
        }
    }

    func set(_ compiled: CompiledPolicy?, for mark: PolicyMark) {
        pages.withLock { pages in
            pages.rulesets[mark] = compiled?.ruleset
            pages.scheduled[mark] = compiled?.policy?.isScheduled == true ? compiled?.policy : nil
        }
    }

    /// The same policy at another time.
    func set(_ ruleset: Ruleset, for mark: PolicyMark) { pages.withLock { $0.rulesets[mark] = ruleset } }

    func snapshot() -> [PolicyMark: Ruleset] { pages.withLock { $0.rulesets } }
    func scheduled() -> [PolicyMark: ValidatedPolicy] { pages.withLock { $0.scheduled } }
}

/// A policy and what it compiles to at some time.
struct CompiledPolicy: Sendable {
    /// `nil` for a stored document that is not valid any more, and for the policy of devices that have none.
    let policy: ValidatedPolicy?
    let ruleset: Ruleset

    static let blockAll = CompiledPolicy(policy: nil, ruleset: .blockAll)
}

extension ValidatedPolicy {
    var isScheduled: Bool { rules.contains { $0.schedule != nil } }
}

extension Ruleset {
    /// Whether a tracked connection would still be let out, where it goes now.
    func allows(_ flow: Flow) -> Bool {
        verdict(for: PacketQuery(destination: flow.destination, protocol: flow.protocol, port: flow.destinationPort))
            == .internet
    }
}

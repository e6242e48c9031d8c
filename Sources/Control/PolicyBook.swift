import Domain
import PolicyCompiler
import Synchronization

/// The policies in force, compiled, by mark. Written by the engine's loop only; read by sweeps and by `explain`.
final class PolicyBook: Sendable {
    private struct Pages {
        var rulesets: [PolicyMark: Ruleset] = [:]
        /// Those whose ruleset depends on the time.
        var scheduled: [PolicyMark: CompiledPolicy] = [:]
    }

    private let pages = Mutex(Pages())

    func replaceAll(_ all: [PolicyMark: CompiledPolicy]) {
        pages.withLock { pages in
            pages = Pages(rulesets: all.mapValues(\.ruleset), scheduled: all.filter(\.value.isScheduled))
        }
    }

    func set(_ compiled: CompiledPolicy?, for mark: PolicyMark) {
        pages.withLock { pages in
            pages.rulesets[mark] = compiled?.ruleset
            pages.scheduled[mark] = compiled.flatMap { $0.isScheduled ? $0 : nil }
        }
    }

    func snapshot() -> [PolicyMark: Ruleset] { pages.withLock { $0.rulesets } }
    func scheduled() -> [PolicyMark: CompiledPolicy] { pages.withLock { $0.scheduled } }
}

/// A policy and what it compiles to at some time.
struct CompiledPolicy: Sendable {
    /// `nil` for a stored document that is not valid any more, and for the policy of devices that have none.
    let policy: ValidatedPolicy?
    /// The schedules that are open at that time.
    let open: Set<Schedule>
    let ruleset: Ruleset

    static let blockAll = CompiledPolicy()

    private init() { (policy, open, ruleset) = (nil, [], .blockAll) }

    init(_ policy: ValidatedPolicy, open: Set<Schedule>) {
        self.policy = policy
        self.open = open
        ruleset = compile(policy, isOpen: open.contains)
    }

    var isScheduled: Bool { policy?.schedules.isEmpty == false }
}

extension ValidatedPolicy {
    var schedules: Set<Schedule> { Set(rules.compactMap(\.schedule)) }
}

extension Ruleset {
    /// Whether a tracked connection would still be let out, where it goes now.
    func allows(_ flow: Flow) -> Bool {
        verdict(for: PacketQuery(destination: flow.destination, protocol: flow.protocol, port: flow.destinationPort))
            == .internet
    }
}

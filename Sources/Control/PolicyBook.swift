import Domain
import PolicyCompiler
import Synchronization

/// The policies in force, compiled, by mark. Written by the engine's loop only; read by sweeps and by `explain`.
final class PolicyBook: Sendable {
    private let rulesets = Mutex<[PolicyMark: Ruleset]>([:])

    func replaceAll(_ all: [PolicyMark: Ruleset]) { rulesets.withLock { $0 = all } }
    func set(_ ruleset: Ruleset?, for mark: PolicyMark) { rulesets.withLock { $0[mark] = ruleset } }
    func snapshot() -> [PolicyMark: Ruleset] { rulesets.withLock { $0 } }
}

extension Ruleset {
    /// Whether a tracked connection would still be let out, where it goes now.
    func allows(_ flow: Flow) -> Bool {
        verdict(for: PacketQuery(destination: flow.destination, protocol: flow.protocol, port: flow.destinationPort))
            == .internet
    }
}

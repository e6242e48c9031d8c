import Control
import Domain
import Synchronization
import VICI

/// An IKE daemon that remembers what it was told, and whose peers answer unless the test says otherwise.
final class ScriptedDaemon: IKEDaemon {
    struct State {
        var plans: [String: TunnelPlan] = [:]
        /// By the names that they were loaded under.
        var keys: [String: [UInt8]] = [:]
        var authorities: [String: [UInt8]] = [:]
        var privateKeys: [[UInt8]] = []
        /// The daemon's number of what is up.
        var up: [String: UInt32] = [:]
        var requests: [String] = []
        var listeners: [AsyncStream<IKEDaemonEvent>.Continuation] = []
        var nextAssociation: UInt32 = 0
        var isThere = true
        /// Whose peers do not answer.
        var silent: Set<String> = []
        /// Of every request but `load`, and of that too.
        var refusals = 0
        /// The first octet of the key that a peer has; others' fit always.
        var keysOfPeers: [String: [UInt8]] = [:]
    }

    private let state = Mutex(State())

    var now: State { state.withLock { $0 } }
    func change(_ body: (inout sending State) -> Void) { state.withLock { body(&$0) } }

    /// Taken and forgotten.
    func takeRequests() -> [String] {
        state.withLock { state in
            defer { state.requests = [] }
            return state.requests
        }
    }

    func support(
        perTenant: UInt32 = 4, lookUp: @escaping @Sendable (DomainName) async -> [IPAddress] = { _ in [] }
    ) throws -> TunnelSupport {
        TunnelSupport(
            daemon: self, probing: nil, lookUp: lookUp,
            settings: TunnelSettings(
                addresses: [try IPAddress(parsing: "203.0.113.1")], identitySuffix: .vpnIdentities,
                perTenant: perTenant))
    }

    // MARK: What it says

    func events() -> AsyncStream<IKEDaemonEvent> {
        let (stream, continuation) = AsyncStream<IKEDaemonEvent>.makeStream()
        state.withLock { state in
            state.listeners.append(continuation)
            if state.isThere { continuation.yield(.reconnected) }
        }
        return stream
    }

    private static func tell(_ event: IKEDaemonEvent, _ state: State) {
        for listener in state.listeners { listener.yield(event) }
    }

    /// As when charon dies: what it had is gone.
    func die() {
        state.withLock { state in
            (state.plans, state.keys, state.authorities, state.privateKeys, state.up) = ([:], [:], [:], [], [:])
            state.isThere = false
            Self.tell(.disconnected, state)
        }
    }

    func rise() {
        state.withLock { state in
            state.isThere = true
            Self.tell(.reconnected, state)
        }
    }

    /// As when the peer ends it.
    func end(_ identifier: String) {
        state.withLock { state in Self.end(identifier, &state) }
    }

    private static func end(_ identifier: String, _ state: inout State) {
        guard let sa = state.up.removeValue(forKey: identifier),
            let association = try? TestTunnel.association(identifier, sa: sa)
        else { return }
        tell(.changed(.ike(isUp: false, association)), state)
    }

    private func take(_ request: String, _ body: (inout State) -> Void = { _ in }) throws(IKEDaemonError) {
        try state.withLock { state throws(IKEDaemonError) in
            guard state.isThere else { throw IKEDaemonError(code: .unreachable, sentence: "it is not there") }
            state.requests.append(request)
            guard state.refusals == 0 else {
                state.refusals -= 1
                throw IKEDaemonError(code: .refused, sentence: "it refused", words: "told to refuse")
            }
            body(&state)
        }
    }

    // MARK: What it is told

    func statistics() async throws(IKEDaemonError) -> DaemonStatistics { throw Self.unknown }
    private static let unknown = IKEDaemonError(code: .unsupported, sentence: "it does not say")

    func load(_ plan: TunnelPlan, _ secrets: TunnelSecrets) async throws(IKEDaemonError) {
        try take("load \(plan.identifier)") { state in
            state.plans[plan.identifier] = plan
            for key in secrets.keys { state.keys[key.name] = key.octets }
            for authority in secrets.authorities { state.authorities[authority.name] = authority.certificate }
            if let key = secrets.privateKey { state.privateKeys.append(key) }
        }
    }

    func unload(_ identifier: String, secrets: [String], authorities: [String]) async throws(IKEDaemonError) {
        try take("unload \(identifier)") { state in
            state.plans[identifier] = nil
            for name in secrets { state.keys[name] = nil }
            for name in authorities { state.authorities[name] = nil }
            Self.end(identifier, &state)
        }
    }

    func unload(secret: String) async throws(IKEDaemonError) {
        try take("unload-key \(secret)") { $0.keys[secret] = nil }
    }

    func loaded() async throws(IKEDaemonError) -> [String] { now.plans.keys.sorted() }

    func initiate(_ child: String, of identifier: String) async throws(IKEDaemonError) {
        try take("initiate \(child)") { state in
            guard let plan = state.plans[identifier], state.up[identifier] == nil else { return }
            state.nextAssociation += 1
            let sa = state.nextAssociation
            let say = { (text: String, state: State) in
                let line = LogLine(group: "IKE", ikeName: identifier, ikeID: sa, text: text)
                Self.tell(.changed(.log(line)), state)
            }
            say(
                "initiating IKE_SA \(identifier)[\(sa)] to \(plan.peerAddresses.first.map { "\($0)" } ?? "%any")", state
            )
            if state.silent.contains(identifier) {
                say("retransmit 2 of request with message ID 0", state)
                return
            }
            if let wanted = state.keysOfPeers[identifier],
                !state.keys.contains(where: { $0.key.hasPrefix("\(identifier).") && $0.value == wanted })
            {
                say("received AUTHENTICATION_FAILED notify error", state)
                return
            }
            state.up[identifier] = sa
            Self.tellUp(plan, child, sa, state)
        }
    }

    private static func tellUp(_ plan: TunnelPlan, _ child: String, _ sa: UInt32, _ state: State) {
        let selectors = plan.children.first { $0.name == child }
        guard
            let association = try? TestTunnel.association(
                plan.identifier, sa: sa, child: child, local: (selectors?.local ?? []).map { "\($0)" },
                remote: (selectors?.remote ?? []).map { "\($0)" })
        else { return }
        tell(.changed(.ike(isUp: true, association)), state)
        tell(.changed(.child(isUp: true, association)), state)
    }

    func terminate(_ identifier: String, force: Bool) async throws(IKEDaemonError) -> Int {
        try take("terminate \(identifier)") { Self.end(identifier, &$0) }
        return 1
    }

    func associations(of identifier: String?) async throws(IKEDaemonError) -> [IKEAssociation] {
        let state = now
        guard state.isThere else { throw IKEDaemonError(code: .unreachable, sentence: "it is not there") }
        return state.up.compactMap { name, sa in
            // What cannot be said is not there.
            try? TestTunnel.association(
                name, sa: sa, child: name, local: (state.plans[name]?.localBlocks ?? []).map { "\($0)" },
                remote: ["10.0.0.0/24"])
        }
    }
}

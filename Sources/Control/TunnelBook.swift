package import Domain
import Synchronization
package import VICI

/// The tunnels: what each should be, what the IKE daemon has been told of it, and what became of it.
///
/// Nothing here waits or sends. ``steps(at:limit:)`` says what is to be done now, and whoever does it tells the outcome.
package final class TunnelBook: Sendable {
    /// What one tunnel should be. By reference: all are looked at several times a second, and a copy would count each of its
    /// texts and lists.
    package final class Setup: Sendable {
        package let vpn: VPN
        package let tunnel: Tunnel
        package let plan: TunnelPlan
        let terms: TunnelTerms
        /// Newest first; more than one while they are being changed.
        package let keys: [VPNKey]
        /// The certificate's, in DER.
        let privateKey: Secret?
        let authorities: [(name: String, certificate: [UInt8])]
        /// The gateway's address in the tenant's block, for questions of its own.
        let gatewayAddress: IPv4Address?

        package init(
            vpn: VPN, tunnel: Tunnel, plan: TunnelPlan, terms: TunnelTerms, keys: [VPNKey], privateKey: Secret? = nil,
            authorities: [(name: String, certificate: [UInt8])] = [], gatewayAddress: IPv4Address? = nil
        ) {
            self.vpn = vpn
            self.tunnel = tunnel
            self.plan = plan
            self.terms = terms
            self.keys = keys
            self.privateKey = privateKey
            self.authorities = authorities
            self.gatewayAddress = gatewayAddress
        }

        /// What the daemon knows a key by.
        package func name(of key: VPNKey) -> String { "\(plan.identifier).\(key.id)" }
    }

    package struct State: Sendable {
        var setup: Setup
        package internal(set) var record: TunnelRecord
        package internal(set) var probe = ProbeState()
        /// What the daemon has; `nil`: nothing of this tunnel.
        package internal(set) var loaded: Setup?
        package internal(set) var loadedKeys: [String] = []
        /// So that a setup that came while another was being loaded is loaded too.
        var revision = 0
        var loadedRevision: Int?
        /// After the daemon has refused it.
        var loadNotBefore: Timestamp?
        /// Taken down because another of the same networks has the traffic, where both cannot be up.
        package internal(set) var isHeld = false
        /// Whether a device has sent since it was last up, for one that is made on demand.
        var isWanted = false
        package internal(set) var attempt = Attempt()
        var packetsToPeer: UInt64 = 0
        /// Which of two keys the daemon has.
        var usesOlderKey = false
        var keysTurnedAt: Timestamp?
        /// Of the fault that is an event already.
        var toldFault: String?

        /// The daemon's numbers of its IKE_SAs.
        var associations: Set<UInt32> = []
        /// How often something was said of those.
        var changes = 0

        mutating func note(_ event: TunnelEvent) {
            if case .log = event { return }
            changes += 1
            switch event {
            case .ikeUp(let sa, _, _, _), .childUp(let sa, _, _, _): associations.insert(sa)
            case .ikeDown(let sa): associations.remove(sa)
            case .ikeRekeyed(let sa, let new):
                associations.remove(sa)
                associations.insert(new)
            default: break
            }
        }

        var identifier: String { setup.plan.identifier }
        package var isEstablished: Bool { record.isUp }
    }

    /// What is to be done.
    package enum Step: Sendable {
        case load(VPN.ID, revision: Int, Setup, keys: [VPNKey])
        /// The connection, its keys and what is up of it.
        case unload(identifier: String, keys: [String], authorities: [String])
        case initiate(VPN.ID, identifier: String, children: [String])
    }

    struct Contents: Sendable {
        var states: [VPN.ID: State] = [:]
        /// By the name that the daemon knows.
        var names: [String: VPN.ID] = [:]
        var byNumber: [VPNNumber: VPN.ID] = [:]
        /// What the peer of each says it is, in the form in which the daemon compares, and the other way round.
        var peers: [VPN.ID: String] = [:]
        var namesakes: [String: Set<VPN.ID>] = [:]

        mutating func note(peer: String?, of id: VPN.ID) {
            if let before = peers.removeValue(forKey: id) {
                namesakes[before]?.remove(id)
                if namesakes[before]?.isEmpty == true { namesakes[before] = nil }
            }
            guard let peer else { return }
            peers[id] = peer
            namesakes[peer, default: []].insert(id)
        }

        /// Of tunnels that are gone, as the daemon still has them.
        var departed: [String: (keys: [String], authorities: [String])] = [:]
        var isConnected = false
        var isExclusive = false
        var directory = TunnelDirectory()
        /// What the tunnels of each tenant are made for.
        var blocks: [Tenant.ID: [IPv4Prefix]] = [:]
        /// Tenants with blocks that their tunnels' selectors do not have yet.
        var widened: Set<Tenant.ID> = []
        /// Packets that the daemon has dropped, of whoever it most likely was.
        var dropped: [VPN.ID: UInt64] = [:]
        var droppedOfUnknown: UInt64 = 0
    }

    let contents = Mutex(Contents())

    package init() {}

    // MARK: What should be

    /// - Parameter isExclusive: two tunnels of the same networks cannot be up at once, as where the daemon itself encrypts.
    package func begin(isExclusive: Bool) { contents.withLock { $0.isExclusive = isExclusive } }

    package func set(_ setup: Setup, at time: Timestamp) {
        contents.withLock { contents in
            let id = setup.vpn.id
            if var state = contents.states[id] {
                state.setup = setup
                state.record.change(setup.terms, at: time)
                state.revision += 1
                state.attempt.notBefore = nil
                state.loadNotBefore = nil
                state.toldFault = nil
                state.probe.restart()
                contents.states[id] = state
            } else {
                contents.states[id] = State(setup: setup, record: TunnelRecord(setup.terms, at: time))
            }
            contents.names[setup.plan.identifier] = id
            contents.byNumber[setup.vpn.number] = id
            contents.blocks[setup.vpn.tenant] = setup.plan.localBlocks
            contents.directory.set(TunnelDirectory.Entry(vpn: id, setup.plan))
            Self.keepPeriod(id, &contents, at: time)
        }
    }

    package func remove(_ id: VPN.ID) {
        contents.withLock { contents in
            contents.note(peer: nil, of: id)
            guard let state = contents.states.removeValue(forKey: id) else { return }
            contents.names[state.identifier] = nil
            contents.byNumber[state.setup.vpn.number] = nil
            let others = Set(contents.states.values.flatMap { $0.setup.authorities.map(\.name) })
            // A key that is on its way to the daemon at this moment is there before what follows is done.
            let keys = Set(state.loadedKeys + state.setup.keys.map(state.setup.name(of:)))
            contents.departed[state.identifier] = (
                keys.sorted(), state.setup.authorities.map(\.name).filter { !others.contains($0) }
            )
            contents.dropped[id] = nil
            let tenant = state.setup.vpn.tenant
            let hasMore = contents.states.values.contains { $0.setup.vpn.tenant == tenant }
            if !hasMore { contents.blocks[tenant] = nil }
            contents.directory.remove(id)
        }
    }

    /// Before ``set(_:at:)``: what others are made like depends on it too.
    /// - Parameter peer: what the tunnel's peer says it is (``IKEIdentity/comparable``).
    func note(peer: String?, of id: VPN.ID) { contents.withLock { $0.note(peer: peer, of: id) } }

    func peer(of id: VPN.ID) -> String? { contents.withLock { $0.peers[id] } }

    /// Tunnels whose peers say the same, but this one, in their order.
    func others(saying peer: String?, besides id: VPN.ID?) -> [VPN.ID] {
        guard let peer else { return [] }
        return contents.withLock { $0.namesakes[peer] ?? [] }.filter { $0 != id }.sorted { $0.rawValue < $1.rawValue }
    }

    package var ids: [VPN.ID] { contents.withLock { Array($0.states.keys) } }
    package func state(of id: VPN.ID) -> State? { contents.withLock { $0.states[id] } }
    package func states(_ body: (State) -> Bool) -> [State] { contents.withLock { $0.states.values.filter(body) } }
    package var isConnected: Bool { contents.withLock(\.isConnected) }
    package var count: (all: Int, up: Int) {
        contents.withLock { ($0.states.count, $0.states.values.count(where: \.isEstablished)) }
    }

    /// Partners' periods begin and end.
    package func keepPeriods(at time: Timestamp) {
        contents.withLock { contents in
            for (id, state) in contents.states where state.setup.tunnel.partner != nil {
                Self.keepPeriod(id, &contents, at: time)
            }
        }
    }

    private static func keepPeriod(_ id: VPN.ID, _ contents: inout Contents, at time: Timestamp) {
        guard let state = contents.states[id] else { return }
        let isValid = state.setup.tunnel.partner?.isValid(at: time) ?? true
        switch (isValid, state.record.state == .ended) {
        case (true, true): contents.states[id]?.record.apply(.resumed, at: time)
        case (false, false): contents.states[id]?.record.apply(.ended, at: time)
        case (true, false), (false, true): break
        }
    }

    // MARK: Whether flows may take it

    package enum Condition: Hashable, Sendable {
        case well
        case ill
        /// Not up, and nothing is wrong: it need not show that it lasts when it is.
        case resting
    }

    package func condition(of id: VPN.ID) -> Condition {
        contents.withLock { contents in
            guard let state = contents.states[id] else { return .ill }
            if state.isHeld || state.record.state == .ended { return .resting }
            if state.probe.isFailing, state.setup.tunnel.probe != nil { return .ill }
            if state.isEstablished { return .well }
            // Its first packet makes it; after a failure it is not offered until it is to be tried again.
            guard state.setup.tunnel.initiation == .onDemand else { return .ill }
            switch state.record.fault {
            // Its peer may end what is idle.
            case nil, .peerDeleted: return .well
            case .some: return .ill
            }
        }
    }

    /// Holds those that must not be up beside another of the same networks which flows take, and frees the others.
    /// - Parameter isUp: whether flows take it. Asked under the lock, so it must take none.
    /// - Returns: those whose being held has changed.
    package func holdAlternates(isUp: (VPNNumber) -> Bool) -> [VPN] {
        contents.withLock { contents in
            guard contents.isExclusive else { return [] }
            let groups = Dictionary(grouping: contents.states.values) { $0.setup.vpn.tenant }
            var changed: [VPN] = []
            for group in groups.values where group.count > 1 {
                let ordered = group.sorted { $0.setup.vpn.number < $1.setup.vpn.number }
                for (place, state) in ordered.enumerated() {
                    let isHeld = ordered[..<place].contains { other in
                        Self.share(other.setup.tunnel, state.setup.tunnel) && isUp(other.setup.vpn.number)
                    }
                    guard isHeld != state.isHeld else { continue }
                    contents.states[state.setup.vpn.id]?.isHeld = isHeld
                    contents.states[state.setup.vpn.id]?.attempt = Attempt()
                    changed.append(state.setup.vpn)
                }
            }
            return changed
        }
    }

    static func share(_ a: Tunnel, _ b: Tunnel) -> Bool {
        a.networks.contains { one in b.networks.contains { $0.network.overlaps(one.network) } }
    }

    // MARK: What is to be done

    /// - Parameter limit: attempts that may be at work at once; of those that have failed before, a quarter of it. Whose peers
    ///   do not answer hold up no others. No more are loaded at a time either, so that the first of very many are begun
    ///   before the last are loaded.
    package func steps(at time: Timestamp, limit: Int) -> [Step] {
        contents.withLock { contents in
            guard contents.isConnected else { return [] }
            var steps = contents.departed.map { name, rest in
                Step.unload(identifier: name, keys: rest.keys, authorities: rest.authorities)
            }
            contents.departed = [:]
            var due: [State] = []
            let waiting = contents.states.values.filter { Self.hasSteps($0, at: time) }
            var loads = 0
            for state in waiting.sorted(by: Self.comesBefore) {
                let id = state.setup.vpn.id
                if state.isHeld || state.record.state == .ended {
                    steps.append(
                        .unload(identifier: state.identifier, keys: state.loadedKeys, authorities: []))
                    Self.noteUnloaded(&contents.states[id])
                    continue
                }
                if state.loadedRevision != state.revision {
                    guard loads < limit else { continue }
                    loads += 1
                    steps.append(.load(id, revision: state.revision, state.setup, keys: Self.keys(state)))
                    continue
                }
                due.append(state)
            }
            var running = contents.states.values.count { $0.attempt.isAtWork(at: time) }
            for state in due {
                guard running < (state.attempt.failures == 0 ? limit : max(1, limit / 4)) else { break }
                running += 1
                let id = state.setup.vpn.id
                contents.states[id]?.attempt.startedAt = time
                contents.states[id]?.isWanted = false
                contents.states[id]?.record.apply(.initiated, at: time)
                steps.append(
                    .initiate(id, identifier: state.identifier, children: state.setup.plan.children.map(\.name)))
            }
            return steps
        }
    }

    /// Who was up comes first, and who has failed most comes last: a new one does not wait for all that are dead.
    private static func comesBefore(_ one: State, _ other: State) -> Bool {
        func rank(_ state: State) -> (Int, Int, VPNNumber) {
            (state.attempt.isReturning ? 0 : 1, state.attempt.failures, state.setup.vpn.number)
        }
        return rank(one) < rank(other)
    }

    /// One at a time: with two of the same identities the daemon tries both on what the peer proves, and proves itself by the
    /// one that was loaded last, whichever the peer has (seen, 5.9.8).
    private static func keys(_ state: State) -> [VPNKey] {
        ((state.usesOlderKey ? state.setup.keys.last : state.setup.keys.first)).map { [$0] } ?? []
    }

    /// The peer may have the other of two keys.
    static func turnKeys(_ state: inout State, at time: Timestamp) {
        guard state.setup.keys.count > 1, isOfKeys(state.record.fault) else { return }
        if let turned = state.keysTurnedAt, time.milliseconds - turned.milliseconds < 2000 { return }
        state.keysTurnedAt = time
        state.usesOlderKey.toggle()
        state.revision += 1
    }

    /// Of most tunnels there is nothing to be done, which is asked several times a second.
    private static func hasSteps(_ state: State, at time: Timestamp) -> Bool {
        if state.isHeld || state.record.state == .ended { return state.loaded != nil }
        if state.loadedRevision != state.revision { return state.loadNotBefore.map { $0 <= time } ?? true }
        return isDue(state, at: time)
    }

    private static func isDue(_ state: State, at time: Timestamp) -> Bool {
        guard state.loaded != nil, !state.isEstablished, state.attempt.startedAt == nil, state.setup.plan.canInitiate,
            state.attempt.notBefore.map({ $0 <= time }) ?? true
        else { return false }
        switch state.setup.tunnel.initiation {
        case .always: return true
        case .onDemand: return state.isWanted
        case .never: return false
        }
    }

    package func noteLoaded(_ id: VPN.ID, revision: Int, _ setup: Setup, keys: [String]) {
        contents.withLock { contents in
            contents.states[id]?.loaded = setup
            contents.states[id]?.loadedKeys = keys
            contents.states[id]?.loadedRevision = revision
            contents.states[id]?.loadNotBefore = nil
        }
    }

    static func noteUnloaded(_ state: inout State?) {
        state?.loaded = nil
        state?.loadedKeys = []
        state?.loadedRevision = nil
        state?.loadNotBefore = nil
        state?.attempt = Attempt()
    }

    /// The daemon refused to begin, or to take the tunnel.
    package func noteFailure(_ id: VPN.ID, words: String, at time: Timestamp) {
        contents.withLock { contents in
            contents.states[id]?.record.apply(.initiationEnded(error: words), at: time)
            Self.noteFailure(&contents.states[id], at: time)
            guard let state = contents.states[id], state.loadedRevision != state.revision else { return }
            contents.states[id]?.loadNotBefore = state.attempt.notBefore
        }
    }

    static func isOfKeys(_ fault: TunnelFault?) -> Bool {
        switch fault {
        case .key, .keyMissing, .refusedAuthentication: true
        default: false
        }
    }
}

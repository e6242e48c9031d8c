import Domain
import Store
import Synchronization
import VICI

/// The tunnels: what each should be, what the IKE daemon has been told of it, and what became of it.
///
/// Nothing here waits or sends. ``steps(at:limit:)`` says what is to be done now, and whoever does it tells the outcome.
final class TunnelBook: Sendable {
    /// What one tunnel should be.
    struct Setup: Sendable {
        let vpn: VPN
        let tunnel: Tunnel
        let plan: TunnelPlan
        let terms: TunnelTerms
        /// Newest first; more than one while they are being changed.
        let keys: [VPNKey]
        /// The certificate's, in DER.
        let privateKey: Secret?
        let authorities: [(name: String, certificate: [UInt8])]
        /// The gateway's address in the tenant's block, for questions of its own.
        let gatewayAddress: IPv4Address?
    }

    struct State: Sendable {
        var setup: Setup
        var record: TunnelRecord
        var probe = ProbeState()
        /// What the daemon has; `nil`: nothing of this tunnel.
        var loaded: TunnelPlan?
        var loadedKeys: [String] = []
        /// So that a setup that came while another was being loaded is loaded too.
        var revision = 0
        var loadedRevision: Int?
        /// Taken down because another of the same networks has the traffic, where both cannot be up.
        var isHeld = false
        /// Whether a device has sent since it was last up, for one that is made on demand.
        var isWanted = false
        var attempt = Attempt()
        var packetsToPeer: UInt64 = 0
        /// Which of two keys the daemon has.
        var usesOlderKey = false
        var keysTurnedAt: Timestamp?

        /// The daemon's numbers of its IKE_SAs.
        var associations: Set<UInt32> = []

        mutating func note(_ event: TunnelEvent) {
            switch event {
            case .ikeUp(let sa, _, _, _): associations.insert(sa)
            case .ikeDown(let sa): associations.remove(sa)
            case .ikeRekeyed(let sa, let new):
                associations.remove(sa)
                associations.insert(new)
            default: break
            }
        }

        var identifier: String { setup.plan.identifier }
        var isEstablished: Bool { record.isUp }
    }

    /// The gateway's attempts to make a tunnel.
    struct Attempt: Hashable, Sendable {
        /// `nil`: none under way.
        var startedAt: Timestamp?
        var notBefore: Timestamp?
        var failures = 0

        static let patienceMilliseconds: Int64 = 30_000
        static let longestWaitMilliseconds: Int64 = 30_000

        /// After the next failure: 1 s, doubled each time.
        mutating func fail(at time: Timestamp, jitter: Int64) {
            let wait = min(Self.longestWaitMilliseconds, 1000 << Int64(min(failures, 5)))
            failures += 1
            startedAt = nil
            notBefore = Timestamp(milliseconds: time.milliseconds + wait + jitter % max(1, wait / 4))
        }
    }

    /// What is to be done.
    enum Step: Sendable {
        case load(VPN.ID, revision: Int, Setup, keys: [VPNKey])
        /// The connection, its keys and what is up of it.
        case unload(identifier: String, keys: [String], authorities: [String])
        case initiate(VPN.ID, identifier: String, children: [String])
    }

    private struct Contents: Sendable {
        var states: [VPN.ID: State] = [:]
        /// By the name that the daemon knows.
        var names: [String: VPN.ID] = [:]
        var byNumber: [VPNNumber: VPN.ID] = [:]
        /// Of tunnels that are gone, as the daemon still has them.
        var departed: [String: (keys: [String], authorities: [String])] = [:]
        var isConnected = false
        var isExclusive = false
        var directory = TunnelDirectory()
        /// Filled again before it is asked: filling it takes time for each tunnel.
        var isDirectoryStale = false
        /// Packets that the daemon has dropped, of whoever it most likely was.
        var dropped: [VPN.ID: UInt64] = [:]
        var droppedOfUnknown: UInt64 = 0

        /// After a change of what peers are known by.
        mutating func fillDirectory() {
            directory.replace(
                states.values.map { TunnelDirectory.Entry(vpn: $0.setup.vpn.id, $0.setup.plan) })
        }
    }

    private let contents = Mutex(Contents())

    // MARK: What should be

    /// - Parameter isExclusive: two tunnels of the same networks cannot be up at once, as where the daemon itself encrypts.
    func begin(isExclusive: Bool) { contents.withLock { $0.isExclusive = isExclusive } }

    func set(_ setup: Setup, at time: Timestamp) {
        contents.withLock { contents in
            let id = setup.vpn.id
            if var state = contents.states[id] {
                state.setup = setup
                state.record.change(setup.terms, at: time)
                state.revision += 1
                state.attempt.notBefore = nil
                state.probe.restart()
                contents.states[id] = state
            } else {
                contents.states[id] = State(setup: setup, record: TunnelRecord(setup.terms, at: time))
            }
            contents.names[setup.plan.identifier] = id
            contents.byNumber[setup.vpn.number] = id
            contents.isDirectoryStale = true
            Self.keepPeriod(id, &contents, at: time)
        }
    }

    func remove(_ id: VPN.ID) {
        contents.withLock { contents in
            guard let state = contents.states.removeValue(forKey: id) else { return }
            contents.names[state.identifier] = nil
            contents.byNumber[state.setup.vpn.number] = nil
            let others = Set(contents.states.values.flatMap { $0.setup.authorities.map(\.name) })
            contents.departed[state.identifier] = (
                state.loadedKeys, state.setup.authorities.map(\.name).filter { !others.contains($0) }
            )
            contents.dropped[id] = nil
            contents.isDirectoryStale = true
        }
    }

    var ids: [VPN.ID] { contents.withLock { Array($0.states.keys) } }
    func state(of id: VPN.ID) -> State? { contents.withLock { $0.states[id] } }
    func states(_ body: (State) -> Bool) -> [State] { contents.withLock { $0.states.values.filter(body) } }
    var isConnected: Bool { contents.withLock(\.isConnected) }
    var count: (all: Int, up: Int) {
        contents.withLock { ($0.states.count, $0.states.values.count(where: \.isEstablished)) }
    }

    /// Partners' periods begin and end.
    func keepPeriods(at time: Timestamp) {
        contents.withLock { contents in
            for (id, state) in contents.states where state.setup.tunnel.partner != nil {
                Self.keepPeriod(id, &contents, at: time)
            }
        }
    }

    private static func keepPeriod(_ id: VPN.ID, _ contents: inout Contents, at time: Timestamp) {
        guard let state = contents.states[id], let partner = state.setup.tunnel.partner else { return }
        switch (partner.isValid(at: time), state.record.state == .ended) {
        case (true, true): contents.states[id]?.record.apply(.resumed, at: time)
        case (false, false): contents.states[id]?.record.apply(.ended, at: time)
        case (true, false), (false, true): break
        }
    }

    // MARK: Whether flows may take it

    enum Condition: Hashable, Sendable {
        case well
        case ill
        /// Not up, and nothing is wrong: it need not show that it lasts when it is.
        case resting
    }

    func condition(of id: VPN.ID) -> Condition {
        contents.withLock { contents in
            guard let state = contents.states[id] else { return .ill }
            if state.isHeld || state.record.state == .ended { return .resting }
            if state.probe.isFailing, state.setup.tunnel.probe != nil { return .ill }
            if state.isEstablished { return .well }
            // Its first packet makes it; after a failure it is not offered until it is to be tried again.
            guard state.setup.tunnel.initiation == .onDemand, state.record.fault == nil else { return .ill }
            return .well
        }
    }

    /// Holds those that must not be up beside another of the same networks which flows take, and frees the others.
    /// - Parameter isUp: whether flows take it.
    /// - Returns: those whose being held has changed.
    func holdAlternates(isUp: (VPNNumber) -> Bool) -> [VPN] {
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

    /// - Parameter limit: attempts that may be under way at once.
    func steps(at time: Timestamp, limit: Int) -> [Step] {
        contents.withLock { contents in
            guard contents.isConnected else { return [] }
            var steps = contents.departed.map { name, rest in
                Step.unload(identifier: name, keys: rest.keys, authorities: rest.authorities)
            }
            contents.departed = [:]
            var running = contents.states.values.count { $0.attempt.startedAt != nil }
            let ordered = contents.states.values.sorted { $0.setup.vpn.number < $1.setup.vpn.number }
            for state in ordered {
                let id = state.setup.vpn.id
                if state.isHeld || state.record.state == .ended {
                    guard state.loaded != nil else { continue }
                    steps.append(
                        .unload(identifier: state.identifier, keys: state.loadedKeys, authorities: []))
                    Self.noteUnloaded(&contents.states[id])
                    continue
                }
                if state.loadedRevision != state.revision {
                    steps.append(.load(id, revision: state.revision, state.setup, keys: Self.keys(state)))
                    continue
                }
                guard Self.isDue(state, at: time), running < limit else { continue }
                running += 1
                contents.states[id]?.attempt.startedAt = time
                contents.states[id]?.isWanted = false
                contents.states[id]?.record.apply(.initiated, at: time)
                steps.append(
                    .initiate(id, identifier: state.identifier, children: state.setup.plan.children.map(\.name)))
            }
            return steps
        }
    }

    /// One at a time: with two of the same identities the daemon tries both on what the peer proves, and proves itself by the
    /// one that was loaded last, whichever the peer has (seen, 5.9.8).
    private static func keys(_ state: State) -> [VPNKey] {
        ((state.usesOlderKey ? state.setup.keys.last : state.setup.keys.first)).map { [$0] } ?? []
    }

    /// The peer may have the other of two keys.
    private static func turnKeys(_ state: inout State, at time: Timestamp) {
        guard state.setup.keys.count > 1, isOfKeys(state.record.fault) else { return }
        if let turned = state.keysTurnedAt, time.milliseconds - turned.milliseconds < 2000 { return }
        state.keysTurnedAt = time
        state.usesOlderKey.toggle()
        state.revision += 1
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

    func noteLoaded(_ id: VPN.ID, revision: Int, _ setup: Setup, keys: [String]) {
        contents.withLock { contents in
            contents.states[id]?.loaded = setup.plan
            contents.states[id]?.loadedKeys = keys
            contents.states[id]?.loadedRevision = revision
        }
    }

    private static func noteUnloaded(_ state: inout State?) {
        state?.loaded = nil
        state?.loadedKeys = []
        state?.loadedRevision = nil
        state?.attempt = Attempt()
    }

    /// The daemon refused to begin, or to take the tunnel.
    func noteFailure(_ id: VPN.ID, words: String, at time: Timestamp) {
        contents.withLock { contents in
            contents.states[id]?.record.apply(.initiationEnded(error: words), at: time)
            contents.states[id]?.attempt.fail(at: time, jitter: Int64.random(in: 0..<1000))
        }
    }

    /// Does not wait for the next attempt's time.
    func tryNow(_ id: VPN.ID) {
        contents.withLock { contents in
            contents.states[id]?.attempt = Attempt()
            contents.states[id]?.isWanted = true
        }
    }

    /// Attempts that have come to an end without success are made again later.
    func judgeAttempts(at time: Timestamp) {
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
                contents.states[id]?.attempt.fail(at: time, jitter: Int64.random(in: 0..<1000))
            }
        }
    }

    private static func isOfKeys(_ fault: TunnelFault?) -> Bool {
        switch fault {
        case .key, .keyMissing, .refusedAuthentication: true
        default: false
        }
    }
}

// MARK: - What the daemon says

extension TunnelBook {
    func connected(at time: Timestamp) {
        contents.withLock { contents in
            contents.isConnected = true
            contents.departed = [:]
            contents.directory.startAnew()
            for (id, _) in contents.states {
                Self.noteUnloaded(&contents.states[id])
                contents.states[id]?.associations = []
                contents.states[id]?.record.apply(.charonStarted, at: time)
                contents.states[id]?.probe.restart()
            }
        }
    }

    func disconnected(at time: Timestamp) {
        contents.withLock { contents in
            contents.isConnected = false
            for (id, _) in contents.states {
                Self.noteUnloaded(&contents.states[id])
                contents.states[id]?.associations = []
                contents.states[id]?.record.apply(.charonStarted, at: time)
            }
        }
    }

    /// - Returns: the VPN whose condition may be another now.
    func apply(_ event: TunnelEvent, to connection: String, at time: Timestamp) -> VPN.ID? {
        contents.withLock { contents in
            guard let id = contents.names[connection] else { return nil }
            let wasUp = contents.states[id]?.isEstablished
            contents.states[id]?.record.apply(event, at: time)
            contents.states[id]?.note(event)
            if var state = contents.states[id], state.setup.keys.count > 1 {
                Self.turnKeys(&state, at: time)
                contents.states[id] = state
            }
            guard wasUp != contents.states[id]?.isEstablished else { return nil }
            if wasUp == false {
                contents.states[id]?.attempt = Attempt()
                contents.states[id]?.probe.restart()
            }
            return id
        }
    }

    /// Whose a line of the daemon's log is, with earlier ones that were not known to be.
    func attribute(_ line: LogLine) -> [(connection: String, LogLine)] {
        contents.withLock { contents in
            if let packet = DroppedPacket(line) {
                Self.note(packet, &contents)
                return []
            }
            if contents.isDirectoryStale {
                contents.fillDirectory()
                contents.isDirectoryStale = false
            }
            guard let delivery = contents.directory.attribute(line), let state = contents.states[delivery.vpn] else {
                return []
            }
            return delivery.lines.map { (state.identifier, $0) }
        }
    }

    private static func note(_ packet: DroppedPacket, _ contents: inout Contents) {
        let reach = contents.states.values.map { state in
            DroppedPacket.Reach(
                vpn: state.setup.vpn.id, devices: state.setup.plan.localBlocks,
                networks: state.setup.tunnel.networks.map(\.network))
        }
        switch packet.reason(among: reach) {
        case .outsideNetworks(let id), .outsideDevices(let id): contents.dropped[id, default: 0] &+= 1
        case .unknown: contents.droppedOfUnknown &+= 1
        }
    }

    /// Packets that the daemon dropped, since they came out of a tunnel that may not bring them.
    func dropped(of id: VPN.ID) -> UInt64 { contents.withLock { $0.dropped[id] ?? 0 } }

    /// Callers that are no VPN's peer, as far as anybody knows.
    var strangers: [TunnelDirectory.Stranger] { contents.withLock { $0.directory.strangers } }

    /// What must have happened for the daemon to have these.
    func differences(from associations: [IKEAssociation]) -> [(connection: String, TunnelEvent)] {
        let present = Dictionary(grouping: associations) { $0.name }
        return contents.withLock { contents in
            contents.states.values.flatMap { state -> [(String, TunnelEvent)] in
                let own = present[state.identifier] ?? []
                let carrying = own.filter { $0.children.contains(where: \.carriesTraffic) }
                switch (state.isEstablished, carrying.isEmpty) {
                case (true, true):
                    return state.associations.map { (state.identifier, .ikeDown(sa: $0)) }
                case (false, false):
                    return carrying.flatMap { ike -> [(String, TunnelEvent)] in
                        guard let address = ike.remote.address else { return [] }
                        let up = TunnelEvent.ikeUp(
                            sa: ike.id, address: address, port: ike.remote.port ?? 0, identity: ike.remote.identity)
                        return [(state.identifier, up)]
                            + ike.children.filter(\.carriesTraffic).map { child in
                                (
                                    state.identifier,
                                    .childUp(
                                        sa: ike.id, name: child.name, local: child.localSelectors.map(\.description),
                                        remote: child.remoteSelectors.map(\.description))
                                )
                            }
                    }
                case (true, false), (false, true): return []
                }
            }
        }
    }
}

// MARK: - Traffic

extension TunnelBook {
    func note(_ counters: [VPNNumber: (packetsToPeer: UInt64, octetsIn: UInt64, octetsOut: UInt64)], at time: Timestamp)
    {
        contents.withLock { contents in
            for (number, count) in counters {
                guard let id = contents.byNumber[number], let state = contents.states[id] else { continue }
                contents.states[id]?.record.apply(
                    .counters(bytesIn: count.octetsIn, bytesOut: count.octetsOut), at: time)
                if count.packetsToPeer > state.packetsToPeer, !state.isEstablished {
                    contents.states[id]?.isWanted = true
                }
                contents.states[id]?.packetsToPeer = count.packetsToPeer
            }
        }
    }

    /// Questions to send now. Of one that is up, or was until its probe failed.
    func probes(mark: (VPNNumber) -> UInt32, at time: Timestamp) -> [TunnelProbe] {
        contents.withLock { contents in
            var probes: [TunnelProbe] = []
            for (id, state) in contents.states {
                guard let probe = state.setup.tunnel.probe, let source = state.setup.gatewayAddress,
                    state.isEstablished,
                    let sequence = contents.states[id]?.probe.next(at: time)
                else { continue }
                if contents.states[id]?.probe.isFailing == true, !state.probe.isFailing {
                    contents.states[id]?.record.apply(.probe(answered: false, address: probe), at: time)
                }
                probes.append(
                    TunnelProbe(
                        vpn: state.setup.vpn.number, sequence: sequence, source: source, destination: probe,
                        mark: mark(state.setup.vpn.number)))
            }
            return probes
        }
    }

    func note(_ answer: TunnelProbe.Answer, at time: Timestamp) {
        contents.withLock { contents in
            guard let id = contents.byNumber[answer.vpn], let state = contents.states[id],
                state.setup.tunnel.probe == answer.from
            else { return }
            contents.states[id]?.probe.note(answer: answer.sequence)
            if state.probe.isFailing {
                contents.states[id]?.record.apply(.probe(answered: true, address: answer.from), at: time)
            }
        }
    }
}

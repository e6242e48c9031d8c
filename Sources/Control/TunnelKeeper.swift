import Domain
import Logging
import Metrics
import PolicyCompiler
import ServiceLifecycle
import Store
import VICI

/// Makes the IKE daemon have the tunnels that the book says, and the book know what becomes of them.
struct TunnelKeeper: Service {
    let control: ControlPlane
    let support: TunnelSupport
    private let failures = Counter(label: "cordon_vpn_daemon_failures_total")
    private let attempts = Counter(label: "cordon_vpn_attempts_total")
    private let loads = Counter(label: "cordon_vpn_loads_total")
    private let configured = Gauge(label: "cordon_vpn_tunnels", dimensions: [("state", "configured")])
    /// Packets out of a tunnel that no tunnel may bring, and whose nobody can tell.
    private let dropped = Gauge(label: "cordon_vpn_unattributed_packets")
    private let up = Gauge(label: "cordon_vpn_tunnels", dimensions: [("state", "up")])

    /// How soon an attempt that is due is made; who makes a VPN does not wait for it.
    static let interval: Duration = .milliseconds(200)
    /// Turns between two looks at counters, at faults, and at what the daemon says it has.
    private static let countingTurns = 10
    private static let tellingTurns = 5
    private static let comparingTurns = 50
    /// A minute, and an hour.
    private static let forgettingTurns = 300
    private static let renewingTurns = 18_000
    private static let lookUpInterval: Duration = .seconds(10)
    private static let lookUpsAtOnce = 16
    /// So many at once: each is two exchanges of the daemon's threads with a peer.
    private static let attemptsAtOnce = 64

    init(control: ControlPlane, support: TunnelSupport) {
        self.control = control
        self.support = support
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.listen() }
                group.addTask { await self.work() }
                group.addTask { await self.tick() }
                group.addTask { await self.keepPeers() }
                await group.waitForAll()
            }
        }
    }

    // MARK: What the daemon tells

    private func listen() async {
        let tunnels = control.tunnels
        for await event in support.daemon.events() {
            let now = control.now()
            switch event {
            case .reconnected:
                do { try control.attachTunnels() } catch {
                    control.logger.error(
                        "packets do not find the way to the IKE daemon; tried again", metadata: ["error": "\(error)"])
                }
                tunnels.connected(at: now)
                // It may be the same daemon, which had none of what happened meanwhile. If it cannot say, the connection
                // has ended again.
                if let loaded = try? await support.daemon.loaded() { tunnels.noteStrays(among: loaded) }
                support.wake()
            case .disconnected:
                tunnels.disconnected(at: now)
                await look()
            case .changed(let event):
                var isOther = false
                for (connection, event) in Self.events(event, tunnels) {
                    isOther = tunnels.apply(event, to: connection, at: now) != nil || isOther
                }
                guard isOther else { continue }
                await look()
                support.wake()
            }
        }
    }

    private func look() async {
        do { try await control.lookAtVPNs() } catch {
            control.logger.warning("VPNs could not be looked at; tried again", metadata: ["error": "\(error)"])
        }
    }

    /// What an event says of which connection.
    private static func events(_ event: DaemonEvent, _ tunnels: TunnelBook) -> [(String, TunnelEvent)] {
        switch event {
        case .log(let line): return tunnels.attribute(line).map { ($0, .log($1)) }
        case .ike(_, let ike), .child(_, let ike), .ikeRekeyed(let ike, _), .childRekeyed(let ike, _, _),
            .listed(let ike):
            return TunnelEvent(event).map { [(ike.name, $0)] } ?? []
        }
    }

    // MARK: What it is told

    private func work() async {
        for await _ in support.wakeUps {
            for step in control.tunnels.steps(at: control.now(), limit: Self.attemptsAtOnce) { await take(step) }
        }
    }

    private func take(_ step: TunnelBook.Step) async {
        do {
            switch step {
            case .load(let id, let revision, let setup, let keys):
                try await load(id, revision: revision, setup, keys)
            case .unload(let identifier, let keys, let authorities):
                try await support.daemon.unload(identifier, secrets: keys, authorities: authorities)
            case .initiate(_, let identifier, let children):
                attempts.increment()
                for child in children { try await support.daemon.initiate(child, of: identifier) }
            }
        } catch {
            failures.increment()
            let id: VPN.ID? =
                switch step {
                case .load(let id, _, _, _), .initiate(let id, _, _): id
                case .unload: nil
                }
            // A daemon that is gone is told everything when it is back.
            guard error.code != .unreachable else {
                if case .unload(let identifier, let keys, let authorities) = step {
                    control.tunnels.noteStillThere(identifier, keys: keys, authorities: authorities)
                }
                return
            }
            if let id { control.tunnels.noteFailure(id, words: error.words, at: control.now()) }
            control.logger.error("the IKE daemon did not take a change", metadata: ["error": "\(error)"])
        }
    }

    private func load(
        _ id: VPN.ID, revision: Int, _ setup: TunnelBook.Setup, _ keys: [VPNKey]
    ) async throws(IKEDaemonError) {
        loads.increment()
        let before = control.tunnels.state(of: id)
        let secrets = TunnelSecrets(
            keys: keys.map { (setup.name(of: $0), $0.key.bytes) }, privateKey: setup.privateKey?.bytes,
            authorities: setup.authorities)
        try await support.daemon.load(setup.plan, secrets)
        for name in before?.loadedKeys ?? [] where !secrets.keys.contains(where: { $0.name == name }) {
            try await support.daemon.unload(secret: name)
        }
        control.tunnels.noteLoaded(id, revision: revision, setup, keys: secrets.keys.map(\.name))
        // What is up was made as the connection was before; whose the keys are, the daemon asks when it makes one.
        if let old = before?.loaded?.plan, old.connection.settings != setup.plan.connection.settings {
            try await support.daemon.terminate(setup.plan.identifier, force: true)
        }
        support.wake()
    }

    // MARK: What time brings

    private func tick() async {
        var turn = 0
        while !Task.isCancelled {
            do { try await Task.sleep(for: Self.interval) } catch { return }
            turn &+= 1
            let now = control.now()
            let tunnels = control.tunnels
            if let probing = support.probing {
                for answer in probing.answers() { tunnels.note(answer, at: now) }
                let probes = tunnels.probes(mark: control.dataPlane.routeMark(of:), at: now)
                if !probes.isEmpty { probing.send(probes) }
            }
            tunnels.keepPeriods(at: now)
            tunnels.judgeAttempts(at: now)
            if turn % Self.countingTurns == 0 { count(at: now) }
            if turn % Self.tellingTurns == 0 { await tell(at: now) }
            if turn % Self.comparingTurns == 0 { await compare() }
            if turn % Self.forgettingTurns == 0 { await forget() }
            // At once after a start: the gateway may have been off for long.
            if turn % Self.renewingTurns == 1 { await renew() }
            await bringWidened()
            support.wake()
        }
    }

    private func bringWidened() async {
        for tenant in control.tunnels.takeWidened() {
            do { try await control.widenTunnels(of: tenant) } catch {
                // The next device of the block is another reason.
                control.logger.error(
                    "VPNs do not have a tenant's new block", metadata: ["tenant": "\(tenant)", "error": "\(error)"])
            }
        }
    }

    private func forget() async {
        do { try await control.forgetRetiredKeys() } catch {
            control.logger.warning("keys of VPNs whose time is over are still there", metadata: ["error": "\(error)"])
        }
        do { try await control.forgetRetiredAuthorities() } catch {
            control.logger.warning(
                "authorities of VPNs whose time is over are still believed", metadata: ["error": "\(error)"])
        }
    }

    private func tell(at time: Timestamp) async {
        let faults = control.tunnels.takeNewFaults(at: time)
        guard !faults.isEmpty else { return }
        do { try await control.tell(faults, at: time) } catch {
            control.logger.error("faults of VPNs could not be recorded as events", metadata: ["error": "\(error)"])
        }
    }

    private func renew() async {
        do { try await control.renewCertificates() } catch {
            control.logger.error("certificates of the gateway are not renewed", metadata: ["error": "\(error)"])
        }
        do { try await control.warnOfPeerCertificates() } catch {
            control.logger.error(
                "tenants are not told of certificates that end", metadata: ["error": "\(error)"])
        }
    }

    private func count(at time: Timestamp) {
        let count = control.tunnels.count
        dropped.record(Double(control.tunnels.droppedOfUnknown))
        configured.record(count.all)
        up.record(count.up)
        guard count.all > 0 else { return }
        // What cannot be read is read next time.
        guard let counters = try? control.dataPlane.tunnelCounters(of: nil) else { return }
        control.tunnels.note(
            counters.mapValues {
                (packetsToPeer: $0.packetsToPeer, octetsIn: $0.octetsFromPeer, octetsOut: $0.octetsToPeer)
            }, at: time)
    }

    /// Events that were lost are found out.
    private func compare() async {
        let before = control.tunnels.changes
        guard control.tunnels.isConnected, let all = try? await support.daemon.associations(of: nil) else { return }
        let now = control.now()
        var isOther = false
        for (name, event) in control.tunnels.differences(from: all, since: before) {
            isOther = control.tunnels.apply(event, to: name, at: now) != nil || isOther
        }
        if isOther { await look() }
    }

    /// Peers' names, while their tunnels are down: they may be elsewhere now. Several at once, since one whose servers do
    /// not answer takes many seconds.
    private func keepPeers() async {
        while !Task.isCancelled {
            let waiting = control.tunnels.states { state in
                if case .name = state.setup.tunnel.peer { !state.isEstablished } else { false }
            }
            await withTaskGroup(of: Void.self) { group in
                for (place, state) in waiting.enumerated() {
                    if place >= Self.lookUpsAtOnce { await group.next() }
                    group.addTask { await self.lookUpPeer(of: state) }
                }
            }
            do { try await Task.sleep(for: Self.lookUpInterval) } catch { return }
        }
    }

    private func lookUpPeer(of state: TunnelBook.State) async {
        do { try await control.refreshTunnel(state.setup.vpn.id) } catch {
            control.logger.warning(
                "a VPN's peer could not be looked up",
                metadata: ["vpn": "\(state.setup.vpn.name)", "error": "\(error)"])
        }
    }
}

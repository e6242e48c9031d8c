import Control
import Domain
import PKI
import PeerGuides
import PolicyCompiler
import Store
import Synchronization
import Testing
import VICI

/// What a tenant does with its tunnels, down to the daemon and the kernel.
@Suite struct TunnelUseCaseTests {
    static func name(_ text: String) throws -> Name { try Name(parsing: text) }

    static func tunnel(
        _ networks: [String] = ["10.0.0.0/24"], peer: String = "203.0.113.10",
        authentication: Tunnel.Authentication = .sharedKey, profile: Tunnel.Profile = .standard,
        gatewayIdentity: Tunnel.GatewayIdentity = .name, probe: String? = nil
    ) throws -> Tunnel {
        Tunnel(
            peer: try Tunnel.Peer(parsing: peer),
            networks: try networks.map { try Tunnel.RemoteNetwork(parsing: $0) }, profile: profile,
            authentication: authentication, gatewayIdentity: gatewayIdentity,
            probe: try probe.map { try IPv4Address(parsing: $0) })
    }

    static func failure<Value>(_ body: () async throws -> Value) async -> ControlError? {
        do { _ = try await body() } catch { return error as? ControlError }
        return nil
    }

    /// Waits until it is so, for half a minute: tests run side by side on few cores.
    static func eventually(
        _ what: Comment, location: SourceLocation = #_sourceLocation, _ isSo: () async throws -> Bool
    ) async throws {
        for _ in 0..<600 {
            if try await isSo() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record(what, sourceLocation: location)
    }

    static func run(
        _ daemon: ScriptedDaemon = ScriptedDaemon(), tenants: [String] = ["acme", "globex"],
        lookUp: @escaping @Sendable (DomainName) async -> [IPAddress] = { _ in [] }, path: TunnelPath = .userSpace,
        _ body: @escaping @Sendable (Bench, ScriptedDaemon) async throws -> Void
    ) async throws {
        try await Bench.run(tunnels: try daemon.support(lookUp: lookUp), tunnelPath: path) { bench in
            for (place, tenant) in tenants.enumerated() {
                _ = try await bench.tenant(tenant, sims: place == 0 ? 2 : 0)
            }
            try await body(bench, daemon)
        }
    }

    @Test func `a tunnel is stored, loaded, called and up, and then flows take it`() async throws {
        try await Self.run { bench, daemon in
            let (acme, hq) = (try Self.name("acme"), try Self.name("hq"))
            let made = try await bench.control.createTunnel(hq, of: acme, try Self.tunnel(), by: .system)
            #expect(made.key?.bytes.count == 52 && made.certificate == nil && made.warnings.isEmpty)
            // In the kernel before it is up, for nobody.
            let number = made.vpn.vpn.number
            let entry = try #require(bench.kernel.now.vpns[number])
            #expect(entry.tunnel?.networks.map(\.description) == ["10.0.0.0/24"])
            // The book knows it first, and then the kernel.
            try await Self.eventually("up") { bench.kernel.now.vpns[number]?.isUp == true }
            #expect(try await bench.control.vpn(hq, of: acme, by: .system).isUp)
            let requests = daemon.takeRequests()
            let identifier = "vpn-\(made.vpn.vpn.id)"
            #expect(requests == ["load \(identifier)", "initiate \(identifier)"])
            #expect(Array(daemon.now.keys.values) == [made.key?.bytes])
            let blocks = try await bench.control.blocks(of: acme, by: .system)
            #expect(daemon.now.plans[identifier]?.localBlocks == blocks && entry.tunnel?.blocks == blocks)
            // It goes down, and so do flows; the gateway makes it again, and they are back after a while.
            daemon.change { $0.silent = [identifier] }
            daemon.end(identifier)
            try await Self.eventually("down") { bench.kernel.now.vpns[number]?.isUp == false }
            daemon.change { $0.silent = [] }
            try await Self.eventually("back") { bench.kernel.now.vpns[number]?.isUp == true }
        }
    }

    @Test func `a key that is brought is the daemon's, and the next is made`() async throws {
        try await Self.run { bench, daemon in
            let (acme, hq) = (try Self.name("acme"), try Self.name("hq"))
            let key = try PeerSharedKey(parsing: "what-the-peer-has")
            let made = try await bench.control.createTunnel(hq, of: acme, try Self.tunnel(), key: key, by: .system)
            #expect(made.key == nil)
            try await Self.eventually("up") { try await bench.control.vpn(hq, of: acme, by: .system).isUp }
            #expect(Array(daemon.now.keys.values) == [Array(key.text.utf8)])
            let rotated = try await bench.control.rotateKey(of: hq, of: acme, overlap: .zero, by: .system)
            #expect(rotated.key?.bytes.count == 52)
            let byCertificate = try Self.tunnel(["10.1.0.0/24"], peer: "203.0.113.11", authentication: .certificate)
            let refused = await Self.failure {
                try await bench.control.createTunnel(
                    try Self.name("lab"), of: acme, byCertificate, key: key, by: .system)
            }
            #expect(refused?.code == .invalid && refused?.problems.map(\.field) == ["key"])
        }
    }

    @Test func `what overlaps inside a tenant is refused with a translation; two tenants have the same`() async throws {
        try await Self.run(path: .kernel) { bench, daemon in
            let control = bench.control
            let (acme, globex) = (try Self.name("acme"), try Self.name("globex"))
            _ = try await control.createTunnel(try Self.name("hq"), of: acme, try Self.tunnel(), by: .system)
            let refused = await Self.failure {
                try await control.createTunnel(
                    try Self.name("lab"), of: acme, try Self.tunnel(["10.0.0.128/25"]), by: .system)
            }
            #expect(refused?.code == .invalid && refused?.detail.contains("10.0.0.128/25=172.16.0.0/25") == true)
            #expect(try await control.vpns(of: acme, by: .system).count == 1)
            let translated = try Self.tunnel(["10.0.0.128/25=172.16.0.0/25"], peer: "203.0.113.11")
            let lab = try await control.createTunnel(try Self.name("lab"), of: acme, translated, by: .system)
            let other = try await control.createTunnel(try Self.name("hq"), of: globex, try Self.tunnel(), by: .system)
            try await Self.eventually("all up") { bench.kernel.now.vpns.values.allSatisfy(\.isUp) }
            let plans = daemon.now.plans
            #expect(plans.count == 3 && Set(plans.values.map(\.localIdentity)).count == 3)
            #expect(plans["vpn-\(lab.vpn.vpn.id)"]?.children.first?.remote.map(\.description) == ["10.0.0.128/25"])
            // Each has its own tenant's devices only.
            let blocks = bench.kernel.now.vpns.mapValues { $0.tunnel?.blocks ?? [] }
            let theirs = try #require(blocks[other.vpn.vpn.number])
            #expect(!theirs.isEmpty)
            for (number, own) in blocks where number != other.vpn.vpn.number {
                #expect(Set(own).isDisjoint(with: theirs))
            }
        }
    }

    /// The daemon's own ESP looks at addresses as the peer has them: the second stands by where the two overlap there.
    @Test func `of two with the same networks one has the flows, and the other takes over`() async throws {
        try await Self.run { bench, daemon in
            let (control, acme) = (bench.control, try Self.name("acme"))
            let hq = try await control.createTunnel(try Self.name("hq"), of: acme, try Self.tunnel(), by: .system)
            let second = try Self.tunnel(peer: "203.0.113.11")
            let spare = try await control.createTunnel(try Self.name("spare"), of: acme, second, by: .system)
            #expect(spare.warnings.map(\.field) == ["remote_networks"])
            let isUp = { (made: ControlPlane.TunnelHandover) in bench.kernel.now.vpns[made.vpn.vpn.number]?.isUp }
            let blocks = { (made: ControlPlane.TunnelHandover) in
                bench.kernel.now.vpns[made.vpn.vpn.number]?.tunnel?.blocks.count
            }
            let (first, other) = ("vpn-\(hq.vpn.vpn.id)", "vpn-\(spare.vpn.vpn.id)")
            try await Self.eventually("one of them") {
                // The spare is down also for the moment before it is known that it has to stand by.
                isUp(hq) == true && isUp(spare) == false && blocks(spare) == 0
                    && Array(daemon.now.plans.keys) == [first]
            }
            #expect(blocks(hq) == 1)
            #expect(try await control.vpn(try Self.name("spare"), of: acme, by: .system).tunnel?.isStandingBy == true)
            daemon.change { $0.silent = [first] }
            daemon.end(first)
            try await Self.eventually("the other") { isUp(hq) == false && isUp(spare) == true && blocks(spare) == 1 }
            daemon.change { $0.silent = [] }
            try await Self.eventually("the first again") {
                isUp(hq) == true && isUp(spare) == false && daemon.now.plans[other] == nil
            }
        }
    }

    @Test func `a tenant has as many as the operator lets it`() async throws {
        try await Self.run { bench, daemon in
            let (control, acme) = (bench.control, try Self.name("acme"))
            let create = { (number: Int) in
                await Self.failure {
                    try await control.createTunnel(
                        try Self.name("v\(number)"), of: acme,
                        try Self.tunnel(["10.0.\(number).0/24"], peer: "203.0.113.\(10 + number)"), by: .system)
                }
            }
            for number in 0..<4 { #expect(await create(number) == nil) }
            #expect(await create(4)?.code == .exhausted)
            let preflight = try await control.checkTunnel(
                try Self.name("v4"), of: acme, try Self.tunnel(["10.0.4.0/24"]), by: .system)
            #expect(preflight.findings.first?.field == "name" && preflight.findings.first?.weight == .error)
            let tenant = try #require(try await bench.store.read { store in try store.tenant(named: acme) })
            let own = Principal(name: "acme", role: .tenant(tenant.id))
            #expect(await Self.failure { try await control.setVPNLimit(9, of: acme, by: own) }?.code == .forbidden)
            try await control.setVPNLimit(5, of: acme, by: .system)
            #expect(await create(4) == nil)
            #expect(await create(5)?.code == .exhausted)
        }
    }

    @Test func `a check says what would be, and changes nothing`() async throws {
        let address = try IPAddress(parsing: "203.0.113.77")
        // A device's and the host's own among them: nobody's peer is there, whatever a name says.
        let told = [try IPAddress(parsing: "100.64.0.1"), address, try IPAddress(parsing: "127.0.0.1")]
        try await Self.run(lookUp: { $0.description == "hq.example" ? told : [] }) { bench, daemon in
            let (control, acme) = (bench.control, try Self.name("acme"))
            try await Self.eventually("there") { control.tunnels.isConnected }
            let before = try await bench.store.read { store in try store.audit(before: nil, limit: 100).count }
            let preflight = try await control.checkTunnel(
                try Self.name("hq"), of: acme, try Self.tunnel(peer: "hq.example"), by: .system)
            #expect(preflight.findings.isEmpty && preflight.peerAddresses == [address])
            #expect("\(preflight.ownIdentity)" == "hq.acme.vpn.cordon.internal")
            #expect(preflight.peerIdentity.map { "\($0)" } == "hq.example" && preflight.path == "user-space")
            let unknown = try await control.checkTunnel(
                try Self.name("hq"), of: acme, try Self.tunnel(peer: "nowhere.example"), by: .system)
            #expect(unknown.findings.map(\.field) == ["peer"])
            #expect(try await control.vpns(of: acme, by: .system).isEmpty && bench.kernel.now.vpns.isEmpty)
            #expect(try await control.blocks(of: acme, by: .system).isEmpty && daemon.takeRequests() == [])
            #expect(try await bench.store.read { store in try store.audit(before: nil, limit: 100).count } == before)
        }
    }

    @Test func `a change is of what is named, and touches no other VPN`() async throws {
        try await Self.run { bench, daemon in
            let (control, acme, hq) = (bench.control, try Self.name("acme"), try Self.name("hq"))
            _ = try await control.createTunnel(hq, of: acme, try Self.tunnel(profile: .compatible), by: .system)
            let lab = try Self.tunnel(["10.1.0.0/24"], peer: "203.0.113.11")
            _ = try await control.createTunnel(try Self.name("lab"), of: acme, lab, by: .system)
            try await Self.eventually("all up") { daemon.now.up.count == 2 }
            try await Self.eventually("flows") { bench.kernel.now.vpns.values.allSatisfy(\.isUp) }
            _ = daemon.takeRequests()
            let changed = try await control.updateTunnel(hq, of: acme, by: .system) { before throws(ControlError) in
                Tunnel(
                    peer: before.peer,
                    networks: before.networks + [.init(IPv4Prefix(containing: .init(bits: 0x0A02_0000), length: 24))],
                    profile: before.profile)
            }
            let identifier = "vpn-\(changed.vpn.vpn.id)"
            #expect(changed.key == nil && changed.vpn.vpn.tunnel?.profile == .compatible)
            try await Self.eventually("made anew") { daemon.now.requests.contains("initiate \(identifier)") }
            #expect(
                daemon.takeRequests() == ["load \(identifier)", "terminate \(identifier)", "initiate \(identifier)"])
            #expect(daemon.now.plans[identifier]?.children.first?.remote.count == 2)
            // What the peer has no part in ends nothing.
            _ = try await control.updateTunnel(hq, of: acme, by: .system) { before throws(ControlError) in
                Tunnel(
                    peer: before.peer, networks: before.networks, profile: before.profile,
                    probe: IPv4Address(bits: 0x0A02_0001))
            }
            try await Self.eventually("loaded") { daemon.now.requests.contains("load \(identifier)") }
            try await Task.sleep(for: .milliseconds(400))
            #expect(daemon.takeRequests() == ["load \(identifier)"])
        }
    }

    @Test func `nobody waits while a peer's name is looked up, and its tunnel is made when it has an address`()
        async throws
    {
        let isAdmitted = Mutex(false)
        let asked = Mutex(0)
        let address = try IPAddress(parsing: "203.0.113.77")
        let lookUp = { @Sendable (name: DomainName) async -> [IPAddress] in
            asked.withLock { $0 += 1 }
            // Ten seconds at most: as long as servers that are silent.
            for _ in 0..<1200 where !isAdmitted.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(50)) }
            return isAdmitted.withLock { $0 } ? [address] : []
        }
        try await Self.run(lookUp: lookUp) { bench, daemon in
            let (control, acme, hq) = (bench.control, try Self.name("acme"), try Self.name("hq"))
            for place in 0..<2 {
                isAdmitted.withLock { $0 = false }
                let before = asked.withLock { $0 }
                async let made =
                    place == 0
                    ? control.createTunnel(hq, of: acme, try Self.tunnel(peer: "hq.example"), by: .system)
                    : control.updateTunnel(hq, of: acme, by: .system) { before throws(ControlError) in
                        Tunnel(peer: .name(.vpnIdentities), networks: before.networks)
                    }
                try await Self.eventually("asked") { asked.withLock { $0 } > before }
                guard case .accept = try await bench.attach(try Bench.imsi(place)) else {
                    Issue.record("not admitted")
                    return
                }
                isAdmitted.withLock { $0 = true }
                let identifier = "vpn-\(try await made.vpn.vpn.id)"
                try await Self.eventually("up") {
                    daemon.now.plans[identifier]?.peerAddresses == [address] && daemon.now.up.count == 1
                }
            }
        }
    }

    @Test func `another tenant's VPN whose peer says the same is not ended`() async throws {
        try await Self.run { bench, daemon in
            let control = bench.control
            _ = try await control.createTunnel(
                try Self.name("hq"), of: try Self.name("acme"), try Self.tunnel(), by: .system)
            try await Self.eventually("up") { daemon.now.up.count == 1 }
            _ = daemon.takeRequests()
            _ = try await control.createTunnel(
                try Self.name("hq"), of: try Self.name("globex"), try Self.tunnel(), by: .system)
            try await Self.eventually("both up") { daemon.now.up.count == 2 }
            #expect(!daemon.takeRequests().contains { $0.hasPrefix("terminate") })
            #expect(daemon.now.plans.values.allSatisfy { $0.secretOwners == [$0.localIdentity] })
            // Where the gateway is known by its address, the peer's identity must be the VPN's alone; also for who comes
            // after it.
            let byAddress = try Self.tunnel(["10.5.0.0/24"], gatewayIdentity: .address)
            let create = { (name: String, tunnel: Tunnel) in
                await Self.failure {
                    try await control.createTunnel(
                        try Self.name(name), of: try Self.name("globex"), tunnel, by: .system)
                }
            }
            #expect(await create("aws", byAddress)?.problems.map(\.field) == ["gateway_id"])
            let free = try Self.tunnel(["10.5.0.0/24"], peer: "203.0.113.50", gatewayIdentity: .address)
            #expect(await create("aws", free) == nil)
            let late = try Self.tunnel(["10.6.0.0/24"], peer: "203.0.113.50")
            #expect(await create("late", late)?.problems.map(\.field) == ["peer_id"])
            // Of another tenant too, and in a check.
            let foreign = await Self.failure {
                try await control.createTunnel(try Self.name("late"), of: try Self.name("acme"), late, by: .system)
            }
            #expect(foreign?.problems.map(\.field) == ["peer_id"])
            let checked = try await control.checkTunnel(
                try Self.name("late"), of: try Self.name("acme"), late, by: .system)
            #expect(checked.findings.filter { $0.weight == .error }.map(\.field) == ["peer_id"])
            try await control.deleteVPN(try Self.name("aws"), of: try Self.name("globex"), by: .system)
            #expect(await create("late", late) == nil)
        }
    }

    @Test func `what is deleted leaves nothing with the daemon, in the kernel and in the store`() async throws {
        try await Self.run { bench, daemon in
            let (control, acme, hq) = (bench.control, try Self.name("acme"), try Self.name("hq"))
            for round in 0..<5 {
                let tunnel = try Self.tunnel(authentication: round == 3 ? .certificate : .sharedKey)
                _ = try await control.createTunnel(hq, of: acme, tunnel, by: .system)
                // At any moment of its coming up.
                if round > 1 { try await Self.eventually("up") { daemon.now.up.count == 1 } }
                if round == 2 { _ = try await control.rotateKey(of: hq, of: acme, overlap: .seconds(60), by: .system) }
                try await control.deleteVPN(hq, of: acme, by: .system)
                #expect(bench.kernel.now.vpns.isEmpty)
            }
            try await Self.eventually("gone") {
                let state = daemon.now
                return state.plans.isEmpty && state.keys.isEmpty && state.up.isEmpty && state.authorities.isEmpty
            }
            #expect(control.tunnels.count == (0, 0))
            let left = try await bench.store.read { store in
                (try store.allVPNs().count, try store.allVPNKeys().count, try store.allVPNCertificates().count)
            }
            #expect(left == (0, 0, 0))
        }
    }

    @Test func `a daemon that dies is told everything when it is back, what was deleted meanwhile not`() async throws {
        try await Self.run { bench, daemon in
            let (control, acme) = (bench.control, try Self.name("acme"))
            for number in 0..<3 {
                let tunnel = try Self.tunnel(["10.0.\(number).0/24"], peer: "203.0.113.\(10 + number)")
                _ = try await control.createTunnel(try Self.name("v\(number)"), of: acme, tunnel, by: .system)
            }
            try await Self.eventually("up") { daemon.now.up.count == 3 }
            daemon.die()
            try await Self.eventually("down") { bench.kernel.now.vpns.values.allSatisfy { !$0.isUp } }
            try await control.deleteVPN(try Self.name("v0"), of: acme, by: .system)
            #expect(
                try await control.diagnoseTunnel(try Self.name("v1"), of: acme, by: .system).faults.first?.code
                    == "daemon")
            daemon.rise()
            try await Self.eventually("up again") { daemon.now.up.count == 2 }
            #expect(daemon.now.plans.count == 2 && daemon.now.keys.count == 2)
        }
    }

    @Test func `what the daemon refuses is told, and tried again`() async throws {
        try await Self.run { bench, daemon in
            daemon.change { $0.refusals = 2 }
            let (control, acme, hq) = (bench.control, try Self.name("acme"), try Self.name("hq"))
            _ = try await control.createTunnel(hq, of: acme, try Self.tunnel(), by: .system)
            try await Self.eventually("up") { daemon.now.up.count == 1 }
            // Not each time that anything else happens.
            #expect(daemon.now.requests.count { $0.hasPrefix("load") } <= 3)
        }
    }
}

import Crypto
import Domain
import Logging
import PolicyCompiler
import Store
import Synchronization
import VICI

/// From what the store has of tunnels to what the IKE daemon and the kernel are told of them.
extension ControlPlane {
    /// What is read from the store for one tunnel.
    struct TunnelFacts: Sendable {
        let vpn: VPN
        let tunnel: Tunnel
        let tenant: Tenant
        let blocks: [IPv4Prefix]
        let groups: [Name: GroupNumber]
        let keys: [VPNKey]
        let certificates: [VPNCertificate]
        let authorities: [TenantAuthority]

        /// What the peer must say it is, in the form in which the daemon compares.
        var peer: String? { ControlPlane.peerIdentity(of: tunnel, vpn.name)?.comparable }
    }

    static func facts(of vpn: VPN, _ store: any StoreReader) throws -> TunnelFacts? {
        guard let tunnel = vpn.tunnel, let tenant = try store.tenant(vpn.tenant) else { return nil }
        return TunnelFacts(
            vpn: vpn, tunnel: tunnel, tenant: tenant, blocks: try store.blocks(of: tenant.id),
            groups: numbers(of: try store.groups(of: tenant.id)),
            keys: tunnel.authentication == .sharedKey ? try store.vpnKeys(of: vpn.id) : [],
            certificates: tunnel.authentication == .certificate ? try store.vpnCertificates(of: vpn.id) : [],
            authorities: tunnel.authentication == .certificate ? try store.tenantAuthorities(of: tenant.id) : [])
    }

    /// Those of all tunnels, in as many questions as one tunnel's.
    static func facts(of vpns: [VPN], _ store: any StoreReader) throws -> [TunnelFacts] {
        let tenants = Dictionary(try store.tenants().map { ($0.id, $0) }) { first, _ in first }
        let groups = Dictionary(grouping: try store.allGroups()) { $0.tenant }
        let keys = Dictionary(grouping: try store.allVPNKeys()) { $0.vpn }
        let certificates = Dictionary(grouping: try store.allVPNCertificates()) { $0.vpn }
        let authorities = Dictionary(grouping: try store.allTenantAuthorities()) { $0.tenant }
        var blocks: [Tenant.ID: [IPv4Prefix]] = [:]
        return try vpns.compactMap { vpn in
            guard let tunnel = vpn.tunnel, let tenant = tenants[vpn.tenant] else { return nil }
            if blocks[tenant.id] == nil { blocks[tenant.id] = try store.blocks(of: tenant.id) }
            let isCertified = tunnel.authentication == .certificate
            return TunnelFacts(
                vpn: vpn, tunnel: tunnel, tenant: tenant, blocks: blocks[tenant.id] ?? [],
                groups: numbers(of: groups[tenant.id] ?? []), keys: isCertified ? [] : keys[vpn.id] ?? [],
                certificates: isCertified ? certificates[vpn.id] ?? [] : [],
                authorities: isCertified ? authorities[tenant.id] ?? [] : [])
        }
    }

    private static func numbers(of groups: [SIMGroup]) -> [Name: GroupNumber] {
        groups.reduce(into: [:]) { $0[$1.name] = GroupNumber(group: $1.id) }
    }

    /// What the gateway says it is to this VPN's peer, and to no other's.
    func ownIdentity(of vpn: Name, of tenant: Name, _ tunnel: Tunnel) -> IKEIdentity {
        if tunnel.gatewayIdentity == .address, let address = tunnelSupport?.settings.addresses.first {
            return .address(address)
        }
        let suffix = tunnelSupport?.settings.identitySuffix.description ?? "cordon.invalid"
        // Two names of 63 characters and a suffix may be longer than a domain name.
        guard let name = DomainName(utf8: Array("\(vpn).\(tenant).\(suffix)".utf8)) else {
            return .name(Self.shortName("\(vpn).\(tenant)", suffix))
        }
        return .name(name)
    }

    private static func shortName(_ text: String, _ suffix: String) -> DomainName {
        let digest = SHA256.hash(data: Array(text.utf8)).prefix(16).map { octet in
            String(octet >> 4, radix: 16) + String(octet & 15, radix: 16)
        }.joined()
        guard let name = DomainName(utf8: Array("\(digest).\(suffix)".utf8)) else {
            preconditionFailure("32 hexadecimal digits before a domain that the configuration took are a domain name")
        }
        return name
    }

    /// What the peer must say it is, also when nobody has said.
    static func peerIdentity(of tunnel: Tunnel, _ vpn: Name) -> IKEIdentity? {
        tunnel.peerIdentity ?? tunnel.peer.defaultIdentity
    }

    /// As the kernel takes it.
    static func entry(of facts: TunnelFacts, isHeld: Bool) -> VPNEntry {
        let (vpn, tunnel) = (facts.vpn, facts.tunnel)
        var groups: Set<GroupNumber>?
        if case .groups(let names) = tunnel.devices { groups = Set(names.compactMap { facts.groups[$0] }) }
        return VPNEntry(
            interface: vpn.interface, networks: Set(vpn.networks), networks6: [],
            tunnel: TunnelEntry(
                // Another has the traffic of the same networks, and what comes from there is that one's.
                blocks: isHeld ? [] : facts.blocks.sorted(), networks: tunnel.networks, groups: groups,
                destinations: tunnel.partner?.destinations ?? [], ports: tunnel.partner?.ports ?? []),
            isUp: false)
    }

    /// A line's has no facts.
    static func entry(of line: VPN) -> VPNEntry {
        VPNEntry(
            interface: line.interface, networks: Set(line.networks), networks6: Set(line.networks6),
            nextHop: line.line?.nextHop, nextHop6: line.line?.nextHop6, isUp: false)
    }

    /// `nil` for a tunnel that nothing can be made of, which is logged: one without keys, say.
    func setup(of facts: TunnelFacts, lookedUp: [IPAddress]) -> TunnelBook.Setup? {
        guard let support = tunnelSupport, let peer = Self.peerIdentity(of: facts.tunnel, facts.vpn.name) else {
            return nil
        }
        let own = ownIdentity(of: facts.vpn.name, of: facts.tenant.name, facts.tunnel)
        var credentials = TunnelPlan.Credentials.sharedKey
        var key: Secret?
        var authorities: [(name: String, certificate: [UInt8])] = []
        if facts.tunnel.authentication == .certificate {
            guard let own = facts.certificates.first else {
                report(facts.vpn, "its certificate is gone")
                return nil
            }
            // The tenant's own, when it has brought some; else those that Cordon made for it.
            let brought = facts.authorities.filter { $0.key == nil }
            authorities = (brought.isEmpty ? facts.authorities : brought).map {
                ("tenant-\(facts.tenant.id)-\($0.id)", $0.certificate)
            }
            credentials = .certificate(own: own.certificate, authorities: authorities.map(\.certificate))
            key = own.key
        } else if facts.keys.isEmpty {
            report(facts.vpn, "its key is gone")
            return nil
        }
        do {
            let plan = try TunnelPlan(
                identifier: "vpn-\(facts.vpn.id)", tunnel: facts.tunnel,
                localAddresses: support.settings.localAddresses,
                localIdentity: own, peerIdentity: peer,
                isPeerIdentityUnique: tunnels.others(saying: peer.comparable, besides: facts.vpn.id).isEmpty,
                localBlocks: facts.blocks,
                path: tunnelPath == .kernel
                    ? .kernel(interfaceID: facts.vpn.number.rawValue + 1) : .userSpace,
                credentials: credentials, lookedUpAddresses: lookedUp,
                timers: TunnelPlan.Timers(deadPeerSeconds: support.settings.deadPeerSeconds))
            return TunnelBook.Setup(
                vpn: facts.vpn, tunnel: facts.tunnel, plan: plan, terms: TunnelTerms(plan), keys: facts.keys,
                privateKey: key,
                authorities: authorities, gatewayAddress: facts.blocks.min()?.first)
        } catch {
            report(facts.vpn, "\(error)")
            return nil
        }
    }

    private func report(_ vpn: VPN, _ reason: String) {
        logger.error(
            "a VPN cannot be made as it is stored: change it or delete it",
            metadata: ["vpn": "\(vpn.name)", "tenant": "\(vpn.tenant)", "reason": "\(reason)"])
    }

    // MARK: Bringing

    /// Everything of the store, at start.
    func bringAllVPNs() async throws {
        let (vpns, facts) = try await store.read { store in
            let vpns = try store.allVPNs()
            return (vpns, try Self.facts(of: vpns, store))
        }
        let up = try dataPlane.upInterfaces(Set(vpns.compactMap { $0.line?.interface }))
        let known = Dictionary(facts.map { ($0.vpn.id, $0) }) { first, _ in first }
        vpnBook.replaceAll(
            vpns.map { vpn in
                let entry = known[vpn.id].map { Self.entry(of: $0, isHeld: false) } ?? Self.entry(of: vpn)
                return (vpn, entry, condition(of: vpn, up: up))
            }, at: now())
        guard let tunnelSupport else { return }
        for id in Set(tunnels.ids).subtracting(known.keys) { tunnels.remove(id) }
        for one in facts { tunnels.note(peer: one.peer, of: one.vpn.id) }
        for one in facts { bring(one, lookedUp: []) }
        tunnelSupport.wake()
    }

    /// One tunnel, as the store has it now, to the book of tunnels; the keeper does the rest.
    func bring(_ facts: TunnelFacts, lookedUp: [IPAddress]) {
        guard let setup = setup(of: facts, lookedUp: lookedUp) else { return }
        tunnels.set(setup, at: now())
        tunnelSupport?.wake()
    }

    /// Reads one tunnel again and gives it to the kernel and the daemon. On the engine's loop, where no name is looked up:
    /// devices wait for it.
    /// - Parameter lookedUp: what the peer's name stands for; `nil`: what it did before.
    func bringTunnel(_ id: VPN.ID, lookedUp: [IPAddress]? = nil) async throws {
        guard let facts = try await facts(of: id) else { return }
        let before = tunnels.peer(of: id)
        let isOther = before != facts.peer
        tunnels.note(peer: facts.peer, of: id)
        // Those whose peers say the same are told apart by other means from now on, before this one is there.
        if isOther { try await bringAgain(tunnels.others(saying: facts.peer, besides: id)) }
        vpnBook.set(
            facts.vpn, Self.entry(of: facts, isHeld: tunnels.state(of: id)?.isHeld ?? false),
            condition: condition(of: facts.vpn, up: []), at: now())
        let outcome = Result { () throws(DataPlaneError) in try setVPNs([facts.vpn.number]) }
        // Also when the kernel does not take it now: the keeper gives it to the kernel again.
        bring(facts, lookedUp: lookedUp ?? known(facts))
        if isOther { try await bringAgain(tunnels.others(saying: before, besides: id)) }
        try outcome.get()
    }

    private func facts(of id: VPN.ID) async throws -> TunnelFacts? {
        try await store.read { store in try store.vpn(id).flatMap { try Self.facts(of: $0, store) } }
    }

    /// What the peer's name stood for when it was looked up last.
    private func known(_ facts: TunnelFacts) -> [IPAddress] {
        guard let setup = tunnels.state(of: facts.vpn.id)?.setup, setup.tunnel.peer == facts.tunnel.peer else {
            return []
        }
        return setup.plan.lookedUpAddresses
    }

    /// Those whose own settings are as they were.
    func bringAgain(_ ids: [VPN.ID]) async throws {
        for id in ids {
            if let facts = try await facts(of: id) { bring(facts, lookedUp: known(facts)) }
        }
    }

    /// Looks the names of peers up that are new. What fails is tried again by the keeper.
    func refreshPeers(of vpns: [VPN.ID]) async {
        await withTaskGroup { group in
            for id in vpns {
                group.addTask {
                    do { try await self.refreshTunnel(id) } catch {
                        self.logger.warning("a VPN's peer could not be looked up", metadata: ["error": "\(error)"])
                    }
                }
            }
        }
    }

    /// Looks the peer's name up anew, and brings the tunnel when it stands for other addresses now.
    func refreshTunnel(_ id: VPN.ID) async throws {
        guard let state = tunnels.state(of: id), case .name(let name) = state.setup.tunnel.peer else { return }
        let lookedUp = await lookedUp(state.setup.tunnel)
        if lookedUp.isEmpty {
            _ = tunnels.apply(.nameUnresolved(name), to: state.identifier, at: now())
        } else if lookedUp != state.setup.plan.lookedUpAddresses {
            try await engine.exclusively {
                if let facts = try await self.facts(of: id) { self.bring(facts, lookedUp: lookedUp) }
            }
        }
    }

    func lookedUp(_ tunnel: Tunnel) async -> [IPAddress] {
        guard case .name(let name) = tunnel.peer, let tunnelSupport else { return [] }
        // A name is its owner's: it may stand for what nobody may write as an address.
        let (forbidden, forbidden6) = (forbiddenPrefixes, forbiddenPrefixes6)
        let addresses = await tunnelSupport.lookUp(name).filter {
            TunnelChecks.mayBePeer($0, forbidden: forbidden, forbidden6)
        }
        return Array(addresses.sorted().prefix(8))
    }

    /// The tenant's blocks are others now: its tunnels' selectors too.
    func bringTunnels(of tenant: Tenant.ID) async throws {
        for state in tunnels.states({ $0.setup.vpn.tenant == tenant }) { try await bringTunnel(state.setup.vpn.id) }
    }

    func widenTunnels(of tenant: Tenant.ID) async throws {
        try await engine.exclusively { try await self.bringTunnels(of: tenant) }
    }

    /// Leads the packets of tunnels to the TUN that the IKE daemon has made, where it encrypts.
    func attachTunnels() throws(DataPlaneError) {
        guard tunnelPath == .userSpace, let interface = tunnelSupport?.settings.daemonInterface else { return }
        try dataPlane.attachTunnels(to: interface)
    }
}

public import Domain
import Logging
public import PKI
import PeerGuides
import PolicyCompiler
import Store
import Synchronization
import VICI

/// Tenants' tunnels: IPsec VPNs that they make themselves.
extension ControlPlane {
    /// What is said of a new tunnel once, and never again.
    public struct TunnelHandover: Sendable {
        public let vpn: VPNView
        /// Of authentication by key: 52 letters and digits, as text.
        public let key: Secret?
        /// Of authentication by certificate, unless the tenant has an authority of its own: the peer's.
        public let certificate: Certificate?
        /// Its key, unless the peer has asked with one of its own.
        public let privateKey: PrivateKey?
        /// Whom the peer is to trust.
        public let authority: Certificate?
        public let warnings: [TunnelChecks.Finding]

        init(vpn: VPNView, made: TunnelMade?, warnings: [TunnelChecks.Finding]) {
            self.vpn = vpn
            self.warnings = warnings
            key = made?.key
            certificate = made?.certificate
            privateKey = made?.privateKey
            authority = made?.authority
        }
    }

    /// What can be known of a tunnel before it is made.
    public struct TunnelPreflight: Sendable {
        public let findings: [TunnelChecks.Finding]
        public let ownIdentity: IKEIdentity
        public let peerIdentity: IKEIdentity?
        /// What the peer's name stands for.
        public let peerAddresses: [IPAddress]
        /// The traffic selectors here; empty: the tenant has no block yet, and gets one.
        public let blocks: [IPv4Prefix]
        public let path: String
    }

    func requireTunnels() throws(ControlError) -> TunnelSupport {
        guard let tunnelSupport else {
            throw ControlError(.unavailable, "this gateway makes no tunnels: set vpn.listen in cordon.yaml")
        }
        return tunnelSupport
    }

    /// What a tunnel is compared with: the tenant's own VPNs, and of others' those whose peers say the same.
    func checks(
        of tunnel: Tunnel, _ name: Name, of tenant: Tenant, _ store: any StoreReader, _ support: TunnelSupport
    ) throws -> TunnelChecks {
        var checks = TunnelChecks(
            forbidden: forbiddenPrefixes,
            others: try store.vpns(of: tenant.id).filter { $0.name != name },
            groups: Set(try store.groups(of: tenant.id).map(\.name)), gatewayAddresses: support.settings.addresses,
            // One is made when it is needed.
            hasAuthority: true)
        checks.forbidden6 = forbiddenPrefixes6
        // The book has others' as they are now; of the tenant's there may be some in this transaction that it does not know.
        let namesakes = try tunnels.others(
            saying: Self.peerIdentity(of: tunnel, name)?.comparable, besides: nil
        ).compactMap { id in try store.vpn(id) }.filter { $0.tenant != tenant.id }
        for vpn in checks.others + namesakes {
            guard let tunnel = vpn.tunnel, let peer = Self.peerIdentity(of: tunnel, vpn.name)?.comparable else {
                continue
            }
            checks.takenIdentities.insert(peer)
            if tunnel.gatewayIdentity == .address { checks.reservedIdentities.insert(peer) }
        }
        return checks
    }

    /// Says what would become of a tunnel of that name, and changes nothing.
    public func checkTunnel(
        _ name: Name, of tenant: Name, _ tunnel: Tunnel, by principal: Principal
    ) async throws(ControlError) -> TunnelPreflight {
        let support = try requireTunnels()
        var addresses = await lookedUp(tunnel)
        if case .address(let address) = tunnel.peer { addresses = [address] }
        let found = addresses
        let now = self.now()
        return try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            var findings = try self.checks(of: tunnel, name, of: owner, store, support).findings(
                of: tunnel, at: now)
            if try store.vpn(named: name, of: owner.id) == nil {
                let (count, limit) = (try store.vpnCount(of: owner.id), try self.limit(of: owner.id, store, support))
                if count >= limit { findings.insert(Self.full(tenant, limit), at: 0) }
            }
            if case .name(let host) = tunnel.peer, found.isEmpty {
                findings.append(
                    TunnelChecks.Finding(
                        weight: .warning, field: "peer",
                        message:
                            "\(host) stands for no address that a peer may have at present: check the name, or write the "
                            + "address"))
            }
            if !self.tunnels.isConnected {
                findings.append(
                    TunnelChecks.Finding(
                        weight: .warning, field: "", message: "the gateway's IKE daemon is not there at this moment"))
            }
            return TunnelPreflight(
                findings: findings, ownIdentity: self.ownIdentity(of: name, of: tenant, tunnel),
                peerIdentity: Self.peerIdentity(of: tunnel, name), peerAddresses: found,
                blocks: try store.blocks(of: owner.id), path: (self.tunnelPath ?? .userSpace).rawValue)
        }
    }

    func limit(
        of tenant: Tenant.ID, _ store: any StoreReader, _ support: TunnelSupport
    ) throws -> UInt32 {
        try store.vpnLimit(of: tenant) ?? support.settings.perTenant
    }

    static func full(_ tenant: Name, _ limit: UInt32) -> TunnelChecks.Finding {
        TunnelChecks.Finding(
            weight: .error, field: "name",
            message: "\(tenant) may have \(limit) VPNs and has them: delete one, or ask the operator for more")
    }

    /// Makes a tunnel. Stored, and in the kernel, when it returns; the peer is being called then.
    /// - Parameters:
    ///   - request: by certificate: what the peer's key is; `nil`: one is made here, and handed over.
    ///   - key: by key: what the peer has already, which is not handed over; `nil`: one is made here.
    public func createTunnel(
        _ name: Name, of tenant: Name, _ tunnel: Tunnel, request: CertificateRequest? = nil, key: PeerSharedKey? = nil,
        by principal: Principal
    ) async throws(ControlError) -> TunnelHandover {
        let support = try requireTunnels()
        guard key == nil || tunnel.authentication == .sharedKey else {
            let message = "is for a VPN whose ends prove themselves by it: write psk as auth"
            throw ControlError(
                .invalid, "key: \(message)", problems: [.init(line: nil, field: "key", message: message)])
        }
        let lookedUp = await self.lookedUp(tunnel)
        return try await change {
            let now = self.now()
            let made = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                let limit = try self.limit(of: owner.id, store, support)
                guard try store.vpnCount(of: owner.id) < limit else {
                    throw ControlError(.exhausted, Self.full(tenant, limit).message)
                }
                let warnings = try self.check(tunnel, name, of: owner, store, support, at: now)
                try store.ensureBlock(of: owner.id)
                let vpn = try store.insertVPN(name: name, of: owner.id, tunnel: tunnel, at: now)
                let secrets =
                    try key.map { try self.take($0, of: vpn, store, at: now) }
                    ?? self.makeSecrets(of: vpn, tunnel, owner, request, store, at: now)
                try store.appendAudit(
                    actor: principal.name, action: "vpn.create", target: "\(tenant)/\(name)",
                    detail: "peer \(tunnel.peer)", at: now)
                return (vpn: vpn, secrets: secrets, warnings: warnings)
            }
            self.book.noteChangeOfScope(of: made.vpn.tenant)
            try await self.bringTunnel(made.vpn.id, lookedUp: lookedUp)
            // Nothing has passed it yet.
            return TunnelHandover(
                vpn: self.view(made.vpn, counters: nil), made: made.secrets, warnings: made.warnings)
        }
    }

    /// - Returns: what is not wrong, and should be known.
    private func check(
        _ tunnel: Tunnel, _ name: Name, of owner: Tenant, _ store: any StoreReader, _ support: TunnelSupport,
        at time: Timestamp
    ) throws -> [TunnelChecks.Finding] {
        let findings = try checks(of: tunnel, name, of: owner, store, support).findings(of: tunnel, at: time)
        let errors = findings.filter { $0.weight == .error }
        guard let first = errors.first else { return findings }
        throw ControlError(
            .invalid, errors.count == 1 ? first.message : "the VPN cannot be made so: \(errors.count) things are wrong",
            problems: errors.map { ControlError.Problem(line: nil, field: $0.field, message: $0.message) })
    }

    // MARK: Changes

    /// - Parameter change: gives what it should be in place of what it is.
    public func updateTunnel(
        _ name: Name, of tenant: Name, by principal: Principal,
        _ change: @escaping @Sendable (Tunnel) throws(ControlError) -> Tunnel
    ) async throws(ControlError) -> TunnelHandover {
        let support = try requireTunnels()
        let handover = try await self.change {
            let now = self.now()
            let made = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                let vpn = try store.ownVPN(name, of: owner.id)
                guard let before = vpn.tunnel else {
                    throw ControlError(
                        .conflict, "VPN \(name) is a line of the operator's: delete it and make a tunnel")
                }
                let tunnel = try change(before)
                let warnings = try self.check(tunnel, name, of: owner, store, support, at: now)
                try store.updateTunnel(vpn.id, to: tunnel)
                let secrets = try self.replaceSecrets(of: vpn, before, tunnel, owner, nil, store, at: now)
                try store.appendAudit(
                    actor: principal.name, action: "vpn.update", target: "\(tenant)/\(name)", detail: "", at: now)
                guard let after = try store.vpn(vpn.id) else { throw ControlError.notFound("VPN", name) }
                return (vpn: after, secrets: secrets, warnings: warnings)
            }
            try await self.bringTunnel(made.vpn.id)
            return TunnelHandover(vpn: self.view(made.vpn), made: made.secrets, warnings: made.warnings)
        }
        await refreshPeers(of: [handover.vpn.vpn.id])
        return handover
    }

    /// How many VPNs a tenant may have; `nil`: as the configuration says.
    public func setVPNLimit(_ limit: UInt32?, of tenant: Name, by principal: Principal) async throws(ControlError) {
        try principal.requireOperator()
        try await change {
            let now = self.now()
            try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                try store.setVPNLimit(limit, of: owner.id)
                try store.appendAudit(
                    actor: principal.name, action: "tenant.set-vpn-limit", target: "\(tenant)",
                    detail: limit.map { "\($0)" } ?? "default", at: now)
            }
        }
    }
}

public import Domain
import PKI
import PeerGuides
import PolicyCompiler
import Store

/// What the ends of tunnels prove themselves by: made here, shown once, replaced without a break.
extension ControlPlane {
    struct TunnelMade: Sendable {
        var key: Secret?
        var certificate: Certificate?
        var privateKey: PrivateKey?
        var authority: Certificate?
    }

    /// 32 random octets in base32 (RFC 4648 §6), small and without padding: 52 letters and digits, none that is taken for
    /// another, which every vendor's devices take as they are.
    static func newKey() -> Secret {
        let digits = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
        var random = SystemRandomNumberGenerator()
        // 51 digits of 5 bits, and one that has the last bit of 256.
        let body = (0..<51).map { _ in digits[Int.random(in: 0..<32, using: &random)] }
        return Secret(bytes: body + [digits[Int.random(in: 0..<2, using: &random) * 16]])
    }

    func makeSecrets(
        of vpn: VPN, _ tunnel: Tunnel, _ owner: Tenant, _ request: CertificateRequest?, _ store: any StoreTransaction,
        at time: Timestamp
    ) throws -> TunnelMade {
        switch tunnel.authentication {
        case .sharedKey:
            let key = Self.newKey()
            _ = try store.insertVPNKey(key, of: vpn.id, at: time)
            return TunnelMade(key: key)
        case .certificate:
            do {
                return try makeCertificates(of: vpn, tunnel, owner, request, store, at: time)
            } catch let error as CertificateError {
                throw ControlError(.invalid, "\(error)")
            }
        }
    }

    /// Who brings a key knows it, and is not told it again.
    func take(
        _ key: PeerSharedKey, of vpn: VPN, _ store: any StoreTransaction, at time: Timestamp
    ) throws -> TunnelMade {
        _ = try store.insertVPNKey(Secret(bytes: Array(key.text.utf8)), of: vpn.id, at: time)
        return TunnelMade()
    }

    /// Who changes how the ends prove themselves is given what proves it; `nil` when that stays as it is.
    func replaceSecrets(
        of vpn: VPN, _ before: Tunnel, _ after: Tunnel, _ owner: Tenant, _ request: CertificateRequest?,
        _ store: any StoreTransaction, at time: Timestamp
    ) throws -> TunnelMade? {
        guard after.authentication != before.authentication else { return nil }
        for key in try store.vpnKeys(of: vpn.id) { try store.deleteVPNKey(key.id) }
        for one in try store.vpnCertificates(of: vpn.id) { try store.deleteVPNCertificate(one.id) }
        try store.forgetPeerCertificate(of: vpn.id)
        return try makeSecrets(of: vpn, after, owner, request, store, at: time)
    }

    private func makeCertificates(
        of vpn: VPN, _ tunnel: Tunnel, _ owner: Tenant, _ request: CertificateRequest?, _ store: any StoreTransaction,
        at time: Timestamp
    ) throws -> TunnelMade {
        let authority = try certifyGateway(for: vpn, tunnel, owner, store, at: time)
        // Who has brought an authority has the peer's certificate from it.
        let hasOwn = try store.tenantAuthorities(of: owner.id).contains { $0.key == nil }
        guard !hasOwn, let peer = Self.peerIdentity(of: tunnel, vpn.name) else {
            try store.forgetPeerCertificate(of: vpn.id)
            return TunnelMade(authority: authority.certificate)
        }
        let note = { (certificate: Certificate) in
            try store.setPeerCertificate(
                PeerCertificate(vpn: vpn.id, expiresAt: certificate.notAfter, toldDays: nil))
        }
        let holder = CertificateAuthority.Holder(peer)
        if let request {
            // The peer has the key.
            let certificate = try authority.issue(to: holder, for: request, at: time)
            try note(certificate)
            return TunnelMade(certificate: certificate, authority: authority.certificate)
        }
        let credential = try authority.issue(to: holder, key: PrivateKey.Kind(tunnel.profile), at: time)
        try note(credential.certificate)
        return TunnelMade(
            certificate: credential.certificate, privateKey: credential.key, authority: authority.certificate)
    }

    /// Makes the gateway's own certificate for a VPN.
    /// - Returns: who has issued it.
    func certifyGateway(
        for vpn: VPN, _ tunnel: Tunnel, _ owner: Tenant, _ store: any StoreTransaction, at time: Timestamp
    ) throws -> CertificateAuthority {
        let (record, authority) = try issuer(of: owner, store, at: time)
        let gateway = try authority.issue(
            to: CertificateAuthority.Holder(
                ownIdentity(of: vpn.name, of: owner.name, tunnel), addresses: tunnelSupport?.settings.addresses ?? []),
            key: PrivateKey.Kind(tunnel.profile), at: time)
        _ = try store.insertVPNCertificate(
            gateway.certificate.der, key: gateway.key.der, of: vpn.id, by: record.id,
            expiresAt: gateway.certificate.notAfter, at: time)
        return authority
    }

    /// The tenant's authority that Cordon has made; made now when there is none.
    private func issuer(
        of owner: Tenant, _ store: any StoreTransaction, at time: Timestamp
    ) throws -> (TenantAuthority, CertificateAuthority) {
        let made = try store.tenantAuthorities(of: owner.id).first { $0.key != nil && $0.retiresAt == nil }
        if let made, let key = made.key {
            return (
                made,
                try CertificateAuthority(
                    try Credential(certificate: try Certificate(der: made.certificate), key: try PrivateKey(der: key)))
            )
        }
        let authority = try CertificateAuthority(for: owner.name, at: time)
        let record = try store.insertTenantAuthority(
            certificate: authority.certificate.der, key: authority.credential.key.der, of: owner.id, at: time)
        return (record, authority)
    }

    // MARK: Replacing

    /// Makes a new key. Until `overlap` is over the old one is taken too, so that the peer can be changed meanwhile.
    public func rotateKey(
        of name: Name, of tenant: Name, overlap: Duration, by principal: Principal
    ) async throws(ControlError) -> TunnelHandover {
        try await change {
            let now = self.now()
            let made = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                let vpn = try store.ownVPN(name, of: owner.id)
                guard let tunnel = vpn.tunnel else {
                    throw ControlError(.conflict, "VPN \(name) is a line of the operator's, which has no key")
                }
                let secrets: TunnelMade
                switch tunnel.authentication {
                case .sharedKey:
                    for (place, old) in try store.vpnKeys(of: vpn.id).enumerated() {
                        // Two at most: the peer has the last one, if any.
                        if place == 0, overlap > .zero {
                            try store.retireVPNKey(
                                old.id,
                                at: Timestamp(milliseconds: now.milliseconds &+ overlap.components.seconds &* 1000))
                        } else {
                            try store.deleteVPNKey(old.id)
                        }
                    }
                    secrets = try self.makeSecrets(of: vpn, tunnel, owner, nil, store, at: now)
                case .certificate:
                    for old in try store.vpnCertificates(of: vpn.id) { try store.deleteVPNCertificate(old.id) }
                    secrets = try self.makeSecrets(of: vpn, tunnel, owner, nil, store, at: now)
                }
                try store.appendAudit(
                    actor: principal.name, action: "vpn.rotate-key", target: "\(tenant)/\(name)", detail: "", at: now)
                return (vpn: vpn, secrets: secrets)
            }
            try await self.bringTunnel(made.vpn.id)
            return TunnelHandover(
                vpn: self.view(made.vpn), made: made.secrets, warnings: [])
        }
    }

    /// Keys whose time is over are forgotten.
    package func forgetRetiredKeys() async throws {
        let now = self.now()
        let retired = try await store.read { store in try store.retiredVPNKeys(before: now) }
        guard !retired.isEmpty else { return }
        try await engine.exclusively {
            try await self.store.write { store in
                for key in retired { try store.deleteVPNKey(key.id) }
            }
            for vpn in Set(retired.map(\.vpn)) { try await self.bringTunnel(vpn) }
        }
    }

    /// The gateway's certificates are made anew when two thirds of their time are over. Peers need not be told: who has
    /// issued them stays. Those of an authority that retires are made anew when it has.
    package func renewCertificates() async throws {
        let now = self.now()
        let due = try await store.read { store in
            let retiring = Set(try store.allTenantAuthorities().filter { $0.retiresAt != nil }.map(\.id))
            return try store.allVPNCertificates().filter { certificate in
                guard !retiring.contains(certificate.authority) else { return false }
                let (age, life) = (
                    now.milliseconds - certificate.createdAt.milliseconds,
                    certificate.expiresAt.milliseconds - certificate.createdAt.milliseconds
                )
                return age / 2 >= life / 3
            }
        }
        for old in due {
            try await engine.exclusively {
                try await self.store.write { store in
                    // Deleted or changed meanwhile, it needs none.
                    guard try store.vpnCertificates(of: old.vpn).contains(where: { $0.id == old.id }),
                        let vpn = try store.vpn(old.vpn), let tunnel = vpn.tunnel,
                        let owner = try store.tenant(vpn.tenant)
                    else { return }
                    try store.deleteVPNCertificate(old.id)
                    _ = try self.certifyGateway(for: vpn, tunnel, owner, store, at: now)
                    try store.appendAudit(
                        actor: Principal.system.name, action: "vpn.renew-certificate",
                        target: "\(owner.name)/\(vpn.name)", detail: "", at: now)
                }
                try await self.bringTunnel(old.vpn)
            }
        }
    }
}

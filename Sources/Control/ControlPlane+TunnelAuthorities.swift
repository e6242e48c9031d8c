public import Domain
public import PKI
import PolicyCompiler
import Store

/// Whose certificates the ends of a tenant's tunnels believe.
extension ControlPlane {
    public struct AuthorityView: Sendable {
        public let certificate: Certificate
        /// Whether Cordon has made it, and signs with it.
        public let isMade: Bool
        public let createdAt: Timestamp
        /// From when on it is trusted no more; `nil`: nobody has said.
        public let retiresAt: Timestamp?

        fileprivate init(_ record: TenantAuthority) throws {
            certificate = try Certificate(der: record.certificate)
            isMade = record.key != nil
            createdAt = record.createdAt
            retiresAt = record.retiresAt
        }
    }

    public func authorities(of tenant: Name, by principal: Principal) async throws(ControlError) -> [AuthorityView] {
        try await read { store in
            try store.tenantAuthorities(of: try store.visibleTenant(tenant, to: principal).id).map(AuthorityView.init)
        }
    }

    /// Takes the tenant's own authorities in place of those that it brought before: its peers' certificates are theirs from
    /// now on. None: they are those that Cordon issues again.
    public func setAuthorities(
        _ bundle: AuthorityBundle?, of tenant: Name, by principal: Principal
    ) async throws(ControlError) {
        try await change {
            let now = self.now()
            let owner = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                for old in try store.tenantAuthorities(of: owner.id) where old.key == nil {
                    try store.deleteTenantAuthority(old.id)
                }
                for certificate in bundle?.certificates ?? [] {
                    _ = try store.insertTenantAuthority(certificate: certificate.der, key: nil, of: owner.id, at: now)
                }
                if bundle != nil {
                    for vpn in try store.vpns(of: owner.id) { try store.forgetPeerCertificate(of: vpn.id) }
                }
                try store.appendAudit(
                    actor: principal.name, action: "vpn.set-authorities", target: "\(tenant)",
                    detail: "\(bundle?.certificates.count ?? 0)", at: now)
                return owner.id
            }
            try await self.bringTunnels(of: owner)
        }
    }

    /// Makes a new authority, which issues from now on. Until `overlap` is over the one before is believed too, and the
    /// gateway goes on showing what that has issued: so peers can be told of the new one first, and then be given their new
    /// certificates one after the other (``rotateKey(of:of:overlap:by:)``).
    /// - Throws: ``ControlError``, `conflict`, when Cordon has made none for the tenant.
    public func rotateAuthority(
        of tenant: Name, overlap: Duration, by principal: Principal
    ) async throws(ControlError) -> AuthorityView {
        try await change {
            let now = self.now()
            let (owner, record) = try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                let made = try store.tenantAuthorities(of: owner.id).filter { $0.key != nil }
                guard let current = made.first(where: { $0.retiresAt == nil }) else {
                    throw ControlError(
                        .conflict,
                        "tenant \(tenant) has no authority that Cordon has made: the first VPN with --auth certificate makes it"
                    )
                }
                // Two at most: who has not been told of the last one yet is told of this one.
                for old in made where old.id != current.id { try self.end(old, of: owner, store, at: now) }
                let end = now.milliseconds &+ overlap.components.seconds &* 1000
                try store.retireTenantAuthority(current.id, at: Timestamp(milliseconds: end))
                let authority = try CertificateAuthority(for: owner.name, at: now)
                let record = try store.insertTenantAuthority(
                    certificate: authority.certificate.der, key: authority.credential.key.der, of: owner.id, at: now)
                if overlap <= .zero { try self.end(current, of: owner, store, at: now) }
                try store.appendAudit(
                    actor: principal.name, action: "vpn.rotate-authority", target: "\(tenant)",
                    detail: "\(authority.certificate.fingerprint)", at: now)
                return (owner, record)
            }
            try await self.bringTunnels(of: owner.id)
            return try AuthorityView(record)
        }
    }

    /// Authorities whose time is over are believed no more, and what the gateway shows of them is made anew.
    package func forgetRetiredAuthorities() async throws {
        let now = self.now()
        let retired = try await store.read { store in try store.retiredTenantAuthorities(before: now) }
        for old in retired {
            try await engine.exclusively {
                try await self.store.write { store in
                    // Ended meanwhile.
                    guard try store.tenantAuthority(old.id) != nil, let owner = try store.tenant(old.tenant) else {
                        return
                    }
                    try self.end(old, of: owner, store, at: now)
                    try store.appendAudit(
                        actor: Principal.system.name, action: "vpn.retire-authority", target: "\(owner.name)",
                        detail: "",
                        at: now)
                }
                try await self.bringTunnels(of: old.tenant)
            }
        }
    }

    private func end(
        _ authority: TenantAuthority, of owner: Tenant, _ store: any StoreTransaction, at time: Timestamp
    ) throws {
        for vpn in try store.vpns(of: owner.id) {
            guard let tunnel = vpn.tunnel else { continue }
            let shown = try store.vpnCertificates(of: vpn.id).filter { $0.authority == authority.id }
            guard !shown.isEmpty else { continue }
            for certificate in shown { try store.deleteVPNCertificate(certificate.id) }
            _ = try certifyGateway(for: vpn, tunnel, owner, store, at: time)
        }
        try store.deleteTenantAuthority(authority.id)
    }
}

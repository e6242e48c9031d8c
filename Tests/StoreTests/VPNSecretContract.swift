import Domain
import Store
import Testing

@Suite("Store contract: keys and certificates of VPNs")
struct VPNSecretContract {
    /// Two tenants, each with a tunnel of the same name.
    private struct Ends {
        let acme: Tenant
        let globex: Tenant
        let hq: VPN
        let theirs: VPN

        init(_ store: any StoreTransaction) throws {
            acme = try store.insertTenant(name: .test("acme"), at: noon)
            globex = try store.insertTenant(name: .test("globex"), at: noon)
            hq = try store.insertVPN(name: .test("hq"), of: acme.id, tunnel: .test(), at: noon)
            theirs = try store.insertVPN(name: .test("hq"), of: globex.id, tunnel: .test(), at: noon)
        }
    }

    private static func secret(_ byte: UInt8) -> Secret { Secret(bytes: [UInt8](repeating: byte, count: 32)) }

    @Test(arguments: StoreUnderTest.allCases)
    func `a key comes back, is retired while the next is there already, and goes`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let ends = try Ends(store)
            let first = try store.insertVPNKey(Self.secret(1), of: ends.hq.id, at: noon)
            #expect(first.key == Self.secret(1) && first.vpn == ends.hq.id && first.createdAt == noon)
            #expect(first.retiresAt == nil)
            let theirs = try store.insertVPNKey(Self.secret(2), of: ends.theirs.id, at: noon)
            let second = try store.insertVPNKey(Self.secret(3), of: ends.hq.id, at: noon.plus(seconds: 5))
            #expect(try store.vpnKeys(of: ends.hq.id) == [second, first])
            #expect(try store.vpnKeys(of: VPN.ID(999)).isEmpty)
            #expect(try store.allVPNKeys() == [second, first, theirs])

            let end = noon.plus(seconds: 60)
            try store.retireVPNKey(first.id, at: end)
            let retired = VPNKey(id: first.id, vpn: first.vpn, key: first.key, createdAt: noon, retiresAt: end)
            #expect(try store.vpnKeys(of: ends.hq.id) == [second, retired])
            #expect(try store.retiredVPNKeys(before: Timestamp(milliseconds: end.milliseconds - 1)).isEmpty)
            #expect(try store.retiredVPNKeys(before: end) == [retired])
            try store.deleteVPNKey(first.id)
            #expect(try store.allVPNKeys() == [second, theirs] && store.retiredVPNKeys(before: end).isEmpty)
            #expect(try store.insertVPNKey(Self.secret(4), of: ends.hq.id, at: noon).id > theirs.id)

            #expect(refusal { try store.deleteVPNKey(first.id) }?.code == .notFound)
            #expect(refusal { try store.retireVPNKey(first.id, at: noon) }?.code == .notFound)
            #expect(refusal { try store.insertVPNKey(Self.secret(5), of: VPN.ID(999), at: noon) }?.code == .notFound)
            let line = try store.insertVPN(
                name: .test("line"), of: ends.acme.id,
                line: VPN.Line(interface: InterfaceName(parsing: "line1"), networks: []), at: noon)
            #expect(refusal { try store.insertVPNKey(Self.secret(5), of: line.id, at: noon) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `an authority comes back with its key or without, and is the tenant's once`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let ends = try Ends(store)
            func insert(_ certificate: [UInt8], _ key: Secret?, _ tenant: Tenant.ID) throws -> TenantAuthority {
                try store.insertTenantAuthority(certificate: certificate, key: key, of: tenant, at: noon)
            }
            let own = try insert([0x30, 1], Self.secret(1), ends.acme.id)
            let uploaded = try insert([0x30, 2], nil, ends.acme.id)
            let theirs = try insert([0x30, 1], nil, ends.globex.id)
            #expect(own.key == Self.secret(1) && uploaded.key == nil && own.certificate == [0x30, 1])
            #expect(try store.tenantAuthority(own.id) == own && store.tenantAuthority(uploaded.id) == uploaded)
            #expect(try store.tenantAuthority(TenantAuthority.ID(999)) == nil)
            #expect(try store.tenantAuthorities(of: ends.acme.id) == [uploaded, own])
            #expect(try store.allTenantAuthorities() == [uploaded, own, theirs])
            #expect(refusal { try insert([0x30, 1], nil, ends.acme.id) }?.code == .conflict)
            #expect(refusal { try insert([], nil, ends.acme.id) }?.code == .conflict)
            #expect(refusal { try insert([0x30, 1], nil, Tenant.ID(999)) }?.code == .notFound)

            try store.retireTenantAuthority(own.id, at: noon)
            #expect(try store.retiredTenantAuthorities(before: noon).map(\.id) == [own.id])
            #expect(try store.tenantAuthority(own.id)?.retiresAt == noon)
            let again = try insert([0x30, 1], nil, ends.acme.id)
            try store.deleteTenantAuthority(own.id)
            #expect(try store.tenantAuthorities(of: ends.acme.id) == [again, uploaded])
            #expect(refusal { try store.deleteTenantAuthority(own.id) }?.code == .notFound)
            #expect(refusal { try store.retireTenantAuthority(own.id, at: noon) }?.code == .notFound)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `of a peer's certificates the last one is known, as long as its VPN is there`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let ends = try Ends(store)
            let end = noon.plus(seconds: 60)
            let first = PeerCertificate(vpn: ends.hq.id, expiresAt: noon, toldDays: 7)
            try store.setPeerCertificate(first)
            #expect(try store.peerCertificates(before: noon) == [first])
            let next = PeerCertificate(vpn: ends.hq.id, expiresAt: end, toldDays: nil)
            try store.setPeerCertificate(next)
            let theirs = PeerCertificate(vpn: ends.theirs.id, expiresAt: noon, toldDays: nil)
            try store.setPeerCertificate(theirs)
            #expect(try store.peerCertificates(before: Timestamp(milliseconds: end.milliseconds - 1)) == [theirs])
            #expect(try store.peerCertificates(before: end) == [next, theirs])
            try store.forgetPeerCertificate(of: ends.theirs.id)
            #expect(try store.peerCertificates(before: end) == [next])
            let unknown = PeerCertificate(vpn: VPN.ID(999), expiresAt: end, toldDays: nil)
            #expect(refusal { try store.setPeerCertificate(unknown) }?.code == .notFound)
            try store.deleteVPN(ends.hq.id)
            #expect(try store.peerCertificates(before: end).isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `a certificate comes back, is of its tenant's authority, and keeps that there`(_ kind: StoreUnderTest)
        async throws
    {
        try await kind.withTransaction { store in
            let ends = try Ends(store)
            let authority = try store.insertTenantAuthority(
                certificate: [0x30, 1], key: Self.secret(1), of: ends.acme.id, at: noon)
            let foreign = try store.insertTenantAuthority(
                certificate: [0x30, 1], key: Self.secret(2), of: ends.globex.id, at: noon)
            let end = noon.plus(seconds: 86_400)
            func insert(_ byte: UInt8, _ vpn: VPN.ID, _ authority: TenantAuthority.ID) throws -> VPNCertificate {
                try store.insertVPNCertificate(
                    [0x30, byte], key: Self.secret(byte), of: vpn, by: authority, expiresAt: end, at: noon)
            }
            let first = try insert(3, ends.hq.id, authority.id)
            let theirs = try insert(4, ends.theirs.id, foreign.id)
            let second = try insert(5, ends.hq.id, authority.id)
            #expect(first.key == Self.secret(3) && first.certificate == [0x30, 3] && first.expiresAt == end)
            #expect(first.authority == authority.id && first.createdAt == noon && first.retiresAt == nil)
            #expect(try store.vpnCertificates(of: ends.hq.id) == [second, first])
            #expect(try store.allVPNCertificates() == [second, first, theirs])

            let other = refusal { try insert(6, ends.hq.id, foreign.id) }
            #expect(other?.code == .notFound && other?.message == "there is no such authority of this tenant")
            #expect(refusal { try insert(6, ends.hq.id, TenantAuthority.ID(999)) }?.code == .notFound)
            #expect(refusal { try insert(6, VPN.ID(999), authority.id) }?.code == .notFound)
            let used = refusal { try store.deleteTenantAuthority(authority.id) }
            #expect(used?.code == .conflict && used?.message.contains("delete those first") == true)

            try store.retireVPNCertificate(first.id, at: noon)
            #expect(try store.retiredVPNCertificates(before: noon).map(\.id) == [first.id])
            #expect(try store.vpnCertificates(of: ends.hq.id).map(\.retiresAt) == [nil, noon])
            try store.deleteVPNCertificate(first.id)
            try store.deleteVPNCertificate(second.id)
            #expect(try store.allVPNCertificates() == [theirs])
            #expect(refusal { try store.deleteVPNCertificate(first.id) }?.code == .notFound)
            #expect(refusal { try store.retireVPNCertificate(first.id, at: noon) }?.code == .notFound)
            try store.deleteTenantAuthority(authority.id)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `secrets go with their VPN, and all of it with the tenant`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let ends = try Ends(store)
            for vpn in [ends.hq, ends.theirs] {
                let authority = try store.insertTenantAuthority(
                    certificate: [0x30, 1], key: Self.secret(1), of: vpn.tenant, at: noon)
                _ = try store.insertVPNKey(Self.secret(2), of: vpn.id, at: noon)
                _ = try store.insertVPNCertificate(
                    [0x30, 3], key: Self.secret(3), of: vpn.id, by: authority.id, expiresAt: noon, at: noon)
                try store.setVPNLimit(3, of: vpn.tenant)
            }
            try store.deleteTenant(ends.acme.id)
            #expect(try store.allVPNs() == [ends.theirs])
            #expect(try store.allVPNKeys().map(\.vpn) == [ends.theirs.id])
            #expect(try store.allVPNCertificates().map(\.vpn) == [ends.theirs.id])
            #expect(try store.allTenantAuthorities().map(\.tenant) == [ends.globex.id])
            #expect(try store.vpnLimit(of: ends.acme.id) == nil && store.vpnLimit(of: ends.globex.id) == 3)
            try store.deleteVPN(ends.theirs.id)
            #expect(try store.allVPNKeys().isEmpty && store.allVPNCertificates().isEmpty)
            #expect(try store.allTenantAuthorities().count == 1)
        }
    }

    @Test(arguments: StoreUnderTest.allCases)
    func `what holds a secret does not print it`(_ kind: StoreUnderTest) async throws {
        try await kind.withTransaction { store in
            let ends = try Ends(store)
            let secret = Secret(bytes: [UInt8](repeating: 231, count: 32))
            let authority = try store.insertTenantAuthority(
                certificate: [0x30], key: secret, of: ends.acme.id, at: noon)
            let values: [any Sendable] = [
                authority, try store.insertVPNKey(secret, of: ends.hq.id, at: noon),
                try store.insertVPNCertificate(
                    [0x30], key: secret, of: ends.hq.id, by: authority.id, expiresAt: noon, at: noon),
            ]
            for value in values {
                var dumped = ""
                dump(value, to: &dumped)
                for text in ["\(value)", String(reflecting: value), dumped] {
                    #expect(text.contains("<secret>") && !text.contains("231"))
                }
            }
        }
    }
}

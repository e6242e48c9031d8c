import Domain
import Testing

import PKI

@Suite struct CertificateAuthorityTests {
    private let authority: CertificateAuthority

    init() throws { authority = try CertificateAuthority(for: Name(parsing: "acme"), at: Fixture.now) }

    @Test func `signs itself, for ten years`() throws {
        let certificate = authority.certificate
        #expect(certificate.subject.hasPrefix("O=acme, CN=acme VPN CA "))
        #expect(certificate.subject == certificate.issuer)
        #expect(certificate.isSelfSigned && certificate.isAuthority && certificate.maySign)
        #expect(certificate.pathLength == 0)
        #expect(certificate.key == .p384)
        #expect(certificate.notBefore == Timestamp(milliseconds: Fixture.now.milliseconds - 3600 * Fixture.second))
        #expect(certificate.notAfter == Fixture.days(3653))
        #expect(try AuthorityBundle(parsing: Array(certificate.pem.utf8), at: Fixture.now) == .init([authority]))
    }

    @Test func `has another key, serial and subject than any other`() throws {
        let other = try CertificateAuthority(for: Name(parsing: "acme"), at: Fixture.now)
        #expect(other.certificate.subject != authority.certificate.subject)
        #expect(other.certificate.serial != authority.certificate.serial)
        #expect(other.credential.key != authority.credential.key)
    }

    @Test func `keeps its common name within 64 characters`() throws {
        let name = try Name(parsing: String(repeating: "a", count: 63))
        let subject = try CertificateAuthority(for: name, at: Fixture.now).certificate.subject
        let common = try #require(subject.split(separator: "CN=").last)
        #expect(common.count == 64)
        #expect(subject.hasPrefix("O=\(name), CN="))
    }

    @Test(arguments: [
        "hq.acme.example", "_vpn.acme.example", "203.0.113.10", "2001:db8::10", "vpn+1@acme.example",
        "C=DE, ST=Berlin, L=Berlin, O=Acme (1), OU=IT_1, CN=hq", "CN=hq@acme",
    ])
    func `issues what proves the identity, of every kind`(text: String) throws {
        let identity = try IKEIdentity(parsing: text)
        for kind in PrivateKey.Kind.allCases {
            let credential = try authority.issue(to: .init(identity), key: kind, at: Fixture.now)
            let certificate = credential.certificate
            #expect(certificate.covers(identity))
            #expect(!certificate.isAuthority && certificate.mayProve && !certificate.maySign)
            #expect(certificate.issuer == authority.certificate.subject)
            #expect(certificate.notAfter == Fixture.days(397))
            #expect(certificate.serial.count == 32 && certificate.serial.utf8.first.map { $0 < 0x38 } == true)
            try AuthorityBundle([authority]).check(certificate, identity: identity, at: Fixture.now)
        }
    }

    @Test func `names a gateway by its identity and its addresses`() throws {
        let identity = try IKEIdentity(parsing: "acme.vpn.cordon.example")
        let addresses = [try IPAddress(parsing: "2001:db8::1"), try IPAddress(parsing: "192.0.2.1")]
        let certificate = try authority.issue(
            to: .init(identity, addresses: addresses), key: .init(.standard), at: Fixture.now
        ).certificate
        #expect(certificate.subject == "O=acme, CN=acme.vpn.cordon.example")
        #expect(certificate.key == .p384)
        #expect(
            certificate.alternativeNames.map(\.description) == ["acme.vpn.cordon.example", "192.0.2.1", "2001:db8::1"])
    }

    @Test func `issues nothing that outlives it, and nothing when it has expired`() throws {
        let holder = CertificateAuthority.Holder(try IKEIdentity(parsing: "hq.acme.example"))
        let late = try authority.issue(to: holder, key: .p256, at: Fixture.days(3600))
        #expect(late.certificate.notAfter == authority.certificate.notAfter)
        let reason = Fixture.reason { () throws(CertificateError) in
            try authority.issue(to: holder, key: .p256, at: Fixture.days(3654))
        }
        #expect(reason == .expired(at: authority.certificate.notAfter))
        #expect(
            try authority.issue(to: holder, key: .p256, at: Fixture.now).certificate.notBefore
                == authority.certificate.notBefore)
    }

    @Test func `takes a request's key and nothing else of it`() throws {
        let request = try CertificateRequest(parsing: Fixture.octets("wish.csr.pem"))
        #expect(request.key == .p256 && request.subject == "O=Somebody, CN=else")
        let identity = try IKEIdentity(parsing: "hq.acme.example")
        let certificate = try authority.issue(to: .init(identity), for: request, at: Fixture.now)
        #expect(certificate.subject == "O=acme, CN=hq.acme.example")
        #expect(certificate.alternativeNames == [.name("hq.acme.example")])
        #expect(!certificate.isAuthority && !certificate.maySign)
        #expect(certificate.keyFingerprint == request.keyFingerprint)
        try AuthorityBundle([authority]).check(certificate, identity: identity, at: Fixture.now)
        #expect(try CertificateRequest(parsing: Fixture.octets("plea.csr.pem")).key == .rsa(bits: 2048))
    }

    @Test(arguments: [
        ("forged.csr", CertificateError.Reason.requestNotSigned), ("meek.csr", .weakKey("RSA of 1024 bits")),
        ("peer", .nothingInside(expected: .request)), ("key", .privateKeyInside),
    ])
    func `refuses requests that it cannot take`(file: String, reason: CertificateError.Reason) throws {
        let octets = try Fixture.octets("\(file).pem")
        #expect(
            Fixture.reason { () throws(CertificateError) in try CertificateRequest(parsing: octets) } == reason)
    }

    @Test func `comes out of the store with its own key only`() throws {
        let key = try PrivateKey(der: authority.credential.key.der)
        let certificate = try Certificate(der: authority.certificate.der)
        #expect(try CertificateAuthority(Credential(certificate: certificate, key: key)) == authority)
        let reason = Fixture.reason { () throws(CertificateError) in
            try Credential(certificate: certificate, key: PrivateKey(.p384))
        }
        #expect(reason == .keyDoesNotFit)
        let leaf = try authority.issue(
            to: .init(IKEIdentity(parsing: "hq.acme.example")), key: .p256, at: Fixture.now)
        #expect(
            Fixture.reason { () throws(CertificateError) in try CertificateAuthority(leaf) } == .notAuthority)
    }
}

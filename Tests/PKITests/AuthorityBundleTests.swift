import Domain
import Testing

import PKI

@Suite struct AuthorityBundleTests {
    @Test func `takes roots, and what is below them in any order`() throws {
        #expect(try Fixture.bundle("root").certificates == [Fixture.certificate("root")])
        #expect(try Fixture.bundle("issuing", "root").certificates.count == 2)
        #expect(try Fixture.bundle("root", "root", "edwards").certificates.count == 2)
        let der = try Fixture.certificate("root").der
        #expect(try AuthorityBundle(parsing: der, at: Fixture.now).certificates.count == 1)
    }

    struct Refusal {
        let files: [String]
        let certificate: String?
        let reason: CertificateError.Reason
    }

    @Test(arguments: [
        Refusal(files: ["plain"], certificate: "O=Acme, CN=no authority", reason: .notAuthority),
        Refusal(files: ["root", "peer"], certificate: "C=DE, O=Acme, OU=IT, CN=hq", reason: .notAuthority),
        Refusal(files: ["voiceless"], certificate: "O=Acme, CN=Acme Voiceless", reason: .mayNotSign),
        Refusal(
            files: ["expired"], certificate: "O=Acme, CN=Acme Old",
            reason: .expired(at: Timestamp(milliseconds: 1_735_689_600_000))),
        Refusal(
            files: ["early"], certificate: "O=Acme, CN=Acme Next",
            reason: .notYetValid(from: Timestamp(milliseconds: 2_019_686_400_000))),
        Refusal(
            files: ["issuing"], certificate: "C=DE, O=Acme, CN=Acme Issuing",
            reason: .issuerUnknown("C=DE, O=Acme, CN=Acme Root")),
        Refusal(
            files: ["issuing", "impostor"], certificate: "C=DE, O=Acme, CN=Acme Issuing",
            reason: .notSignedByIssuer("C=DE, O=Acme, CN=Acme Root")),
        Refusal(
            files: ["root", "issuing", "below"], certificate: "C=DE, O=Acme, CN=Acme Issuing", reason: .pathTooLong),
        Refusal(files: ["root", "sha1"], certificate: "2", reason: .weakSignature("SHA-1")),
        Refusal(files: ["sha1"], certificate: nil, reason: .weakSignature("SHA-1")),
        Refusal(files: ["root", "key"], certificate: nil, reason: .privateKeyInside),
        Refusal(files: [String](repeating: "root", count: 9), certificate: nil, reason: .tooMany(limit: 8)),
    ])
    func `says which certificate is wrong, and what with it`(refusal: Refusal) throws {
        let octets = try refusal.files.flatMap { try Fixture.octets("\($0).pem") }
        do throws(CertificateError) {
            _ = try AuthorityBundle(parsing: octets, at: Fixture.now)
            Issue.record("taken")
        } catch {
            #expect(error.reason == refusal.reason)
            #expect(error.certificate == refusal.certificate)
        }
    }

    @Test func `checks a peer's certificate as charon does`() throws {
        let bundle = try Fixture.bundle("root", "issuing")
        let hq = try IKEIdentity(parsing: "hq.acme.example")
        let peer = try Fixture.certificate("peer")
        try bundle.check(peer, identity: hq, at: Fixture.now)
        // The peer sends what is below the root.
        try Fixture.bundle("root").check(
            peer, identity: hq, others: [Fixture.certificate("issuing")], at: Fixture.now)

        let reason = { (bundle: AuthorityBundle, name: String, identity: IKEIdentity) throws in
            let certificate = try Fixture.certificate(name)
            return Fixture.reason { () throws(CertificateError) in
                try bundle.check(certificate, identity: identity, at: Fixture.now)
            }
        }
        let other = try IKEIdentity(parsing: "other.acme.example")
        #expect(try reason(bundle, "peer", other) == .identityMissing(other, has: peer.names))
        #expect(try reason(bundle, "encipher", hq) == .mayNotProve)
        #expect(
            try reason(bundle, "stale", hq) == .expired(at: Timestamp(milliseconds: 1_769_904_000_000)))
        #expect(
            try reason(Fixture.bundle("root"), "peer", hq) == .issuerUnknown("C=DE, O=Acme, CN=Acme Issuing"))
        #expect(
            try reason(Fixture.bundle("impostor"), "peer", hq) == .issuerUnknown("C=DE, O=Acme, CN=Acme Issuing"))
        #expect(try reason(bundle, "deep", hq) == .issuerUnknown("O=Acme, CN=Acme Below"))
        let deep = try Fixture.certificate("deep")
        let below = try Fixture.certificate("below")
        #expect(
            Fixture.reason { () throws(CertificateError) in
                try bundle.check(deep, identity: hq, others: [below], at: Fixture.now)
            } == .pathTooLong)
    }

    @Test func `believes no root that the peer brings along`() throws {
        let hq = try IKEIdentity(parsing: "hq.acme.example")
        let mine = AuthorityBundle([try CertificateAuthority(for: Name(parsing: "acme"), at: Fixture.now)])
        let theirs = try CertificateAuthority(for: Name(parsing: "acme"), at: Fixture.now)
        let peer = try theirs.issue(to: .init(hq), key: .p256, at: Fixture.now).certificate
        let reason = Fixture.reason { () throws(CertificateError) in
            try mine.check(peer, identity: hq, others: [theirs.certificate], at: Fixture.now)
        }
        #expect(reason == .issuerUnknown(theirs.certificate.subject))
    }

    @Test func `says in one sentence what a peer's certificate lacks`() throws {
        let error = CertificateError(
            .identityMissing(try IKEIdentity(parsing: "hq.acme.example"), has: ["CN=hq", "203.0.113.10"]), of: "CN=hq")
        #expect(
            "\(error)" == "certificate CN=hq: it does not name hq.acme.example: have it issued with this as "
                + "subjectAltName, or use what it names: CN=hq; 203.0.113.10")
    }
}

import Domain
import Testing

import PKI

@Suite struct CertificateTests {
    @Test func `says what openssl says`() throws {
        let certificate = try Fixture.certificate("peer")
        #expect(certificate.subject == "C=DE, O=Acme, OU=IT, CN=hq")
        #expect(certificate.issuer == "C=DE, O=Acme, CN=Acme Issuing")
        #expect(certificate.notBefore == (try Timestamp(parsing: "2026-01-01T00:00:00Z")))
        #expect(certificate.notAfter == (try Timestamp(parsing: "2035-12-31T00:00:00Z")))
        #expect(certificate.key == .p256)
        #expect(!certificate.isAuthority)
        #expect(certificate.pathLength == nil)
        #expect(!certificate.isSelfSigned)
        #expect(
            certificate.alternativeNames.map(\.description) == [
                "HQ.acme.example", "*.branch.acme.example", "203.0.113.10", "2001:db8::10", "vpn@Acme.example",
                "https://acme.example/", "O=Acme, CN=second name",
            ])
        let expected = String(decoding: try Fixture.octets("peer.txt"), as: UTF8.self)
        #expect("serial=\(certificate.serial)\nsha256=\(certificate.fingerprint)\n" == expected)
        let root = try Fixture.certificate("root")
        #expect(root.isAuthority && root.isSelfSigned && root.key == .rsa(bits: 2048))
        #expect(try Fixture.certificate("issuing").pathLength == 0)
        #expect(try Fixture.certificate("edwards").key == .ed25519)
        #expect(try Fixture.certificate("expired").key == .p384)
    }

    @Test func `writes its serial without the octet that keeps it positive`() throws {
        let certificate = try Fixture.certificate("peer")
        let der = certificate.der
        // Version 3, and the head of an INTEGER of 20 octets.
        let head: [UInt8] = [0x02, 0x01, 0x02, 0x02, 0x14]
        let place = try #require(der.indices.first { der[$0...].starts(with: head) }) + head.count
        let other = try Certificate(der: der[..<place] + [0x00, 0xd2] + der[(place + 2)...])
        #expect(other.serial == "d2\(certificate.serial.dropFirst(4))")
    }

    struct Proof {
        let identity: String
        let isCovered: Bool
    }

    /// charon 5.9.8 was asked each line, of a certificate made alike.
    @Test(arguments: [
        Proof(identity: "hq.acme.example", isCovered: true),
        Proof(identity: "203.0.113.10", isCovered: true),
        Proof(identity: "2001:db8::10", isCovered: true),
        Proof(identity: "vpn@acme.example", isCovered: true),
        Proof(identity: "VPN@acme.example", isCovered: true),
        Proof(identity: "C=DE, O=Acme, OU=IT, CN=hq", isCovered: true),
        Proof(identity: "O=Acme, CN=second name", isCovered: true),
        // A `*` stands for itself.
        Proof(identity: "one.branch.acme.example", isCovered: false),
        // Another order, a part, UTF8String in another case.
        Proof(identity: "CN=hq, OU=IT, O=Acme, C=DE", isCovered: false),
        Proof(identity: "CN=hq", isCovered: false),
        Proof(identity: "C=DE, O=ACME, OU=IT, CN=hq", isCovered: false),
        // PrintableString in another case.
        Proof(identity: "C=de, O=Acme, OU=IT, CN=hq", isCovered: true),
        Proof(identity: "acme.example", isCovered: false),
        Proof(identity: "203.0.113.11", isCovered: false),
        Proof(identity: "other@acme.example", isCovered: false),
        // A common name, and the address of a URI.
        Proof(identity: "hq", isCovered: false),
    ])
    func `covers what charon believes`(proof: Proof) throws {
        let certificate = try Fixture.certificate("peer")
        #expect(certificate.covers(try IKEIdentity(parsing: proof.identity)) == proof.isCovered)
    }

    @Test func `is read as PEM and as DER, and written as it was read`() throws {
        let text = try Fixture.octets("peer.pem")
        let certificate = try Certificate(parsing: text)
        #expect(try Certificate(parsing: certificate.der) == certificate)
        #expect(Array(certificate.pem.utf8) == text)
        #expect(try Certificate(parsing: Array(certificate.pem.utf8)) == certificate)
    }

    @Test func `is read out of what people paste around it`() throws {
        let certificate = try Fixture.certificate("peer")
        let base64 = certificate.pem.split(separator: "\n").dropFirst().dropLast().joined()
        let texts = [
            certificate.pem.replacing("\n", with: "\r\n"),
            "Bag Attributes\n    friendlyName: hq\n\(certificate.pem)",
            "  " + certificate.pem.replacing("\n", with: "  \n\t"),
            "-----BEGIN CERTIFICATE-----\n\(base64)\n-----END CERTIFICATE-----",
            certificate.pem.replacing("CERTIFICATE", with: "X509 CERTIFICATE"),
            certificate.pem.replacing("\n", with: "\n\n"),
        ]
        for text in texts { #expect(try Certificate(parsing: Array(text.utf8)) == certificate, "\(text)") }
    }

    struct Refusal {
        let file: String
        let reason: CertificateError.Reason
        let sentence: String
    }

    @Test(arguments: [
        Refusal(
            file: "sha1", reason: .weakSignature("SHA-1"),
            sentence: "it is signed with SHA-1, which others can forge: have it issued with SHA-256 or better"),
        Refusal(
            file: "md5", reason: .weakSignature("MD5"),
            sentence: "it is signed with MD5, which others can forge: have it issued with SHA-256 or better"),
        Refusal(
            file: "pss", reason: .unsupportedSignature("RSASSA-PSS"),
            sentence: "it is signed with RSASSA-PSS: have it issued with ECDSA, RSA (PKCS #1 v1.5) or Ed25519"),
        Refusal(
            file: "short", reason: .weakKey("RSA of 1024 bits"),
            sentence:
                "its key (RSA of 1024 bits) is too short: use RSA of 2048 bits or more, ECDSA P-256, P-384 or P-521"),
        Refusal(
            file: "small", reason: .weakKey("ECDSA below P-256"),
            sentence:
                "its key (ECDSA below P-256) is too short: use RSA of 2048 bits or more, ECDSA P-256, P-384 or P-521"),
        Refusal(
            file: "strange", reason: .unknownCriticalExtension("1.3.6.1.4.1.99999.1"),
            sentence:
                "certificate O=Acme, CN=Acme Strange: its extension 1.3.6.1.4.1.99999.1 is critical and not known "
                + "here: have it issued without, or not critical"),
        Refusal(
            file: "key", reason: .privateKeyInside,
            sentence: "there is a private key in the text: nobody else may have it, so make a new one, "
                + "and send the certificate alone"),
        Refusal(
            file: "wish.csr", reason: .nothingInside(expected: .certificate),
            sentence: "there is no certificate in it: send the part from -----BEGIN CERTIFICATE----- to "
                + "-----END CERTIFICATE-----, or its DER"),
    ])
    func `is refused with what is wrong and what to do`(refusal: Refusal) throws {
        let octets = try Fixture.octets("\(refusal.file).pem")
        do throws(CertificateError) {
            _ = try Certificate(parsing: octets)
            Issue.record("read")
        } catch {
            #expect(error.reason == refusal.reason)
            #expect("\(error)" == refusal.sentence)
        }
    }

    @Test func `is refused when the text is not whole`() throws {
        let text = try Fixture.octets("peer.pem")
        let der = try Certificate(parsing: text).der
        let read = { (octets: [UInt8]) in
            Fixture.reason { () throws(CertificateError) in try Certificate(parsing: octets) }
        }
        #expect(read([]) == .nothingInside(expected: .certificate))
        #expect(read(Array("hq.acme.example".utf8)) == .nothingInside(expected: .certificate))
        #expect(read(Array(text.dropLast(40))) == .notBase64)
        #expect(read(text + text) == .severalCertificates)
        #expect(read(Array(der.dropLast())) == .malformed)
        #expect(read(der + [0]) == .malformed)
        #expect(read([0x30, 0x80, 0, 0]) == .malformed)
        #expect(read([0x30, 0]) == .malformed)
        let large = [UInt8](repeating: 0x30, count: 4 * Certificate.maximumOctets)
        #expect(read(large + [0]) == .tooLong(octets: 65_537, limit: 65_536))
        #expect(read(large) == .tooLong(octets: 65_536, limit: 16_384))
        let broken = String(decoding: text, as: UTF8.self).replacing("MII", with: "M*I")
        #expect(read(Array(broken.utf8)) == .notBase64)
    }

    @Test func `keeps its subject on one line`() throws {
        // A subject of the same length, with what would change the meaning of a line of a log.
        let der = try Fixture.certificate("peer").der
        let place = try #require(der.indices.first { der[$0...].starts(with: Array("Acme Issuing".utf8)) })
        let hostile = der[..<place] + Array("A,=\n\u{1b}[1m\u{7f}+xx".utf8) + der[(place + 12)...]
        let text = try Certificate(der: Array(hostile)).issuer
        #expect(text == "C=DE, O=Acme, CN=A\\,\\=??[1m?\\+xx")
    }
}

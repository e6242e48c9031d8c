import Domain
import TestSupport
import Testing
import VICI

@Suite struct IKEIdentityTests {
    struct Case: Sendable {
        let text: String
        let vici: String
    }

    @Test(arguments: [
        Case(text: "192.0.2.11", vici: "192.0.2.11"),
        Case(text: "2001:db8::1", vici: "2001:db8::1"),
        Case(text: "hq.acme.example", vici: "fqdn:hq.acme.example"),
        Case(text: "@hq.acme.example", vici: "fqdn:hq.acme.example"),
        Case(text: "branch+1@acme.example", vici: "email:branch+1@acme.example"),
        // `openssl asn1parse` of a request for /C=CH/O=Acme/CN=hq.
        Case(
            text: "C=CH, O=Acme, CN=hq",
            vici: "asn1dn:#3029310b3009060355040613024348310d300b060355040a130441636d65310b3009060355040313026871"),
    ])
    func `is written with its type`(_ expected: Case) throws {
        #expect(try IKEIdentity(parsing: expected.text).vici == expected.vici)
    }

    /// charon takes `CN=a/O=evil` as text for two attributes.
    @Test func `a subject is encoded, so that nothing in it divides it`() throws {
        let subject = try DistinguishedName(parsing: "CN=a/O")
        #expect(subject.attributes.count == 1)
        #expect(
            subject.encoded == [0x30, 14, 0x31, 12, 0x30, 10, 6, 3, 0x55, 4, 3, 0x13, 3] + Array("a/O".utf8))
    }

    @Test func `characters that PrintableString has not make it UTF-8`() throws {
        for text in ["a@b", "a_b"] {
            #expect(try DistinguishedName(parsing: "CN=\(text)").encoded[11] == 0x0c)
        }
        #expect(try DistinguishedName(parsing: "CN=a b.-/:()'").encoded[11] == 0x13)
    }

    @Test func `long subjects have long lengths`() throws {
        let value = String(repeating: "a", count: 64)
        for count in [1, 2, 3, 4, 16] {
            let text = Array(repeating: "OU=\(value)", count: count).joined(separator: ",")
            let encoded = try DistinguishedName(parsing: text).encoded
            // Each attribute is 4 + 7 + 64 octets.
            let contents = count * 75
            let header: [UInt8] =
                contents < 0x80
                ? [0x30, UInt8(contents)]
                : contents < 0x100
                    ? [0x30, 0x81, UInt8(contents)] : [0x30, 0x82, UInt8(contents >> 8), UInt8(contents & 0xff)]
            #expect(encoded.starts(with: header))
            #expect(encoded.count == header.count + contents)
        }
    }

    @Test(arguments: [
        ("HQ.acme.example", "hq.ACME.example"), ("Branch@acme.example", "branch@acme.example"),
        ("CN=HQ, O=Acme", "cn=hq,o=ACME"),
    ])
    func `what charon does not tell apart is not unique`(_ a: String, _ b: String) throws {
        #expect(try IKEIdentity(parsing: a).comparable == IKEIdentity(parsing: b).comparable)
    }

    @Test func `no text gives an identity of another type`() throws {
        let alphabet = Array("ab.@=/,#: %*CN10x")
        try forAll(2000) { random in
            let text = String(
                (0..<Int.random(in: 1...16, using: &random)).compactMap { _ in
                    alphabet.randomElement(using: &random)
                })
            guard let identity = try? IKEIdentity(parsing: text) else { return }
            let vici = identity.vici
            switch identity {
            case .address: #expect(vici.allSatisfy { $0.isHexDigit || $0 == "." || $0 == ":" }, "\(text)")
            case .name: #expect(vici.hasPrefix("fqdn:") && !vici.hasPrefix("fqdn:#"), "\(text)")
            case .mailbox: #expect(vici.hasPrefix("email:") && !vici.hasPrefix("email:#"), "\(text)")
            case .subject: #expect(vici.dropFirst(8).allSatisfy { $0.isHexDigit }, "\(text)")
            }
            #expect(!vici.contains("%") && !vici.contains("*"), "\(text)")
        }
    }
}

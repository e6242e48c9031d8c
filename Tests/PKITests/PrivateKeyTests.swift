import Domain
import Testing

import PKI

@Suite struct PrivateKeyTests {
    private struct Holder {
        let name = "hq"
        let key: PrivateKey
    }

    @Test(arguments: PrivateKey.Kind.allCases)
    func `is never printed, in whatever way it is asked for`(kind: PrivateKey.Kind) throws {
        let key = PrivateKey(kind)
        let holder = Holder(key: key)
        let authority = try CertificateAuthority(for: Name(parsing: "acme"), at: Fixture.now)
        var texts = [
            "\(key)", String(reflecting: key), "\([key])", "\(holder)", String(reflecting: holder),
            "\(Optional(key) as Any)",
        ]
        for value: Any in [key, holder, [key], authority, authority.credential] as [Any] {
            var dumped = ""
            dump(value, to: &dumped)
            texts += [dumped, "\(value)", String(reflecting: value)]
        }
        for text in texts {
            #expect(text.contains("<private key>"), "\(text)")
            #expect(!text.contains("PRIVATE KEY-----") && !text.contains("<secret>"), "\(text)")
        }
        #expect(Mirror(reflecting: key).children.isEmpty)
        #expect("\(key.pem)" == "<secret>" && "\(key.der)" == "<secret>")
    }

    @Test(arguments: PrivateKey.Kind.allCases)
    func `comes back from the store as it was`(kind: PrivateKey.Kind) throws {
        let key = PrivateKey(kind)
        #expect(try PrivateKey(der: key.der) == key)
        #expect(try PrivateKey(der: key.der).kind == kind)
        let text = String(decoding: key.pem.bytes, as: UTF8.self)
        #expect(text.hasPrefix("-----BEGIN PRIVATE KEY-----\n") && text.hasSuffix("\n-----END PRIVATE KEY-----\n"))
        let read = try PEMText(key.pem.bytes, label: .privateKey, maximumOctets: 4096, maximum: 1)
        #expect(read.blocks == [key.der.bytes])
    }

    @Test func `is of what the profile does`() {
        #expect(PrivateKey.Kind(.standard) == .p384)
        #expect(PrivateKey.Kind(.compatible) == .p256)
    }

    @Test func `is refused when it is none`() {
        for octets in [[], [0x30], [UInt8](repeating: 0x30, count: 200)] {
            let reason = Fixture.reason { () throws(CertificateError) in try PrivateKey(der: Secret(bytes: octets)) }
            #expect(reason == .malformed)
        }
    }
}

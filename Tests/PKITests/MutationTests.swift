import Domain
import TestSupport
import Testing

import PKI

/// Nothing that arrives stops the process: it is read, or refused.
@Suite struct MutationTests {
    private static let names = ["root", "issuing", "peer", "edwards", "expired", "strange", "pss", "small"]

    /// Reads it in every way there is, and looks at all of what was read.
    private func look(at octets: [UInt8]) throws {
        let hq = try IKEIdentity(parsing: "C=DE, O=Acme, OU=IT, CN=hq")
        do throws(CertificateError) {
            let certificate = try Certificate(parsing: octets)
            _ = ["\(certificate)", certificate.pem, certificate.names.joined()]
            _ = certificate.covers(hq)
            _ = certificate.isSelfSigned
        } catch { _ = "\(error)" }
        do throws(CertificateError) {
            let bundle = try AuthorityBundle(parsing: octets, at: Fixture.now)
            for certificate in bundle.certificates { try bundle.check(certificate, identity: hq, at: Fixture.now) }
        } catch { _ = "\(error)" }
        do throws(CertificateError) { _ = "\(try CertificateRequest(parsing: octets))" } catch { _ = "\(error)" }
        do throws(CertificateError) { _ = try PrivateKey(der: Secret(bytes: octets)) } catch { _ = "\(error)" }
    }

    private func mutated(_ octets: [UInt8], _ random: inout Generator) -> [UInt8] {
        var octets = octets
        for _ in 0...Int.random(in: 0..<3, using: &random) {
            let place = Int.random(in: 0..<max(1, octets.count), using: &random)
            guard place < octets.count else { return octets }
            switch Int.random(in: 0..<6, using: &random) {
            case 0: octets[place] = UInt8.random(in: 0...255, using: &random)
            case 1: octets[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: octets.remove(at: place)
            case 3: octets.insert(UInt8.random(in: 0...255, using: &random), at: place)
            case 4: octets.removeSubrange(place..<min(octets.count, place + Int.random(in: 0..<40, using: &random)))
            default: octets[place] = random.pick(0x00, 0x80, 0xff, 0x30, 0x7f, 0x84)
            }
        }
        return octets
    }

    @Test func `mutated DER is read or refused`() throws {
        var sources = try Self.names.map { name in
            try PEMText(Fixture.octets("\(name).pem"), label: .certificate, maximumOctets: 65536, maximum: 1).blocks[0]
        }
        for name in ["wish.csr", "plea.csr"] {
            sources.append(
                try PEMText(Fixture.octets("\(name).pem"), label: .request, maximumOctets: 65536, maximum: 1).blocks[0])
        }
        sources.append(PrivateKey(.p384).der.bytes)
        try forAll(4000) { random in
            let source = sources[Int.random(in: 0..<sources.count, using: &random)]
            try look(at: mutated(source, &random))
        }
    }

    @Test func `mutated PEM is read or refused`() throws {
        let root = try Fixture.octets("root.pem")
        let texts = try Self.names.map { try Fixture.octets("\($0).pem") + root } + [Fixture.octets("wish.csr.pem")]
        try forAll(2000) { random in
            let text = texts[Int.random(in: 0..<texts.count, using: &random)]
            try look(at: mutated(text, &random))
        }
    }

    @Test func `every start of a certificate is refused`() throws {
        let certificate = try Fixture.certificate("peer")
        let text = Array(certificate.pem.utf8)
        for count in 0..<certificate.der.count {
            #expect(throws: CertificateError.self) { try Certificate(der: Array(certificate.der.prefix(count))) }
        }
        for count in 0..<text.count - 1 {
            #expect(throws: CertificateError.self) { try Certificate(parsing: Array(text.prefix(count))) }
        }
        for count in 0..<text.count { try look(at: Array(text.suffix(count))) }
    }

    @Test func `deep nesting and many certificates cost little`() throws {
        // Sequences in sequences, each around all that follows.
        var deep: [UInt8] = []
        for rest in stride(from: 16_000, to: 0, by: -4) { deep += [0x30, 0x82, UInt8(rest >> 8), UInt8(rest & 255)] }
        try look(at: deep)
        let many = Array(repeating: try Fixture.octets("root.pem"), count: 100).flatMap { $0 }
        try look(at: many)
        try look(at: [UInt8](repeating: UInt8(ascii: "-"), count: 60_000))
        try look(at: Array(String(repeating: "-----BEGIN CERTIFICATE-----\n", count: 4000).utf8))
    }
}

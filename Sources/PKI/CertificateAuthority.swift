import Crypto
public import Domain
import FoundationEssentials
import SwiftASN1
import X509

/// A tenant's own certificate authority, made by Cordon. It issues for the ends of the tenant's VPNs and for nobody
/// else: no authority may stand below it.
public struct CertificateAuthority: Hashable, Sendable {
    public let credential: Credential

    public var certificate: Certificate { credential.certificate }

    /// Ten years: who trusts it is many devices, which all have to be told of the next.
    public static let lifetime: Duration = .seconds(3653 * 86_400)
    /// Of what it issues: a year and a month, as long as browsers took certificates from 2020 on.
    public static let defaultLifetime: Duration = .seconds(397 * 86_400)
    /// How long before now certificates start: peers' clocks are slow.
    public static let backdating: Duration = .seconds(3600)

    /// A new one, with a key of P-384: what it signs must hold for ten years, and whoever takes P-256 takes this too.
    public init(
        for tenant: Name, at now: Timestamp, lifetime: Duration = Self.lifetime
    ) throws(CertificateError) {
        let key = PrivateKey(.p384)
        let publicKey = try key.signer().publicKey
        let mark = Hexadecimal.text(SHA256.hash(data: Array(publicKey.subjectPublicKeyInfoBytes)).prefix(4))
        // A common name has at most 64 characters (X.520), a tenant's name 63.
        let subject = X509.DistinguishedName([
            X509.RelativeDistinguishedName(
                try SubjectText.attribute(.NameAttributes.organizationName, tenant.description)),
            X509.RelativeDistinguishedName(
                try SubjectText.attribute(
                    .NameAttributes.commonName, "\(tenant.description.prefix(48)) VPN CA \(mark)")),
        ])
        let certificate = try Self.sign(
            publicKey, issuer: subject, subject: subject, from: now.advanced(by: .zero - Self.backdating),
            until: now.advanced(by: lifetime), by: key
        ) {
            Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
            Critical(KeyUsage(keyCertSign: true, cRLSign: true))
            SubjectKeyIdentifier(hash: publicKey)
        }
        credential = try Credential(certificate: certificate, key: key)
    }

    /// One of those made before, out of the store.
    public init(_ credential: Credential) throws(CertificateError) {
        let certificate = credential.certificate
        guard certificate.isAuthority else { throw CertificateError(.notAuthority, of: certificate.subject) }
        guard certificate.maySign else { throw CertificateError(.mayNotSign, of: certificate.subject) }
        self.credential = credential
    }

    /// A key and its certificate, for an end that Cordon makes the key for.
    public func issue(
        to holder: Holder, key kind: PrivateKey.Kind, at now: Timestamp, lifetime: Duration = Self.defaultLifetime
    ) throws(CertificateError) -> Credential {
        let key = PrivateKey(kind)
        let certificate = try issue(to: holder, try key.signer().publicKey, at: now, lifetime: lifetime)
        return try Credential(certificate: certificate, key: key)
    }

    /// A certificate for a key that its owner has made and keeps.
    public func issue(
        to holder: Holder, for request: CertificateRequest, at now: Timestamp,
        lifetime: Duration = Self.defaultLifetime
    ) throws(CertificateError) -> Certificate {
        try issue(to: holder, request.publicKey, at: now, lifetime: lifetime)
    }

    /// Ends with the authority's own at the latest: nobody would believe it longer.
    private func issue(
        to holder: Holder, _ publicKey: X509.Certificate.PublicKey, at now: Timestamp, lifetime: Duration
    ) throws(CertificateError) -> Certificate {
        guard now <= certificate.notAfter else {
            throw CertificateError(.expired(at: certificate.notAfter), of: certificate.subject)
        }
        let names = holder.names
        return try Self.sign(
            publicKey, issuer: certificate.parsed.subject, subject: try holder.subject(of: certificate),
            from: max(now.advanced(by: .zero - Self.backdating), certificate.notBefore),
            until: min(now.advanced(by: lifetime), certificate.notAfter), by: credential.key
        ) {
            Critical(BasicConstraints.notCertificateAuthority)
            Critical(KeyUsage(digitalSignature: true))
            // Either end may start the connection. RFC 4945 §5.1.3.12 wants none of these or IKE's own; Windows and
            // Apple's clients want serverAuth of whoever answers.
            try ExtendedKeyUsage([.serverAuth, .clientAuth, .init(oid: [1, 3, 6, 1, 5, 5, 7, 3, 17])])
            SubjectKeyIdentifier(hash: publicKey)
            AuthorityKeyIdentifier(
                keyIdentifier: try certificate.parsed.extensions.subjectKeyIdentifier?.keyIdentifier)
            if !names.isEmpty { SubjectAlternativeNames(names) }
        }
    }

    /// 126 random bits in 16 octets. X509's own may take 21 octets, one more than RFC 5280 §4.1.2.2 has room for.
    private static func serial() -> X509.Certificate.SerialNumber {
        var random = SystemRandomNumberGenerator()
        var octets = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
        octets[0] = octets[0] & 0x3f | 0x40
        return .init(bytes: octets)
    }

    private static func sign(
        _ publicKey: X509.Certificate.PublicKey, issuer: X509.DistinguishedName, subject: X509.DistinguishedName,
        from: Timestamp, until: Timestamp, by key: PrivateKey,
        @ExtensionsBuilder extensions: () throws -> Result<X509.Certificate.Extensions, any Error>
    ) throws(CertificateError) -> Certificate {
        let signer = try key.signer()
        do {
            let certificate = try X509.Certificate(
                version: .v3, serialNumber: serial(), publicKey: publicKey, notValidBefore: from.date,
                notValidAfter: until.date, issuer: issuer, subject: subject,
                extensions: try X509.Certificate.Extensions(builder: extensions), issuerPrivateKey: signer)
            var serializer = DER.Serializer()
            try serializer.serialize(certificate)
            return try Certificate(der: serializer.serializedBytes)
        } catch {
            throw CertificateError(.notMade)
        }
    }
}

extension CertificateAuthority {
    /// Whom a certificate is for.
    public struct Holder: Hashable, Sendable {
        public let identity: IKEIdentity
        /// Where it is, for peers that look at that too.
        public let addresses: [IPAddress]

        public init(_ identity: IKEIdentity, addresses: [IPAddress] = []) {
            self.identity = identity
            self.addresses = addresses
        }

        var names: [GeneralName] {
            var names: [GeneralName] = []
            var addresses = Set(addresses)
            switch identity {
            case .address(let address): addresses.insert(address)
            case .name(let name): names.append(.dnsName(name.description))
            case .mailbox: names.append(.rfc822Name(identity.description))
            case .subject: break
            }
            return names + addresses.sorted().map { .ipAddress(ASN1OctetString(contentBytes: $0.octets[...])) }
        }

        /// The identity itself when it is a subject; otherwise its text, for people, under the authority's
        /// organization.
        func subject(of authority: Certificate) throws(CertificateError) -> X509.DistinguishedName {
            if case .subject(let name) = identity { return try SubjectText.name(name) }
            let organization = authority.parsed.subject.filter {
                $0.first?.type == .NameAttributes.organizationName
            }
            // A common name has at most 64 characters (X.520).
            let name = try SubjectText.attribute(
                .NameAttributes.commonName, String(identity.description.prefix(64)))
            return X509.DistinguishedName(organization + [X509.RelativeDistinguishedName(name)])
        }
    }
}

extension IPAddress {
    /// In network order.
    fileprivate var octets: [UInt8] {
        switch self {
        case .v4(let address): (0..<4).map { UInt8(truncatingIfNeeded: address.bits >> UInt32(24 - 8 * $0)) }
        case .v6(let address): (0..<16).map { UInt8(truncatingIfNeeded: address.bits >> UInt128(120 - 8 * $0)) }
        }
    }
}

import Crypto
public import Domain
// X509 gives times as Foundation's.
import FoundationEssentials
import SwiftASN1
import X509

/// An X.509 certificate (RFC 5280) that charon can use: its algorithms are not weak, nothing in it is critical and
/// unknown. Whether it is valid now, and who vouches for it, is asked with a time and a bundle of authorities.
public struct Certificate: Sendable {
    /// As it was read, which is what charon's `load-cert` takes.
    public let der: [UInt8]
    /// `C=DE, O=Acme, CN=hq`, in the order of the certificate.
    public let subject: String
    public let issuer: String
    /// Hexadecimal digits, two for each octet, without zero octets in front.
    public let serial: String
    public let notBefore: Timestamp
    /// The last second in which it is valid.
    public let notAfter: Timestamp
    public let key: KeyKind
    /// SHA-256 of ``der``.
    public let fingerprint: TextDigest
    /// In the certificate's order.
    public let alternativeNames: [AlternativeName]
    /// basicConstraints with CA:TRUE.
    public let isAuthority: Bool
    /// How many authorities may stand between it and an end's certificate; `nil`: any number.
    public let pathLength: Int?

    /// keyUsage has keyCertSign, or is not there.
    public let maySign: Bool
    /// keyUsage has digitalSignature or nonRepudiation, or is not there: charon takes no other for an end's.
    public let mayProve: Bool
    /// SHA-256 of the public key (SubjectPublicKeyInfo), the same as of a request for it.
    public let keyFingerprint: TextDigest
    let parsed: X509.Certificate

    public static let maximumOctets = 16 * 1024

    public init(der: [UInt8]) throws(CertificateError) {
        guard der.count <= Self.maximumOctets else {
            throw CertificateError(.tooLong(octets: der.count, limit: Self.maximumOctets))
        }
        let key = try Algorithms.ofCertificate(der).key
        do {
            try self.init(der, X509.Certificate(derEncoded: der), key)
        } catch let error as CertificateError {
            throw error
        } catch {
            throw CertificateError(.malformed)
        }
    }

    /// Reads one, PEM or DER.
    public init(parsing octets: [UInt8]) throws(CertificateError) {
        let text = try PEMText(octets, label: .certificate, maximumOctets: 4 * Self.maximumOctets, maximum: 1)
        try self.init(der: text.blocks.first ?? [])
    }

    private init(_ der: [UInt8], _ parsed: X509.Certificate, _ key: KeyKind) throws {
        self.der = der
        self.parsed = parsed
        self.key = key
        subject = SubjectText.text(parsed.subject)
        issuer = SubjectText.text(parsed.issuer)
        serial = Hexadecimal.text(parsed.serialNumber.bytes.drop { $0 == 0 })
        notBefore = Timestamp(parsed.notValidBefore)
        notAfter = Timestamp(parsed.notValidAfter)
        fingerprint = try TextDigest(hashing: der)
        keyFingerprint = try TextDigest(hashing: parsed.publicKey)
        for item in parsed.extensions where item.critical && !Self.known.contains(item.oid) {
            throw CertificateError(.unknownCriticalExtension(String("\(item.oid)".prefix(64))), of: subject)
        }
        alternativeNames = try parsed.extensions.subjectAlternativeNames?.map { AlternativeName($0) } ?? []
        let usage = try parsed.extensions.keyUsage
        maySign = usage?.keyCertSign ?? true
        mayProve = usage.map { $0.digitalSignature || $0.nonRepudiation } ?? true
        switch try parsed.extensions.basicConstraints {
        case .isCertificateAuthority(let pathLength): (isAuthority, self.pathLength) = (true, pathLength)
        case .notCertificateAuthority, nil: (isAuthority, pathLength) = (false, nil)
        }
    }

    /// What charon's x509 plugin reads; it refuses certificates with any other that is critical.
    private static let known: Set<ASN1ObjectIdentifier> = [
        .X509ExtensionID.authorityKeyIdentifier, .X509ExtensionID.subjectKeyIdentifier, .X509ExtensionID.keyUsage,
        .X509ExtensionID.subjectAlternativeName, .X509ExtensionID.basicConstraints, .X509ExtensionID.nameConstraints,
        .X509ExtensionID.extendedKeyUsage, .X509ExtensionID.authorityInformationAccess,
        // Distribution points of CRLs, and policies: their names, mappings, constraints, inhibitAnyPolicy.
        [2, 5, 29, 31], [2, 5, 29, 32], [2, 5, 29, 33], [2, 5, 29, 36], [2, 5, 29, 54],
    ]

    /// As people save and import it.
    public var pem: String { PEMText.text(der, label: .certificate) }

    /// Issued by itself, as a root is.
    public var isSelfSigned: Bool { parsed.subject == parsed.issuer && isSigned(by: self) }

    public func isValid(at time: Timestamp) -> Bool { notBefore <= time && time <= notAfter }

    /// Whether the signature is by that certificate's key; says nothing of whether it may sign.
    func isSigned(by issuer: Certificate) -> Bool {
        issuer.parsed.publicKey.isValidSignature(parsed.signature, for: parsed)
    }

    /// Whether the private key is this certificate's.
    public func fits(_ key: PrivateKey) throws(CertificateError) -> Bool {
        try key.signer().publicKey == parsed.publicKey
    }
}

extension Certificate: Hashable, CustomStringConvertible {
    public var description: String { subject }

    public static func == (a: Self, b: Self) -> Bool { a.fingerprint == b.fingerprint }
    public func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }
}

extension TextDigest {
    init(hashing octets: [UInt8]) throws(CertificateError) {
        guard let digest = Self(octets: Array(SHA256.hash(data: octets))) else { throw CertificateError(.malformed) }
        self = digest
    }

    init(hashing key: X509.Certificate.PublicKey) throws(CertificateError) {
        var serializer = DER.Serializer()
        do { try serializer.serialize(key) } catch { throw CertificateError(.malformed) }
        try self.init(hashing: serializer.serializedBytes)
    }
}

extension Timestamp {
    /// Cut to milliseconds. A certificate's years are 0 to 9999.
    init(_ date: Date) { self.init(milliseconds: Int64(exactly: (date.timeIntervalSince1970 * 1000).rounded()) ?? 0) }

    /// Cut to seconds, as certificates have them.
    var date: Date { Date(timeIntervalSince1970: Double(milliseconds.floorDivided(by: 1000).quotient)) }

    func advanced(by duration: Duration) -> Timestamp {
        let (seconds, attoseconds) = duration.components
        return Timestamp(milliseconds: milliseconds + seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }
}

enum Hexadecimal {
    static func text(_ octets: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: octets.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

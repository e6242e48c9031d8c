public import Domain
import SwiftASN1
import X509

/// Somebody's wish for a certificate (PKCS #10, RFC 2986). Only its public key counts: what the holder is called is for
/// the tenant to say, and what the certificate may be used for is the authority's.
public struct CertificateRequest: Sendable {
    public let key: KeyKind
    /// What it asks to be called, for people to see.
    public let subject: String
    /// SHA-256 of the public key (SubjectPublicKeyInfo).
    public let keyFingerprint: TextDigest
    let publicKey: X509.Certificate.PublicKey

    public static let maximumOctets = 64 * 1024

    /// Reads PEM or DER, and checks that the sender has the private key.
    public init(parsing octets: [UInt8]) throws(CertificateError) {
        let text = try PEMText(octets, label: .request, maximumOctets: Self.maximumOctets, maximum: 1)
        let der = text.blocks.first ?? []
        key = try Algorithms.ofRequest(der).key
        let request: CertificateSigningRequest
        do { request = try CertificateSigningRequest(derEncoded: der) } catch { throw CertificateError(.malformed) }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw CertificateError(.requestNotSigned)
        }
        publicKey = request.publicKey
        keyFingerprint = try TextDigest(hashing: publicKey)
        subject = SubjectText.text(request.subject)
    }
}

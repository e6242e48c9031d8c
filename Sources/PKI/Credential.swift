/// A certificate with its private key.
public struct Credential: Hashable, Sendable {
    public let certificate: Certificate
    public let key: PrivateKey

    /// - Throws: when the key is another certificate's.
    public init(certificate: Certificate, key: PrivateKey) throws(CertificateError) {
        guard try certificate.fits(key) else { throw CertificateError(.keyDoesNotFit, of: certificate.subject) }
        self.certificate = certificate
        self.key = key
    }
}

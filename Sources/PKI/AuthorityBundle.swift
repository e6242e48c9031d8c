public import Domain
import X509

/// Authorities whose word about the ends of a VPN is taken: a tenant's own, made elsewhere, roots and what is below.
///
/// A connection must name them (`remote.cacerts` of vici): what is loaded as a CA only, every connection of charon
/// believes, other tenants' too.
public struct AuthorityBundle: Hashable, Sendable {
    /// As they were sent, each once. Every one leads to a root among them: charon believes no other (5.9.8).
    public let certificates: [Certificate]

    public static let maximumCertificates = 8
    public static let maximumOctets = 128 * 1024

    /// Reads one certificate in DER, or up to ``maximumCertificates`` in PEM.
    public init(parsing octets: [UInt8], at now: Timestamp) throws(CertificateError) {
        let text = try PEMText(
            octets, label: .certificate, maximumOctets: Self.maximumOctets, maximum: Self.maximumCertificates)
        var certificates: [Certificate] = []
        for (index, der) in text.blocks.enumerated() {
            do throws(CertificateError) {
                let certificate = try Certificate(der: der)
                if !certificates.contains(certificate) { certificates.append(certificate) }
            } catch {
                throw text.blocks.count > 1 ? error.about("\(index + 1)") : error
            }
        }
        self.certificates = certificates
        for certificate in certificates {
            try certificate.checkAuthority(at: now)
            try verify(certificate, at: now)
        }
    }

    /// The tenant's authority that Cordon made; during a rotation both.
    public init(_ authorities: [CertificateAuthority]) { certificates = authorities.map(\.certificate) }

    /// Whether a peer may prove with this certificate that it is `identity`, as charon will judge.
    ///
    /// Name constraints and revocation are not looked at here; charon does.
    /// - Parameter others: what the peer sends along, authorities below those of the bundle.
    public func check(
        _ certificate: Certificate, identity: IKEIdentity, others: [Certificate] = [], at now: Timestamp
    ) throws(CertificateError) {
        try certificate.checkValidity(at: now)
        guard certificate.mayProve else { throw CertificateError(.mayNotProve, of: certificate.subject) }
        guard certificate.covers(identity) else {
            throw CertificateError(
                .identityMissing(identity, has: certificate.names), of: certificate.subject)
        }
        try verify(certificate, with: others, at: now)
    }

    /// charon follows as many (5.9.8, MAX_TRUST_PATH_LEN).
    private static let maximumPath = 7

    /// Follows issuers up to a root of the bundle.
    private func verify(
        _ end: Certificate, with others: [Certificate] = [], at now: Timestamp
    ) throws(CertificateError) {
        if certificates.contains(end), end.isSelfSigned { return }
        // Roots first: where two have one name and one key, the root ends the path.
        let roots = certificates.filter(\.isSelfSigned)
        let pool = roots + (certificates + others.prefix(Self.maximumCertificates)).filter { !roots.contains($0) }
        // An authority of the bundle is there to issue: it counts as standing between.
        var (current, below) = (end, end.isAuthority ? 1 : 0)
        while below < Self.maximumPath {
            let named = pool.filter { $0.parsed.subject == current.parsed.issuer && $0 != current }
            guard !named.isEmpty else { throw CertificateError(.issuerUnknown(current.issuer), of: current.subject) }
            guard let issuer = named.first(where: { current.isSigned(by: $0) }) else {
                throw CertificateError(.notSignedByIssuer(current.issuer), of: current.subject)
            }
            try issuer.checkAuthority(at: now)
            // Of the authorities on the way, the first stands above the end itself and is not counted.
            guard issuer.pathLength.map({ below <= $0 }) ?? true else {
                throw CertificateError(.pathTooLong, of: issuer.subject)
            }
            if roots.contains(issuer) { return }
            (current, below) = (issuer, below + 1)
        }
        throw CertificateError(.pathTooLong, of: end.subject)
    }
}

extension Certificate {
    fileprivate func checkValidity(at now: Timestamp) throws(CertificateError) {
        guard now <= notAfter else { throw CertificateError(.expired(at: notAfter), of: subject) }
        guard notBefore <= now else { throw CertificateError(.notYetValid(from: notBefore), of: subject) }
    }

    fileprivate func checkAuthority(at now: Timestamp) throws(CertificateError) {
        guard isAuthority else { throw CertificateError(.notAuthority, of: subject) }
        guard maySign else { throw CertificateError(.mayNotSign, of: subject) }
        try checkValidity(at: now)
    }
}

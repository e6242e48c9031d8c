public import Domain

/// Why a certificate, a request or a bundle is not taken, and what to do about it, in a sentence for whoever sent it.
public struct CertificateError: Error, Hashable, CustomStringConvertible {
    /// Which one: its subject, or its place among those that were sent; `nil` when it is about the whole.
    public let certificate: String?
    public let reason: Reason

    package init(_ reason: Reason, of certificate: String? = nil) {
        self.certificate = certificate
        self.reason = reason
    }

    public enum Reason: Hashable, Sendable {
        // The text.
        case tooLong(octets: Int, limit: Int)
        case nothingInside(expected: PEMText.Label)
        case privateKeyInside
        case notBase64
        case tooMany(limit: Int)
        case severalCertificates
        case malformed

        // What is in it.
        case weakSignature(String)
        case unsupportedSignature(String)
        case weakKey(String)
        case unsupportedKey(String)
        case unknownCriticalExtension(String)
        case keyDoesNotFit
        case requestNotSigned

        // Its authority.
        case notAuthority
        case mayNotSign
        case expired(at: Timestamp)
        case notYetValid(from: Timestamp)
        case issuerUnknown(String)
        case notSignedByIssuer(String)
        case pathTooLong
        case mayNotProve
        case identityMissing(IKEIdentity, has: [String])

        /// Nothing that a sender could have caused.
        case notMade
    }

    func about(_ certificate: String) -> Self {
        self.certificate == nil ? Self(reason, of: certificate) : self
    }

    public var description: String {
        let subject =
            certificate.map { $0.unicodeScalars.count > 120 ? "\(Self.start(of: $0))..." : $0 }
            .map { "certificate \($0): " } ?? ""
        return subject + reason.description
    }

    private static func start(of text: String) -> String {
        var start = String.UnicodeScalarView()
        start.append(contentsOf: text.unicodeScalars.prefix(117))
        return String(start)
    }
}

extension CertificateError.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tooLong(let octets, let limit):
            "\(octets) octets are more than the \(limit) that are read: send the certificates alone"
        case .nothingInside(let expected):
            "there is no \(expected) in it: send the part from -----BEGIN \(expected.rawValue)----- to -----END "
                + "\(expected.rawValue)-----, or its DER"
        case .privateKeyInside:
            "there is a private key in the text: nobody else may have it, so make a new one, "
                + "and send the certificate alone"
        case .notBase64: "the text between BEGIN and END is not base64: copy it again, whole"
        case .tooMany(let limit): "there are more than \(limit) certificates: send the root and what is needed below it"
        case .severalCertificates: "there is more than one in the text: send one"
        case .malformed: "it cannot be read, a part is damaged or missing: export it again, as PEM or DER"
        case .weakSignature(let name):
            "it is signed with \(name), which others can forge: have it issued with SHA-256 or better"
        case .unsupportedSignature(let name):
            "it is signed with \(name): have it issued with ECDSA, RSA (PKCS #1 v1.5) or Ed25519"
        case .weakKey(let name):
            "its key (\(name)) is too short: use RSA of \(KeyKind.minimumRSABits) bits or more, "
                + "ECDSA P-256, P-384 or P-521"
        case .unsupportedKey(let name):
            "its key (\(name)) is of a kind that is not supported: use ECDSA P-256, P-384 or P-521, "
                + "RSA of \(KeyKind.minimumRSABits) bits or more, or Ed25519"
        case .unknownCriticalExtension(let name):
            "its extension \(name) is critical and not known here: have it issued without, or not critical"
        case .keyDoesNotFit: "the private key is another certificate's"
        case .requestNotSigned: "the request is not signed by the key that it names: make it again"
        case .notAuthority:
            "it is no authority's (basicConstraints has no CA:TRUE): send the certificate of the authority that issues "
                + "yours"
        case .mayNotSign:
            "its keyUsage has no keyCertSign, so what it signs counts for nothing: have it issued anew with keyCertSign"
        case .expired(let time): "it has expired (\(time)): renew it"
        case .notYetValid(let time): "it is not valid before \(time): wait until then, or send the one before it too"
        case .issuerUnknown(let issuer):
            "its issuer is not there (\(issuer)): send the certificates of all authorities above it, up to the root"
        case .notSignedByIssuer(let issuer):
            "its signature is not by the key of \(issuer): that authority has another certificate of the same name; "
                + "send it"
        case .pathTooLong: "there are more authorities between it and the root than one of them allows"
        case .mayNotProve:
            "its keyUsage has no digitalSignature, so it proves nothing: have it issued anew with digitalSignature"
        case .identityMissing(let identity, let names):
            "it does not name \(identity): have it issued with this as subjectAltName"
                + (names.isEmpty ? "" : ", or use what it names: \(names.prefix(8).joined(separator: "; "))")
        case .notMade: "the certificate could not be made: this is a fault of Cordon"
        }
    }
}

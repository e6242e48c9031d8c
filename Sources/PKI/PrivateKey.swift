import Crypto
public import Domain
import X509

/// A private key that Cordon made. It is never printed, as ``Secret`` is not; whoever wants its octets says so.
public struct PrivateKey: Hashable, Sendable {
    /// What new keys are. No RSA: without RFC 7427 an RSA key signs SHA-1 only (RFC 7296 §2.15), an ECDSA key never
    /// (RFC 4754).
    public enum Kind: String, CaseIterable, Sendable {
        case p256, p384

        /// P-384 as everything else of `default` has 192 bits; P-256 with SHA-256, which is what a peer of `compatible`
        /// does if it does ECDSA.
        public init(_ profile: Tunnel.Profile) {
            switch profile {
            case .standard: self = .p384
            case .compatible: self = .p256
            }
        }
    }

    public let kind: Kind
    /// PKCS #8 (RFC 5208), DER: what is sealed in the store, and what charon's `load-key` takes as type `any`.
    public let der: Secret

    /// A new one, from the system's randomness.
    public init(_ kind: Kind) {
        self.kind = kind
        switch kind {
        case .p256: der = Secret(bytes: Array(P256.Signing.PrivateKey().derRepresentation))
        case .p384: der = Secret(bytes: Array(P384.Signing.PrivateKey().derRepresentation))
        }
    }

    /// One of those that ``init(_:)`` has made, out of the store.
    public init(der: Secret) throws(CertificateError) {
        if (try? P384.Signing.PrivateKey(derRepresentation: der.bytes)) != nil {
            kind = .p384  // `try?`: of another curve, or no key; the next line tells.
        } else if (try? P256.Signing.PrivateKey(derRepresentation: der.bytes)) != nil {
            kind = .p256  // `try?`: the same.
        } else {
            throw CertificateError(.malformed)
        }
        self.der = der
    }

    /// As its owner's device imports it.
    public var pem: Secret { Secret(bytes: Array(PEMText.text(der.bytes, label: .privateKey).utf8)) }

    /// What signs.
    func signer() throws(CertificateError) -> X509.Certificate.PrivateKey {
        do {
            switch kind {
            case .p256: return .init(try P256.Signing.PrivateKey(derRepresentation: der.bytes))
            case .p384: return .init(try P384.Signing.PrivateKey(derRepresentation: der.bytes))
            }
        } catch {
            throw CertificateError(.malformed)
        }
    }
}

extension PrivateKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<private key>" }
    public var debugDescription: String { "<private key>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// What a public key is of: what charon takes and nobody has broken.
public enum KeyKind: Hashable, Sendable, CustomStringConvertible {
    case p256, p384, p521
    case rsa(bits: Int)
    case ed25519

    /// NIST SP 800-131A: shorter RSA keys are not to be used.
    public static let minimumRSABits = 2048

    public var description: String {
        switch self {
        case .p256: "ECDSA P-256"
        case .p384: "ECDSA P-384"
        case .p521: "ECDSA P-521"
        case .rsa(let bits): "RSA \(bits)"
        case .ed25519: "Ed25519"
        }
    }
}

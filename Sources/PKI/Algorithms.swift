import SwiftASN1

/// What a certificate or request says about algorithms, read before anything that refuses to read those it does not
/// know: a sender is told that it was SHA-1, or a short key.
struct Algorithms {
    let key: KeyKind

    /// - Parameter keyIndex: where SubjectPublicKeyInfo stands in the signed part when there is no explicit tag before.
    private init(signed der: [UInt8], keyIndex: Int) throws(CertificateError) {
        let root = try Self.children(try Self.parse(der[...]))
        guard root.count == 3 else { throw CertificateError(.malformed) }
        try Self.check(signature: try Self.oid(try Self.children(root[1]).first))
        var signed = try Self.children(root[0])[...]
        if let first = signed.first, first.identifier == ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific) {
            signed = signed.dropFirst()
        }
        guard let info = signed.dropFirst(keyIndex).first else { throw CertificateError(.malformed) }
        key = try Self.key(try Self.children(info))
    }

    /// Of a Certificate (RFC 5280 §4.1).
    static func ofCertificate(_ der: [UInt8]) throws(CertificateError) -> Self { try Self(signed: der, keyIndex: 5) }

    /// Of a CertificationRequest (RFC 2986 §4).
    static func ofRequest(_ der: [UInt8]) throws(CertificateError) -> Self { try Self(signed: der, keyIndex: 2) }

    private static let rsa: [UInt] = [1, 2, 840, 113_549, 1, 1]
    private static let ecdsa: [UInt] = [1, 2, 840, 10045, 4]

    private static func check(signature oid: ASN1ObjectIdentifier) throws(CertificateError) {
        let parts = oid.oidComponents
        switch (Array(parts.dropLast()), parts.last) {
        case (rsa, 11), (rsa, 12), (rsa, 13), (ecdsa + [3], 2), (ecdsa + [3], 3), (ecdsa + [3], 4),
            ([1, 3, 101], 112):
            break
        case (rsa, 2): throw CertificateError(.weakSignature("MD2"))
        case (rsa, 4): throw CertificateError(.weakSignature("MD5"))
        case (rsa, 5), (ecdsa, 1), ([1, 2, 840, 10040, 4], 3): throw CertificateError(.weakSignature("SHA-1"))
        case (rsa, 10): throw CertificateError(.unsupportedSignature("RSASSA-PSS"))
        case (rsa, 14), (ecdsa + [3], 1): throw CertificateError(.unsupportedSignature("SHA-224"))
        default: throw CertificateError(.unsupportedSignature(name(oid)))
        }
    }

    private static func key(_ info: [ASN1Node]) throws(CertificateError) -> KeyKind {
        guard info.count == 2 else { throw CertificateError(.malformed) }
        let algorithm = try children(info[0])
        let kind = try oid(algorithm.first)
        switch kind.oidComponents {
        case rsa + [1]:
            let bits = try modulusBits(info[1])
            guard bits >= KeyKind.minimumRSABits else { throw CertificateError(.weakKey("RSA of \(bits) bits")) }
            return .rsa(bits: bits)
        case [1, 3, 101, 112]: return .ed25519
        case [1, 2, 840, 10045, 2, 1]:
            guard algorithm.count == 2, algorithm[1].identifier == .objectIdentifier else {
                throw CertificateError(.unsupportedKey("ECDSA on a curve without a name"))
            }
            let curve = try oid(algorithm[1])
            switch curve {
            case .NamedCurves.secp256r1: return .p256
            case .NamedCurves.secp384r1: return .p384
            case .NamedCurves.secp521r1: return .p521
            case [1, 2, 840, 10045, 3, 1, 1], [1, 3, 132, 0, 33]: throw CertificateError(.weakKey("ECDSA below P-256"))
            default: throw CertificateError(.unsupportedKey("ECDSA on curve \(name(curve))"))
            }
        default: throw CertificateError(.unsupportedKey(name(kind)))
        }
    }

    /// Of RSAPublicKey (RFC 8017 §A.1.1).
    private static func modulusBits(_ node: ASN1Node) throws(CertificateError) -> Int {
        let bits: ASN1BitString
        do { bits = try ASN1BitString(derEncoded: node) } catch { throw CertificateError(.malformed) }
        guard let modulus = try children(try parse(bits.bytes)).first, case .primitive(let octets) = modulus.content
        else { throw CertificateError(.malformed) }
        let significant = octets.drop { $0 == 0 }
        return significant.count * 8 - (significant.first?.leadingZeroBitCount ?? 0)
    }

    /// Of 64 characters at most: an object identifier may have as many parts as a certificate has room for.
    private static func name(_ oid: ASN1ObjectIdentifier) -> String { String("algorithm \(oid)".prefix(64)) }

    private static func parse(_ der: ArraySlice<UInt8>) throws(CertificateError) -> ASN1Node {
        do { return try DER.parse(der) } catch { throw CertificateError(.malformed) }
    }

    private static func children(_ node: ASN1Node) throws(CertificateError) -> [ASN1Node] {
        guard node.identifier == .sequence || node.identifier.tagClass == .contextSpecific,
            case .constructed(let nodes) = node.content
        else { throw CertificateError(.malformed) }
        return Array(nodes)
    }

    private static func oid(_ node: ASN1Node?) throws(CertificateError) -> ASN1ObjectIdentifier {
        guard let node else { throw CertificateError(.malformed) }
        do { return try ASN1ObjectIdentifier(derEncoded: node) } catch { throw CertificateError(.malformed) }
    }
}

import Crypto
package import Domain

/// The keyed digests of RADIUS. MD5 is what the protocol has; Message-Authenticator is what makes it bearable.
package enum Authenticator {
    /// MD5 over code, identifier, length, `authenticator`, attributes and secret: the Response Authenticator
    /// (RFC 2865 §3) when given the request's, the Request Authenticator of accounting (RFC 2866 §3), Disconnect and
    /// CoA (RFC 5176 §2.3) when given zero.
    package static func digest(of packet: Span<UInt8>, authenticator: UInt128, secret: Secret) -> UInt128 {
        var md5 = Insecure.MD5()
        packet.extracting(0..<4).withUnsafeBytes { md5.update(bufferPointer: $0) }
        withUnsafeBytes(of: authenticator.bigEndian) { md5.update(bufferPointer: $0) }
        packet.extracting(Header.octets..<packet.count).withUnsafeBytes { md5.update(bufferPointer: $0) }
        secret.bytes.withUnsafeBytes { md5.update(bufferPointer: $0) }
        return md5.finalize().withUnsafeBytes(UInt128.init(octets:))
    }

    /// HMAC-MD5 over the packet with 16 zero octets at `offset` and `authenticator` in the header (RFC 2869 §5.14).
    package static func messageAuthenticator(
        of packet: Span<UInt8>, at offset: Int, authenticator: UInt128, secret: Secret
    ) -> UInt128 {
        var hmac = keyed(secret)
        packet.extracting(0..<4).withUnsafeBytes { hmac.update(data: $0) }
        withUnsafeBytes(of: authenticator.bigEndian) { hmac.update(data: $0) }
        packet.extracting(Header.octets..<offset).withUnsafeBytes { hmac.update(data: $0) }
        withUnsafeBytes(of: UInt128(0)) { hmac.update(data: $0) }
        packet.extracting(offset + 16..<packet.count).withUnsafeBytes { hmac.update(data: $0) }
        return hmac.finalize().withUnsafeBytes(UInt128.init(octets:))
    }

    /// Whether the 16 octets at `offset` are the Message-Authenticator of an Access-Request. Compared as one number:
    /// the time it takes says nothing about where they differ.
    package static func isMessageAuthenticator(at offset: Int, of packet: Span<UInt8>, secret: Secret) -> Bool {
        let expected = messageAuthenticator(
            of: packet, at: offset, authenticator: packet.uint128(at: 4), secret: secret)
        return expected ^ packet.uint128(at: offset) == 0
    }

    static func keyed(_ secret: Secret) -> HMAC<Insecure.MD5> { HMAC(key: SymmetricKey(data: secret.bytes)) }
}

extension UInt128 {
    /// 16 octets, first highest.
    init(octets: UnsafeRawBufferPointer) { self = octets.reduce(0) { $0 << 8 | UInt128($1) } }
}

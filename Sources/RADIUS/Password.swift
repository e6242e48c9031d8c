import Crypto
public import Domain

/// What PAP and CHAP carry, for those who want to look at it. Admission does not rest on either.
extension AccessRequest {
    /// User-Password in clear without its padding (RFC 2865 §5.2), `nil` when the request carries no PAP.
    /// - Parameter bytes: the octets that were decoded.
    public func password(in bytes: Span<UInt8>, secret: Secret) -> [UInt8]? {
        guard case .pap(let place) = proof else { return nil }
        let hidden = place.octets(in: bytes)
        var password: [UInt8] = []
        var previous = withUnsafeBytes(of: header.authenticator.bigEndian) { Array($0) }
        for start in stride(from: 0, to: hidden.count, by: 16) {
            let block = hidden[start..<min(start + 16, hidden.count)]
            var md5 = Insecure.MD5()
            md5.update(data: secret.bytes)
            md5.update(data: previous)
            password += zip(block, md5.finalize()).map { $0 ^ $1 }
            previous = Array(block)
        }
        return Array(password.prefix(password.count - (password.reversed().firstIndex { $0 != 0 } ?? password.count)))
    }

    /// Whether the CHAP response is that of `password` (RFC 2865 §2.2, RFC 1994 §4.1); `nil` when the request carries
    /// no CHAP.
    /// - Parameter bytes: the octets that were decoded.
    public func isCHAPResponse(of password: [UInt8], in bytes: Span<UInt8>) -> Bool? {
        guard case .chap(let identifier, let response) = proof else { return nil }
        var md5 = Insecure.MD5()
        md5.update(data: [identifier])
        md5.update(data: password)
        md5.update(data: chapChallenge.octets(in: bytes))
        return zip(md5.finalize(), response.octets(in: bytes)).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

/// What an answer takes from its request. The answer is encoded when the decision is there, and the request's octets are
/// gone by then. An accept or a reject answers an `AccessRequest`, a response an `AccountingRequest`.
public struct Echo<Request>: Hashable, Sendable {
    let identifier: UInt8
    /// The Request Authenticator: the answer's authenticators are made with it.
    let authenticator: UInt128
    /// Proxy-State values in order: the answer repeats them (RFC 2865 §5.33).
    let proxyStates: [[UInt8]]

    init(_ header: Header, _ bearer: Bearer, in bytes: Span<UInt8>) {
        identifier = header.identifier
        authenticator = header.authenticator
        proxyStates = bearer.proxyStates(in: bytes)
    }
}

extension AccessRequest {
    /// - Parameter bytes: the octets that were decoded.
    public func echo(in bytes: Span<UInt8>) -> Echo<Self> { Echo(header, bearer, in: bytes) }
}

extension AccountingRequest {
    /// - Parameter bytes: the octets that were decoded.
    public func echo(in bytes: Span<UInt8>) -> Echo<Self> { Echo(header, bearer, in: bytes) }
}

/// Why a packet is not taken. A peer's fault, so each has a counter; the payload is integers only, since this is thrown
/// on a path that anybody can flood.
public enum PacketError: Error, Hashable, Sendable {
    /// Shorter than a header, or than its own Length field says.
    case truncated
    /// Longer than the 4096 octets that RFC 2865 §3 allows.
    case overlong
    /// Length is less than a header's 20 octets.
    case lengthField
    /// Not a code that this port answers.
    case unexpectedCode(UInt8)
    /// The attribute, or an attribute inside a vendor's, does not fit where it stands, or its value has not the length
    /// that its type has.
    case attributeLength(type: UInt8)
    /// An attribute that may occur once occurs again.
    case attributeRepeated(type: UInt8)
    /// CVE-2024-3596: this NAS must send Message-Authenticator.
    case messageAuthenticatorMissing
    case messageAuthenticatorWrong
    /// Proxy-State in a request that has no Message-Authenticator (CVE-2024-3596).
    case proxyStateUnprotected
    /// The Request Authenticator (RFC 2866 §3) or Response Authenticator (RFC 2865 §3) does not match.
    case authenticatorWrong
    /// An Accounting-Request without Acct-Status-Type, or with one that we do not record.
    case statusType(UInt32?)
    /// The answer would be longer than a packet may be.
    case answerTooLong

    /// The reason in counters.
    public var label: String {
        switch self {
        case .truncated: "truncated"
        case .overlong: "overlong"
        case .lengthField: "length-field"
        case .unexpectedCode: "unexpected-code"
        case .attributeLength: "attribute-length"
        case .attributeRepeated: "attribute-repeated"
        case .messageAuthenticatorMissing: "message-authenticator-missing"
        case .messageAuthenticatorWrong: "message-authenticator-wrong"
        case .proxyStateUnprotected: "proxy-state-unprotected"
        case .authenticatorWrong: "authenticator-wrong"
        case .statusType: "status-type"
        case .answerTooLong: "answer-too-long"
        }
    }
}

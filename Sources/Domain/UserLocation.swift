/// 3GPP-User-Location-Info (3GPP TS 29.061 §16.4.7.2, VSA 22): the octets as sent. The kind is the first octet,
/// an enumeration (not GTPv2's bit mask).
public struct UserLocation: Hashable, Sendable {
    public let octets: [UInt8]
}

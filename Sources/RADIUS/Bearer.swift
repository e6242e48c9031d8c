public import Domain

/// What Access-Request and Accounting-Request have in common: who asks, for whom, and where.
public struct Bearer: Hashable, Sendable {
    /// May be the MSISDN or anything else: never identifies.
    public var userName: String?
    public var nasAddress: IPv4Address?
    public var nasAddressIPv6: UInt128?
    public var nasIdentifier: String?
    public var nasPortType: UInt32?
    public var serviceType: UInt32?
    public var framedProtocol: UInt32?
    public var framedAddress: IPv4Address?
    public var framedIPv6Prefix: IPv6PrefixValue?
    public var framedInterfaceID: UInt64?
    public var delegatedIPv6Prefix: IPv6PrefixValue?
    /// Called-Station-Id.
    public var apn: APN?
    /// Calling-Station-Id.
    public var msisdn: MSISDN?
    public var accountingSessionID: String?
    /// The session that one of our Class attributes names.
    public var token: SessionToken?
    public var threeGPP = ThreeGPPAttributes()
    /// Proxy-State values in order: the answer repeats them (RFC 2865 §5.33).
    public var proxyStates: [[UInt8]] = []
    /// Where Message-Authenticator's 16 octets lie.
    var messageAuthenticatorOffset: Int?

    public init() {}

    public var equipment: Equipment {
        Equipment(
            imei: threeGPP.imei, rat: threeGPP.rat, visitedNetwork: threeGPP.visitedNetwork,
            location: threeGPP.location, chargingID: threeGPP.chargingID, nsapi: threeGPP.nsapi)
    }

    /// Takes the attribute if it is one of these.
    /// - Returns: whether it was.
    mutating func take(_ attribute: Attribute, in bytes: Span<UInt8>) throws(PacketError) -> Bool {
        guard attribute.vendor == 0 else {
            if attribute.vendor == Attribute.vendor3GPP { try threeGPP.take(attribute, in: bytes) }
            return true
        }
        switch attribute.type {
        case 1: userName = try attribute.text(in: bytes)
        case 4: nasAddress = try attribute.ipv4(in: bytes)
        case 6: serviceType = try attribute.uint32(in: bytes)
        case 7: framedProtocol = try attribute.uint32(in: bytes)
        case 8: framedAddress = try attribute.ipv4(in: bytes)
        case 25: token = try ClassAttribute.token(attribute, in: bytes) ?? token
        case 30: apn = attribute.parsed(in: bytes) { APN(utf8: Array($0)) }
        case 31: msisdn = attribute.parsed(in: bytes) { MSISDN(utf8: $0) }
        case 32: nasIdentifier = try attribute.text(in: bytes)
        case 33: proxyStates.append(try attribute.octets(in: bytes))
        case 44: accountingSessionID = try attribute.text(in: bytes)
        case 61: nasPortType = try attribute.uint32(in: bytes)
        case 80:
            try attribute.expect(16...16)
            guard messageAuthenticatorOffset == nil else { throw .attributeRepeated(type: 80) }
            messageAuthenticatorOffset = attribute.value.lowerBound
        case 95: nasAddressIPv6 = try attribute.uint128(in: bytes)
        case 96:
            try attribute.expect(8...8)
            framedInterfaceID = bytes.uint64(at: attribute.value.lowerBound)
        case 97: framedIPv6Prefix = try attribute.ipv6Prefix(in: bytes)
        case 123: delegatedIPv6Prefix = try attribute.ipv6Prefix(in: bytes)
        default: return false
        }
        return true
    }
}

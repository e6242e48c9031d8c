public import Domain

/// What Access-Request and Accounting-Request have in common: who asks, for whom, and where.
///
/// Text is made from the packet's octets when it is asked for; `bytes` are always those that were decoded.
public struct Bearer: Sendable {
    public var nasAddress: IPv4Address?
    public var nasAddressIPv6: UInt128?
    public var nasPortType: UInt32?
    public var serviceType: UInt32?
    public var framedProtocol: UInt32?
    public var framedAddress: IPv4Address?
    public var framedIPv6Prefix: IPv6PrefixValue?
    public var framedInterfaceID: UInt64?
    public var delegatedIPv6Prefix: IPv6PrefixValue?
    /// Calling-Station-Id.
    public var msisdn: MSISDN?
    /// The session that one of our Class attributes names.
    public var token: SessionToken?
    public var threeGPP = ThreeGPPAttributes()
    /// Where Message-Authenticator's 16 octets lie.
    var messageAuthenticatorOffset: Int?
    private var proxyState = RepeatedAttribute(vendor: 0, type: 33)
    private var places = Places()

    /// Where the values lie that would have to be allocated.
    private struct Places {
        var userName: Place?
        var nasIdentifier: Place?
        var apn: Place?
        var accountingSessionID: Place?
    }

    public init() {}

    /// May be the MSISDN or anything else: never identifies. `nil` when it is no UTF-8, as with all text here.
    public func userName(in bytes: Span<UInt8>) -> String? { places.userName?.text(in: bytes) }

    public func nasIdentifier(in bytes: Span<UInt8>) -> String? { places.nasIdentifier?.text(in: bytes) }

    /// Called-Station-Id.
    public func apn(in bytes: Span<UInt8>) -> APN? { places.apn?.parsed(in: bytes) { APN(utf8: Array($0)) } }

    public func accountingSessionID(in bytes: Span<UInt8>) -> String? { places.accountingSessionID?.text(in: bytes) }

    /// Proxy-State values in order: the answer repeats them (RFC 2865 §5.33).
    public func proxyStates(in bytes: Span<UInt8>) -> [[UInt8]] { proxyState.octets(in: bytes) }

    var hasProxyState: Bool { proxyState.count > 0 }

    public func equipment(in bytes: Span<UInt8>) -> Equipment {
        Equipment(
            imei: threeGPP.imei, rat: threeGPP.rat, visitedNetwork: threeGPP.visitedNetwork,
            location: threeGPP.location(in: bytes), chargingID: threeGPP.chargingID, nsapi: threeGPP.nsapi)
    }

    /// Takes the attribute if it is one of these.
    /// - Returns: whether it was.
    mutating func take(_ attribute: Attribute, in bytes: Span<UInt8>) throws(PacketError) -> Bool {
        guard attribute.vendor == 0 else {
            if attribute.vendor == Attribute.vendor3GPP { try threeGPP.take(attribute, in: bytes) }
            return true
        }
        switch attribute.type {
        case 1: places.userName = try attribute.text()
        case 4: nasAddress = try attribute.ipv4(in: bytes)
        case 6: serviceType = try attribute.uint32(in: bytes)
        case 7: framedProtocol = try attribute.uint32(in: bytes)
        case 8: framedAddress = try attribute.ipv4(in: bytes)
        case 25: token = try ClassAttribute.token(attribute, in: bytes) ?? token
        case 30: places.apn = attribute.place
        case 31: msisdn = attribute.parsed(in: bytes) { MSISDN(utf8: $0) }
        case 32: places.nasIdentifier = try attribute.text()
        case 33: proxyState.count += 1
        case 44: places.accountingSessionID = try attribute.text()
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

public import Domain

/// The attributes of vendor 10415 (3GPP TS 29.061 §16.4.7.2). What is absent, or is text that does not parse, is `nil`;
/// a length that the type does not have makes the packet malformed instead.
///
/// Text and octets are made from the packet's when they are asked for; `bytes` are always those that were decoded.
public struct ThreeGPPAttributes: Sendable {
    public var imsi: IMSI?
    public var chargingID: UInt32?
    public var pdpType: PDPType?
    public var servingNode: IPv4Address?
    public var gateway: IPv4Address?
    public var servingNodeIPv6: UInt128?
    public var gatewayIPv6: UInt128?
    public var homeNetwork: PLMN?
    public var gatewayNetwork: PLMN?
    /// The bearer (NSAPI or EPS bearer identity), 0 to 15: one hexadecimal digit on the wire.
    public var nsapi: UInt8?
    /// 3GPP-Session-Stop-Indicator is there: the last bearer has stopped.
    public var isSessionStop = false
    /// A digit: 0 subscribed and verified, 1 sent by the device, 2 sent by the network.
    public var selectionMode: UInt8?
    /// Four hexadecimal digits.
    public var chargingCharacteristics: UInt16?
    /// 3GPP-SGSN-MCC-MNC: the network that the device is in.
    public var visitedNetwork: PLMN?
    public var isTeardown: Bool?
    public var imei: IMEI?
    /// The last two digits of an IMEISV; no part of the identity.
    public var softwareVersion: UInt8?
    public var rat: RATType?
    public var timeZone: TimeZone?
    public var negotiatedDSCP: UInt8?
    public var allocateIPType: UInt8?
    /// When ``location(in:)`` was learned: seconds since 1900, as in NTP.
    public var locationTimeSeconds: UInt32?
    private var secondaryRATUsage = RepeatedAttribute(vendor: Attribute.vendor3GPP, type: 31)
    private var places = Places()

    /// Where the values lie that would have to be allocated.
    private struct Places {
        var qosProfile: Place?
        var dnsServersIPv6: Place?
        var location: Place?
        var externalIdentifier: Place?
    }

    public init() {}

    /// GPRS Negotiated QoS profile: text of release and hexadecimal digits, or octets of older cores.
    public func qosProfile(in bytes: Span<UInt8>) -> [UInt8]? { places.qosProfile?.octets(in: bytes) }

    public func dnsServersIPv6(in bytes: Span<UInt8>) -> [UInt128] {
        let octets = places.dnsServersIPv6?.octets(in: bytes) ?? []
        return stride(from: 0, to: octets.count, by: 16).map { octets.span.uint128(at: $0) }
    }

    public func location(in bytes: Span<UInt8>) -> UserLocation? {
        places.location.map { UserLocation(octets: $0.octets(in: bytes)) }
    }

    /// `nil` when it is no UTF-8.
    public func externalIdentifier(in bytes: Span<UInt8>) -> String? { places.externalIdentifier?.text(in: bytes) }

    /// Each secondary RAT usage report as sent.
    public func secondaryRATUsage(in bytes: Span<UInt8>) -> [[UInt8]] { secondaryRATUsage.octets(in: bytes) }

    /// 3GPP-PDP-Type.
    public struct PDPType: RawRepresentable, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let ipv4 = Self(rawValue: 0)
        public static let ppp = Self(rawValue: 1)
        public static let ipv6 = Self(rawValue: 2)
        public static let ipv4v6 = Self(rawValue: 3)
        public static let nonIP = Self(rawValue: 4)
        public static let unstructured = Self(rawValue: 5)
        public static let ethernet = Self(rawValue: 6)

        /// Numbers that are not known are not taken for IPv4.
        var pdnType: PDNType {
            switch self {
            case .ipv4, .ppp: .ipv4
            case .ipv6: .ipv6
            case .ipv4v6: .ipv4v6
            default: .other
            }
        }
    }

    /// 3GPP-MS-TimeZone: the offset from UTC in quarters of an hour (3GPP TS 23.040 §9.2.3.11) and the hours of
    /// daylight saving in it.
    public struct TimeZone: Hashable, Sendable {
        public let quarters: Int
        public let daylightSavingHours: UInt8
    }

    mutating func take(_ attribute: Attribute, in bytes: Span<UInt8>) throws(PacketError) {
        switch attribute.type {
        case 1: imsi = attribute.parsed(in: bytes) { IMSI(utf8: $0) }
        case 2: chargingID = try attribute.uint32(in: bytes)
        case 3: pdpType = PDPType(rawValue: try attribute.uint32(in: bytes))
        case 5: places.qosProfile = attribute.place
        case 6: servingNode = try attribute.ipv4(in: bytes)
        case 7: gateway = try attribute.ipv4(in: bytes)
        case 8: homeNetwork = attribute.parsed(in: bytes) { PLMN(utf8: $0) }
        case 9: gatewayNetwork = attribute.parsed(in: bytes) { PLMN(utf8: $0) }
        case 10: nsapi = try attribute.hexadecimal(in: bytes, digits: 1).map(UInt8.init)
        case 11:
            try attribute.expect(1...1)
            isSessionStop = true
        case 12: selectionMode = try attribute.hexadecimal(in: bytes, digits: 1).map(UInt8.init)
        case 13: chargingCharacteristics = try attribute.hexadecimal(in: bytes, digits: 4)
        case 15: servingNodeIPv6 = try attribute.uint128(in: bytes)
        case 16: gatewayIPv6 = try attribute.uint128(in: bytes)
        case 17:
            guard attribute.value.count % 16 == 0 else { throw .attributeLength(type: 17) }
            places.dnsServersIPv6 = attribute.place
        case 18: visitedNetwork = attribute.parsed(in: bytes) { PLMN(utf8: $0) }
        case 19: isTeardown = try attribute.uint8(in: bytes) & 1 == 1
        case 20: takeIMEISV(attribute, in: bytes)
        case 21: rat = RATType(rawValue: try attribute.uint8(in: bytes))
        case 22: places.location = try attribute.place(of: 1...251)
        case 23: timeZone = try Self.timeZone(attribute, in: bytes)
        case 26: negotiatedDSCP = try attribute.uint8(in: bytes)
        case 27: allocateIPType = try attribute.uint8(in: bytes)
        case 28: places.externalIdentifier = try attribute.text()
        case 30: locationTimeSeconds = try attribute.uint32(in: bytes)
        case 31: secondaryRATUsage.count += 1
        default: break
        }
    }

    private mutating func takeIMEISV(_ attribute: Attribute, in bytes: Span<UInt8>) {
        imei = attribute.parsed(in: bytes) { IMEI(utf8: $0) }
        guard imei != nil else { return }
        softwareVersion = attribute.parsed(in: bytes) { octets in
            guard octets.count == 16 else { return nil }
            return octets.suffix(2).reduce(0) { $0 * 10 + ($1 - 0x30) }
        }
    }

    /// Two octets: tens and units of quarters in swapped nibbles, with the sign in bit 4 of the first; daylight saving
    /// in the low two bits of the second.
    private static func timeZone(_ attribute: Attribute, in bytes: Span<UInt8>) throws(PacketError) -> TimeZone? {
        try attribute.expect(2...2)
        let first = bytes[attribute.value.lowerBound]
        let (tens, units) = (Int(first & 0x07), Int(first >> 4))
        guard units <= 9 else { return nil }
        let quarters = tens * 10 + units
        return TimeZone(
            quarters: first & 0x08 == 0 ? quarters : -quarters,
            daylightSavingHours: bytes[attribute.value.lowerBound + 1] & 0x03)
    }
}

extension Attribute {
    /// A number in that many hexadecimal digits of text; `nil` when other characters stand there.
    fileprivate func hexadecimal(in bytes: Span<UInt8>, digits: Int) throws(PacketError) -> UInt16? {
        try expect(digits...digits)
        var number: UInt16 = 0
        for index in value {
            let byte = bytes[index]
            switch byte {
            case 0x30...0x39: number = number << 4 | UInt16(byte - 0x30)
            case 0x41...0x46: number = number << 4 | UInt16(byte - 0x41 + 10)
            case 0x61...0x66: number = number << 4 | UInt16(byte - 0x61 + 10)
            default: return nil
            }
        }
        return number
    }
}

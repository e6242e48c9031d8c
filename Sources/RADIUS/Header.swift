/// The first 20 octets of a packet (RFC 2865 §3).
public struct Header: Hashable, Sendable {
    public let code: Code
    public let identifier: UInt8
    /// Octets of the packet; what follows them in the datagram is padding.
    public let length: Int
    /// Request or Response Authenticator, first octet highest.
    public let authenticator: UInt128

    static let octets = 20
    /// RFC 2865 §3.
    public static let longestPacket = 4096

    /// - Throws: ``PacketError`` when the datagram cannot be a packet.
    public init(decoding bytes: Span<UInt8>) throws(PacketError) {
        guard bytes.count >= Self.octets else { throw .truncated }
        guard bytes.count <= Self.longestPacket else { throw .overlong }
        length = Int(bytes.uint16(at: 2))
        guard length >= Self.octets else { throw .lengthField }
        guard length <= bytes.count else { throw .truncated }
        code = Code(rawValue: bytes[0])
        identifier = bytes[1]
        authenticator = bytes.uint128(at: 4)
    }
}

/// Packet type codes (RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3).
public struct Code: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let accessRequest = Self(rawValue: 1)
    public static let accessAccept = Self(rawValue: 2)
    public static let accessReject = Self(rawValue: 3)
    public static let accountingRequest = Self(rawValue: 4)
    public static let accountingResponse = Self(rawValue: 5)
    public static let disconnectRequest = Self(rawValue: 40)
    public static let disconnectACK = Self(rawValue: 41)
    public static let disconnectNAK = Self(rawValue: 42)
    public static let coaRequest = Self(rawValue: 43)
    public static let coaACK = Self(rawValue: 44)
    public static let coaNAK = Self(rawValue: 45)
}

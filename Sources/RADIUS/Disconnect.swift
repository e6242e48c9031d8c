public import Domain

/// A Disconnect-Request (RFC 5176 §2.1, 3GPP TS 29.061 §16.5): ends one session at its NAS.
public struct DisconnectMessage: Hashable, Sendable {
    public var key: Key
    /// Event-Timestamp, seconds since 1970: a NAS drops an old request that somebody sends again.
    public var eventTimestamp: UInt32

    /// What names the session: one combination, since many NAS refuse a request that names it in several ways.
    public enum Key: Hashable, Sendable {
        case imsi(IMSI, nsapi: UInt8?)
        case accountingSessionID(String)
        case apn(APN, address: IPv4Address)
    }

    public init(key: Key, eventTimestamp: UInt32) {
        self.key = key
        self.eventTimestamp = eventTimestamp
    }

    /// The same identifier and time give the same octets, which is what a retransmission has to be.
    public func encoded(identifier: UInt8, secret: Secret) throws(PacketError) -> [UInt8] {
        var attributes = AttributeWriter.protected()
        switch key {
        case .imsi(let imsi, let nsapi):
            attributes.append(vendor: Attribute.vendor3GPP, 1, imsi.description.utf8)
            if let nsapi {
                attributes.append(vendor: Attribute.vendor3GPP, 10, String(nsapi & 0x0f, radix: 16).utf8)
            }
        case .accountingSessionID(let id): attributes.append(44, id.utf8.prefix(253))
        case .apn(let apn, let address):
            attributes.append(30, apn.description.utf8)
            attributes.append(8, address.bits)
        }
        attributes.append(55, eventTimestamp)
        var packet = try [UInt8].packet(.disconnectRequest, identifier: identifier, attributes: attributes)
        packet.sign(request: 0, messageAuthenticator: true, secret: secret)
        return packet
    }
}

/// The NAS's answer to a Disconnect-Request.
public struct DisconnectAnswer: Hashable, Sendable {
    public let identifier: UInt8
    public let isAcknowledged: Bool
    /// Error-Cause (RFC 5176 §3.5).
    public let errorCause: UInt32?

    /// RFC 5176 §3.5: the NAS does not have this session.
    public static let sessionContextNotFound: UInt32 = 503

    /// - Parameter request: the Request Authenticator of the request with this identifier, asked for when the header
    ///   is known; `nil` when there is none.
    public init(
        decoding bytes: Span<UInt8>, request: (_ identifier: UInt8) -> (authenticator: UInt128, secret: Secret)?
    ) throws(PacketError) {
        let header = try Header(decoding: bytes)
        guard header.code == .disconnectACK || header.code == .disconnectNAK else {
            throw .unexpectedCode(header.code.rawValue)
        }
        let packet = bytes.extracting(0..<header.length)
        guard let (authenticator, secret) = request(header.identifier),
            Authenticator.digest(of: packet, authenticator: authenticator, secret: secret) == header.authenticator
        else { throw .authenticatorWrong }
        var cause: UInt32?
        var scan = AttributeScan(header)
        while let attribute = try scan.next(in: bytes) {
            guard attribute.vendor == 0, attribute.type == 101 else { continue }
            cause = try attribute.uint32(in: bytes)
        }
        identifier = header.identifier
        isAcknowledged = header.code == .disconnectACK
        errorCause = cause
    }
}

public import Domain

/// A Disconnect-Request or a CoA-Request (RFC 5176 §2.1, §2.2, 3GPP TS 29.061 §16.5): ends one session at its NAS, or
/// changes what it is authorized to.
public struct DisconnectMessage: Hashable, Sendable {
    public var kind: Kind
    /// What names the session and goes with it, in the order in which it is sent.
    public var attributes: [Attribute]
    /// What a CoA-Request asks for; nothing else has any.
    public var changes: [SessionChange]

    public enum Kind: Hashable, Sendable {
        case disconnect
        case change

        var code: Code {
            switch self {
            case .disconnect: .disconnectRequest
            case .change: .coaRequest
            }
        }
    }

    /// An attribute with its value.
    public enum Attribute: Hashable, Sendable {
        case messageAuthenticator
        case imsi(IMSI)
        case nsapi(UInt8)
        case accountingSessionID(String)
        case apn(APN)
        case address(IPv4Address)
        case prefix(IPv6Prefix)
        case msisdn(MSISDN)
        case userName(IMSI)
        case token(SessionToken)
        case chargingID(UInt32)
        case nasAddress(IPv4Address)
        case teardown
        /// Seconds since 1970.
        case eventTimestamp(UInt32)
    }

    public init(kind: Kind, attributes: [Attribute], changes: [SessionChange] = []) {
        self.kind = kind
        self.attributes = attributes
        self.changes = changes
    }

    /// One combination that names a session, since many NAS refuse a request that names it in several ways.
    public enum Key: Hashable, Sendable {
        case imsi(IMSI, nsapi: UInt8?)
        case accountingSessionID(String)
        case apn(APN, address: IPv4Address)
    }

    /// A Disconnect-Request with Message-Authenticator and Event-Timestamp.
    public init(key: Key, eventTimestamp: UInt32) {
        let names: [Attribute] =
            switch key {
            case .imsi(let imsi, let nsapi): [.imsi(imsi)] + (nsapi.map { [.nsapi($0)] } ?? [])
            case .accountingSessionID(let id): [.accountingSessionID(id)]
            case .apn(let apn, let address): [.apn(apn), .address(address)]
            }
        self.init(
            kind: .disconnect, attributes: [.messageAuthenticator] + names + [.eventTimestamp(eventTimestamp)])
    }

    /// The same identifier and time give the same octets, which is what a retransmission has to be.
    public func encoded(identifier: UInt8, secret: Secret) throws(PacketError) -> [UInt8] {
        let isProtected = attributes.contains(.messageAuthenticator)
        var writer = isProtected ? AttributeWriter.protected() : AttributeWriter()
        for attribute in attributes { Self.append(attribute, to: &writer) }
        for change in changes {
            switch change {
            case .sessionTimeout(let seconds): writer.append(27, seconds)
            case .idleTimeout(let seconds): writer.append(28, seconds)
            case .interimInterval(let seconds): writer.append(85, seconds)
            }
        }
        var packet = try [UInt8].packet(kind.code, identifier: identifier, attributes: writer)
        packet.sign(request: 0, messageAuthenticator: isProtected, secret: secret)
        return packet
    }

    private static func append(_ attribute: Attribute, to writer: inout AttributeWriter) {
        let vendor = RADIUS.Attribute.vendor3GPP
        switch attribute {
        // Stands first already.
        case .messageAuthenticator: break
        case .imsi(let imsi): writer.append(vendor: vendor, 1, imsi.description.utf8)
        case .nsapi(let nsapi): writer.append(vendor: vendor, 10, String(nsapi & 0x0f, radix: 16).utf8)
        case .accountingSessionID(let id): writer.append(44, id.utf8.prefix(253))
        case .apn(let apn): writer.append(30, apn.description.utf8)
        case .address(let address): writer.append(8, address.bits)
        case .prefix(let prefix): writer.append(97, prefix)
        case .msisdn(let msisdn): writer.append(31, msisdn.description.utf8)
        case .userName(let imsi): writer.append(1, imsi.description.utf8)
        case .token(let token): ClassAttribute.append(token, to: &writer)
        case .chargingID(let number): writer.append(vendor: vendor, 2, number)
        case .nasAddress(let address): writer.append(4, address.bits)
        // TS 29.061 §16.4.7.2, VSA 19: the low bit asks for all contexts.
        case .teardown: writer.append(vendor: vendor, 19, [1])
        case .eventTimestamp(let seconds): writer.append(55, seconds)
        }
    }
}

/// The NAS's answer to a Disconnect- or CoA-Request.
public struct DisconnectAnswer: Hashable, Sendable {
    public let identifier: UInt8
    public let isAcknowledged: Bool
    /// What it answers, by its code.
    public let kind: DisconnectMessage.Kind
    /// RFC 5176 §3.5. An acknowledgement may have one too.
    public let errorCause: ErrorCause?

    /// - Parameter request: the Request Authenticator of the request with this identifier, asked for when the header
    ///   is known; `nil` when there is none.
    public init(
        decoding bytes: Span<UInt8>, request: (_ identifier: UInt8) -> (authenticator: UInt128, secret: Secret)?
    ) throws(PacketError) {
        let header = try Header(decoding: bytes)
        switch header.code {
        case .disconnectACK, .disconnectNAK: kind = .disconnect
        case .coaACK, .coaNAK: kind = .change
        default: throw .unexpectedCode(header.code.rawValue)
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
        isAcknowledged = header.code == .disconnectACK || header.code == .coaACK
        errorCause = cause.map(ErrorCause.init)
    }
}

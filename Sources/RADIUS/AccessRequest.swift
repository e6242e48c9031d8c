public import Domain

/// An Access-Request (RFC 2865 §4.1) with the attributes of 3GPP TS 29.061 §16.4.1.
///
/// Holds no octets of the packet; ``echo(in:)`` is what an answer needs when they are gone.
public struct AccessRequest: Sendable {
    public let header: Header
    public let bearer: Bearer
    /// What the NAS carried as proof. It proves nothing about a device: some P-GWs send the shared secret itself.
    public let proof: Proof?

    public enum Proof: Sendable {
        /// User-Password as hidden on the wire (RFC 2865 §5.2).
        case pap(hidden: Place)
        /// CHAP-Password: identifier and response (RFC 2865 §5.3).
        case chap(identifier: UInt8, response: Place)
    }
    /// CHAP-Challenge, or the Request Authenticator in its place.
    public let chapChallenge: Place

    /// Decodes and checks the packet's form, not its authenticators: see ``verify(_:secret:requiringMessageAuthenticator:)``.
    /// Allocates nothing, whatever the packet.
    /// - Throws: ``PacketError`` for the first thing that is wrong with it.
    public init(decoding bytes: Span<UInt8>) throws(PacketError) {
        header = try Header(decoding: bytes)
        guard header.code == .accessRequest else { throw .unexpectedCode(header.code.rawValue) }
        var bearer = Bearer()
        var proof: Proof?
        var challenge: Place?
        var scan = AttributeScan(header)
        while let attribute = try scan.next(in: bytes) {
            if try bearer.take(attribute, in: bytes) { continue }
            switch attribute.type {
            case 2:
                try attribute.expect(16...128)
                guard attribute.value.count % 16 == 0 else { throw .attributeLength(type: 2) }
                proof = .pap(hidden: attribute.place)
            case 3:
                try attribute.expect(17...17)
                let start = attribute.value.lowerBound
                proof = .chap(identifier: bytes[start], response: Place(start + 1..<attribute.value.upperBound))
            case 60: challenge = try attribute.place(of: 5...253)
            default: break
            }
        }
        self.bearer = bearer
        self.proof = proof
        chapChallenge = challenge ?? Place(4..<Header.octets)
    }

    /// Checks Message-Authenticator (RFC 2869 §5.14). An Access-Request has nothing else that shows who sent it.
    public func verify(
        _ bytes: Span<UInt8>, secret: Secret, requiringMessageAuthenticator isRequired: Bool
    ) throws(PacketError) {
        guard let offset = bearer.messageAuthenticatorOffset else {
            guard !bearer.hasProxyState else { throw .proxyStateUnprotected }
            if isRequired { throw .messageAuthenticatorMissing }
            return
        }
        let packet = bytes.extracting(0..<header.length)
        guard Authenticator.isMessageAuthenticator(at: offset, of: packet, secret: secret) else {
            throw .messageAuthenticatorWrong
        }
    }

    public var hasMessageAuthenticator: Bool { bearer.messageAuthenticatorOffset != nil }

    /// The question that admission answers.
    /// - Parameter bytes: the octets that were decoded.
    public func attachRequest(from nas: NAS.ID, in bytes: Span<UInt8>) -> AttachRequest {
        AttachRequest(
            nas: nas, imsi: bearer.threeGPP.imsi, apn: bearer.apn(in: bytes),
            accountingSessionID: bearer.accountingSessionID(in: bytes), equipment: bearer.equipment(in: bytes),
            pdnType: bearer.threeGPP.pdpType?.pdnType ?? .ipv4)
    }
}

public import Domain

/// An Access-Request (RFC 2865 §4.1) with the attributes of 3GPP TS 29.061 §16.4.1.
public struct AccessRequest: Hashable, Sendable {
    public let header: Header
    public let bearer: Bearer
    /// What the NAS carried as proof. It proves nothing about a device: some P-GWs send the shared secret itself.
    public let proof: Proof?

    public enum Proof: Hashable, Sendable {
        /// User-Password as hidden on the wire (RFC 2865 §5.2).
        case pap(hidden: [UInt8])
        /// CHAP-Password: identifier and response (RFC 2865 §5.3).
        case chap(identifier: UInt8, response: [UInt8])
    }
    /// CHAP-Challenge, or the Request Authenticator in its place.
    public let chapChallenge: [UInt8]

    /// Decodes and checks the packet's form, not its authenticators: see ``verify(_:secret:requiringMessageAuthenticator:)``.
    public init(decoding bytes: Span<UInt8>) throws(PacketError) {
        header = try Header(decoding: bytes)
        guard header.code == .accessRequest else { throw .unexpectedCode(header.code.rawValue) }
        var bearer = Bearer()
        var proof: Proof?
        var challenge: [UInt8]?
        var scan = AttributeScan(header)
        while let attribute = try scan.next(in: bytes) {
            if try bearer.take(attribute, in: bytes) { continue }
            switch attribute.type {
            case 2:
                let hidden = try attribute.octets(in: bytes, count: 16...128)
                guard hidden.count % 16 == 0 else { throw .attributeLength(type: 2) }
                proof = .pap(hidden: hidden)
            case 3:
                let value = try attribute.octets(in: bytes, count: 17...17)
                proof = .chap(identifier: value[0], response: Array(value[1...]))
            case 60: challenge = try attribute.octets(in: bytes, count: 5...253)
            default: break
            }
        }
        self.bearer = bearer
        self.proof = proof
        chapChallenge = challenge ?? (4..<Header.octets).map { bytes[$0] }
    }

    /// Checks Message-Authenticator (RFC 2869 §5.14). An Access-Request has nothing else that shows who sent it.
    public func verify(
        _ bytes: Span<UInt8>, secret: Secret, requiringMessageAuthenticator isRequired: Bool
    ) throws(PacketError) {
        guard let offset = bearer.messageAuthenticatorOffset else {
            guard bearer.proxyStates.isEmpty else { throw .proxyStateUnprotected }
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
    public func attachRequest(from nas: NAS.ID) -> AttachRequest {
        AttachRequest(
            nas: nas, imsi: bearer.threeGPP.imsi, apn: bearer.apn, accountingSessionID: bearer.accountingSessionID,
            equipment: bearer.equipment)
    }
}

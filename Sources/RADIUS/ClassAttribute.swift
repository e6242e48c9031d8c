import Domain

/// Class (RFC 2865 §5.25) as we write it: four octets that tell ours from another server's, then the session's token.
enum ClassAttribute {
    private static let magic: UInt32 = 0x4352_4431  // "CRD1"

    static func append(_ token: SessionToken, to attributes: inout AttributeWriter) {
        attributes.append(25) { value in
            value.append(bigEndian: magic)
            value.append(bigEndian: token.bits)
        }
    }

    /// `nil` when the value is not one of ours.
    static func token(_ attribute: Attribute, in bytes: Span<UInt8>) throws(PacketError) -> SessionToken? {
        try attribute.expect(1...253)
        guard attribute.value.count == 20, bytes.uint32(at: attribute.value.lowerBound) == magic else { return nil }
        return SessionToken(bits: bytes.uint128(at: attribute.value.lowerBound + 4))
    }
}

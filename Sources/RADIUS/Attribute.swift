import Domain

/// One attribute: where its value lies in the packet. A vendor's attribute (RFC 2865 §5.26) has that vendor's number
/// and its own type.
struct Attribute {
    /// SMI enterprise number, 0 for the attributes of the RFCs.
    let vendor: UInt32
    let type: UInt8
    let value: Range<Int>

    static let vendor3GPP: UInt32 = 10_415
    static let vendorMicrosoft: UInt32 = 311

    // MARK: The value, by its type

    func uint8(in bytes: Span<UInt8>) throws(PacketError) -> UInt8 {
        try expect(1...1)
        return bytes[value.lowerBound]
    }

    func uint32(in bytes: Span<UInt8>) throws(PacketError) -> UInt32 {
        try expect(4...4)
        return bytes.uint32(at: value.lowerBound)
    }

    func uint128(in bytes: Span<UInt8>) throws(PacketError) -> UInt128 {
        try expect(16...16)
        return bytes.uint128(at: value.lowerBound)
    }

    func ipv4(in bytes: Span<UInt8>) throws(PacketError) -> IPv4Address { IPv4Address(bits: try uint32(in: bytes)) }

    /// A type 96 to 123 IPv6 prefix: reserved octet, length in bits, the octets that matter (RFC 3162 §2.3).
    func ipv6Prefix(in bytes: Span<UInt8>) throws(PacketError) -> IPv6PrefixValue {
        try expect(2...18)
        let length = bytes[value.lowerBound + 1]
        guard length <= 128 else { throw .attributeLength(type: type) }
        var bits: UInt128 = 0
        for index in 0..<16 {
            let offset = value.lowerBound + 2 + index
            bits = bits << 8 | UInt128(offset < value.upperBound ? bytes[offset] : 0)
        }
        return IPv6PrefixValue(bits: bits, length: length)
    }

    var place: Place { Place(value) }

    /// The place of a value that has so many octets.
    func place(of count: ClosedRange<Int>) throws(PacketError) -> Place {
        try expect(count)
        return place
    }

    /// The place of text, which is not empty. Whether it is UTF-8 is found out by who asks for it.
    func text() throws(PacketError) -> Place { try place(of: 1...253) }

    /// What `parse` makes of the octets, which some senders end with a NUL.
    func parsed<Value>(in bytes: Span<UInt8>, _ parse: (Slice<UnsafeBufferPointer<UInt8>>) -> Value?) -> Value? {
        place.parsed(in: bytes, parse)
    }

    func expect(_ count: ClosedRange<Int>) throws(PacketError) {
        guard count.contains(value.count) else { throw .attributeLength(type: type) }
    }
}

/// An IPv6 prefix as RADIUS carries it.
public struct IPv6PrefixValue: Hashable, Sendable {
    /// First octet highest; bits beyond ``length`` as sent.
    public let bits: UInt128
    public let length: UInt8

    /// A /64, which is what a session's link has (3GPP TS 29.061 §11.2.1.3); `nil` for one of another length. A device's
    /// whole address is in its /64.
    var network: IPv6Prefix? {
        length == 64 || length == 128 ? IPv6Prefix(containing: IPv6Address(bits: bits), length: 64) : nil
    }
}

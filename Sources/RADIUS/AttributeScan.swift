/// Walks a packet's attributes once, in order, into those of the vendors that we know. Holds no bytes: each step is
/// given them.
struct AttributeScan {
    private var offset = Header.octets
    private let end: Int
    /// Inside a vendor's attribute: its number and where it ends.
    private var vendor: (number: UInt32, end: Int)?

    init(_ header: Header) { end = header.length }

    /// - Parameter end: where the packet ends, or padding after it.
    init(until end: Int) { self.end = end }

    /// The next attribute, `nil` at the end. Attributes of vendors that we do not know are passed over.
    /// - Throws: ``PacketError/attributeLength(type:)`` when one does not fit.
    mutating func next(in bytes: Span<UInt8>) throws(PacketError) -> Attribute? {
        while true {
            if let (number, vendorEnd) = vendor {
                guard offset < vendorEnd else {
                    vendor = nil
                    continue
                }
                return try take(from: number, until: vendorEnd, in: bytes)
            }
            guard offset < end else { return nil }
            let attribute = try take(from: 0, until: end, in: bytes)
            guard attribute.type == 26 else { return attribute }
            try enter(attribute, in: bytes)
        }
    }

    private mutating func take(
        from number: UInt32, until limit: Int, in bytes: Span<UInt8>
    ) throws(PacketError) -> Attribute {
        let type = bytes[offset]
        guard limit - offset >= 2 else { throw .attributeLength(type: type) }
        let length = Int(bytes[offset + 1])
        guard length >= 2, length <= limit - offset else { throw .attributeLength(type: type) }
        defer { offset += length }
        return Attribute(vendor: number, type: type, value: offset + 2..<offset + length)
    }

    /// RFC 2865 §5.26: four octets of vendor number, first of them zero, and at least one octet of the vendor's own.
    private mutating func enter(_ attribute: Attribute, in bytes: Span<UInt8>) throws(PacketError) {
        guard attribute.value.count >= 5 else { throw .attributeLength(type: 26) }
        let number = bytes.uint32(at: attribute.value.lowerBound)
        guard number == Attribute.vendor3GPP || number == Attribute.vendorMicrosoft else { return }
        offset = attribute.value.lowerBound + 4
        vendor = (number, attribute.value.upperBound)
    }
}

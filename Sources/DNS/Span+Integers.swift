/// Big-endian integers. The caller has checked that they lie inside; if it has not, the subscript stops the process
/// rather than read another's memory.
extension Span<UInt8> {
    func uint16(at offset: Int) -> UInt16 { UInt16(self[offset]) << 8 | UInt16(self[offset + 1]) }

    func uint32(at offset: Int) -> UInt32 { UInt32(uint16(at: offset)) << 16 | UInt32(uint16(at: offset + 2)) }

    func uint128(at offset: Int) -> UInt128 {
        (0..<4).reduce(0) { $0 << 32 | UInt128(uint32(at: offset + 4 * $1)) }
    }
}

extension [UInt8] {
    mutating func append(bigEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }

    mutating func append(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        bytes.extracting(range).withUnsafeBufferPointer { append(contentsOf: $0) }
    }

    func uint32(at offset: Int) -> UInt32 { span.uint32(at: offset) }

    mutating func put(_ number: UInt16, at offset: Int) {
        self[offset] = UInt8(truncatingIfNeeded: number >> 8)
        self[offset + 1] = UInt8(truncatingIfNeeded: number)
    }
}

/// Big-endian integers. The caller has checked that they lie inside; if it has not, the subscript stops the process
/// rather than read another's memory.
extension Span<UInt8> {
    func uint16(at offset: Int) -> UInt16 { UInt16(self[offset]) << 8 | UInt16(self[offset + 1]) }

    func uint32(at offset: Int) -> UInt32 { UInt32(uint16(at: offset)) << 16 | UInt32(uint16(at: offset + 2)) }

    func uint64(at offset: Int) -> UInt64 { UInt64(uint32(at: offset)) << 32 | UInt64(uint32(at: offset + 4)) }

    func uint128(at offset: Int) -> UInt128 { UInt128(uint64(at: offset)) << 64 | UInt128(uint64(at: offset + 8)) }
}

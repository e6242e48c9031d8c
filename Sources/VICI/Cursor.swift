/// A place in an untrusted packet, whose octets the caller gives again at every step. Every read is bounds-checked.
struct Cursor {
    /// Never beyond the octets' end.
    private(set) var offset: Int

    /// The caller has read everything before `offset`.
    init(offset: Int) { self.offset = offset }

    func isAtEnd(of bytes: Span<UInt8>) -> Bool { offset >= bytes.count }

    mutating func octet(of bytes: Span<UInt8>) throws(WireError) -> UInt8 {
        guard offset < bytes.count else { throw .truncated(at: offset) }
        defer { offset += 1 }
        return bytes[offset]
    }

    /// One octet of length and the name.
    mutating func name(of bytes: Span<UInt8>) throws(WireError) -> String {
        let start = offset
        let count = Int(try octet(of: bytes))
        let place = try skip(count, of: bytes)
        let text = bytes.extracting(place).withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) }
        guard let text, count > 0 else { throw .name(at: start) }
        return text
    }

    /// Two octets of length and the value.
    mutating func value(of bytes: Span<UInt8>) throws(WireError) -> [UInt8] {
        let count = Int(try octet(of: bytes)) << 8 | Int(try octet(of: bytes))
        let place = try skip(count, of: bytes)
        return bytes.extracting(place).withUnsafeBufferPointer { Array($0) }
    }

    private mutating func skip(_ count: Int, of bytes: Span<UInt8>) throws(WireError) -> Range<Int> {
        guard count <= bytes.count - offset else { throw .truncated(at: offset) }
        defer { offset += count }
        return offset..<offset + count
    }
}

/// A netlink message being written. The bytes are in host order where the kernel wants that; values that it wants in
/// network order are given as their octets.
struct NetlinkRequest {
    private(set) var bytes: [UInt8] = []
    private var start = 0

    /// The headers of a message and of its family: `header` is a `nfgenmsg`, `rtmsg` or the like.
    mutating func begin(type: UInt16, flags: Int32, sequence: UInt32, header: [UInt8]) {
        start = bytes.count
        append(UInt32(0))
        append(type)
        append(UInt16(truncatingIfNeeded: flags))
        append(sequence)
        append(UInt32(0))
        bytes += header
        pad()
    }

    /// Completes the message that was begun last.
    mutating func end() { set(UInt32(bytes.count - start), at: start) }

    mutating func put(_ type: some BinaryInteger, _ value: [UInt8]) {
        append(UInt16(4 + value.count))
        append(UInt16(truncatingIfNeeded: type))
        bytes += value
        pad()
    }

    mutating func put(_ type: some BinaryInteger, native value: UInt32) { put(type, value.nativeOctets) }

    /// With its terminating zero.
    mutating func put(_ type: some BinaryInteger, _ text: String) { put(type, Array(text.utf8) + [0]) }

    mutating func nest(_ type: some BinaryInteger, _ body: (inout Self) -> Void) {
        let position = bytes.count
        append(UInt16(0))
        append(UInt16(truncatingIfNeeded: type) | 0x8000)
        body(&self)
        set(UInt16(bytes.count - position), at: position)
    }

    private mutating func pad() { while bytes.count % 4 != 0 { bytes.append(0) } }
    private mutating func append(_ value: some FixedWidthInteger) { bytes += value.nativeOctets }
    private mutating func set(_ value: some FixedWidthInteger, at position: Int) {
        bytes.replaceSubrange(position..<position + value.bitWidth / 8, with: value.nativeOctets)
    }
}

extension FixedWidthInteger {
    var nativeOctets: [UInt8] { withUnsafeBytes(of: self) { Array($0) } }
    var networkOctets: [UInt8] { bigEndian.nativeOctets }
}

/// A message from the kernel. Valid only while it is being handled.
struct NetlinkMessage {
    let type: UInt16
    let flags: UInt16
    let sequence: UInt32
    /// What follows the netlink header.
    let payload: UnsafeRawBufferPointer

    /// The attributes after a family header of `length` octets (a multiple of four).
    func attributes(after length: Int) -> Attributes {
        Attributes(bytes: payload.count >= length ? payload[range: length..<payload.count] : payload[range: 0..<0])
    }
}

/// The attributes in a stretch of a message. Ends at the first that does not fit.
struct Attributes: Sequence, IteratorProtocol {
    private var rest: UnsafeRawBufferPointer

    init(bytes: UnsafeRawBufferPointer) { rest = bytes }

    mutating func next() -> Attribute? {
        guard let length = rest.native(UInt16.self, at: 0), let type = rest.native(UInt16.self, at: 2), length >= 4,
            Int(length) <= rest.count
        else { return nil }
        let value = rest[range: 4..<Int(length)]
        rest = rest[range: Swift.min((Int(length) + 3) & ~3, rest.count)..<rest.count]
        return Attribute(type: type & 0x3fff, value: value)
    }

    func first(_ type: some BinaryInteger) -> Attribute? { first { $0.type == type } }
}

struct Attribute {
    let type: UInt16
    let value: UnsafeRawBufferPointer

    var nested: Attributes { Attributes(bytes: value) }
    var uint64: UInt64? { value.native(UInt64.self, at: 0).map { UInt64(bigEndian: $0) } }
    var uint32: UInt32? { value.native(UInt32.self, at: 0).map { UInt32(bigEndian: $0) } }
    var uint16: UInt16? { value.native(UInt16.self, at: 0).map { UInt16(bigEndian: $0) } }
    var uint8: UInt8? { value.first }
    var native32: UInt32? { value.native(UInt32.self, at: 0) }
    var text: String { String(decoding: value.prefix { $0 != 0 }, as: UTF8.self) }
}

extension UnsafeRawBufferPointer {
    func native<Value: FixedWidthInteger>(_: Value.Type, at offset: Int) -> Value? {
        guard offset >= 0, count - offset >= MemoryLayout<Value>.size else { return nil }
        return loadUnaligned(fromByteOffset: offset, as: Value.self)
    }

    /// The caller has seen that `range` lies inside.
    subscript(range range: Range<Int>) -> UnsafeRawBufferPointer {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return UnsafeRawBufferPointer(rebasing: self[range])
    }
}

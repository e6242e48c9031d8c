/// Netlink messages being written. The bytes are in host order where the kernel wants that; values that it wants in
/// network order are given as their octets.
///
/// A policy's batch has a hundred thousand small values: they are stored in place, since Array's `append(contentsOf:)`
/// costs tens of nanoseconds for each.
struct NetlinkRequest {
    /// Zero from ``count`` on.
    private var storage: [UInt8] = Array(repeating: 0, count: 256)
    /// How many octets are written.
    private(set) var count = 0
    private var start = 0

    var bytes: [UInt8] { Array(storage[..<count]) }

    /// The headers of a message and of its family: `header` is a `nfgenmsg`, `rtmsg` or the like.
    mutating func begin(type: UInt16, flags: Int32, sequence: UInt32, header: [UInt8]) {
        start = count
        write(16 + header.count) { room in
            // Its length comes at its end, its sender is the kernel's to say.
            room.storeBytes(of: type, toByteOffset: 4, as: UInt16.self)
            room.storeBytes(of: UInt16(truncatingIfNeeded: flags), toByteOffset: 6, as: UInt16.self)
            room.storeBytes(of: sequence, toByteOffset: 8, as: UInt32.self)
            UnsafeMutableRawBufferPointer(rebasing: room[16...]).copyBytes(from: header)
        }
    }

    /// Completes the message that was begun last.
    mutating func end() {
        let length = UInt32(count - start)
        storage.withUnsafeMutableBytes { [start] in $0.storeBytes(of: length, toByteOffset: start, as: UInt32.self) }
    }

    mutating func put(_ type: some BinaryInteger, _ value: [UInt8]) {
        attribute(type, count: value.count) { $0.copyBytes(from: value) }
    }

    mutating func put(_ type: some BinaryInteger, _ value: Octets) {
        attribute(type, count: value.count) { room in value.withUnsafeBytes { room.copyMemory(from: $0) } }
    }

    mutating func put(_ type: some BinaryInteger, native value: UInt32) {
        attribute(type, count: 4) { $0.storeBytes(of: value, as: UInt32.self) }
    }

    mutating func put(_ type: some BinaryInteger, network value: UInt32) { put(type, native: value.bigEndian) }

    /// With its terminating zero.
    mutating func put(_ type: some BinaryInteger, _ text: String) {
        var text = text
        attribute(type, count: text.utf8.count + 1) { room in text.withUTF8 { room.copyMemory(from: .init($0)) } }
    }

    @inline(__always)
    mutating func nest(_ type: some BinaryInteger, _ body: (inout Self) -> Void) {
        let position = count
        write(4) { $0.storeBytes(of: UInt16(truncatingIfNeeded: type) | 0x8000, toByteOffset: 2, as: UInt16.self) }
        body(&self)
        let length = UInt16(count - position)
        storage.withUnsafeMutableBytes { $0.storeBytes(of: length, toByteOffset: position, as: UInt16.self) }
    }

    @inline(__always)
    private mutating func attribute(
        _ type: some BinaryInteger, count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        write(4 + count) { room in
            room.storeBytes(of: UInt16(4 + count), as: UInt16.self)
            room.storeBytes(of: UInt16(truncatingIfNeeded: type), toByteOffset: 2, as: UInt16.self)
            fill(UnsafeMutableRawBufferPointer(rebasing: room[4...]))
        }
    }

    /// Makes room for `octets` and for what fills them up to four, all zero.
    @inline(__always)
    private mutating func write(_ octets: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        let end = count + octets
        if end + 3 > storage.count { grow(to: max(end + 3, 4 * storage.count)) }
        storage.withUnsafeMutableBytes { fill(UnsafeMutableRawBufferPointer(rebasing: $0[count..<end])) }
        count = (end + 3) & ~3
    }

    private mutating func grow(to size: Int) {
        storage = Array(unsafeUninitializedCapacity: size) { [storage] room, initialized in
            let rest = room.initialize(fromContentsOf: storage)
            room[rest...].initialize(repeating: 0)
            initialized = size
        }
    }
}

extension FixedWidthInteger {
    var nativeOctets: [UInt8] { withUnsafeBytes(of: self) { Array($0) } }
    var networkOctets: [UInt8] { bigEndian.nativeOctets }
}

extension [UInt8] {
    mutating func append(native value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value) { append(contentsOf: $0) }
    }
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

/// Up to sixteen octets, in place: a policy's rules have thousands of them, and an array would be an allocation each.
struct Octets: Hashable, ExpressibleByArrayLiteral {
    /// As in memory; zero where there is no octet.
    private var storage: (UInt64, UInt64) = (0, 0)
    let count: Int

    /// The kernel's registers have no more than sixteen; what there is beyond is left out.
    init(_ octets: UnsafeRawBufferPointer) {
        let fitting = UnsafeRawBufferPointer(rebasing: octets.prefix(MemoryLayout.size(ofValue: storage)))
        count = fitting.count
        Swift.withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: fitting) }
    }

    init(_ octets: [UInt8]) { self = octets.withUnsafeBytes { Octets($0) } }

    init(arrayLiteral octets: UInt8...) { self.init(octets) }

    init(native value: some FixedWidthInteger) { self = Swift.withUnsafeBytes(of: value) { Octets($0) } }

    init(network value: some FixedWidthInteger) { self.init(native: value.bigEndian) }

    /// As many of zero.
    var zeroed: Octets { Octets(count: count) }

    private init(count: Int) { self.count = count }

    func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Swift.withUnsafeBytes(of: storage) { body(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
    }

    static func == (a: Self, b: Self) -> Bool { a.count == b.count && a.storage == b.storage }

    func hash(into hasher: inout Hasher) {
        hasher.combine(count)
        hasher.combine(storage.0)
        hasher.combine(storage.1)
    }
}

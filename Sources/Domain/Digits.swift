/// A number that is a string of decimal digits: leading zeros count. Up to 19 digits in eight octets and a length.
///
/// Inlinable, as are the readers of what is made of it: read from a packet's octets by a generic function of another
/// module, each digit costs a witness call (measured: a tenth of an admission's time on the event loop).
@usableFromInline
struct Digits: Hashable, Comparable, Sendable {
    @usableFromInline let value: UInt64
    @usableFromInline let count: UInt8

    /// `nil` unless every byte is a decimal digit and there are `range` of them, 19 at most.
    @inlinable
    init?(_ text: some Sequence<UInt8>, count range: ClosedRange<Int>) {
        var value: UInt64 = 0
        var count = 0
        for byte in text {
            guard byte >= 0x30, byte <= 0x39, count < 19 else { return nil }
            // 19 digits stay below 10^19, which is below 2^64: no overflow.
            value = value * 10 + UInt64(byte - 0x30)
            count += 1
        }
        guard range.contains(count) else { return nil }
        self.value = value
        self.count = UInt8(count)
    }

    @inlinable
    init(value: UInt64, count: UInt8) {
        self.value = value
        self.count = count
    }

    @usableFromInline
    static func < (a: Self, b: Self) -> Bool { (a.count, a.value) < (b.count, b.value) }

    var text: String {
        let plain = String(value)
        return String(repeating: "0", count: max(0, Int(count) - plain.utf8.count)) + plain
    }
}

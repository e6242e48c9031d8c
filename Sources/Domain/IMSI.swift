/// International Mobile Subscriber Identity: 6 to 15 decimal digits, MCC first (3GPP TS 23.003 §2.2).
public struct IMSI: Hashable, Comparable, Sendable, CustomStringConvertible {
    @usableFromInline let digits: Digits

    public init(parsing text: some StringProtocol) throws(ParseError) {
        guard let imsi = Self(utf8: text.utf8) else {
            throw ParseError(kind: "an IMSI", text: text, expected: "write 6 to 15 digits")
        }
        self = imsi
    }

    /// The same from bytes off the wire, `nil` when they are not 6 to 15 digits.
    @inlinable
    public init?(utf8: some Sequence<UInt8>) {
        guard let digits = Digits(utf8, count: 6...15) else { return nil }
        self.digits = digits
    }

    public static func < (a: Self, b: Self) -> Bool { a.digits < b.digits }
    public var description: String { digits.text }

    /// The value and its digit count in one integer (value × 16 + count): a compact, unique key for indexes.
    public var key: Int64 { Int64(digits.value) << 4 | Int64(digits.count) }

    /// The IMSI behind ``key``, `nil` when no IMSI has that key.
    public init?(key: Int64) {
        guard key >= 0, (6...15).contains(key & 15) else { return nil }
        let digits = Digits(value: UInt64(key >> 4), count: UInt8(key & 15))
        guard digits.text.utf8.count == Int(digits.count) else { return nil }
        self.digits = digits
    }
}

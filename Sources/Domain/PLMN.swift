/// A mobile network: country code (MCC, 3 digits) and network code (MNC, 2 or 3 digits) (3GPP TS 23.003 §2.2).
/// `23415` and `234015` are different networks, so the digit count is part of the value.
public struct PLMN: Hashable, Comparable, Sendable, CustomStringConvertible {
    @usableFromInline let digits: Digits

    /// Parses 5 or 6 digits, MCC first.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        guard let plmn = Self(utf8: text.utf8) else {
            throw ParseError(kind: "a PLMN", text: text, expected: "write MCC and MNC as 5 or 6 digits")
        }
        self = plmn
    }

    @inlinable
    public init?(utf8: some Sequence<UInt8>) {
        guard let digits = Digits(utf8, count: 5...6) else { return nil }
        self.digits = digits
    }

    /// Decodes three nibble-swapped octets `[MCC2|MCC1][MNC3|MCC3][MNC2|MNC1]`, MNC3 = F for a two-digit MNC
    /// (3GPP TS 24.008 §10.5.1.3); `nil` when a nibble is no digit.
    public init?(octets a: UInt8, _ b: UInt8, _ c: UInt8) {
        var nibbles = [a & 15, a >> 4, b & 15, c & 15, c >> 4]
        if b >> 4 != 15 { nibbles.append(b >> 4) }
        guard nibbles.allSatisfy({ $0 <= 9 }) else { return nil }
        let value = nibbles.reduce(into: UInt64(0)) { $0 = $0 * 10 + UInt64($1) }
        digits = Digits(value: value, count: UInt8(nibbles.count))
    }

    public var mcc: String { String(digits.text.prefix(3)) }
    public var mnc: String { String(digits.text.dropFirst(3)) }
    public static func < (a: Self, b: Self) -> Bool { a.digits < b.digits }
    public var description: String { digits.text }
}

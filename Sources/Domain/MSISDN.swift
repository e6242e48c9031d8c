/// A subscriber's number in international form without a plus sign: 3 to 15 digits (ITU-T E.164).
public struct MSISDN: Hashable, Comparable, Sendable, CustomStringConvertible {
    @usableFromInline let digits: Digits

    /// Parses digits, with or without a leading `+`.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let sign = text.utf8.first == UInt8(ascii: "+") ? 1 : 0
        guard let msisdn = Self(utf8: text.utf8.dropFirst(sign)) else {
            throw ParseError(
                kind: "an MSISDN", text: text, expected: "write 3 to 15 digits, country code first, without spaces")
        }
        self = msisdn
    }

    @inlinable
    public init?(utf8: some Sequence<UInt8>) {
        guard let digits = Digits(utf8, count: 3...15) else { return nil }
        self.digits = digits
    }

    public static func < (a: Self, b: Self) -> Bool { a.digits < b.digits }
    public var description: String { digits.text }
}

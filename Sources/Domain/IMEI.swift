/// A device's identity: the 14 significant digits of an IMEI or IMEISV, TAC (8) and serial number (6)
/// (3GPP TS 23.003 §6.2). The check digit and the software version are not identity and are not kept.
public struct IMEI: Hashable, Comparable, Sendable, CustomStringConvertible {
    @usableFromInline let digits: Digits

    /// Parses 14 digits (TAC and serial), 15 (with check digit) or 16 (IMEISV).
    public init(parsing text: some StringProtocol) throws(ParseError) {
        guard let imei = Self(utf8: text.utf8) else {
            throw ParseError(kind: "an IMEI", text: text, expected: "write 14, 15 or 16 digits")
        }
        self = imei
    }

    @inlinable
    public init?(utf8: some Sequence<UInt8>) {
        guard let all = Digits(utf8, count: 14...16) else { return nil }
        let divisor: UInt64 = all.count == 16 ? 100 : all.count == 15 ? 10 : 1
        digits = Digits(value: all.value / divisor, count: 14)
    }

    init(digits: Digits) { self.digits = digits }

    /// Type Allocation Code, the device model: the first 8 digits.
    public var tac: String { String(digits.text.prefix(8)) }
    /// All zeros is what modems without an identity send; it names no device.
    public var isAllZeros: Bool { digits.value == 0 }

    public static func < (a: Self, b: Self) -> Bool { a.digits < b.digits }
    public var description: String { digits.text }
}

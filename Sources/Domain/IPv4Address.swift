/// An IPv4 address, as the number that its four octets make, the first octet highest.
public struct IPv4Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The address in host byte order.
    public let bits: UInt32

    public init(bits: UInt32) { self.bits = bits }

    /// Parses dotted-decimal notation: four numbers from 0 to 255, no leading zeros (`010` is octal to some programs).
    public init(parsing text: some StringProtocol) throws(ParseError) {
        try self.init(utf8: Array(text.utf8)[...])
    }

    init(utf8 octets: ArraySlice<UInt8>) throws(ParseError) {
        guard let bits = Self.parse(octets) else {
            throw ParseError(
                kind: "an IPv4 address", text: String(decoding: octets, as: UTF8.self),
                expected: "write four numbers from 0 to 255 with dots between them")
        }
        self.bits = bits
    }

    public static func < (a: Self, b: Self) -> Bool { a.bits < b.bits }

    public var description: String {
        "\(bits >> 24).\(bits >> 16 & 0xff).\(bits >> 8 & 0xff).\(bits & 0xff)"
    }

    static func parse(_ text: ArraySlice<UInt8>) -> UInt32? {
        var bits: UInt32 = 0
        var octets = 1
        var digits = 0
        var octet: UInt32 = 0
        for byte in text {
            if byte == UInt8(ascii: ".") {
                guard digits > 0, octets < 4 else { return nil }
                bits = bits << 8 | octet
                (octets, digits, octet) = (octets + 1, 0, 0)
            } else {
                guard byte >= 0x30, byte <= 0x39, digits == 0 || octet > 0 else { return nil }
                octet = octet * 10 + UInt32(byte - 0x30)
                digits += 1
                guard octet <= 255 else { return nil }
            }
        }
        guard octets == 4, digits > 0 else { return nil }
        return bits << 8 | octet
    }
}

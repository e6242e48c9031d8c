/// Integrated Circuit Card Identifier: 18 to 20 digits, the last often a check digit (ITU-T E.118).
/// Some cards carry hexadecimal digits after the issuer; they are kept as given, upper case.
public struct ICCID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let description: String

    public init(parsing text: some StringProtocol) throws(ParseError) {
        let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte & 0xdf) }
        guard (18...20).contains(text.utf8.count), text.utf8.allSatisfy(isDigit), text.hasPrefix("89") else {
            throw ParseError(kind: "an ICCID", text: text, expected: "write 18 to 20 digits that start with 89")
        }
        description = text.uppercased()
    }

    public static func < (a: Self, b: Self) -> Bool { a.description < b.description }
}

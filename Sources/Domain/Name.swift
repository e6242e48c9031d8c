/// The name of a resource inside its owner: of a tenant, a group, a policy, a NAS, a rule.
///
/// 1 to 63 lower-case letters, digits and hyphens, a letter or digit at both ends, so that it can stand in a path of
/// the API, in a label of a metric and in a name of an nftables object without quoting.
public struct Name: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let description: String

    public init(parsing text: some StringProtocol) throws(ParseError) {
        let hyphen = UInt8(ascii: "-")
        let isAllowed = { (byte: UInt8) in
            (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte) || byte == hyphen
        }
        let bytes = Array(text.utf8)
        guard (1...63).contains(bytes.count), bytes.allSatisfy(isAllowed), bytes.first != hyphen, bytes.last != hyphen
        else {
            throw ParseError(
                kind: "a name", text: text,
                expected: "write 1 to 63 lower-case letters, digits and hyphens, a letter or digit at both ends")
        }
        description = String(text)
    }

    public static func < (a: Self, b: Self) -> Bool { a.description < b.description }
}

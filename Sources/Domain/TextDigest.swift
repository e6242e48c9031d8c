/// The SHA-256 digest of a text (FIPS 180-4).
public struct TextDigest: Hashable, Sendable, CustomStringConvertible {
    /// 32 of them.
    public let octets: [UInt8]

    public static let count = 32

    public init?(octets: [UInt8]) {
        guard octets.count == Self.count else { return nil }
        self.octets = octets
    }

    /// Parses 64 hexadecimal digits, as `sha256sum` prints them.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let digits = text.utf8.compactMap(Self.value)
        guard digits.count == 2 * Self.count, text.utf8.count == digits.count else {
            throw ParseError(
                kind: "a SHA-256 digest", text: text, expected: "write 64 hexadecimal digits, as sha256sum prints them")
        }
        octets = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    public var description: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: octets.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46, 0x61...0x66: (byte | 0x20) - 0x57
        default: nil
        }
    }
}

/// A VPN's key (RFC 7296 §2.15) as text, of characters that stand for themselves between the quotes of every vendor:
/// letters, digits and `+/=._-`, so base64 (RFC 4648 §4 and §5), base32 and hexadecimal.
public struct PeerSharedKey: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    /// Azure takes 128 characters and Cisco 127; AWS wants 8.
    public static let lengths = 8...127

    /// - Throws: ``ParseError``, which does not repeat the text.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        guard Self.lengths.contains(text.utf8.count), text.utf8.allSatisfy(Self.isAllowed) else {
            throw ParseError(
                kind: "a VPN's key", text: "…",
                expected: "write \(Self.lengths.lowerBound) to \(Self.lengths.upperBound) letters, digits and +/=._-")
        }
        self.text = String(text)
    }

    /// Never the key: what is interpolated ends up in logs.
    public var description: String { "a key of \(text.utf8.count) characters" }

    /// As programs want it that take what begins with `0x` for hexadecimal and with `0s` for base64 (strongSwan, RouterOS):
    /// the text, or where it begins like that, `0x` and its characters' octets.
    public var undecodable: String {
        guard ["0x", "0X", "0s", "0S"].contains(where: text.hasPrefix) else { return text }
        let digits = Array("0123456789abcdef")
        return "0x" + text.utf8.map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined()
    }

    private static func isAllowed(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || "+/=._-".utf8.contains(byte) }

    package static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }
}

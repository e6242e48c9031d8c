/// The name of a network interface. 1 to 15 letters, digits, dots, hyphens and underscores, so that it can stand in a
/// text for nft and in a path under /proc/sys (which writes a dot in a name as a slash; paths here are file paths).
public struct InterfaceName: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(parsing text: some StringProtocol) throws(ParseError) {
        let isAllowed = { (byte: UInt8) in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
                || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
        }
        let bytes = Array(text.utf8)
        guard (1...15).contains(bytes.count), bytes.allSatisfy(isAllowed), text != ".", text != ".." else {
            throw ParseError(
                kind: "an interface name", text: text,
                expected: "write 1 to 15 letters, digits, dots, hyphens and underscores")
        }
        description = String(text)
    }

    /// `vpn` and the number. The gateway makes these; see ``isOfTunnel``.
    init(tunnel number: UInt32) { description = "vpn\(number)" }

    /// Whether the gateway gives such names to the interfaces of tunnels.
    public var isOfTunnel: Bool {
        let digits = description.utf8.dropFirst(3)
        return description.hasPrefix("vpn") && !digits.isEmpty && digits.allSatisfy { (0x30...0x39).contains($0) }
    }
}

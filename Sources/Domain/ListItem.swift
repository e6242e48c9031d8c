/// What a list holds and a rule's destinations may name directly: a prefix of either family, or host names.
public enum ListItem: Hashable, Sendable, CustomStringConvertible {
    case ipv4(IPv4Prefix)
    case ipv6(IPv6Prefix)
    case host(HostPattern)

    /// Tells the kinds apart by their characters, so that a mistake is told as the mistake that it is: text with a colon
    /// is IPv6, text with a letter or a star a host name, all else IPv4.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let bytes = Array(text.utf8)
        let isHexadecimal = { (byte: UInt8) in
            (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte | 0x20)
        }
        let isOfName = { (byte: UInt8) in
            (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "*") || byte >= 0x80
        }
        // Made only where it is thrown: it copies the text.
        let tooMuch = {
            ParseError(
                kind: "an address or a host name", text: text,
                expected: "write the name alone, without a scheme or a path, and the port under ports")
        }
        if bytes.contains(UInt8(ascii: ":")) {
            let beforeZone = bytes.prefix { $0 != UInt8(ascii: "%") }
            guard beforeZone.allSatisfy({ isHexadecimal($0) || ":./".utf8.contains($0) }) else { throw tooMuch() }
            let prefix = try IPv6Prefix(parsing: text)
            guard !(prefix.address.isIPv4Mapped && prefix.length >= 96) else {
                throw ParseError(
                    kind: "a destination", text: text,
                    expected: "IPv4-mapped addresses stand on no wire; write the IPv4 address itself")
            }
            self = .ipv6(prefix)
        } else if bytes.prefix(while: { $0 != UInt8(ascii: "/") }).contains(where: isOfName) {
            guard !bytes.contains(UInt8(ascii: "/")) else { throw tooMuch() }
            self = .host(try HostPattern(parsing: text))
        } else {
            self = .ipv4(try IPv4Prefix(parsing: text))
        }
    }

    public var description: String {
        switch self {
        case .ipv4(let prefix): prefix.description
        case .ipv6(let prefix): prefix.description
        case .host(let pattern): pattern.description
        }
    }
}

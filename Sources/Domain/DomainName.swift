/// A domain name (RFC 1035 §2.3, RFC 1123 §2.1): labels of letters, digits, hyphens and, for names such as
/// `_mqtt._tcp.acme.example` (RFC 8552), underscores. Lower case, absolute, without the dot at the end; the root is none.
public struct DomainName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// At most ``maximumOctets`` octets of ASCII.
    public let description: String

    /// What fits the 255 octets that a name may have in a message (RFC 1035 §3.1).
    public static let maximumOctets = 253

    /// Parses a name in either case; a dot at the end is dropped. The last label must not be a number, so that an
    /// address is never taken for a name.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        // Longer than any name, with its last dot: not worth a look.
        guard let name = Self(utf8: Array(text.utf8.prefix(Self.maximumOctets + 2))) else {
            throw ParseError(
                kind: "a domain name", text: text,
                expected: "write labels of letters, digits, hyphens and underscores with dots between them, "
                    + "\(Self.maximumOctets) characters at most, and other scripts as xn--")
        }
        self = name
    }

    public init?(utf8 bytes: [UInt8]) {
        let dot = UInt8(ascii: ".")
        let count = bytes.last == dot ? bytes.count - 1 : bytes.count
        guard (1...Self.maximumOctets).contains(count) else { return nil }
        var start = 0
        var isNumber = true
        for index in 0..<count {
            guard bytes[index] == dot else {
                guard Self.isPartOfLabel(bytes[index]) else { return nil }
                if !Self.isDigit(bytes[index]) { isNumber = false }
                continue
            }
            guard Self.isLabel(bytes[start..<index]) else { return nil }
            start = index + 1
            isNumber = true
        }
        guard Self.isLabel(bytes[start..<count]), !isNumber else { return nil }
        // Once for each answer of the resolver: nothing else is allocated.
        description = String(unsafeUninitializedCapacity: count) { text in
            for index in 0..<count { text[index] = Self.lowered(bytes[index]) }
            return count
        }
    }

    /// Whether this name has more labels in front of `other`'s.
    public func isBelow(_ other: DomainName) -> Bool {
        let (own, above) = (description.utf8, other.description.utf8)
        return own.count > above.count && description.hasSuffix(other.description)
            && own.dropLast(above.count).last == UInt8(ascii: ".")
    }

    /// The name without its first label; `nil` when it has only one.
    public var parent: DomainName? {
        description.utf8.firstIndex(of: UInt8(ascii: ".")).map {
            DomainName(known: description[description.utf8.index(after: $0)...])
        }
    }

    /// Where the gateways' identities at VPNs are, unless the operator has a domain for them. `.internal` is nobody's on the
    /// internet.
    public static let vpnIdentities = DomainName(known: "vpn.cordon.internal")

    var hasParent: Bool { description.utf8.contains(UInt8(ascii: ".")) }

    private init(known text: Substring) { description = String(text) }

    public static func < (a: Self, b: Self) -> Bool { a.description < b.description }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func lowered(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }

    private static func isPartOfLabel(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x61...0x7a).contains(lowered(byte)) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }

    private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
        let hyphen = UInt8(ascii: "-")
        return (1...63).contains(label.count) && label.first != hyphen && label.last != hyphen
    }
}

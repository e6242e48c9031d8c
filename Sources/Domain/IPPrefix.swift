/// A prefix of either family.
public enum IPPrefix: Hashable, Comparable, Sendable, CustomStringConvertible {
    case v4(IPv4Prefix)
    case v6(IPv6Prefix)

    /// Parses an IPv6 prefix when there is a colon in the text, an IPv4 prefix otherwise.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        self =
            text.utf8.contains(UInt8(ascii: ":"))
            ? .v6(try IPv6Prefix(parsing: text)) : .v4(try IPv4Prefix(parsing: text))
    }

    public var v4: IPv4Prefix? { if case .v4(let prefix) = self { prefix } else { nil } }
    public var v6: IPv6Prefix? { if case .v6(let prefix) = self { prefix } else { nil } }

    public func contains(_ address: IPAddress) -> Bool {
        switch (self, address) {
        case (.v4(let prefix), .v4(let address)): prefix.contains(address)
        case (.v6(let prefix), .v6(let address)): prefix.contains(address)
        case (.v4, .v6), (.v6, .v4): false
        }
    }

    /// IPv4 before IPv6, then by number.
    public static func < (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.v4(let a), .v4(let b)): a < b
        case (.v6(let a), .v6(let b)): a < b
        case (.v4, .v6): true
        case (.v6, .v4): false
        }
    }

    public var description: String {
        switch self {
        case .v4(let prefix): prefix.description
        case .v6(let prefix): prefix.description
        }
    }
}

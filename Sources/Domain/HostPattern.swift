/// Which host names a rule, a list or a DNS filter means.
public enum HostPattern: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// One name.
    case exact(DomainName)
    /// Every name below one, at any depth, but not that one itself; written `*.acme.example`.
    case below(DomainName)

    /// Parses `mqtt.acme.example` or `*.acme.example`. A name of one label is refused unless it stands behind `*.`:
    /// it is nearly always a slip of the pen, and no resolver would complete it.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let wrong = { (expected: String) in ParseError(kind: "a host name", text: text, expected: expected) }
        let octets = Array(text.utf8)
        let isWildcard = octets.starts(with: "*.".utf8)
        guard isWildcard || !octets.contains(UInt8(ascii: "*")) else {
            throw wrong("* may only stand for whole labels in front, as in *.acme.example")
        }
        guard let name = DomainName(utf8: Array(octets.dropFirst(isWildcard ? 2 : 0).prefix(255))) else {
            throw wrong(
                "write labels of letters, digits, hyphens and underscores with dots between them, "
                    + "\(DomainName.maximumOctets) characters at most, and other scripts as xn--")
        }
        guard isWildcard || name.hasParent else {
            throw wrong("write the whole name with its domain, as in mqtt.acme.example")
        }
        self = isWildcard ? .below(name) : .exact(name)
    }

    public func matches(_ name: DomainName) -> Bool {
        switch self {
        case .exact(let own): name == own
        case .below(let own): name.isBelow(own)
        }
    }

    /// Whether every name that `other` means is one that this means.
    public func covers(_ other: HostPattern) -> Bool {
        switch (self, other) {
        case (_, .exact(let name)): matches(name)
        case (.exact, .below): false
        case (.below(let own), .below(let name)): own == name || name.isBelow(own)
        }
    }

    /// By name, a name before those below it.
    public static func < (a: Self, b: Self) -> Bool { (a.name, a.rank) < (b.name, b.rank) }

    public var description: String {
        switch self {
        case .exact(let name): name.description
        case .below(let name): "*.\(name)"
        }
    }

    private var name: DomainName {
        switch self {
        case .exact(let name), .below(let name): name
        }
    }

    private var rank: Int {
        switch self {
        case .exact: 0
        case .below: 1
        }
    }
}

/// What an end of an IKEv2 connection says it is (RFC 7296 §3.5). Compared octet for octet with what the peer sends.
public enum IKEIdentity: Hashable, Sendable, CustomStringConvertible {
    /// ID_IPV4_ADDR or ID_IPV6_ADDR.
    case address(IPAddress)
    /// ID_FQDN.
    case name(DomainName)
    /// ID_RFC822_ADDR: the part before the @, of letters, digits and `._+-`, and the domain.
    case mailbox(String, DomainName)
    /// ID_DER_ASN1_DN: a certificate's subject, as in `CN=hq, O=Acme`.
    case subject(DistinguishedName)

    /// Parses an address, a domain name, `user@domain`, or `CN=…, O=…`; a name may have one @ in front, as many vendors
    /// write those that are not to be looked up.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        if text.utf8.contains(UInt8(ascii: "=")) {
            self = .subject(try DistinguishedName(parsing: text))
            return
        }
        if let address = Self.address(text) {
            self = .address(address)
            return
        }
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        if let user = parts.first, parts.count == 2, !user.isEmpty {
            guard user.utf8.count <= 64, user.utf8.allSatisfy(Self.isOfMailbox),
                let domain = DomainName(utf8: Array(parts[1].utf8))
            else { throw Self.wrong(text) }
            self = .mailbox(String(user), domain)
            return
        }
        guard let last = parts.last, let name = DomainName(utf8: Array(last.utf8)) else { throw Self.wrong(text) }
        self = .name(name)
    }

    public var description: String {
        switch self {
        case .address(let address): "\(address)"
        case .name(let name): "\(name)"
        case .mailbox(let user, let domain): "\(user)@\(domain)"
        case .subject(let subject): "\(subject)"
        }
    }

    private static func address(_ text: some StringProtocol) -> IPAddress? {
        do { return try IPAddress(parsing: text) } catch { return nil }
    }

    private static func isOfMailbox(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            || [".", "_", "+", "-"].map { UInt8(ascii: $0) }.contains(byte)
    }

    private static func wrong(_ text: some StringProtocol) -> ParseError {
        ParseError(
            kind: "an IKE identity", text: text,
            expected: "write an address, a domain name, user@domain, or a certificate's subject as in CN=hq, O=Acme")
    }
}

/// A certificate's subject in the form that people write (RFC 4514, kept to what needs no quoting): attributes with
/// commas between them, the most general wherever the writer has put it; order counts.
public struct DistinguishedName: Hashable, Sendable, CustomStringConvertible {
    public struct Attribute: Hashable, Sendable {
        public let type: Kind
        /// Letters, digits, spaces and `.-_/:@()'`.
        public let value: String

        public init(type: Kind, value: String) {
            self.type = type
            self.value = value
        }
    }

    public enum Kind: String, CaseIterable, Sendable {
        case country = "C"
        case state = "ST"
        case locality = "L"
        case organization = "O"
        case unit = "OU"
        case commonName = "CN"
    }

    /// 1 to 16.
    public let attributes: [Attribute]

    public init(parsing text: some StringProtocol) throws(ParseError) {
        let wrong = ParseError(
            kind: "a certificate's subject", text: text,
            expected:
                "write \(Kind.allCases.map(\.rawValue).joined(separator: ", ")) with = and a value of letters, digits, "
                + "spaces and .-_/:@()', and commas between them, as in CN=hq, O=Acme")
        var attributes: [Attribute] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let left = sides.first, let right = sides.last, sides.count == 2, attributes.count < 16,
                let type = Kind(rawValue: Self.trimmed(left).uppercased())
            else { throw wrong }
            let value = Self.trimmed(right)
            guard (1...64).contains(value.utf8.count), value.utf8.allSatisfy(Self.isOfValue) else { throw wrong }
            attributes.append(Attribute(type: type, value: value))
        }
        self.attributes = attributes
    }

    public var description: String { attributes.map { "\($0.type.rawValue)=\($0.value)" }.joined(separator: ", ") }

    private static func trimmed(_ text: some StringProtocol) -> String {
        var rest = text[...]
        while rest.first == " " { rest = rest.dropFirst() }
        while rest.last == " " { rest = rest.dropLast() }
        return String(rest)
    }

    private static func isOfValue(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            || " .-_/:@()'".utf8.contains(byte)
    }
}

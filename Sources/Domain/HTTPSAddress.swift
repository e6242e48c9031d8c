/// Where something is fetched from: an `https` URL (RFC 9110 §4.2.2) with a host, perhaps a port, a path and a query.
public struct HTTPSAddress: Hashable, Sendable, CustomStringConvertible {
    public let host: Host
    public let port: UInt16
    /// Path and query, as in a request's target (RFC 9112 §3.2.1).
    public let target: String

    public enum Host: Hashable, Sendable {
        case name(DomainName)
        case address(IPAddress)
    }

    public static let maximumOctets = 2048

    /// Parses `https://host[:port][/path][?query]`. No name or password: those would stand in logs and lists.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let wrong = { (expected: String) in ParseError(kind: "an https URL", text: text, expected: expected) }
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.maximumOctets, bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw wrong("write at most \(Self.maximumOctets) printable ASCII characters, others percent-encoded")
        }
        guard text.prefix(8).lowercased() == "https://" else {
            throw wrong("write https:// in front: what is fetched must come from who it is said to come from")
        }
        let rest = text.dropFirst(8)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !authority.contains("@") else { throw wrong("write it without a user's name and password") }
        let target = rest.dropFirst(authority.count)
        guard !target.contains("#") else { throw wrong("write it without #, which no server is told") }
        var hostText = String(authority)
        var portText: String?
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            hostText = String(authority[authority.index(after: authority.startIndex)..<end])
            let behind = authority[authority.index(after: end)...]
            guard behind.isEmpty || behind.hasPrefix(":") else { throw wrong("write the port behind a colon") }
            portText = behind.isEmpty ? nil : String(behind.dropFirst())
        } else if let colon = authority.firstIndex(of: ":") {
            hostText = String(authority[..<colon])
            portText = String(authority[authority.index(after: colon)...])
        }
        if let portText {
            guard let port = UInt16(portText), port > 0, portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                throw wrong("write a port from 1 to 65535")
            }
            self.port = port
        } else {
            port = 443
        }
        if let name = DomainName(utf8: Array(hostText.utf8)) {
            host = .name(name)
        } else {
            let address: IPAddress?
            do { address = try IPAddress(parsing: hostText) } catch { address = nil }
            guard let address else { throw wrong("write a host name or an address behind https://") }
            host = .address(address)
        }
        self.target = target.hasPrefix("/") ? String(target) : "/" + target
    }

    /// Where a `Location` (RFC 9110 §10.2.2) of this address's leads.
    public func following(_ location: String) throws(ParseError) -> HTTPSAddress {
        if location.hasPrefix("//") { return try HTTPSAddress(parsing: "https:" + location) }
        if location.contains("://") { return try HTTPSAddress(parsing: location) }
        let path = location.prefix { $0 != "#" }
        if path.hasPrefix("/") { return try HTTPSAddress(parsing: "https://\(authority)\(path)") }
        let own = target.prefix { $0 != "?" }
        let directory = own[...(own.lastIndex(of: "/") ?? own.startIndex)]
        return try HTTPSAddress(parsing: "https://\(authority)\(path.hasPrefix("?") ? own : directory)\(path)")
    }

    public var description: String { "https://\(authority)\(target)" }

    private var authority: String {
        let host =
            switch host {
            case .name(let name): "\(name)"
            case .address(.v4(let address)): "\(address)"
            case .address(.v6(let address)): "[\(address)]"
            }
        return port == 443 ? host : "\(host):\(port)"
    }
}

/// How a tenant's questions are answered and noted, beside what its policies say.
public struct TenantDNS: Hashable, Sendable {
    public var log: Log
    /// One question in so many is logged.
    public var sampling: UInt32
    /// Where its devices' questions are passed on to, in this order; empty: to the gateway's own.
    public var upstreams: [Upstream]

    public static let standard = TenantDNS(log: .off, sampling: 1, upstreams: [])
    public static let maximumUpstreams = 8
    public static let samplings: ClosedRange<UInt32> = 1...1_000_000

    public init(log: Log, sampling: UInt32, upstreams: [Upstream]) {
        self.log = log
        self.sampling = sampling
        self.upstreams = upstreams
    }

    public enum Log: String, CaseIterable, Sendable {
        case off
        /// Questions that are refused, or would be.
        case refused
        case all
    }

    /// A resolver of an enterprise, behind one of its VPNs, or one that the operator gives it.
    public struct Upstream: Hashable, Sendable, CustomStringConvertible {
        public let address: IPAddress
        public let port: UInt16
        /// `nil`: by the gateway's own routes.
        public let vpn: Name?

        public init(address: IPAddress, port: UInt16 = 53, vpn: Name?) {
            self.address = address
            self.port = port
            self.vpn = vpn
        }

        public var description: String { "\(address)@\(port)" + (vpn.map { " vpn:\($0)" } ?? "") }

        /// Parses `10.0.0.53`, `10.0.0.53@5353`, `10.0.0.53@53 vpn:hq`.
        public init(parsing text: some StringProtocol) throws(ParseError) {
            let wrong = ParseError(
                kind: "a resolver", text: text, expected: "write an address, as in 10.0.0.53@53 or 10.0.0.53 vpn:hq")
            let words = text.split(separator: " ", omittingEmptySubsequences: false)
            guard (1...2).contains(words.count) else { throw wrong }
            let parts = words[0].split(separator: "@", omittingEmptySubsequences: false)
            guard (1...2).contains(parts.count) else { throw wrong }
            address = try IPAddress(parsing: parts[0])
            guard parts.count == 1 || UInt16(parts[1]).map({ $0 > 0 }) == true else { throw wrong }
            port = parts.count == 1 ? 53 : UInt16(parts[1]) ?? 53
            guard words.count == 2 else {
                vpn = nil
                return
            }
            guard words[1].hasPrefix("vpn:") else { throw wrong }
            vpn = try Name(parsing: words[1].dropFirst(4))
        }
    }
}

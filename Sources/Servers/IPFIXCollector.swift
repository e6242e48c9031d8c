public import Domain
public import IPFIX

/// Who collects NAT events: `192.0.2.5:4739`, `[2001:db8::5]:4739`, or with `tcp:` before it.
public struct IPFIXCollector: Hashable, Sendable, CustomStringConvertible {
    public let transport: ExportSession.Transport
    public let address: IPAddress
    public let port: UInt16

    public init(parsing text: some StringProtocol) throws(ParseError) {
        let expected = "write address:port, [address]:port for IPv6, and tcp: before it for TCP"
        let error = ParseError(kind: "a collector", text: text, expected: expected)
        var rest = String(text)[...]
        var transport = ExportSession.Transport.udp
        for candidate in [ExportSession.Transport.udp, .tcp] where rest.hasPrefix("\(candidate.rawValue):") {
            transport = candidate
            rest = rest.dropFirst(candidate.rawValue.count + 1)
            break
        }
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]), port > 0 else {
            throw error
        }
        let host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            address = .v6(try IPv6Address(parsing: host.dropFirst().dropLast()))
        } else {
            address = .v4(try IPv4Address(parsing: host))
        }
        self.transport = transport
        self.port = port
    }

    /// Also its name in the store, so that a collector that is written differently is still the same.
    public var description: String {
        let host =
            switch address {
            case .v4(let address): "\(address)"
            case .v6(let address): "[\(address)]"
            }
        return "\(transport.rawValue):\(host):\(port)"
    }
}

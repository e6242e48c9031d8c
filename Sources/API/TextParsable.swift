import Control
package import Domain
package import PolicyCompiler

/// A value that has one form as text, in paths, queries and bodies.
protocol TextParsable {
    init(parsing text: some StringProtocol) throws(ParseError)
}

extension Name: TextParsable {}
extension IMSI: TextParsable {}
extension ICCID: TextParsable {}
extension MSISDN: TextParsable {}
extension IPv4Address: TextParsable {}
extension IPv4Prefix: TextParsable {}
extension IPPrefix: TextParsable {}
extension IPAddress: TextParsable {}
extension IPv6Address: TextParsable {}
extension InterfaceName: TextParsable {}
extension ListItem: TextParsable {}
extension ServiceDefinition: TextParsable {}

extension Identifier: TextParsable {
    init(parsing text: some StringProtocol) throws(ParseError) {
        guard let number = Int64(text), number > 0 else {
            throw ParseError(kind: "a number of a list", text: text, expected: "write the number that a list shows")
        }
        self.init(number)
    }
}

extension Timestamp: TextParsable {}

/// A TCP or UDP port, or an ICMP identifier.
struct PortNumber: TextParsable {
    let value: UInt16

    init(parsing text: some StringProtocol) throws(ParseError) {
        guard let number = UInt16(text) else {
            throw ParseError(kind: "a port", text: text, expected: "write a number from 0 to 65535")
        }
        value = number
    }
}

/// The number of a policy's version.
struct VersionNumber: TextParsable {
    let value: Int64

    init(parsing text: some StringProtocol) throws(ParseError) {
        guard let number = Int64(text), number > 0 else {
            throw ParseError(kind: "a version", text: text, expected: "write a number from 1 on")
        }
        value = number
    }
}

extension NAS.DisconnectKey: TextParsable {
    init(parsing text: some StringProtocol) throws(ParseError) {
        guard let key = Self(rawValue: String(text)) else {
            throw ParseError(
                kind: "a disconnect key", text: text,
                expected: "write \(Self.allCases.map(\.rawValue).joined(separator: " or "))")
        }
        self = key
    }
}

extension BulkOperation.Kind: TextParsable {
    init(parsing text: some StringProtocol) throws(ParseError) { self = try Self.named(text, "an action") }
}

extension BulkItem.State: TextParsable {
    init(parsing text: some StringProtocol) throws(ParseError) { self = try Self.named(text, "a state") }
}

extension ControlPlane.UsageStep: TextParsable {
    init(parsing text: some StringProtocol) throws(ParseError) { self = try Self.named(text, "a step") }
}

extension SIM.State: TextParsable {
    init(parsing text: some StringProtocol) throws(ParseError) { self = try Self.named(text, "a SIM's state") }
}

extension RawRepresentable where Self: CaseIterable, RawValue == String {
    /// The case of that name.
    fileprivate static func named(_ text: some StringProtocol, _ kind: String) throws(ParseError) -> Self {
        guard let value = Self(rawValue: String(text)) else {
            throw ParseError(
                kind: kind, text: text, expected: "write \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return value
    }
}

extension NAS.SessionAttribute: TextParsable {
    init(parsing text: some StringProtocol) throws(ParseError) { self = try Self.named(text, "an attribute") }
}

extension PacketQuery: TextParsable {
    /// Parses `192.0.2.10:443/tcp`, `[2001:db8::7]:443/tcp` or `mqtt.acme.example:8883/tcp`, and for protocols without ports
    /// `192.0.2.10/icmp`; protocols by name or number.
    package init(parsing text: some StringProtocol) throws(ParseError) {
        let wrong = { (expected: String) in ParseError(kind: "a packet", text: text, expected: expected) }
        let form = "write DESTINATION:PORT/tcp, DESTINATION:PORT/udp, DESTINATION/icmp or DESTINATION/NUMBER"
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw wrong(form) }
        let end = try PacketEnd(parsing: "\(parts[1])")
        var (host, port) = (parts[0], String?.none)
        if host.hasPrefix("["), let close = host.firstIndex(of: "]") {
            let rest = host[host.index(after: close)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw wrong(form) }
            port = rest.isEmpty ? nil : String(rest.dropFirst())
            host = host[host.index(after: host.startIndex)..<close]
        } else if host.filter({ $0 == ":" }).count == 1, let colon = host.firstIndex(of: ":") {
            port = String(host[host.index(after: colon)...])
            host = host[..<colon]
        }
        let number = try end.port(port, of: text)
        // What ends in a digit is no name (RFC 3696 section 2), so a mistyped address is not taken for one.
        if host.contains(":") || host.last?.isNumber != false {
            self.init(destination: try IPAddress(parsing: host), protocol: end.protocol, port: number)
        } else {
            self.init(name: try DomainName(parsing: host), protocol: end.protocol, port: number)
        }
    }
}

/// What a packet is beyond addresses: `22/tcp`, `icmp`.
struct PacketShapeText: TextParsable {
    let `protocol`: UInt8
    let port: UInt16?

    init(parsing text: some StringProtocol) throws(ParseError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let end = try PacketEnd(parsing: "\(parts.last ?? "")")
        guard parts.count <= 2 else {
            throw ParseError(kind: "a port and a protocol", text: text, expected: "write PORT/tcp, PORT/udp or icmp")
        }
        `protocol` = end.protocol
        port = try end.port(parts.count == 2 ? String(parts[0]) : nil, of: text)
    }
}

/// A protocol by name or number.
private struct PacketEnd {
    let `protocol`: UInt8

    init(parsing text: String) throws(ParseError) {
        let number: UInt8? =
            switch text {
            case "icmp": 1
            case "tcp": 6
            case "udp": 17
            case "icmpv6": 58
            default: UInt8(text)
            }
        guard let number else {
            throw ParseError(
                kind: "a protocol", text: text, expected: "write tcp, udp, icmp, icmpv6 or a number from 0 to 255")
        }
        `protocol` = number
    }

    func port(_ text: String?, of whole: some StringProtocol) throws(ParseError) -> UInt16? {
        let wrong = { (expected: String) in ParseError(kind: "a packet", text: whole, expected: expected) }
        let hasPorts = `protocol` == 6 || `protocol` == 17
        guard let text else {
            guard !hasPorts else { throw wrong("TCP and UDP need a port: write :PORT before the slash") }
            return nil
        }
        guard hasPorts else { throw wrong("only TCP and UDP have ports: leave the port out") }
        guard let port = UInt16(text), port > 0 else { throw wrong("the port is a number from 1 to 65535") }
        return port
    }
}

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

extension PacketQuery: TextParsable {
    /// Parses `192.0.2.10:443/tcp`, or `192.0.2.10/icmp` for protocols without ports; protocols by name or number.
    package init(parsing text: some StringProtocol) throws(ParseError) {
        let wrong = { (expected: String) in ParseError(kind: "a packet", text: text, expected: expected) }
        let form = "write ADDRESS:PORT/tcp, ADDRESS:PORT/udp, ADDRESS/icmp or ADDRESS/NUMBER"
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw wrong(form) }
        let number: UInt8? =
            switch parts[1] {
            case "icmp": 1
            case "tcp": 6
            case "udp": 17
            default: UInt8(parts[1])
            }
        guard let number else { throw wrong(form) }
        let place = parts[0].split(separator: ":", omittingEmptySubsequences: false)
        guard place.count <= 2, let host = place.first else { throw wrong(form) }
        let address = try IPv4Address(parsing: host)
        let hasPorts = number == 6 || number == 17
        guard place.count == 2 else {
            guard !hasPorts else { throw wrong("TCP and UDP need a port: \(form)") }
            self.init(destination: address, protocol: number, port: nil)
            return
        }
        guard hasPorts else { throw wrong("only TCP and UDP have ports: \(form)") }
        guard let port = UInt16(place[1]), port > 0 else { throw wrong("the port is a number from 1 to 65535") }
        self.init(destination: address, protocol: number, port: port)
    }
}

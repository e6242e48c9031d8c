/// As the store keeps it, to know a plan again after it was changed: `198.51.100.0/28,203.0.113.7 512 1024`, which is
/// prefixes, ports for each device, first port.
extension NATPlan: CustomStringConvertible {
    public var description: String {
        "\(publicPrefixes.map { "\($0)" }.joined(separator: ",")) \(portsPerDevice) \(firstPort)"
    }

    /// Reads ``description``.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, let ports = UInt16(parts[1]), let firstPort = UInt16(parts[2]) else {
            throw ParseError(
                kind: "a NAT plan", text: text, expected: "write prefixes, ports for each device and first port")
        }
        var prefixes: [IPv4Prefix] = []
        for part in parts[0].split(separator: ",") { prefixes.append(try IPv4Prefix(parsing: part)) }
        try self.init(publicPrefixes: prefixes, portsPerDevice: ports, firstPort: firstPort)
    }
}

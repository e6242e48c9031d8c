public import Domain

/// What an operator means with a service, as text: `tcp 8883, udp 5684`, `tcp 80 8000-8100`, `icmp`, `47`.
public struct ServiceDefinition: Hashable, Sendable, CustomStringConvertible {
    /// One for each protocol, in the order in which they were given. Never empty, never ``ProtocolPorts/any``.
    public let matches: [ProtocolPorts]

    private static let form =
        "write protocols with their ports, such as tcp 8883, udp 5684-5685: tcp and udp have ports, icmp, icmpv6 and "
        + "protocols by number have none"

    /// - Throws: `ParseError` for text of another form, and for more than ``ValidatedPolicy/maximumPortRanges`` ranges.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let wrong = ParseError(kind: "a service", text: text, expected: Self.form)
        var all: [ProtocolPorts] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let words = part.split(separator: " ")
            guard let first = words.first, let number = Self.protocolNumber(first) else { throw wrong }
            var ports: [ClosedRange<UInt16>] = []
            for word in words.dropFirst() {
                guard let range = Self.range(word) else { throw wrong }
                ports.append(range)
            }
            // All of TCP or UDP is nobody's service; more likely the ports were forgotten.
            guard IPProtocol.hasPorts(number) != ports.isEmpty else { throw wrong }
            all.append(ProtocolPorts(protocol: number, ports: ports))
        }
        matches = ProtocolPorts.united(all)
        guard matches.reduce(0, { $0 + max($1.ports.count, 1) }) <= ValidatedPolicy.maximumPortRanges else {
            throw ParseError(
                kind: "a service", text: text,
                expected: "at most \(ValidatedPolicy.maximumPortRanges) protocols and ranges of ports are allowed")
        }
    }

    /// - Precondition: there is a protocol, and each says which.
    init(_ matches: [ProtocolPorts]) {
        precondition(
            !matches.isEmpty && !matches.contains { $0.protocol == nil }, "a service of no protocol, or of all")
        self.matches = ProtocolPorts.united(matches)
    }

    public var description: String {
        matches.map { one in
            let words = one.ports.map { range in
                range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
            }
            return ([one.protocol.map(IPProtocol.name) ?? "any"] + words).joined(separator: " ")
        }.joined(separator: ", ")
    }

    private static func protocolNumber(_ text: some StringProtocol) -> UInt8? {
        if let known = IPProtocol.named.first(where: { $0.name == text }) { return known.number }
        return number(text).flatMap(UInt8.init(exactly:))
    }

    private static func range(_ text: some StringProtocol) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let ports = ends.compactMap { number($0) }.filter { $0 >= 1 }.compactMap(UInt16.init(exactly:))
        guard ports.count == ends.count, let first = ports.first, let last = ports.last, first <= last else {
            return nil
        }
        return first...last
    }

    /// Decimal digits without a leading zero, below 100,000.
    private static func number(_ text: some StringProtocol) -> UInt32? {
        let bytes = text.utf8
        guard (1...5).contains(bytes.count), bytes.allSatisfy({ (0x30...0x39).contains($0) }),
            bytes.count == 1 || bytes.first != UInt8(ascii: "0")
        else { return nil }
        return UInt32(text)
    }
}

extension ServiceCatalogue {
    /// What the service is, as text.
    public func definition(of name: Name) -> ServiceDefinition? { self[name].map(ServiceDefinition.init) }
}

import Domain

extension PolicyReader {
    /// What `protocol` and `ports`, or `services`, say. `nil` after something was reported.
    mutating func matches(
        _ entries: MappingEntries, field: FieldPath
    ) -> (matches: [ProtocolPorts], services: [Name])? {
        let before = diagnostics.count
        let number = entries["protocol"].map { protocolNumber($0, field: field["protocol"]) } ?? .some(nil)
        var ports: [ClosedRange<UInt16>] = []
        if let node = entries["ports"] {
            ports = portRanges(node, field: field["ports"])
            if let number, entries["services"] == nil, !IPProtocol.hasPorts(number) {
                report(
                    node.place, field["ports"], "ports need protocol: tcp or protocol: udp in the same rule")
            }
        }
        guard let node = entries["services"] else {
            guard let number, diagnostics.count == before else { return nil }
            return ([ProtocolPorts(protocol: number, ports: ports)], [])
        }
        let services = self.services(node, field: field["services"])
        for key in ["protocol", "ports"] {
            guard let other = entries[key] else { continue }
            report(
                other.place, field[key],
                "services say which protocols and ports: leave \(key) out, or write protocol and ports alone")
        }
        guard diagnostics.count == before else { return nil }
        return (ProtocolPorts.united(services.flatMap { scope.services[$0] ?? [] }), services)
    }

    private mutating func services(_ node: SourceNode, field: FieldPath) -> [Name] {
        let known = scope.services
        let items = list(
            node, field: field, atMost: ValidatedPolicy.maximumPortRanges, example: "services such as https, mqtts")
        var names: [Name] = []
        for item in items ?? [] {
            let name = reference(
                item.text, kind: "service", among: known.services.keys, isKnown: { known[$0] != nil }, item.node,
                field: item.field)
            if let name, !names.contains(name) { names.append(name) }
        }
        return names
    }

    /// The outer optional is `nil` after something was reported, the inner for any protocol.
    private mutating func protocolNumber(_ node: SourceNode, field: FieldPath) -> UInt8?? {
        var names: [String] { IPProtocol.named.map(\.name) }
        var example: String { "\(names.joined(separator: ", ")) or a number from 0 to 255" }
        guard let text = text(node, field: field, example: example) else { return nil }
        if let known = IPProtocol.named.first(where: { $0.name == text }) { return .some(known.number) }
        if let number = Self.number(text.utf8), let value = UInt8(exactly: number) { return .some(value) }
        if let number = IPProtocol.others[text] {
            report(node.place, field, "\(text.quoted) is not known by name: write its number, \(number)")
            return nil
        }
        let hint = Suggestion.text(for: text, among: names)
        report(node.place, field, "\(text.quoted) is not a protocol\(hint): write \(example)")
        return nil
    }

    private mutating func portRanges(_ node: SourceNode, field: FieldPath) -> [ClosedRange<UInt16>] {
        let example = "numbers from 1 to 65535 or ranges such as 8000-8100"
        guard
            let items = list(node, field: field, atMost: ValidatedPolicy.maximumPortRanges, example: example)
        else { return [] }
        var ranges: [ClosedRange<UInt16>] = []
        for item in items {
            let ends = item.text.utf8.split(
                separator: UInt8(ascii: "-"), maxSplits: 1, omittingEmptySubsequences: false)
            let ports = ends.compactMap { Self.number($0) }.filter { $0 >= 1 }.compactMap(UInt16.init(exactly:))
            guard ports.count == ends.count, let first = ports.first, let last = ports.last else {
                let known = (try? Name(parsing: item.text)).flatMap { scope.services[$0] } != nil
                report(
                    item.node.place, item.field,
                    "\(item.text.quoted) is not a port: write "
                        + (known ? "services: [\(item.text)] instead of protocol and ports" : example))
                continue
            }
            guard first <= last else {
                report(
                    item.node.place, item.field,
                    "\(item.text.quoted) ends before it starts: write \(last)-\(first)")
                continue
            }
            ranges.append(first...last)
        }
        return ranges
    }

    /// Decimal digits without a leading zero (octal to some programs), below 100,000.
    private static func number(_ digits: some Collection<UInt8>) -> UInt32? {
        guard (1...5).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
            digits.count == 1 || digits.first != UInt8(ascii: "0")
        else { return nil }
        return digits.reduce(0) { $0 * 10 + UInt32($1 - 0x30) }
    }
}

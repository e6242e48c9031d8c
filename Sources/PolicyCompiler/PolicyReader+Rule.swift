import Domain

extension PolicyReader {
    private static let ruleKeys = ["name", "to", "protocol", "ports", "route", "action"]
    private static let laterRuleKeys: Set = ["services", "direction", "via", "from", "schedule", "log"]
    private static let protocols: [(name: String, number: UInt8?)] = [
        ("any", nil), ("tcp", IPProtocol.tcp), ("udp", IPProtocol.udp), ("icmp", IPProtocol.icmp),
    ]

    /// The rule, `nil` after something was reported, and the name whenever that can be read.
    mutating func rule(
        _ node: SourceNode, field: String
    ) -> (rule: ValidatedPolicy.Rule?, name: (Name, SourcePlace)?) {
        guard
            let entries = entries(
                of: node, field: field, known: Self.ruleKeys, later: Self.laterRuleKeys)
        else { return (nil, nil) }
        var name: (Name, SourcePlace)?
        if let node = required("name", in: entries, of: node, field: field, example: "name: telemetry"),
            let parsed = self.name(node, field: "\(field).name")
        {
            name = (parsed, node.place)
        }
        var destinations: [IPv4Prefix]?
        if let node = required("to", in: entries, of: node, field: field, example: "to: [198.51.100.0/24]") {
            destinations = self.destinations(node, field: "\(field).to")
        }
        let number = entries["protocol"].map { protocolNumber($0, field: "\(field).protocol") } ?? .some(nil)
        var ports: [ClosedRange<UInt16>] = []
        if let node = entries["ports"] {
            ports = portRanges(node, field: "\(field).ports")
            if let number, number != IPProtocol.tcp, number != IPProtocol.udp {
                report(
                    node.place, "\(field).ports", "ports need protocol: tcp or protocol: udp in the same rule")
            }
        }
        let verdict = self.verdict(route: entries["route"], action: entries["action"], of: node, field: field)
        guard let name, let destinations, let number, let verdict else { return (nil, name) }
        let rule = ValidatedPolicy.Rule(
            name: name.0, destinations: destinations, protocol: number, ports: ports, verdict: verdict)
        return (rule, name)
    }

    // MARK: Destinations

    private mutating func destinations(_ node: SourceNode, field: String) -> [IPv4Prefix] {
        let example = "addresses such as 192.0.2.10, prefixes such as 198.51.100.0/24, or [any]"
        guard
            let items = list(
                node, field: field, atMost: ValidatedPolicy.maximumDestinations, example: example)
        else { return [] }
        if let any = items.first(where: { $0.text == "any" }), items.count > 1 {
            report(any.node.place, any.field, "any takes in everything else of the list: write [any] alone")
        }
        var prefixes: [IPv4Prefix] = []
        for item in items {
            if item.text == "any" {
                prefixes.append(.any)
                continue
            }
            if let kind = Self.laterDestination(item.text) {
                report(
                    item.node.place, item.field,
                    "\(item.text.quoted): \(kind) are not supported by this version: write \(example)")
                continue
            }
            do throws(ParseError) {
                prefixes.append(try IPv4Prefix(parsing: item.text))
            } catch {
                report(item.node.place, item.field, error.description)
            }
        }
        return prefixes
    }

    /// What kind of destination a later version would take `text` for; `nil` when it looks like IPv4.
    private static func laterDestination(_ text: String) -> String? {
        if text.hasPrefix("list:") { return "lists" }
        if text.hasPrefix("group:") { return "groups" }
        let isIPv6Character = { (scalar: Unicode.Scalar) in
            scalar.properties.isASCIIHexDigit || ":./%".unicodeScalars.contains(scalar)
        }
        if text.contains(":"), text.unicodeScalars.allSatisfy(isIPv6Character) { return "IPv6 addresses" }
        let isHostCharacter = { (byte: UInt8) in
            (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || "-_.*".utf8.contains(byte)
        }
        let hasLetter = text.utf8.contains { (0x61...0x7a).contains($0 | 0x20) }
        return hasLetter && text.utf8.allSatisfy(isHostCharacter) ? "hostnames" : nil
    }

    // MARK: Protocol and ports

    /// The outer optional is `nil` after something was reported, the inner for any protocol.
    private mutating func protocolNumber(_ node: SourceNode, field: String) -> UInt8?? {
        let example = "any, tcp, udp, icmp or a number from 0 to 255"
        guard let text = text(node, field: field, example: example) else { return nil }
        if let known = Self.protocols.first(where: { $0.name == text }) { return .some(known.number) }
        if let number = Self.number(text), let value = UInt8(exactly: number) { return .some(value) }
        if let number = IPProtocol.others[text] {
            report(node.place, field, "\(text.quoted) is not known by name: write its number, \(number)")
            return nil
        }
        let hint = Suggestion.text(for: text, among: Self.protocols.map(\.name))
        report(node.place, field, "\(text.quoted) is not a protocol\(hint): write \(example)")
        return nil
    }

    private mutating func portRanges(_ node: SourceNode, field: String) -> [ClosedRange<UInt16>] {
        let example = "numbers from 1 to 65535 or ranges such as 8000-8100"
        guard
            let items = list(node, field: field, atMost: ValidatedPolicy.maximumPortRanges, example: example)
        else { return [] }
        var ranges: [ClosedRange<UInt16>] = []
        for item in items {
            let ends = item.text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            let ports = ends.compactMap { Self.number(String($0)) }.filter { $0 >= 1 }.compactMap(UInt16.init(exactly:))
            guard ports.count == ends.count, let first = ports.first, let last = ports.last else {
                report(item.node.place, item.field, "\(item.text.quoted) is not a port: write \(example)")
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
    private static func number(_ text: String) -> UInt32? {
        let bytes = text.utf8
        guard (1...5).contains(bytes.count), bytes.allSatisfy({ (0x30...0x39).contains($0) }),
            bytes.count == 1 || bytes.first != UInt8(ascii: "0")
        else { return nil }
        return UInt32(text)
    }

    // MARK: Verdict

    private mutating func verdict(
        route: SourceNode?, action: SourceNode?, of rule: SourceNode, field: String
    ) -> Verdict? {
        switch (route, action) {
        case (nil, nil):
            report(
                rule.place, field,
                "the rule does not say what happens: write either route: internet or action: block")
            return nil
        case (let route?, nil): return self.route(route, field: "\(field).route")
        case (nil, let action?): return self.action(action, field: "\(field).action")
        case (let route?, let action?):
            _ = self.route(route, field: "\(field).route")
            _ = self.action(action, field: "\(field).action")
            report(
                max(route.place, action.place), field, "route and action contradict each other: write one of the two")
            return nil
        }
    }

    private mutating func route(_ node: SourceNode, field: String) -> Verdict? {
        if case .sequence = node.content {
            report(node.place, field, "a list of routes is not supported by this version: write internet")
            return nil
        }
        guard let text = text(node, field: field, example: "internet") else { return nil }
        if text == "internet" { return .internet }
        if text.hasPrefix("vpn:") {
            report(node.place, field, "\(text.quoted): VPNs are not supported by this version: write internet")
        } else if text == "block" {
            report(node.place, field, "\"block\" is not a route: write action: block instead")
        } else {
            let hint = Suggestion.text(for: text, among: ["internet"])
            report(node.place, field, "\(text.quoted) is not a route\(hint): write internet")
        }
        return nil
    }

    private mutating func action(_ node: SourceNode, field: String) -> Verdict? {
        guard let text = text(node, field: field, example: "block") else { return nil }
        if text == "block" { return .block }
        if text == "allow" {
            report(node.place, field, "\"allow\" is not supported by this version: write route: internet instead")
        } else {
            let hint = Suggestion.text(for: text, among: ["block"])
            report(node.place, field, "\(text.quoted) is not an action\(hint): write block")
        }
        return nil
    }
}

/// Numbers of the protocols that policies know by name (IANA "Protocol Numbers").
enum IPProtocol {
    static let icmp: UInt8 = 1
    static let tcp: UInt8 = 6
    static let udp: UInt8 = 17

    /// Those that people may well name, but documents give by number.
    static let others: [String: UInt8] = ["igmp": 2, "gre": 47, "esp": 50, "ah": 51, "sctp": 132]

    /// The name that a document uses, or the number.
    static func name(_ number: UInt8) -> String {
        switch number {
        case icmp: "icmp"
        case tcp: "tcp"
        case udp: "udp"
        default: "\(number)"
        }
    }
}

import Domain

/// The ruleset in the language of nft 1.0.6: a chain of `table inet cordon` and its maps, for people to read and for
/// recorded files. The chain sees IPv4 only. What passes gets the number of its way on its flow, counted from the number
/// of the chain shifted by ``numberBits``, and its route's mark; the rest returns, with zero from a map. Each box counts.
extension Ruleset {
    /// Blocks that stand inside `table inet cordon { }`, one box a line.
    /// - Parameter marks: the mark of the route of each way.
    public func nft(chain number: UInt32, marks: [RuleAction: UInt32]) -> String {
        let name = "policy_\(number)"
        let first = number << Self.numberBits
        var text = ""
        var rules: [String] = []
        let decide = { (match: String, protocols: ClosedRange<UInt8>, rule: Int) in
            var lines: [String] = []
            if self.actions[rule].isObserved {
                lines = Self.observations(first &+ UInt32(rule), of: protocols).map { "\(match)\($0)" }
            }
            guard let way = self.way(of: rule) else { return lines + ["\(match)counter return"] }
            let mark = marks[self.ways[way]].map { " meta mark set \(Self.text($0)) accept" } ?? " return"
            return lines + ["\(match)counter ct mark set \(Self.text(first &+ UInt32(way)))" + mark]
        }
        switch form {
        case .rules(let entries):
            rules = entries.flatMap { decide($0.match, $0.protocols, $0.rule) }
        case .maps(let lookups):
            for (index, lookup) in lookups.enumerated() {
                let elements = lookup.entries.map { entry in
                    let number = way(of: entry.rule).map { first &+ UInt32($0) } ?? 0
                    return "        \(lookup.key.element(entry)) : \(Self.text(number)),"
                }
                let lines =
                    ["map \(name)_\(index) {", "    type \(lookup.key.type) : mark", "    flags constant,interval"]
                    + ["    counter", "    elements = {"] + elements + ["    }", "}", ""]
                text += lines.joined(separator: "\n")
                rules.append("ct mark set \(lookup.key.expression) map @\(name)_\(index) return")
            }
        }
        rules += decide("", 0...255, `default`)
        return text + (["chain \(name) {"] + rules.map { "    " + $0 } + ["}", ""]).joined(separator: "\n")
    }

    /// One for each kind of packet: only TCP and UDP have a port.
    private static func observations(_ number: UInt32, of protocols: ClosedRange<UInt8>) -> [String] {
        let withPorts = [(UInt8(6), "tcp"), (17, "udp")].filter { protocols.contains($0.0) }
        let update = { (port: String) in
            "update @observed { ip saddr . ip daddr . meta l4proto . \(port) . \(text(number)) }"
        }
        var lines = withPorts.map { "meta l4proto \($0.0) \(update("\($0.1) dport"))" }
        if withPorts.count < protocols.count {
            lines.append(withPorts.map { "meta l4proto != \($0.0) " }.joined() + update("0"))
        }
        return lines
    }

    private static func text(_ number: UInt32) -> String { "0x" + String(number, radix: 16) }
}

extension Ruleset.Entry {
    /// What the kernel compares, with a space behind; nothing for a box around all packets.
    fileprivate var match: String {
        var text = destination == .any ? "" : "ip daddr \(destination) "
        if protocols != 0...255 { text += "meta l4proto \(protocols.text) " }
        if ports != 0...65_535 { text += "th dport \(ports.text) " }
        return text
    }
}

extension Ruleset.Lookup.Key {
    fileprivate var type: String {
        switch self {
        case .protocol: "ipv4_addr . inet_proto"
        case .port: "ipv4_addr . inet_proto . inet_service"
        }
    }

    fileprivate var expression: String {
        switch self {
        case .protocol: "ip daddr . meta l4proto"
        case .port: "ip daddr . meta l4proto . th dport"
        }
    }

    fileprivate func element(_ entry: Ruleset.Entry) -> String {
        var parts = [entry.destination.description, entry.protocols.text]
        if self == .port { parts.append(entry.ports.text) }
        return parts.joined(separator: " . ")
    }
}

extension ClosedRange where Bound: FixedWidthInteger {
    fileprivate var text: String { lowerBound == upperBound ? "\(lowerBound)" : "\(lowerBound)-\(upperBound)" }
}

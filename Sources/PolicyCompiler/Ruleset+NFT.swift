import Domain

/// The ruleset in the language of nft 1.0.6: a chain of `table inet cordon` and its maps, for people to read and for
/// recorded files. The chain's number N, which is written on flows that pass, stands for the policy; 0xffffffff for
/// those that do not. The chains `judged` and `blocked` are the table's own.
extension Ruleset {
    /// Blocks that stand inside `table inet cordon { }`, one box a line.
    public func nft(chain number: UInt32) -> String {
        let name = "policy_\(number)"
        var text = ""
        for (index, lookup) in lookups.enumerated() {
            let lines =
                ["map \(name)_\(index) {", "    type \(lookup.key.type) : mark", "    flags constant,interval"]
                + ["    elements = {"] + lookup.entries.map { "        \(lookup.key.element($0, number))," } + [
                    "    }", "}", "",
                ]
            text += lines.joined(separator: "\n")
        }
        let rules = lookups.enumerated().map {
            "    ct mark set \($0.element.key.expression) map @\(name)_\($0.offset) goto judged"
        }
        return text + (["chain \(name) {"] + rules + ["    goto blocked", "}", ""]).joined(separator: "\n")
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

    fileprivate func element(_ entry: Ruleset.Entry, _ number: UInt32) -> String {
        var parts = [entry.destination.description, Self.text(entry.protocols)]
        if self == .port { parts.append(Self.text(entry.ports)) }
        let mark = entry.verdict == .block ? UInt32.max : number
        return "\(parts.joined(separator: " . ")) : 0x\(String(mark, radix: 16))"
    }

    private static func text(_ range: ClosedRange<some FixedWidthInteger>) -> String {
        range.lowerBound == range.upperBound ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
    }
}

import Domain

/// The ruleset in the language of nft 1.0.6, for one chain of `table inet cordon`. The chains `to_internet` and
/// `blocked`, where the verdicts lead, are the table's own.
///
/// Each layer is a rule with a verdict map. Its key has only the parts that its boxes need (destination; protocol;
/// port), and all that the layers before it needed. The second is for packets too short to have a port: the kernel skips
/// a rule that looks for one, so a layer behind such a rule must skip them too, or it would let out what an earlier
/// layer may have blocked. They are blocked at the end.
extension Ruleset {
    /// The chain as a block that stands inside `table inet cordon { }`, one box a line.
    public func nftChain(named name: String) -> String {
        var lines = ["chain \(name) {"]
        for (key, layer) in keyedLayers {
            lines.append("    \(key.expression) vmap {")
            lines += layer.map { "        \(key.element($0))," }
            lines.append("    }")
        }
        return (lines + ["    goto blocked", "}", ""]).joined(separator: "\n")
    }

    /// The same as commands, one a line, that add the chain and its rules.
    public func nftCommands(chain name: String) -> String {
        var lines = ["add chain inet cordon \(name)"]
        for (key, layer) in keyedLayers {
            let elements = layer.map(key.element).joined(separator: ", ")
            lines.append("add rule inet cordon \(name) \(key.expression) vmap { \(elements) }")
        }
        return (lines + ["add rule inet cordon \(name) goto blocked", ""]).joined(separator: "\n")
    }

    private var keyedLayers: [(key: LayerKey, layer: [Entry])] {
        var key = LayerKey.destination
        return layers.map { layer in
            key = layer.reduce(key) { max($0, LayerKey(needs: $1)) }
            return (key, layer)
        }
    }
}

/// What a layer looks up, from the least to the most.
private enum LayerKey: Int, Comparable {
    case destination
    case `protocol`
    case port

    init(needs entry: Ruleset.Entry) {
        if entry.ports != 0...65_535 {
            self = .port
        } else {
            self = entry.protocols == 0...255 ? .destination : .protocol
        }
    }

    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    var expression: String {
        switch self {
        case .destination: "ip daddr"
        case .protocol: "ip daddr . meta l4proto"
        case .port: "ip daddr . meta l4proto . th dport"
        }
    }

    func element(_ entry: Ruleset.Entry) -> String {
        var parts = [entry.destination.description]
        if self >= .protocol { parts.append(Self.text(entry.protocols)) }
        if self >= .port { parts.append(Self.text(entry.ports)) }
        let target =
            switch entry.verdict {
            case .block: "blocked"
            case .internet: "to_internet"
            }
        return "\(parts.joined(separator: " . ")) : goto \(target)"
    }

    private static func text(_ range: ClosedRange<some FixedWidthInteger>) -> String {
        range.lowerBound == range.upperBound ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
    }
}

import Domain

/// The ruleset in the language of nft 1.0.6: chains of `table inet cordon` and their maps, for people to read and for
/// recorded files. What passes gets the number of its way on its flow, counted from the number of the chain shifted by
/// ``numberBits``, and its route's mark when that never changes; the rest returns, with zero from a map. Each box counts.
extension Ruleset {
    /// Blocks that stand inside `table inet cordon { }`, one box a line: the chain for IPv4, that for IPv6 when there is
    /// anything in it, and one for each VPN that packets may come through.
    /// - Parameter marks: of the ways whose route never changes.
    public func nft(chain number: UInt32, marks: [Way: UInt32]) -> String {
        let text = RulesetText(ruleset: self, first: number << Self.numberBits, marks: marks)
        var chains = [text.chain("policy_\(number)", form)]
        if let form6 { chains.append(text.chain("policy6_\(number)", form6)) }
        for access in access {
            chains.append(text.chain("access_\(number)_\(access.vpn)", access.vpn, access.entries))
            if !access.entries6.isEmpty {
                chains.append(text.chain("access6_\(number)_\(access.vpn)", access.vpn, access.entries6))
            }
        }
        return chains.joined()
    }
}

extension Ruleset {
    /// Which bit of an address tells that it is one of a set of names: the maps `named_0` and on have a word of them each,
    /// whose highest bit is always set, so that it is no flow's number.
    public struct HostBit: Hashable, Sendable {
        public static let perWord = 31
        /// Enough for as many sets as a policy has rules.
        public static let words = 9

        public let word: Int
        public let mask: UInt32

        /// `nil` for a place that no map has.
        public init?(_ place: Int) {
            guard (0..<Self.words * Self.perWord).contains(place) else { return nil }
            word = place / Self.perWord
            mask = 1 << UInt32(place % Self.perWord)
        }
    }
}

private struct RulesetText {
    let ruleset: Ruleset
    /// The number of the first way, and of the first rule.
    let first: UInt32
    let marks: [Ruleset.Way: UInt32]

    func chain<Prefix: NFTPrefix>(_ name: String, _ form: Ruleset.Form<Prefix>) -> String {
        var text = ""
        var rules: [String] = []
        var layer = 0
        var word: Int?
        for step in form.steps {
            switch step {
            case .box(let box):
                if case .hosts(let set) = box.destination, let bit = Ruleset.HostBit(set), bit.word != word {
                    word = bit.word
                    rules += [
                        "ct mark set 0x0",
                        "ct mark set meta mark . \(Prefix.word) daddr map @\(Prefix.named)_\(bit.word)",
                    ]
                }
                let match = box.destination.match + box.match
                rules += observations(box.rule, box.shape.protocols, Prefix.self).map { match + $0 }
                rules.append(match + decision(box.way))
            case .lookup(let lookup):
                let elements = lookup.entries.map { entry in
                    let number = ruleset.way(of: entry.rule).map { first &+ UInt32($0) } ?? 0
                    return "        \(lookup.key.element(entry)) : \(number.hexadecimal),"
                }
                let lines =
                    ["map \(name)_\(layer) {", "    type \(lookup.key.type(Prefix.self)) : mark"]
                    + ["    flags constant,interval", "    counter", "    elements = {"] + elements + [
                        "    }", "}", "",
                    ]
                text += lines.joined(separator: "\n")
                rules.append("ct mark set \(lookup.key.expression(Prefix.self)) map @\(name)_\(layer) return")
                layer += 1
            }
        }
        rules += observations(ruleset.default, 0...255, Prefix.self)
        rules.append(decision(ruleset.way(of: ruleset.default)))
        return text + chain(name, rules)
    }

    func chain<Prefix: NFTPrefix>(
        _ name: String, _ vpn: VPNNumber, _ entries: [Ruleset.AccessEntry<Prefix>]
    ) -> String {
        chain(
            name,
            entries.map { entry in
                let source = entry.source == .any ? "" : "\(Prefix.word) saddr \(entry.source) "
                let group = entry.group.map { Ruleset.Box<Prefix>.Destination.group($0).match } ?? ""
                return source + group + entry.shape.match
                    + decision(entry.isAllowed ? ruleset.way(of: entry.rule) : nil)
            })
    }

    private func chain(_ name: String, _ rules: [String]) -> String {
        (["chain \(name) {"] + rules.map { "    " + $0 } + ["}", ""]).joined(separator: "\n")
    }

    private func decision(_ way: Int?) -> String {
        guard let way else { return ruleset.hosts.isEmpty ? "counter return" : "counter ct mark set 0x0 return" }
        let mark = marks[ruleset.ways[way]].map { " meta mark set \($0.hexadecimal) accept" } ?? " return"
        return "counter ct mark set \((first &+ UInt32(way)).hexadecimal)" + mark
    }

    /// One for each kind of packet: only TCP and UDP have a port.
    private func observations<Prefix: NFTPrefix>(
        _ rule: Int, _ protocols: ClosedRange<UInt8>, _ family: Prefix.Type
    ) -> [String] {
        guard ruleset.actions[rule].isObserved else { return [] }
        let withPorts = [(UInt8(6), "tcp"), (17, "udp")].filter { protocols.contains($0.0) }
        let update = { (port: String) in
            "update @\(Prefix.observed) { \(Prefix.word) saddr . \(Prefix.word) daddr . meta l4proto . \(port) . "
                + "\((first &+ UInt32(rule)).hexadecimal) }"
        }
        var lines = withPorts.map { "meta l4proto \($0.0) \(update("\($0.1) dport"))" }
        if withPorts.count < protocols.count {
            lines.append(withPorts.map { "meta l4proto != \($0.0) " }.joined() + update("0"))
        }
        return lines
    }
}

/// What nft calls the parts of a family.
private protocol NFTPrefix: AddressPrefix, CustomStringConvertible {
    static var word: String { get }
    static var type: String { get }
    static var group: String { get }
    static var observed: String { get }
    static var named: String { get }
}

extension IPv4Prefix: NFTPrefix {
    fileprivate static var word: String { "ip" }
    fileprivate static var type: String { "ipv4_addr" }
    fileprivate static var group: String { "group" }
    fileprivate static var observed: String { "observed" }
    fileprivate static var named: String { "named" }
}

extension IPv6Prefix: NFTPrefix {
    fileprivate static var word: String { "ip6" }
    fileprivate static var type: String { "ipv6_addr" }
    fileprivate static var group: String { "group6" }
    fileprivate static var observed: String { "observed6" }
    fileprivate static var named: String { "named6" }
}

/// What the kernel compares, with a space behind; nothing for what is in all packets.
extension Ruleset.Box.Destination where Prefix: NFTPrefix {
    fileprivate var match: String {
        switch self {
        case .prefix(let prefix): prefix == .any ? "" : "\(Prefix.word) daddr \(prefix) "
        // Of a network: a device has a whole one.
        case .group(let group):
            "\(Prefix.word) daddr \(Prefix.bits == 32 ? "" : "& ffff:ffff:ffff:ffff:: ")@\(Prefix.group)_\(group) "
        case .hosts(let set):
            Ruleset.HostBit(set).map { "ct mark & \($0.mask.hexadecimal) == \($0.mask.hexadecimal) " } ?? ""
        }
    }
}

extension Ruleset.Box {
    fileprivate var match: String { shape.match + (needsPort && shape.ports == 0...65_535 ? "th dport 0-65535 " : "") }
}

extension BoxShape {
    fileprivate var match: String {
        (protocols == 0...255 ? "" : "meta l4proto \(protocols.text) ")
            + (ports == 0...65_535 ? "" : "th dport \(ports.text) ")
    }
}

extension Ruleset.LookupKey {
    fileprivate func type<Prefix: NFTPrefix>(_ family: Prefix.Type) -> String {
        switch self {
        case .protocol: "\(Prefix.type) . inet_proto"
        case .port: "\(Prefix.type) . inet_proto . inet_service"
        }
    }

    fileprivate func expression<Prefix: NFTPrefix>(_ family: Prefix.Type) -> String {
        switch self {
        case .protocol: "\(Prefix.word) daddr . meta l4proto"
        case .port: "\(Prefix.word) daddr . meta l4proto . th dport"
        }
    }

    fileprivate func element(_ entry: BoxEntry<some NFTPrefix>) -> String {
        var parts = [entry.destination.description, entry.protocols.text]
        if self == .port { parts.append(entry.ports.text) }
        return parts.joined(separator: " . ")
    }
}

extension ClosedRange where Bound: FixedWidthInteger {
    fileprivate var text: String { lowerBound == upperBound ? "\(lowerBound)" : "\(lowerBound)-\(upperBound)" }
}

extension UInt32 {
    fileprivate var hexadecimal: String { "0x" + String(self, radix: 16) }
}

import CNetfilter
import Domain
import PolicyCompiler

/// A policy as the kernel holds it: a chain whose rules compare a packet with the policy's boxes, or look it up in the
/// chain's maps. A flow that passes gets the number of its way (conntrack's mark), counted from the chain's own number;
/// what is blocked returns, with zero from a map. Maps are constant: while a rule uses them, nobody can change their
/// elements.
struct PolicyForm: Hashable {
    var rules: [[RuleExpression]]
    var maps: [Map]

    struct Map: Hashable {
        var key: Ruleset.Lookup.Key
        var elements: Set<Element>
    }

    struct Element: Hashable {
        let key: [UInt8]
        let keyEnd: [UInt8]
        /// `nil` blocks.
        let way: UInt32?
    }

    init(_ ruleset: Ruleset) {
        switch ruleset.form {
        case .rules(let entries):
            maps = []
            rules = entries.flatMap { entry in
                Self.decision(ruleset, entry.rule, comparisons: entry.comparisons, protocols: entry.protocols)
            }
        case .maps(let lookups):
            maps = lookups.map { lookup in
                let elements = lookup.entries.map { entry in
                    Element(entry, key: lookup.key, way: ruleset.way(of: entry.rule))
                }
                return Map(key: lookup.key, elements: Set(elements))
            }
            rules = lookups.enumerated().map { $0.element.key.rule(layer: $0.offset) }
        }
        rules += Self.decision(ruleset, ruleset.default, comparisons: [], protocols: 0...255)
    }

    /// The rules for packets that the comparisons let through: what is to be observed, and one that decides.
    private static func decision(
        _ ruleset: Ruleset, _ rule: Int, comparisons: [RuleExpression], protocols: ClosedRange<UInt8>
    ) -> [[RuleExpression]] {
        var rules: [[RuleExpression]] = []
        if ruleset.actions[rule].isObserved {
            rules = observations(rule, protocols).map { comparisons + $0 }
        }
        let register = NFT_REG_1.rawValue
        var decision = comparisons + [.counter]
        if let way = ruleset.way(of: rule) {
            decision += [.number(UInt32(truncatingIfNeeded: way), to: register), .setConntrackMark(from: register)]
            // A route that never changes is known here; what would look it up is spared.
            if let mark = RouteMark.fixed(ruleset.ways[way]) {
                decision += [.mark(mark, to: register), .setMark(from: register), .accept]
            } else {
                decision.append(.return)
            }
        } else {
            decision.append(.return)
        }
        return rules + [decision]
    }

    /// Rules of their own, because an update of a full set ends its rule. One for each kind of packet: only TCP and UDP
    /// have a port.
    private static func observations(_ rule: Int, _ protocols: ClosedRange<UInt8>) -> [[RuleExpression]] {
        let number = UInt32(truncatingIfNeeded: rule)
        let register = NFT_REG_1.rawValue
        let withPorts = [UInt8(IPPROTO_TCP), UInt8(IPPROTO_UDP)]
        let load = RuleExpression.meta(key: NFT_META_L4PROTO.rawValue, to: register)
        var rules = withPorts.filter(protocols.contains).map { number in
            [load, RuleExpression.equal(register, [number])]
        }
        .map { $0 + Observed.update(rule: number, hasPort: true) }
        if protocols.count > 1 || !withPorts.contains(protocols.lowerBound) {
            let others = withPorts.filter(protocols.contains).map { RuleExpression.notEqual(register, [$0]) }
            rules.append([load] + others + Observed.update(rule: number, hasPort: false))
        }
        return rules
    }

    init(rules: [[RuleExpression]], maps: [Map]) {
        self.rules = rules
        self.maps = maps
    }

    private static func decision(_ rule: Int) -> [RuleExpression] {
        let register = NFT_REG_1.rawValue
        return [
            .number(UInt32(truncatingIfNeeded: rule), to: register), .setConntrackMark(from: register), .return,
        ]
    }

    /// The map of a layer. The names of maps and of chains are apart.
    static func map(of chain: String, layer: Int) -> String { "\(chain)_\(layer)" }
}

extension Ruleset.Entry {
    /// As nft compiles `ip daddr … meta l4proto … th dport …`, but for a look at the packet's family: IPv4 alone comes
    /// here.
    fileprivate var comparisons: [RuleExpression] {
        let register = NFT_REG_1.rawValue
        var all: [RuleExpression] = []
        if destination != .any {
            all.append(.destination(to: register))
            if destination.length < 32 {
                // Four octets and a mask, even where fewer octets would do: that is what the kernel loads quickly.
                let hostBits = destination.last.bits ^ destination.first.bits
                all.append(.mask(register, (~hostBits).networkOctets))
            }
            all.append(.equal(register, destination.address.bits.networkOctets))
        }
        if protocols != 0...255 {
            all.append(.meta(key: NFT_META_L4PROTO.rawValue, to: register))
            all.append(.compare(register, [protocols.lowerBound], [protocols.upperBound]))
        }
        if ports != 0...65_535 {
            all.append(.destinationPort(to: register))
            all.append(.compare(register, ports.lowerBound.networkOctets, ports.upperBound.networkOctets))
        }
        return all
    }
}

extension PolicyForm.Element {
    /// Destination, protocol and port, each in a register of four octets.
    init(_ entry: Ruleset.Entry, key: Ruleset.Lookup.Key, way: Int?) {
        let octets = { (address: IPv4Address, number: UInt8, port: UInt16) in
            address.bits.networkOctets + [number, 0, 0, 0] + (key == .port ? port.networkOctets + [0, 0] : [])
        }
        self.init(
            key: octets(entry.destination.address, entry.protocols.lowerBound, entry.ports.lowerBound),
            keyEnd: octets(entry.destination.last, entry.protocols.upperBound, entry.ports.upperBound),
            way: way.map { UInt32(truncatingIfNeeded: $0) })
    }
}

extension Ruleset.Lookup.Key {
    /// The lengths of the parts in octets.
    var fields: [UInt8] {
        switch self {
        case .protocol: [4, 1]
        case .port: [4, 1, 2]
        }
    }

    /// nft's numbers for ipv4_addr, inet_proto and inet_service, six bits each, by which it lists the map.
    var type: UInt32 {
        let (address, number, port): (UInt32, UInt32, UInt32) = (7, 12, 13)
        return switch self {
        case .protocol: address << 6 | number
        case .port: address << 12 | number << 6 | port
        }
    }

    /// Looks the packet up as nft compiles `ip daddr . meta l4proto . th dport`, and writes what the map has for it on
    /// the flow.
    func rule(layer: Int) -> [RuleExpression] {
        let register = NFT_REG_1.rawValue
        let parts: [RuleExpression] = [
            .destination(to: register), .meta(key: NFT_META_L4PROTO.rawValue, to: NFT_REG32_01.rawValue),
            .destinationPort(to: NFT_REG32_02.rawValue),
        ]
        return parts.prefix(fields.count)
            + [.lookup(layer: layer, from: register, to: register), .setConntrackMark(from: register), .return]
    }

    /// nft's number for a mark.
    static let dataType: UInt32 = 19
    static let setFlags =
        NFT_SET_MAP.rawValue | NFT_SET_INTERVAL.rawValue | NFT_SET_CONCAT.rawValue | NFT_SET_CONSTANT.rawValue
}

/// The expressions that policies' rules are made of.
enum RuleExpression: Hashable {
    case payload(base: UInt32, offset: UInt32, length: UInt32, to: UInt32)
    case meta(key: UInt32, to: UInt32)
    case mask(UInt32, [UInt8])
    case equal(UInt32, [UInt8])
    case notEqual(UInt32, [UInt8])
    case range(UInt32, [UInt8], [UInt8])
    /// In the chain's map of a layer.
    case lookup(layer: Int, from: UInt32, to: UInt32)
    /// A way's number.
    case number(UInt32, to: UInt32)
    case setConntrackMark(from: UInt32)
    case zero(to: UInt32)
    /// A route's mark.
    case mark(UInt32, to: UInt32)
    case setMark(from: UInt32)
    case counter
    /// Of an element that is in the registers from one on.
    case update(set: String, from: UInt32)
    case `return`
    case accept
    /// None of these.
    case other

    static func source(to register: UInt32) -> Self {
        .payload(base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: 12, length: 4, to: register)
    }

    static func destination(to register: UInt32) -> Self {
        .payload(base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: 16, length: 4, to: register)
    }

    static func destinationPort(to register: UInt32) -> Self {
        .payload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 2, length: 2, to: register)
    }

    static func compare(_ register: UInt32, _ first: [UInt8], _ last: [UInt8]) -> Self {
        first == last ? .equal(register, first) : .range(register, first, last)
    }
}

/// The set `observed`: device, destination, protocol, port (zero where there is none) and the number of a rule, counted
/// as ways are, with a counter.
enum Observed {
    static let name = "observed"

    static func update(rule: UInt32, hasPort: Bool) -> [RuleExpression] {
        let first = NFT_REG32_00.rawValue
        return [
            .source(to: NFT_REG_1.rawValue), .destination(to: first + 1),
            .meta(key: NFT_META_L4PROTO.rawValue, to: first + 2),
            hasPort ? .destinationPort(to: first + 3) : .zero(to: first + 3), .number(rule, to: NFT_REG_2.rawValue),
            .update(set: name, from: NFT_REG_1.rawValue),
        ]
    }
}

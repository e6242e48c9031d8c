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
            rules = entries.map { $0.comparisons + Self.decision(ruleset.way(of: $0.rule), ruleset) }
        case .maps(let lookups):
            maps = lookups.map { lookup in
                let elements = lookup.entries.map { entry in
                    Element(entry, key: lookup.key, way: ruleset.way(of: entry.rule))
                }
                return Map(key: lookup.key, elements: Set(elements))
            }
            rules = lookups.enumerated().map { $0.element.key.rule(layer: $0.offset) }
        }
    }

    private static func decision(_ way: Int?, _ ruleset: Ruleset) -> [RuleExpression] {
        guard let way else { return [.return] }
        let register = NFT_REG_1.rawValue
        let number: [RuleExpression] = [
            .number(UInt32(truncatingIfNeeded: way), to: register), .setConntrackMark(from: register),
        ]
        // A route that never changes is known here; what would look it up is spared.
        guard let mark = RouteMark.fixed(ruleset.ways[way]) else { return number + [.return] }
        return number + [.mark(mark, to: register), .setMark(from: register), .accept]
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
    fileprivate init(_ entry: Ruleset.Entry, key: Ruleset.Lookup.Key, way: Int?) {
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
    case range(UInt32, [UInt8], [UInt8])
    /// In the chain's map of a layer.
    case lookup(layer: Int, from: UInt32, to: UInt32)
    /// A way's number.
    case number(UInt32, to: UInt32)
    case setConntrackMark(from: UInt32)
    /// A route's mark.
    case mark(UInt32, to: UInt32)
    case setMark(from: UInt32)
    case `return`
    case accept
    /// None of these.
    case other

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

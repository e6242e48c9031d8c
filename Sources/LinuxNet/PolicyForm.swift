import CNetfilter
import Domain
import PolicyCompiler

/// A policy as the kernel holds it: a chain of one rule for each layer, which looks a packet up in the layer's map and
/// writes what it finds on the flow, and a last rule that blocks. The map gives the number of its chain, or that nothing
/// passes. It is constant: while a rule uses it, nobody can change its elements.
struct PolicyForm: Hashable {
    var lookups: [Lookup]
    /// Where the chain's last rule goes.
    var end: String

    struct Lookup: Hashable {
        var key: Ruleset.Lookup.Key
        var elements: Set<Element>
    }

    struct Element: Hashable {
        let key: [UInt8]
        let keyEnd: [UInt8]
        let isAllowed: Bool
    }

    init(_ ruleset: Ruleset) {
        lookups = ruleset.lookups.map { lookup in
            Lookup(key: lookup.key, elements: Set(lookup.entries.map { Element($0, key: lookup.key) }))
        }
        end = "blocked"
    }

    init(lookups: [Lookup], end: String) {
        self.lookups = lookups
        self.end = end
    }

    /// The map of a layer. The names of maps and of chains are apart.
    static func map(of chain: String, layer: Int) -> String { "\(chain)_\(layer)" }
}

extension PolicyForm.Element {
    /// Destination, protocol and port, each in a register of four octets.
    fileprivate init(_ entry: Ruleset.Entry, key: Ruleset.Lookup.Key) {
        let octets = { (address: IPv4Address, number: UInt8, port: UInt16) in
            address.bits.networkOctets + [number, 0, 0, 0] + (key == .port ? port.networkOctets + [0, 0] : [])
        }
        self.init(
            key: octets(entry.destination.address, entry.protocols.lowerBound, entry.ports.lowerBound),
            keyEnd: octets(entry.destination.last, entry.protocols.upperBound, entry.ports.upperBound),
            isAllowed: entry.verdict != .block)
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

    /// What loads the parts, as nft compiles `ip daddr . meta l4proto . th dport`.
    var loads: [RuleExpression] {
        let address = NFT_REG_1.rawValue
        let all: [RuleExpression] = [
            .payload(base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: 16, length: 4, to: address),
            .meta(key: NFT_META_L4PROTO.rawValue, to: NFT_REG32_01.rawValue),
            .payload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 2, length: 2, to: NFT_REG32_02.rawValue),
        ]
        let isIPv4: [RuleExpression] = [
            .meta(key: NFT_META_NFPROTO.rawValue, to: address), .equal(register: address, to: UInt8(NFPROTO_IPV4)),
        ]
        return isIPv4 + all.prefix(fields.count)
    }

    /// Looks the packet up, and writes what the map has for it on the flow.
    func rule(map: String) -> [RuleExpression] {
        let register = NFT_REG_1.rawValue
        return loads + [
            .lookup(map: map, from: register, to: register), .setConntrackMark(from: register), .goto(chain: "judged"),
        ]
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
    case equal(register: UInt32, to: UInt8)
    case lookup(map: String, from: UInt32, to: UInt32)
    case setConntrackMark(from: UInt32)
    case goto(chain: String)
    /// None of these.
    case other
}

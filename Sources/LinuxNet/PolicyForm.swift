import CNetfilter
import Domain
import Glibc
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
    fileprivate var type: UInt32 {
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

// MARK: Writing

extension TableBatch {
    /// Adds the chain with its rules and maps. Nothing leads there yet.
    mutating func add(_ form: PolicyForm, as chain: String) throws(DataPlaneError) {
        try addChain(chain)
        for (index, lookup) in form.lookups.enumerated() {
            let map = PolicyForm.map(of: chain, layer: index)
            try addMap(map, key: lookup.key, number: UInt32(index + 1))
            let number = PolicyChains.serial(of: chain) ?? PolicyChains.blocking
            try add(
                lookup.elements.map { element in
                    let mark = element.isAllowed ? number : PolicyChains.blocking
                    return TableElement(
                        key: element.key, keyEnd: element.keyEnd, value: .data(mark.nativeOctets))
                }, to: map)
            try addRule(lookup.key.rule(map: map), to: chain)
        }
        try addRule([.goto(chain: form.end)], to: chain)
    }

    private mutating func addChain(_ name: String) throws(DataPlaneError) {
        let chain = try Self.chain(name)
        defer { nftnl_chain_free(chain) }
        message(NFT_MSG_NEWCHAIN.rawValue, NLM_F_CREATE | NLM_F_EXCL, "adding the chain \(name)") {
            nftnl_chain_nlmsg_build_payload($0, chain)
        }
    }

    private mutating func addMap(
        _ name: String, key: Ruleset.Lookup.Key, number: UInt32
    ) throws(DataPlaneError) {
        let set = try Self.set(name)
        defer { nftnl_set_free(set) }
        let numbers: [(nftnl_set_attr, UInt32)] = [
            (NFTNL_SET_FLAGS, Ruleset.Lookup.Key.setFlags), (NFTNL_SET_KEY_TYPE, key.type),
            (NFTNL_SET_KEY_LEN, UInt32(4 * key.fields.count)), (NFTNL_SET_DATA_TYPE, Ruleset.Lookup.Key.dataType),
            (NFTNL_SET_DATA_LEN, 4),
            // Names the map within its transaction; the kernel asks for one.
            (NFTNL_SET_ID, number),
        ]
        for (attribute, value) in numbers { nftnl_set_set_u32(set, UInt16(attribute.rawValue), value) }
        nftnl_set_set_data(set, UInt16(NFTNL_SET_DESC_CONCAT.rawValue), key.fields, UInt32(key.fields.count))
        message(NFT_MSG_NEWSET.rawValue, NLM_F_CREATE | NLM_F_EXCL, "adding the map \(name)") {
            nftnl_set_nlmsg_build_payload($0, set)
        }
    }

    private mutating func addRule(
        _ expressions: [RuleExpression], to chain: String
    ) throws(DataPlaneError) {
        let rule = try Self.rule(in: chain)
        // Frees the expressions too.
        defer { nftnl_rule_free(rule) }
        for expression in expressions { nftnl_rule_add_expr(rule, try Self.built(expression)) }
        message(NFT_MSG_NEWRULE.rawValue, NLM_F_CREATE | NLM_F_APPEND, "adding a rule to the chain \(chain)") {
            nftnl_rule_nlmsg_build_payload($0, rule)
        }
    }

    private static func built(_ expression: RuleExpression) throws(DataPlaneError) -> OpaquePointer {
        let name: String
        var numbers: [(Int, UInt32)]
        var text: (attribute: Int, value: String)?
        var data: (attribute: Int, value: [UInt8])?
        switch expression {
        case .payload(let base, let offset, let length, let register):
            name = "payload"
            numbers = [
                (NFTNL_EXPR_PAYLOAD_BASE, base), (NFTNL_EXPR_PAYLOAD_OFFSET, offset),
                (NFTNL_EXPR_PAYLOAD_LEN, length), (NFTNL_EXPR_PAYLOAD_DREG, register),
            ]
        case .meta(let key, let register):
            name = "meta"
            numbers = [(NFTNL_EXPR_META_KEY, key), (NFTNL_EXPR_META_DREG, register)]
        case .equal(let register, let octet):
            name = "cmp"
            numbers = [(NFTNL_EXPR_CMP_SREG, register), (NFTNL_EXPR_CMP_OP, NFT_CMP_EQ.rawValue)]
            data = (NFTNL_EXPR_CMP_DATA, [octet])
        case .lookup(let map, let key, let value):
            name = "lookup"
            numbers = [(NFTNL_EXPR_LOOKUP_SREG, key), (NFTNL_EXPR_LOOKUP_DREG, value)]
            text = (NFTNL_EXPR_LOOKUP_SET, map)
        case .setConntrackMark(let register):
            name = "ct"
            numbers = [(NFTNL_EXPR_CT_KEY, NFT_CT_MARK.rawValue), (NFTNL_EXPR_CT_SREG, register)]
        case .goto(let chain):
            name = "immediate"
            numbers = [
                (NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT.rawValue),
                (NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: NFT_GOTO.rawValue)),
            ]
            text = (NFTNL_EXPR_IMM_CHAIN, chain)
        case .other:
            throw DataPlaneError(code: .unsupported, operation: "adding a rule", detail: "its expression is not known")
        }
        guard let built = nftnl_expr_alloc(name) else { throw noMemory }
        for (attribute, value) in numbers { nftnl_expr_set_u32(built, UInt16(attribute), value) }
        if let data { nftnl_expr_set(built, UInt16(data.attribute), data.value, UInt32(data.value.count)) }
        if let text { nftnl_expr_set_str(built, UInt16(text.attribute), text.value) }
        return built
    }

    /// Deletes the rules of chains, then the chains and the maps. Nothing leads there any more.
    mutating func remove(chains: [String], maps: [String]) throws(DataPlaneError) {
        for name in chains {
            let rule = try Self.rule(in: name)
            defer { nftnl_rule_free(rule) }
            message(NFT_MSG_DELRULE.rawValue, 0, "deleting the rules of the chain \(name)") {
                nftnl_rule_nlmsg_build_payload($0, rule)
            }
        }
        for name in maps {
            let set = try Self.set(name)
            defer { nftnl_set_free(set) }
            message(NFT_MSG_DELSET.rawValue, 0, "deleting the map \(name)") { nftnl_set_nlmsg_build_payload($0, set) }
        }
        for name in chains {
            let chain = try Self.chain(name)
            defer { nftnl_chain_free(chain) }
            message(NFT_MSG_DELCHAIN.rawValue, 0, "deleting the chain \(name)") {
                nftnl_chain_nlmsg_build_payload($0, chain)
            }
        }
    }

    // MARK: Parts of the table, by their names; the caller frees them

    private static func chain(_ name: String) throws(DataPlaneError) -> OpaquePointer {
        guard let chain = nftnl_chain_alloc() else { throw noMemory }
        nftnl_chain_set_str(chain, UInt16(NFTNL_CHAIN_TABLE.rawValue), "cordon")
        nftnl_chain_set_str(chain, UInt16(NFTNL_CHAIN_NAME.rawValue), name)
        return chain
    }

    private static func rule(in chain: String) throws(DataPlaneError) -> OpaquePointer {
        guard let rule = nftnl_rule_alloc() else { throw noMemory }
        nftnl_rule_set_str(rule, UInt16(NFTNL_RULE_TABLE.rawValue), "cordon")
        nftnl_rule_set_str(rule, UInt16(NFTNL_RULE_CHAIN.rawValue), chain)
        return rule
    }

    /// A set or a map.
    static func set(_ name: String) throws(DataPlaneError) -> OpaquePointer {
        guard let set = nftnl_set_alloc() else { throw noMemory }
        nftnl_set_set_str(set, UInt16(NFTNL_SET_TABLE.rawValue), "cordon")
        nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME.rawValue), name)
        return set
    }

    static var noMemory: DataPlaneError { DataPlaneError(errno: ENOMEM, operation: "preparing a change") }
}

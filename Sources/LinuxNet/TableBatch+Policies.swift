import CNetfilter
import Glibc
import PolicyCompiler

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

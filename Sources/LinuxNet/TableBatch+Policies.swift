import CNetfilter
import Glibc
import PolicyCompiler

extension TableBatch {
    /// Adds the chains of a policy with their rules and maps. Nothing leads there yet.
    mutating func add(_ form: PolicyForm, serial: UInt32) throws(DataPlaneError) {
        guard let number = PolicyChains.number(serial) else {
            throw DataPlaneError(code: .unsupported, operation: "adding a chain", detail: "\(serial) is too large")
        }
        var maps: UInt32 = 0
        for (place, chain) in form.chains {
            let name = place.name(serial: serial)
            try addChain(name)
            for (layer, map) in chain.maps.enumerated() {
                let mapName = ChainForm.map(of: name, layer: layer)
                maps += 1
                try addMap(mapName, key: map.key, place.family, number: maps)
                try add(
                    map.elements.map { element in
                        TableElement(
                            key: element.key, keyEnd: element.keyEnd,
                            value: .data((element.way.map { number &+ $0 } ?? 0).nativeOctets))
                    }, to: mapName)
            }
            for rule in chain.rules { try addRule(rule, to: name, number) }
        }
    }

    /// A set of addresses.
    mutating func addSet(_ name: String, _ family: Family, number: UInt32) throws(DataPlaneError) {
        let set = try Self.set(name)
        defer { nftnl_set_free(set) }
        let numbers: [(nftnl_set_attr, UInt32)] = [
            (NFTNL_SET_FLAGS, 0), (NFTNL_SET_KEY_TYPE, family.addressType),
            (NFTNL_SET_KEY_LEN, UInt32(family.addressLength)), (NFTNL_SET_ID, number),
        ]
        for (attribute, value) in numbers { nftnl_set_set_u32(set, UInt16(attribute.rawValue), value) }
        message(NFT_MSG_NEWSET.rawValue, NLM_F_CREATE, "adding the set \(name)") {
            nftnl_set_nlmsg_build_payload($0, set)
        }
    }

    private mutating func addChain(_ name: String) throws(DataPlaneError) {
        let chain = try Self.chain(name)
        defer { nftnl_chain_free(chain) }
        message(NFT_MSG_NEWCHAIN.rawValue, NLM_F_CREATE | NLM_F_EXCL, "adding the chain \(name)") {
            nftnl_chain_nlmsg_build_payload($0, chain)
        }
    }

    /// Chains of VPNs' limits, in place of those that have the names.
    mutating func set(_ limits: [VPNLimits.Chain]) throws(DataPlaneError) {
        for limit in limits {
            let chain = try Self.chain(limit.name)
            defer { nftnl_chain_free(chain) }
            message(NFT_MSG_NEWCHAIN.rawValue, NLM_F_CREATE, "adding the chain \(limit.name)") {
                nftnl_chain_nlmsg_build_payload($0, chain)
            }
            try deleteRules(of: limit.name)
        }
        for limit in limits { for rule in limit.rules { try addRule(rule, to: limit.name, 0) } }
    }

    private mutating func deleteRules(of chain: String) throws(DataPlaneError) {
        let rule = try Self.rule(in: chain)
        defer { nftnl_rule_free(rule) }
        message(NFT_MSG_DELRULE.rawValue, 0, "deleting the rules of the chain \(chain)") {
            nftnl_rule_nlmsg_build_payload($0, rule)
        }
    }

    private mutating func addMap(
        _ name: String, key: Ruleset.LookupKey, _ family: Family, number: UInt32
    ) throws(DataPlaneError) {
        let set = try Self.set(name)
        defer { nftnl_set_free(set) }
        let numbers: [(nftnl_set_attr, UInt32)] = [
            (NFTNL_SET_FLAGS, Ruleset.LookupKey.setFlags), (NFTNL_SET_KEY_TYPE, key.type(family)),
            (NFTNL_SET_KEY_LEN, key.length(family)), (NFTNL_SET_DATA_TYPE, Ruleset.LookupKey.dataType),
            (NFTNL_SET_DATA_LEN, 4),
            // Names the map within its transaction; the kernel asks for one.
            (NFTNL_SET_ID, number),
        ]
        for (attribute, value) in numbers { nftnl_set_set_u32(set, UInt16(attribute.rawValue), value) }
        let fields = key.fields(family)
        nftnl_set_set_data(set, UInt16(NFTNL_SET_DESC_CONCAT.rawValue), fields, UInt32(fields.count))
        // Each element has a counter. The set frees it.
        guard let counter = nftnl_expr_alloc("counter") else { throw Self.noMemory }
        nftnl_set_add_expr(set, counter)
        message(NFT_MSG_NEWSET.rawValue, NLM_F_CREATE | NLM_F_EXCL, "adding the map \(name)") {
            nftnl_set_nlmsg_build_payload($0, set)
        }
    }

    private mutating func addRule(
        _ expressions: [RuleExpression], to chain: String, _ number: UInt32
    ) throws(DataPlaneError) {
        let rule = try Self.rule(in: chain)
        // Frees the expressions too.
        defer { nftnl_rule_free(rule) }
        for expression in expressions { nftnl_rule_add_expr(rule, try Self.built(expression, of: chain, number)) }
        message(NFT_MSG_NEWRULE.rawValue, NLM_F_CREATE | NLM_F_APPEND, "adding a rule to the chain \(chain)") {
            nftnl_rule_nlmsg_build_payload($0, rule)
        }
    }

    private static func built(
        _ expression: RuleExpression, of chain: String, _ number: UInt32
    ) throws(DataPlaneError) -> OpaquePointer {
        let name: String
        var numbers: [(Int, UInt32)] = []
        var text: (attribute: Int, value: String)?
        var data: [(attribute: Int, value: [UInt8])] = []
        var direction: UInt8?
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
        case .mask(let register, let mask):
            name = "bitwise"
            numbers = [
                (NFTNL_EXPR_BITWISE_SREG, register), (NFTNL_EXPR_BITWISE_DREG, register),
                (NFTNL_EXPR_BITWISE_LEN, UInt32(mask.count)),
            ]
            data = [
                (NFTNL_EXPR_BITWISE_MASK, mask), (NFTNL_EXPR_BITWISE_XOR, Array(repeating: 0, count: mask.count)),
            ]
        case .equal(let register, let octets), .notEqual(let register, let octets):
            name = "cmp"
            let comparison = if case .equal = expression { NFT_CMP_EQ } else { NFT_CMP_NEQ }
            numbers = [(NFTNL_EXPR_CMP_SREG, register), (NFTNL_EXPR_CMP_OP, comparison.rawValue)]
            data = [(NFTNL_EXPR_CMP_DATA, octets)]
        case .range(let register, let first, let last):
            name = "range"
            numbers = [(NFTNL_EXPR_RANGE_SREG, register), (NFTNL_EXPR_RANGE_OP, NFT_RANGE_EQ.rawValue)]
            data = [(NFTNL_EXPR_RANGE_FROM_DATA, first), (NFTNL_EXPR_RANGE_TO_DATA, last)]
        case .lookup(let layer, let key, let value):
            name = "lookup"
            numbers = [(NFTNL_EXPR_LOOKUP_SREG, key), (NFTNL_EXPR_LOOKUP_DREG, value)]
            text = (NFTNL_EXPR_LOOKUP_SET, ChainForm.map(of: chain, layer: layer))
        case .member(let set, let key):
            name = "lookup"
            numbers = [(NFTNL_EXPR_LOOKUP_SREG, key)]
            text = (NFTNL_EXPR_LOOKUP_SET, set)
        case .find(let map, let key, let value):
            name = "lookup"
            numbers = [(NFTNL_EXPR_LOOKUP_SREG, key), (NFTNL_EXPR_LOOKUP_DREG, value)]
            text = (NFTNL_EXPR_LOOKUP_SET, map)
        case .conntrackMark(let register):
            name = "ct"
            numbers = [(NFTNL_EXPR_CT_KEY, NFT_CT_MARK.rawValue), (NFTNL_EXPR_CT_DREG, register)]
        case .number(let way, let register):
            name = "immediate"
            numbers = [(NFTNL_EXPR_IMM_DREG, register)]
            data = [(NFTNL_EXPR_IMM_DATA, (number &+ way).nativeOctets)]
        case .zero(let register):
            name = "immediate"
            numbers = [(NFTNL_EXPR_IMM_DREG, register)]
            data = [(NFTNL_EXPR_IMM_DATA, [0, 0, 0, 0])]
        case .mark(let mark, let register):
            name = "immediate"
            numbers = [(NFTNL_EXPR_IMM_DREG, register)]
            data = [(NFTNL_EXPR_IMM_DATA, mark.nativeOctets)]
        case .setMark(let register):
            name = "meta"
            numbers = [(NFTNL_EXPR_META_KEY, NFT_META_MARK.rawValue), (NFTNL_EXPR_META_SREG, register)]
        case .setConntrackMark(let register):
            name = "ct"
            numbers = [(NFTNL_EXPR_CT_KEY, NFT_CT_MARK.rawValue), (NFTNL_EXPR_CT_SREG, register)]
        case .counter: name = "counter"
        case .update(let set, let register):
            name = "dynset"
            numbers = [(NFTNL_EXPR_DYNSET_SREG_KEY, register), (NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE.rawValue)]
            text = (NFTNL_EXPR_DYNSET_SET_NAME, set)
        case .conntrack(let key, let register):
            name = "ct"
            numbers = [
                (NFTNL_EXPR_CT_KEY, key), (NFTNL_EXPR_CT_DREG, register),
            ]
            direction = 0
        case .goTo(let chain):
            name = "immediate"
            numbers = [
                (NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT.rawValue),
                (NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: NFT_GOTO.rawValue)),
            ]
            text = (NFTNL_EXPR_IMM_CHAIN, chain)
        case .return, .accept:
            name = "immediate"
            let verdict = expression == .accept ? UInt32(NF_ACCEPT) : UInt32(bitPattern: NFT_RETURN.rawValue)
            numbers = [(NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT.rawValue), (NFTNL_EXPR_IMM_VERDICT, verdict)]
        case .other:
            throw DataPlaneError(code: .unsupported, operation: "adding a rule", detail: "its expression is not known")
        }
        guard let built = nftnl_expr_alloc(name) else { throw noMemory }
        for (attribute, value) in numbers { nftnl_expr_set_u32(built, UInt16(attribute), value) }
        for (attribute, value) in data { nftnl_expr_set(built, UInt16(attribute), value, UInt32(value.count)) }
        if let direction { nftnl_expr_set_u8(built, UInt16(NFTNL_EXPR_CT_DIR), direction) }
        if let text { nftnl_expr_set_str(built, UInt16(text.attribute), text.value) }
        return built
    }

    mutating func add(_ leads: Leads) throws(DataPlaneError) {
        for (map, elements) in leads.elements { try add(elements, to: map) }
    }

    mutating func delete(_ leads: Leads) throws(DataPlaneError) {
        for (map, elements) in leads.elements {
            try delete(elements.map { TableElement(key: $0.key) }, from: map)
        }
    }

    /// Deletes the rules of chains, then the chains, the maps and the sets. Nothing leads there any more.
    mutating func remove(chains: [String], maps: [String]) throws(DataPlaneError) {
        for name in chains { try deleteRules(of: name) }
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

extension Leads {
    /// By the names of maps and sets.
    fileprivate var elements: [(map: String, elements: [TableElement])] {
        var all: [String: [TableElement]] = [:]
        for (key, chain) in chains {
            all[key.map.name, default: []].append(TableElement(key: key.key, value: .jump(chain: chain)))
        }
        all[Self.decisionsName] = decisions.map {
            TableElement(key: $0.key.key, value: .data($0.value.nativeOctets))
        }
        all[Self.vpnsName] = vpns.map { TableElement(key: $0.key, value: .data($0.value.nativeOctets)) }
        all[Self.interfacesName] = interfaces.map { TableElement(key: $0) }
        all[Self.refusalsName] = refusals.map { TableElement(key: $0) }
        all[Self.limitsName] = limits.map { TableElement(key: $0.key, value: .jump(chain: $0.value)) }
        all[Self.timeServerName] = toTimeServer.map { TableElement(key: $0) }
        all[Self.marksName] = marks.map { TableElement(key: $0) }
        return all.filter { !$0.value.isEmpty }.map { (map: $0.key, elements: $0.value) }.sorted { $0.map < $1.map }
    }
}

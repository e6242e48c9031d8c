import CNetfilter
import PolicyCompiler

extension TableReader {
    /// The chain of each policy, as `policy_chain` has it.
    func policyChains() throws(DataPlaneError) -> [UInt32: String] {
        var found: [UInt32: String] = [:]
        try eachElement(of: "policy_chain", reset: { found = [:] }) { element in
            guard
                let mark = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)?.native32
            else { return }
            // What is no jump is no chain of ours.
            let data = element.first(NFTA_SET_ELEM_DATA.rawValue)?.nested.first(NFTA_DATA_VERDICT.rawValue)
            found[mark] = data?.nested.jumpChain ?? ""
        }
        return found
    }

    /// The decisions in force. Takes long where there are many (``settledElements(of:)``).
    func decisions() throws(DataPlaneError) -> PolicyDecisions {
        var routes: [PolicyPair: UInt32] = [:]
        try eachElement(of: "in_force", reset: { routes = [:] }) { element in
            guard let pair = PolicyPair(reading: element) else { return }
            let data = element.first(NFTA_SET_ELEM_DATA.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)
            routes[pair] = data?.native32 ?? 0
        }
        return PolicyDecisions(routes: routes)
    }

    /// Whether the kernel holds exactly these decisions. Takes about a microsecond for each.
    func holds(_ decisions: PolicyDecisions) throws(DataPlaneError) -> Bool {
        if let count = try count(of: "in_force"), count != decisions.routes.count { return false }
        let routes = try elements(of: "in_force", at: decisions.routes.keys.map(\.key))
        return decisions.routes.allSatisfy { routes[$0.key.key] == $0.value.nativeOctets }
    }

    /// The policies' chains that are whole, with their maps, and what each does. Others are left out.
    func policyForms(_ chains: [String]) throws(DataPlaneError) -> [String: PolicyForm] {
        var wanted: [String: UInt32] = [:]
        for chain in chains { wanted[chain] = PolicyChains.number(of: chain) }
        guard !wanted.isEmpty else { return [:] }
        let keys = try mapKeys()
        var forms: [String: PolicyForm] = [:]
        for (chain, number) in wanted {
            var rules: [[RuleExpression]] = []
            try eachRule(of: chain, reset: { rules = [] }) { attributes in
                guard let list = attributes.first(NFTA_RULE_EXPRESSIONS.rawValue) else { return }
                rules.append(list.nested.map { RuleExpression(reading: $0.nested, of: chain, number) })
            }
            var maps: [PolicyForm.Map] = []
            while true {
                let name = PolicyForm.map(of: chain, layer: maps.count)
                guard let key = keys[name] else { break }
                maps.append(PolicyForm.Map(key: key, elements: try elements(of: name, number)))
            }
            forms[chain] = PolicyForm(rules: rules, maps: maps)
        }
        return forms
    }

    /// The maps that look like a policy's, and what they look up.
    private func mapKeys() throws(DataPlaneError) -> [String: Ruleset.Lookup.Key] {
        var found: [String: Ruleset.Lookup.Key] = [:]
        try eachSet(reset: { found = [:] }) { name, set in
            let fields = set.first(NFTA_SET_DESC.rawValue)?.nested.first(NFTA_SET_DESC_CONCAT.rawValue)?.nested.map {
                $0.nested.first(NFTA_SET_FIELD_LEN.rawValue)?.uint32 ?? 0
            }
            guard PolicyChains.serial(of: name) != nil,
                set.first(NFTA_SET_FLAGS.rawValue)?.uint32 == Ruleset.Lookup.Key.setFlags,
                set.first(NFTA_SET_DATA_TYPE.rawValue)?.uint32 == Ruleset.Lookup.Key.dataType,
                let key = [Ruleset.Lookup.Key.protocol, .port].first(where: { $0.fields.map(UInt32.init) == fields })
            else { return }
            found[name] = key
        }
        return found
    }

    /// The names of all maps and sets.
    func setNames() throws(DataPlaneError) -> [String] {
        var names: [String] = []
        try eachSet(reset: { names = [] }) { name, _ in names.append(name) }
        return names
    }

    private func eachSet(
        reset: () -> Void, _ body: (String, Attributes) -> Void
    ) throws(DataPlaneError) {
        try dump(
            NFT_MSG_GETSET.rawValue, "sets", { $0.put(NFTA_SET_TABLE.rawValue, "cordon") }, reset: reset,
            { attributes in
                guard let name = attributes.first(NFTA_SET_NAME.rawValue)?.text else { return }
                body(name, attributes)
            })
    }

    /// - Parameter number: the chain's.
    private func elements(of map: String, _ number: UInt32) throws(DataPlaneError) -> Set<PolicyForm.Element> {
        var found: Set<PolicyForm.Element> = []
        try eachElement(of: map, reset: { found = [] }) { element in
            let value = { (type: nft_set_elem_attributes) in
                element.first(type.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)
            }
            guard let key = value(NFTA_SET_ELEM_KEY) else { return }
            found.insert(
                PolicyForm.Element(
                    key: Array(key.value), keyEnd: value(NFTA_SET_ELEM_KEY_END).map { Array($0.value) } ?? [],
                    way: value(NFTA_SET_ELEM_DATA)?.native32.flatMap { $0 == 0 ? nil : $0 &- number }))
        }
        return found
    }
}

extension Attributes {
    /// Of a verdict: the chain, when it is a jump.
    fileprivate var jumpChain: String? {
        first(NFTA_VERDICT_CODE.rawValue)?.uint32 == UInt32(bitPattern: NFT_JUMP.rawValue)
            ? first(NFTA_VERDICT_CHAIN.rawValue)?.text : nil
    }

    /// Of an expression's attribute that holds data.
    fileprivate func data(_ type: UInt32) -> [UInt8]? {
        first(type)?.nested.first(NFTA_DATA_VALUE.rawValue).map { Array($0.value) }
    }
}

extension RuleExpression {
    /// - Parameter number: the chain's.
    fileprivate init(reading expression: Attributes, of chain: String, _ number: UInt32) {
        self = .other
        guard let name = expression.first(NFTA_EXPR_NAME.rawValue)?.text,
            let data = expression.first(NFTA_EXPR_DATA.rawValue)?.nested
        else { return }
        let value = { (type: UInt32) in data.first(type)?.uint32 }
        switch name {
        case "payload":
            guard let base = value(NFTA_PAYLOAD_BASE.rawValue), let offset = value(NFTA_PAYLOAD_OFFSET.rawValue),
                let length = value(NFTA_PAYLOAD_LEN.rawValue), let register = value(NFTA_PAYLOAD_DREG.rawValue)
            else { return }
            self = .payload(base: base, offset: offset, length: length, to: register)
        case "meta":
            guard let key = value(NFTA_META_KEY.rawValue) else { return }
            if let register = value(NFTA_META_DREG.rawValue) {
                self = .meta(key: key, to: register)
            } else if key == NFT_META_MARK.rawValue, let register = value(NFTA_META_SREG.rawValue) {
                self = .setMark(from: register)
            }
        case "bitwise":
            guard let register = value(NFTA_BITWISE_SREG.rawValue), value(NFTA_BITWISE_DREG.rawValue) == register,
                (value(NFTA_BITWISE_OP.rawValue) ?? 0) == 0, let mask = data.data(NFTA_BITWISE_MASK.rawValue),
                data.data(NFTA_BITWISE_XOR.rawValue)?.allSatisfy({ $0 == 0 }) == true
            else { return }
            self = .mask(register, mask)
        case "cmp":
            guard let register = value(NFTA_CMP_SREG.rawValue), let octets = data.data(NFTA_CMP_DATA.rawValue) else {
                return
            }
            switch value(NFTA_CMP_OP.rawValue) {
            case NFT_CMP_EQ.rawValue: self = .equal(register, octets)
            case NFT_CMP_NEQ.rawValue: self = .notEqual(register, octets)
            default: return
            }
        case "range":
            guard let register = value(NFTA_RANGE_SREG.rawValue),
                value(NFTA_RANGE_OP.rawValue) == NFT_RANGE_EQ.rawValue,
                let first = data.data(NFTA_RANGE_FROM_DATA.rawValue), let last = data.data(NFTA_RANGE_TO_DATA.rawValue)
            else { return }
            self = .range(register, first, last)
        case "lookup":
            guard let map = data.first(NFTA_LOOKUP_SET.rawValue)?.text, map.hasPrefix("\(chain)_"),
                let layer = Int(map.dropFirst(chain.count + 1)),
                let key = value(NFTA_LOOKUP_SREG.rawValue), let result = value(NFTA_LOOKUP_DREG.rawValue),
                (value(NFTA_LOOKUP_FLAGS.rawValue) ?? 0) == 0
            else { return }
            self = .lookup(layer: layer, from: key, to: result)
        case "ct":
            guard value(NFTA_CT_KEY.rawValue) == NFT_CT_MARK.rawValue, let register = value(NFTA_CT_SREG.rawValue)
            else { return }
            self = .setConntrackMark(from: register)
        case "immediate":
            guard let register = value(NFTA_IMMEDIATE_DREG.rawValue),
                let immediate = data.first(NFTA_IMMEDIATE_DATA.rawValue)?.nested
            else { return }
            if register == NFT_REG_VERDICT.rawValue {
                let code = immediate.first(NFTA_DATA_VERDICT.rawValue)?.nested.first(NFTA_VERDICT_CODE.rawValue)?.uint32
                if code == UInt32(bitPattern: NFT_RETURN.rawValue) { self = .return }
                if code == UInt32(NF_ACCEPT) { self = .accept }
            } else if let value = immediate.first(NFTA_DATA_VALUE.rawValue)?.native32 {
                // Routes' marks are in the upper half.
                self =
                    value == 0
                    ? .zero(to: register)
                    : value >> 31 == 1 ? .mark(value, to: register) : .number(value &- number, to: register)
            }
        case "counter": self = .counter
        case "dynset":
            guard let set = data.first(NFTA_DYNSET_SET_NAME.rawValue)?.text,
                value(NFTA_DYNSET_OP.rawValue) == NFT_DYNSET_OP_UPDATE.rawValue,
                let register = value(NFTA_DYNSET_SREG_KEY.rawValue)
            else { return }
            self = .update(set: set, from: register)
        default: return
        }
    }
}

/// A policy and the number of a way that a flow of it may have been given.
struct PolicyPair: Hashable {
    let policy: UInt32
    let way: UInt32

    init(policy: UInt32, way: UInt32) { (self.policy, self.way) = (policy, way) }

    fileprivate init?(reading element: Attributes) {
        guard
            let key = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)?.value,
            let policy = key.native(UInt32.self, at: 0), let way = key.native(UInt32.self, at: 4)
        else { return nil }
        self.init(policy: policy, way: way)
    }

    var key: [UInt8] { policy.nativeOctets + way.nativeOctets }
}

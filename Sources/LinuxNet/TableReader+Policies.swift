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
            // What is no goto is no chain of ours.
            if case .goto(let chain) = Self.value(of: element) { found[mark] = chain } else { found[mark] = "" }
        }
        return found
    }

    /// The policies' chains that are whole, with their maps, and what each does. Others are left out.
    func policyForms(_ chains: [String]) throws(DataPlaneError) -> [String: PolicyForm] {
        let wanted = Set(chains.filter { PolicyChains.serial(of: $0) != nil })
        guard !wanted.isEmpty else { return [:] }
        let keys = try mapKeys()
        var rules: [String: [[RuleExpression]]] = [:]
        try dump(
            NFT_MSG_GETRULE.rawValue, "rules", { $0.put(NFTA_RULE_TABLE.rawValue, "cordon") }, reset: { rules = [:] },
            { attributes in
                guard let chain = attributes.first(NFTA_RULE_CHAIN.rawValue)?.text, wanted.contains(chain),
                    let list = attributes.first(NFTA_RULE_EXPRESSIONS.rawValue)
                else { return }
                rules[chain, default: []].append(list.nested.map { RuleExpression(reading: $0.nested) })
            })
        var forms: [String: PolicyForm] = [:]
        for (chain, rules) in rules {
            guard let last = rules.last, last.count == 1, case .goto(let end) = last[0] else { continue }
            var lookups: [PolicyForm.Lookup] = []
            for (index, rule) in rules.dropLast().enumerated() {
                let map = PolicyForm.map(of: chain, layer: index)
                guard let key = keys[map], rule == key.loads + [.verdict(map: map, from: NFT_REG_1.rawValue)] else {
                    break
                }
                lookups.append(PolicyForm.Lookup(key: key, elements: try intervals(of: map)))
            }
            guard lookups.count == rules.count - 1 else { continue }
            forms[chain] = PolicyForm(lookups: lookups, end: end)
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
                set.first(NFTA_SET_DATA_TYPE.rawValue)?.uint32 == NFT_DATA_VERDICT.rawValue,
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

    private func intervals(of map: String) throws(DataPlaneError) -> Set<TableElement> {
        var found: Set<TableElement> = []
        try eachElement(of: map, reset: { found = [] }) { element in
            let octets = { (type: nft_set_elem_attributes) -> [UInt8]? in
                element.first(type.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue).map { Array($0.value) }
            }
            found.insert(
                TableElement(
                    key: octets(NFTA_SET_ELEM_KEY) ?? [], keyEnd: octets(NFTA_SET_ELEM_KEY_END),
                    value: Self.value(of: element)))
        }
        return found
    }

    private static func value(of element: Attributes) -> TableElement.Value {
        guard let data = element.first(NFTA_SET_ELEM_DATA.rawValue)?.nested else { return .none }
        if let chain = data.first(NFTA_DATA_VERDICT.rawValue).flatMap({ $0.nested.gotoChain }) {
            return .goto(chain: chain)
        }
        return .data(data.first(NFTA_DATA_VALUE.rawValue).map { Array($0.value) } ?? [])
    }
}

extension Attributes {
    /// Of a verdict: the chain, when it is a goto.
    fileprivate var gotoChain: String? {
        first(NFTA_VERDICT_CODE.rawValue)?.uint32 == UInt32(bitPattern: NFT_GOTO.rawValue)
            ? first(NFTA_VERDICT_CHAIN.rawValue)?.text : nil
    }
}

extension RuleExpression {
    fileprivate init(reading expression: Attributes) {
        self = .other
        guard let name = expression.first(NFTA_EXPR_NAME.rawValue)?.text,
            let data = expression.first(NFTA_EXPR_DATA.rawValue)?.nested
        else { return }
        let number = { (type: UInt32) in data.first(type)?.uint32 }
        switch name {
        case "payload":
            guard let base = number(NFTA_PAYLOAD_BASE.rawValue), let offset = number(NFTA_PAYLOAD_OFFSET.rawValue),
                let length = number(NFTA_PAYLOAD_LEN.rawValue), let register = number(NFTA_PAYLOAD_DREG.rawValue)
            else { return }
            self = .payload(base: base, offset: offset, length: length, to: register)
        case "meta":
            guard let key = number(NFTA_META_KEY.rawValue), let register = number(NFTA_META_DREG.rawValue) else {
                return
            }
            self = .meta(key: key, to: register)
        case "cmp":
            guard let register = number(NFTA_CMP_SREG.rawValue), number(NFTA_CMP_OP.rawValue) == NFT_CMP_EQ.rawValue,
                let value = data.first(NFTA_CMP_DATA.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)?.value,
                value.count == 1, let octet = value.first
            else { return }
            self = .equal(register: register, to: octet)
        case "lookup":
            guard let map = data.first(NFTA_LOOKUP_SET.rawValue)?.text,
                let register = number(NFTA_LOOKUP_SREG.rawValue),
                number(NFTA_LOOKUP_DREG.rawValue) == NFT_REG_VERDICT.rawValue,
                (number(NFTA_LOOKUP_FLAGS.rawValue) ?? 0) == 0
            else { return }
            self = .verdict(map: map, from: register)
        case "immediate":
            guard number(NFTA_IMMEDIATE_DREG.rawValue) == NFT_REG_VERDICT.rawValue,
                let verdict = data.first(NFTA_IMMEDIATE_DATA.rawValue)?.nested.first(NFTA_DATA_VERDICT.rawValue),
                let chain = verdict.nested.gotoChain
            else { return }
            self = .goto(chain: chain)
        default: return
        }
    }
}

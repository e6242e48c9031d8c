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
            let data = element.first(NFTA_SET_ELEM_DATA.rawValue)?.nested.first(NFTA_DATA_VERDICT.rawValue)
            found[mark] = data?.nested.gotoChain ?? ""
        }
        return found
    }

    /// The pairs of policy and chain number whose verdicts hold, as `in_force` has them, with where they lead.
    func pairsInForce() throws(DataPlaneError) -> [PolicyPair: UInt32] {
        var found: [PolicyPair: UInt32] = [:]
        try eachElement(of: "in_force", reset: { found = [:] }) { element in
            guard
                let key = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)?.value,
                let policy = key.native(UInt32.self, at: 0), let chain = key.native(UInt32.self, at: 4)
            else { return }
            let data = element.first(NFTA_SET_ELEM_DATA.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)
            found[PolicyPair(policy: policy, chain: chain)] = data?.native32 ?? 0
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
                guard let key = keys[map], rule == key.rule(map: map), let elements = try elements(of: map, in: chain)
                else { break }
                lookups.append(PolicyForm.Lookup(key: key, elements: elements))
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

    /// `nil` when one gives a number that is not the chain's.
    private func elements(
        of map: String, in chain: String
    ) throws(DataPlaneError) -> Set<PolicyForm.Element>? {
        var found: Set<PolicyForm.Element> = []
        var isWhole = true
        try eachElement(of: map, reset: { (found, isWhole) = ([], true) }) { element in
            let value = { (type: nft_set_elem_attributes) in
                element.first(type.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)
            }
            guard let key = value(NFTA_SET_ELEM_KEY), let end = value(NFTA_SET_ELEM_KEY_END),
                let mark = value(NFTA_SET_ELEM_DATA)?.native32,
                mark == PolicyChains.blocking || mark == PolicyChains.serial(of: chain)
            else {
                isWhole = false
                return
            }
            found.insert(
                PolicyForm.Element(
                    key: Array(key.value), keyEnd: Array(end.value), isAllowed: mark != PolicyChains.blocking))
        }
        return isWhole ? found : nil
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
                let key = number(NFTA_LOOKUP_SREG.rawValue), let value = number(NFTA_LOOKUP_DREG.rawValue),
                (number(NFTA_LOOKUP_FLAGS.rawValue) ?? 0) == 0
            else { return }
            self = .lookup(map: map, from: key, to: value)
        case "ct":
            guard number(NFTA_CT_KEY.rawValue) == NFT_CT_MARK.rawValue, let register = number(NFTA_CT_SREG.rawValue)
            else { return }
            self = .setConntrackMark(from: register)
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

/// A policy and the number of a chain that may have judged a flow of it.
struct PolicyPair: Hashable {
    let policy: UInt32
    let chain: UInt32

    var key: [UInt8] { policy.nativeOctets + chain.nativeOctets }
}

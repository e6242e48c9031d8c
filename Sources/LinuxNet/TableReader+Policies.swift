import CNetfilter
import PolicyCompiler

extension TableReader {
    /// What leads to policies' chains and VPNs, apart from the decisions in force; only of maps that are there.
    func leads(_ sets: Set<String>) throws(DataPlaneError) -> Leads {
        var leads = Leads()
        for map in Leads.ChainMap.allCases where sets.contains(map.name) {
            var found: [Leads.ChainKey: String] = [:]
            try eachElement(of: map.name, reset: { found = [:] }) { element in
                guard let key = element.key else { return }
                // What is no jump is no chain of ours.
                let data = element.first(NFTA_SET_ELEM_DATA.rawValue)?.nested.first(NFTA_DATA_VERDICT.rawValue)
                found[.init(map: map, key: key)] = data?.nested.jumpChain ?? ""
            }
            leads.chains.merge(found) { $1 }
        }
        if sets.contains(Leads.limitsName) {
            var found: [[UInt8]: String] = [:]
            try eachElement(of: Leads.limitsName, reset: { found = [:] }) { element in
                let data = element.first(NFTA_SET_ELEM_DATA.rawValue)?.nested.first(NFTA_DATA_VERDICT.rawValue)
                if let key = element.key { found[key] = data?.nested.jumpChain ?? "" }
            }
            leads.limits = found
        }
        if sets.contains(Leads.vpnsName) {
            var found: [[UInt8]: UInt32] = [:]
            try eachElement(of: Leads.vpnsName, reset: { found = [:] }) { element in
                if let key = element.key { found[key] = element.number ?? 0 }
            }
            leads.vpns = found
        }
        if sets.contains(Leads.interfacesName) { leads.interfaces = try keys(of: Leads.interfacesName) }
        if sets.contains(Leads.refusalsName) { leads.refusals = try keys(of: Leads.refusalsName) }
        if sets.contains(Leads.marksName) { leads.marks = try keys(of: Leads.marksName) }
        if sets.contains(Leads.timeServerName) { leads.toTimeServer = try keys(of: Leads.timeServerName) }
        if sets.contains(Leads.ratesName) {
            for key in try keys(of: Leads.ratesName) { leads.rates[key] = .some(nil) }
        }
        return leads
    }

    /// Whether there is anything to flush. A transaction that changes nothing is none: the generation stays.
    func hasElements(_ set: String) throws(DataPlaneError) -> Bool {
        if let count = try count(of: set) { return count > 0 }
        return try !keys(of: set).isEmpty
    }

    /// The elements of a set. Takes long where there are many (``settledElements(of:)``).
    func keys(of set: String) throws(DataPlaneError) -> Set<[UInt8]> {
        var found: Set<[UInt8]> = []
        try eachElement(of: set, reset: { found = [] }) { element in if let key = element.key { found.insert(key) } }
        return found
    }

    /// The elements of a map of numbers. Takes long where there are many (``settledElements(of:)``).
    func words(of map: String) throws(DataPlaneError) -> [[UInt8]: UInt32] {
        var found: [[UInt8]: UInt32] = [:]
        try eachElement(of: map, reset: { found = [:] }) { element in
            if let key = element.key { found[key] = element.number ?? 0 }
        }
        return found
    }

    /// The decisions in force. Takes long where there are many (``settledElements(of:)``).
    func decisions() throws(DataPlaneError) -> [PolicyPair: UInt32] {
        var routes: [PolicyPair: UInt32] = [:]
        try eachElement(of: Leads.decisionsName, reset: { routes = [:] }) { element in
            guard let pair = PolicyPair(reading: element) else { return }
            routes[pair] = element.number ?? 0
        }
        return routes
    }

    /// Whether the kernel holds exactly these decisions. Takes about a microsecond for each.
    func holds(_ decisions: [PolicyPair: UInt32]) throws(DataPlaneError) -> Bool {
        if let count = try count(of: Leads.decisionsName), count != decisions.count { return false }
        let routes = try elements(of: Leads.decisionsName, at: decisions.keys.map(\.key))
        return decisions.allSatisfy { routes[$0.key.key] == $0.value.nativeOctets }
    }

    /// What policies' chains that are there do, with their maps, by the policies' numbers.
    func policyForms(_ chains: [String]) throws(DataPlaneError) -> [UInt32: PolicyForm] {
        let wanted = chains.compactMap { name in ChainPlace(chain: name).map { (name: name, place: $0) } }
        guard !wanted.isEmpty else { return [:] }
        let keys = try mapKeys()
        var forms: [UInt32: PolicyForm] = [:]
        for (chain, place) in wanted {
            guard let serial = ChainPlace.serial(in: chain), let number = PolicyChains.number(serial) else { continue }
            var rules: [[RuleExpression]] = []
            try eachRule(of: chain, reset: { rules = [] }) { attributes in
                guard let list = attributes.first(NFTA_RULE_EXPRESSIONS.rawValue) else { return }
                rules.append(list.nested.map { RuleExpression(reading: $0.nested, of: chain, number) })
            }
            var maps: [ChainForm.Map] = []
            while true {
                let name = ChainForm.map(of: chain, layer: maps.count)
                guard let found = keys[name], found.family == place.family else { break }
                maps.append(ChainForm.Map(key: found.key, elements: try elements(of: name, number)))
            }
            forms[serial, default: PolicyForm(chains: [:])].chains[place] = ChainForm(rules: rules, maps: maps)
        }
        return forms
    }

    /// The maps that look like a policy's, and what they look up.
    private func mapKeys() throws(DataPlaneError) -> [String: (key: Ruleset.LookupKey, family: Family)] {
        let kinds = Family.allCases.flatMap { family in
            [Ruleset.LookupKey.protocol, .port].map { (key: $0, family: family) }
        }
        var found: [String: (key: Ruleset.LookupKey, family: Family)] = [:]
        try eachSet(reset: { found = [:] }) { name, set in
            let fields = set.first(NFTA_SET_DESC.rawValue)?.nested.first(NFTA_SET_DESC_CONCAT.rawValue)?.nested.map {
                $0.nested.first(NFTA_SET_FIELD_LEN.rawValue)?.uint32 ?? 0
            }
            guard ChainPlace.serial(in: name) != nil,
                set.first(NFTA_SET_FLAGS.rawValue)?.uint32 == Ruleset.LookupKey.setFlags,
                set.first(NFTA_SET_DATA_TYPE.rawValue)?.uint32 == Ruleset.LookupKey.dataType,
                let kind = kinds.first(where: { $0.key.fields($0.family).map(UInt32.init) == fields })
            else { return }
            found[name] = kind
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
    private func elements(of map: String, _ number: UInt32) throws(DataPlaneError) -> Set<ChainForm.Element> {
        var found: Set<ChainForm.Element> = []
        try eachElement(of: map, reset: { found = [] }) { element in
            let value = { (type: nft_set_elem_attributes) in
                element.first(type.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)
            }
            guard let key = value(NFTA_SET_ELEM_KEY) else { return }
            found.insert(
                ChainForm.Element(
                    key: Array(key.value), keyEnd: value(NFTA_SET_ELEM_KEY_END).map { Array($0.value) } ?? [],
                    way: value(NFTA_SET_ELEM_DATA)?.native32.flatMap { $0 == 0 ? nil : $0 &- number }))
        }
        return found
    }
}

extension Attributes {
    /// Of an element of a set or map.
    fileprivate var key: [UInt8]? {
        first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue).map { Array($0.value) }
    }

    /// Of an element of a map.
    fileprivate var number: UInt32? {
        first(NFTA_SET_ELEM_DATA.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)?.native32
    }

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
            self = .mask(register, Octets(mask))
        case "cmp":
            guard let register = value(NFTA_CMP_SREG.rawValue), let octets = data.data(NFTA_CMP_DATA.rawValue) else {
                return
            }
            switch value(NFTA_CMP_OP.rawValue) {
            case NFT_CMP_EQ.rawValue: self = .equal(register, Octets(octets))
            case NFT_CMP_NEQ.rawValue: self = .notEqual(register, Octets(octets))
            default: return
            }
        case "range":
            guard let register = value(NFTA_RANGE_SREG.rawValue),
                value(NFTA_RANGE_OP.rawValue) == NFT_RANGE_EQ.rawValue,
                let first = data.data(NFTA_RANGE_FROM_DATA.rawValue), let last = data.data(NFTA_RANGE_TO_DATA.rawValue)
            else { return }
            self = .range(register, Octets(first), Octets(last))
        case "lookup":
            guard let map = data.first(NFTA_LOOKUP_SET.rawValue)?.text, let key = value(NFTA_LOOKUP_SREG.rawValue),
                (value(NFTA_LOOKUP_FLAGS.rawValue) ?? 0) == 0
            else { return }
            guard let result = value(NFTA_LOOKUP_DREG.rawValue) else {
                if let set = TableSet(name: map) { self = .member(of: set, from: key) }
                return
            }
            guard map.hasPrefix("\(chain)_"), let layer = Int(map.dropFirst(chain.count + 1)) else {
                if let map = TableSet(name: map) { self = .find(in: map, from: key, to: result) }
                return
            }
            self = .lookup(layer: layer, from: key, to: result)
        case "ct":
            guard value(NFTA_CT_KEY.rawValue) == NFT_CT_MARK.rawValue else { return }
            if let register = value(NFTA_CT_SREG.rawValue) {
                self = .setConntrackMark(from: register)
            } else if let register = value(NFTA_CT_DREG.rawValue) {
                self = .conntrackMark(to: register)
            }
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
            guard let set = data.first(NFTA_DYNSET_SET_NAME.rawValue).flatMap({ TableSet(name: $0.text) }),
                value(NFTA_DYNSET_OP.rawValue) == NFT_DYNSET_OP_UPDATE.rawValue,
                let register = value(NFTA_DYNSET_SREG_KEY.rawValue)
            else { return }
            self = .update(set, from: register)
        default: return
        }
    }
}

extension PolicyPair {
    fileprivate init?(reading element: Attributes) {
        guard
            let key = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)?.value,
            let policy = key.native(UInt32.self, at: 0), let way = key.native(UInt32.self, at: 4)
        else { return nil }
        self.init(policy: policy, way: way)
    }
}

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
            self.chain(NFT_MSG_NEWCHAIN.rawValue, NLM_F_CREATE | NLM_F_EXCL, "adding the chain", name)
            for (layer, map) in chain.maps.enumerated() {
                let mapName = ChainForm.map(of: name, layer: layer)
                maps += 1
                addMap(mapName, key: map.key, place.family, number: maps)
                add(
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
    mutating func addSet(_ name: String, _ family: Family, number: UInt32) {
        set(NFT_MSG_NEWSET.rawValue, NLM_F_CREATE, "adding the set", name) { set in
            set.put(NFTA_SET_FLAGS.rawValue, network: 0)
            set.put(NFTA_SET_KEY_TYPE.rawValue, network: family.addressType)
            set.put(NFTA_SET_KEY_LEN.rawValue, network: UInt32(family.addressLength))
            set.put(NFTA_SET_ID.rawValue, network: number)
        }
    }

    /// Chains of VPNs' limits, in place of those that have the names.
    mutating func set(_ limits: [VPNLimits.Chain]) throws(DataPlaneError) {
        for limit in limits {
            chain(NFT_MSG_NEWCHAIN.rawValue, NLM_F_CREATE, "adding the chain", limit.name)
            deleteRules(of: limit.name)
        }
        for limit in limits { for rule in limit.rules { try addRule(rule, to: limit.name, 0) } }
    }

    mutating func deleteRules(of chain: String) {
        message(
            NFT_MSG_DELRULE.rawValue, 0, table: NFTA_RULE_TABLE.rawValue, "deleting the rules of the chain", chain
        ) { $0.put(NFTA_RULE_CHAIN.rawValue, chain) }
    }

    private mutating func addMap(_ name: String, key: Ruleset.LookupKey, _ family: Family, number: UInt32) {
        set(NFT_MSG_NEWSET.rawValue, NLM_F_CREATE | NLM_F_EXCL, "adding the map", name) { map in
            map.put(NFTA_SET_FLAGS.rawValue, network: Ruleset.LookupKey.setFlags)
            map.put(NFTA_SET_KEY_TYPE.rawValue, network: key.type(family))
            map.put(NFTA_SET_KEY_LEN.rawValue, network: key.length(family))
            map.put(NFTA_SET_DATA_TYPE.rawValue, network: Ruleset.LookupKey.dataType)
            map.put(NFTA_SET_DATA_LEN.rawValue, network: 4)
            // Names the map within its transaction; the kernel asks for one.
            map.put(NFTA_SET_ID.rawValue, network: number)
            map.nest(NFTA_SET_DESC.rawValue) { description in
                description.nest(NFTA_SET_DESC_CONCAT.rawValue) { fields in
                    for length in key.fields(family) {
                        fields.nest(NFTA_LIST_ELEM.rawValue) {
                            $0.put(NFTA_SET_FIELD_LEN.rawValue, network: UInt32(length))
                        }
                    }
                }
            }
            // Each element has a counter.
            map.putExpression(NFTA_SET_EXPR.rawValue, "counter")
        }
    }

    private mutating func addRule(
        _ expressions: [RuleExpression], to chain: String, _ number: UInt32
    ) throws(DataPlaneError) {
        guard !expressions.contains(.other) else {
            throw DataPlaneError(code: .unsupported, operation: "adding a rule", detail: "its expression is not known")
        }
        rule(in: chain) { rule in for expression in expressions { rule.put(expression, of: chain, number) } }
    }

    mutating func add(_ leads: Leads) {
        for (map, elements) in leads.elements { add(elements, to: map) }
    }

    mutating func delete(_ leads: Leads) {
        for (map, elements) in leads.elements { delete(elements.map { TableElement(key: $0.key) }, from: map) }
    }

    /// Deletes the rules of chains, then the chains, the maps and the sets. Nothing leads there any more.
    mutating func remove(chains: [String], maps: [String]) {
        for name in chains { deleteRules(of: name) }
        for name in maps { set(NFT_MSG_DELSET.rawValue, 0, "deleting the map", name) }
        for name in chains { chain(NFT_MSG_DELCHAIN.rawValue, 0, "deleting the chain", name) }
    }
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
        all[Self.ratesName] = rates.keys.map { TableElement(key: $0) }
        all[Self.marksName] = marks.map { TableElement(key: $0) }
        return all.filter { !$0.value.isEmpty }.map { (map: $0.key, elements: $0.value) }.sorted { $0.map < $1.map }
    }
}

import CNetfilter
import Domain
import PolicyCompiler

/// What policies' chains have counted and noted.
extension KernelCore {
    func hits(of policy: PolicyMark) throws(DataPlaneError) -> [RuleHits] {
        guard let ruleset = chains.rulesets[policy], let chain = chains.chain(of: policy) else { return [] }
        var hits = Array(repeating: RuleHits(packets: 0, octets: 0), count: ruleset.actions.count)
        try linked { link throws(DataPlaneError) in
            let counted = try link.reader.counters(ofRules: chain)
            // The last is the default's, whatever the form.
            if let last = counted.last { hits[ruleset.default] = last }
            switch ruleset.form {
            case .rules(let entries):
                for (entry, count) in zip(entries, counted) { hits[entry.rule] += count }
            case .maps(let lookups):
                for (layer, lookup) in lookups.enumerated() {
                    let counted = try link.reader.counters(
                        ofElements: PolicyForm.map(of: chain, layer: layer))
                    for entry in lookup.entries {
                        let key = PolicyForm.Element(entry, key: lookup.key, way: nil).key
                        if let count = counted[key] { hits[entry.rule] += count }
                    }
                }
            }
        }
        return hits
    }

    func observations() throws(DataPlaneError) -> [Observation] {
        guard snapshot != nil else { return [] }
        var policies: [UInt32: PolicyMark] = [:]
        for (mark, name) in chains.chainsByMark {
            if let serial = PolicyChains.serial(of: name) { policies[serial] = PolicyMark(rawValue: mark) }
        }
        return try linked { link throws(DataPlaneError) in
            // Of chains that are no more, nobody asks.
            try link.reader.observations().compactMap { number, observation in
                policies[number >> Ruleset.numberBits].map { policy in
                    observation(policy, Int(number & (1 << Ruleset.numberBits - 1)))
                }
            }
        }
    }
}

extension TableReader {
    /// Of the rules of a chain that have a counter, in their order.
    fileprivate func counters(ofRules chain: String) throws(DataPlaneError) -> [RuleHits] {
        var found: [RuleHits] = []
        try eachRule(of: chain, reset: { found = [] }) { attributes in
            guard let list = attributes.first(NFTA_RULE_EXPRESSIONS.rawValue) else { return }
            for expression in list.nested { if let hits = RuleHits(reading: expression.nested) { found.append(hits) } }
        }
        return found
    }

    /// By the elements' first keys.
    fileprivate func counters(ofElements map: String) throws(DataPlaneError) -> [[UInt8]: RuleHits] {
        var found: [[UInt8]: RuleHits] = [:]
        try eachElement(of: map, reset: { found = [:] }) { element in
            guard let key = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue),
                let counter = element.first(NFTA_SET_ELEM_EXPR.rawValue)
            else { return }
            found[Array(key.value)] = RuleHits(reading: counter.nested)
        }
        return found
    }

    /// What the set `observed` has, with the number of the rule.
    fileprivate func observations() throws(DataPlaneError) -> [(UInt32, (PolicyMark, Int) -> Observation)] {
        var found: [(UInt32, (PolicyMark, Int) -> Observation)] = []
        try eachElement(of: Observed.name, reset: { found = [] }) { element in
            guard
                let key = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)?.value,
                let source = key.native(UInt32.self, at: 0), let destination = key.native(UInt32.self, at: 4),
                let `protocol` = key.native(UInt8.self, at: 8), let port = key.native(UInt16.self, at: 12),
                let number = key.native(UInt32.self, at: 16)
            else { return }
            let hits = element.first(NFTA_SET_ELEM_EXPR.rawValue).flatMap { RuleHits(reading: $0.nested) }
            found.append(
                (
                    number,
                    { policy, rule in
                        Observation(
                            device: IPv4Address(bits: UInt32(bigEndian: source)),
                            destination: IPv4Address(bits: UInt32(bigEndian: destination)), protocol: `protocol`,
                            port: `protocol` == UInt8(IPPROTO_TCP) || `protocol` == UInt8(IPPROTO_UDP)
                                ? UInt16(bigEndian: port) : nil,
                            policy: policy, rule: rule, hits: hits ?? RuleHits(packets: 0, octets: 0))
                    }
                ))
        }
        return found
    }
}

extension RuleHits {
    /// `nil` when the expression is no counter.
    fileprivate init?(reading expression: Attributes) {
        guard expression.first(NFTA_EXPR_NAME.rawValue)?.text == "counter",
            let data = expression.first(NFTA_EXPR_DATA.rawValue)?.nested
        else { return nil }
        self.init(
            packets: data.first(NFTA_COUNTER_PACKETS.rawValue)?.uint64 ?? 0,
            octets: data.first(NFTA_COUNTER_BYTES.rawValue)?.uint64 ?? 0)
    }
}

import CNetfilter
import Domain
import PolicyCompiler

/// What policies' chains have counted and noted.
extension KernelCore {
    func hits(of policy: PolicyMark) throws(DataPlaneError) -> [RuleHits] {
        guard let ruleset = chains.rulesets[policy], let serial = chains.serial(of: policy) else { return [] }
        var hits = Array(repeating: RuleHits(packets: 0, octets: 0), count: ruleset.actions.count)
        try linked { link throws(DataPlaneError) in
            let outward = { (family: Family) in ChainPlace.outward(family).name(serial: serial) }
            try add(ruleset.form, ruleset.default, in: outward(.ipv4), to: &hits, link)
            if layout.hasIPv6, let form = ruleset.form6 {
                try add(form, ruleset.default, in: outward(.ipv6), to: &hits, link)
            }
            for access in ruleset.access {
                try add(access.entries, at: .access(access.vpn, .ipv4), serial, to: &hits, link)
                guard layout.hasIPv6, !access.entries6.isEmpty else { continue }
                try add(access.entries6, at: .access(access.vpn, .ipv6), serial, to: &hits, link)
            }
        }
        return hits
    }

    private func add<Prefix: KernelPrefix>(
        _ form: Ruleset.Form<Prefix>, _ last: Int, in chain: String, to hits: inout [RuleHits], _ link: Link
    ) throws(DataPlaneError) {
        let counted = try link.reader.counters(ofRules: chain)
        // The last is the default's, whatever the form.
        if let count = counted.last { hits[last] += count }
        var (place, layer) = (0, 0)
        for step in form.steps {
            switch step {
            case .box(let box):
                // Fewer are found when somebody has changed the chain meanwhile.
                if place < counted.count { hits[box.rule] += counted[place] }
                place += 1
            case .lookup(let lookup):
                let counted = try link.reader.counters(ofElements: ChainForm.map(of: chain, layer: layer))
                for entry in lookup.entries {
                    let key = ChainForm.Element(entry, key: lookup.key, way: nil).key
                    if let count = counted[key] { hits[entry.rule] += count }
                }
                layer += 1
            }
        }
    }

    private func add<Prefix: KernelPrefix>(
        _ entries: [Ruleset.AccessEntry<Prefix>], at place: ChainPlace, _ serial: UInt32, to hits: inout [RuleHits],
        _ link: Link
    ) throws(DataPlaneError) {
        let counted = try link.reader.counters(ofRules: place.name(serial: serial))
        for (entry, count) in zip(entries, counted) { hits[entry.rule] += count }
    }

    func observations() throws(DataPlaneError) -> [Observation] {
        guard snapshot != nil else { return [] }
        var policies: [UInt32: PolicyMark] = [:]
        for (mark, serial) in chains.serialsByMark { policies[serial] = mark }
        return try linked { link throws(DataPlaneError) in
            var all: [Observation] = []
            for family in layout.families {
                // Of chains that are no more, nobody asks.
                all += try link.reader.observations(family).compactMap { number, observation in
                    policies[number >> Ruleset.numberBits].map { policy in
                        observation(policy, Int(number & (1 << Ruleset.numberBits - 1)))
                    }
                }
            }
            return all
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
    func counters(ofElements map: String) throws(DataPlaneError) -> [[UInt8]: RuleHits] {
        var found: [[UInt8]: RuleHits] = [:]
        try eachElement(of: map, reset: { found = [:] }) { element in
            guard let key = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue),
                let counter = element.first(NFTA_SET_ELEM_EXPR.rawValue)
            else { return }
            found[Array(key.value)] = RuleHits(reading: counter.nested)
        }
        return found
    }

    /// What the set `observed` of a family has, with the number of the rule.
    fileprivate func observations(
        _ family: Family
    ) throws(DataPlaneError) -> [(UInt32, (PolicyMark, Int) -> Observation)] {
        var found: [(UInt32, (PolicyMark, Int) -> Observation)] = []
        let length = Int(family.addressLength)
        try eachElement(of: family.observed, reset: { found = [] }) { element in
            guard
                let key = element.first(NFTA_SET_ELEM_KEY.rawValue)?.nested.first(NFTA_DATA_VALUE.rawValue)?.value,
                let source = key.address(family, at: 0), let destination = key.address(family, at: length),
                let `protocol` = key.native(UInt8.self, at: 2 * length),
                let port = key.native(UInt16.self, at: 2 * length + 4),
                let number = key.native(UInt32.self, at: 2 * length + 8)
            else { return }
            let hits = element.first(NFTA_SET_ELEM_EXPR.rawValue).flatMap { RuleHits(reading: $0.nested) }
            let hasPort = `protocol` == UInt8(IPPROTO_TCP) || `protocol` == UInt8(IPPROTO_UDP)
            found.append(
                (
                    number,
                    { policy, rule in
                        Observation(
                            device: source, destination: destination, protocol: `protocol`,
                            port: hasPort ? UInt16(bigEndian: port) : nil, policy: policy, rule: rule,
                            hits: hits ?? RuleHits(packets: 0, octets: 0))
                    }
                ))
        }
        return found
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func address(_ family: Family, at offset: Int) -> IPAddress? {
        switch family {
        case .ipv4:
            native(UInt32.self, at: offset).map { .v4(IPv4Address(bits: UInt32(bigEndian: $0))) }
        case .ipv6:
            native(UInt128.self, at: offset).map { .v6(IPv6Address(bits: UInt128(bigEndian: $0))) }
        }
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

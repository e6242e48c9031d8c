import CNetfilter
import Domain
import PolicyCompiler

/// The addresses that names have for policies' devices, and which of the policies' sets of names have each of them: the
/// second is what the kernel holds (``Named``).
struct NamedAddresses {
    /// As many as there are maps; the others are zero.
    typealias Words = SIMD16<UInt32>

    struct Entry: Hashable {
        var names: [DomainName]
        /// As the kernel has them. All zero: it has nothing.
        var words: Words
    }

    private(set) var policies: [PolicyMark: [IPAddress: Entry]] = [:]

    subscript(policy: PolicyMark, address: IPAddress) -> Entry? {
        get { policies[policy]?[address] }
        set {
            policies[policy, default: [:]][address] = newValue
            if newValue == nil, policies[policy]?.isEmpty == true { policies[policy] = nil }
        }
    }

    /// Those of one policy.
    subscript(policy: PolicyMark) -> [IPAddress: Entry] { policies[policy] ?? [:] }

    var all: [NamedAddress] {
        policies.flatMap { policy, addresses in
            addresses.map { NamedAddress(policy: policy, address: $0.key, names: $0.value.names) }
        }
    }

    /// What the kernel is to hold, by map and key.
    var elements: [String: [[UInt8]: UInt32]] {
        var all = Dictionary(uniqueKeysWithValues: Named.maps.map { ($0, [[UInt8]: UInt32]()) })
        for (policy, addresses) in policies {
            for (address, entry) in addresses where entry.words != .zero {
                for word in 0..<Ruleset.HostBit.words where entry.words[word] != 0 {
                    all[Named.map(word, address.family), default: [:]][Named.key(policy, address)] =
                        entry.words[word] | Named.mark
                }
            }
        }
        return all
    }
}

/// What has to change in the maps of names.
struct NameDifference {
    private var deletions: [String: [TableElement]] = [:]
    private var additions: [String: [TableElement]] = [:]

    mutating func change(
        _ policy: PolicyMark, _ address: IPAddress, from old: NamedAddresses.Words, to new: NamedAddresses.Words
    ) {
        guard old != new else { return }
        let key = Named.key(policy, address)
        for word in 0..<Ruleset.HostBit.words {
            change(
                Named.map(word, address.family), key, from: old[word] == 0 ? nil : old[word] | Named.mark,
                to: new[word] == 0 ? nil : new[word] | Named.mark)
        }
    }

    mutating func change(_ map: String, _ key: [UInt8], from old: UInt32?, to new: UInt32?) {
        guard old != new else { return }
        if old != nil { deletions[map, default: []].append(TableElement(key: key)) }
        if let new { additions[map, default: []].append(TableElement(key: key, value: .data(new.nativeOctets))) }
    }

    var isEmpty: Bool { deletions.isEmpty && additions.isEmpty }

    func put(in batch: inout TableBatch) throws(DataPlaneError) {
        for (map, elements) in deletions { batch.delete(elements, from: map) }
        for (map, elements) in additions { batch.add(elements, to: map) }
    }
}

extension KernelCore {
    func setNames(_ changes: [NamedAddress]) throws(DataPlaneError) {
        do throws(DataPlaneError) {
            try commit(changes)
        } catch {
            guard error.code == .refused, snapshot != nil, try check(isRefused: true) != nil else { throw error }
            try commit(changes)
        }
    }

    private func commit(_ changes: [NamedAddress]) throws(DataPlaneError) {
        var new: [NamedAddresses.Key: NamedAddresses.Entry?] = [:]
        for change in changes where chains.rulesets[change.policy] != nil {
            new[.init(policy: change.policy, address: change.address)] =
                change.names.isEmpty
                ? .some(nil)
                : NamedAddresses.Entry(names: change.names, words: chains.words(of: change.names, for: change.policy))
        }
        var difference = NameDifference()
        for (key, entry) in new {
            difference.change(
                key.policy, key.address, from: names[key.policy, key.address]?.words ?? .zero,
                to: entry?.words ?? .zero)
        }
        if !difference.isEmpty {
            try linked { link throws(DataPlaneError) in
                try committing(link) { () throws(DataPlaneError) in
                    var batch = TableBatch(socket: link.nftables)
                    try difference.put(in: &batch)
                    try batch.commit()
                }
            }
        }
        for (key, entry) in new { names[key.policy, key.address] = entry }
    }

    /// What changes for names when policies get other chains, and the names with that.
    ///
    /// A packet under way may still be judged by the old chain, with the new elements: sets keep their bits from version
    /// to version, and those that only the old chain has are left where they are until the address changes.
    func names(
        with chains: PolicyChains, of changed: some Sequence<PolicyMark>
    ) -> (names: NamedAddresses, difference: NameDifference) {
        var (names, difference) = (self.names, NameDifference())
        for policy in changed {
            let isKept = chains.rulesets[policy] != nil
            for (address, old) in names[policy] {
                guard isKept else {
                    difference.change(policy, address, from: old.words, to: .zero)
                    names[policy, address] = nil
                    continue
                }
                var words = chains.words(of: old.names, for: policy)
                if chains.keepsBits(of: self.chains, for: policy) {
                    words |= old.words & ~chains.bitsInUse(of: policy)
                }
                difference.change(policy, address, from: old.words, to: words)
                names[policy, address]?.words = words
            }
        }
        return (names, difference)
    }

    /// From what the kernel has, to all that is known.
    static func difference(
        from present: [String: [[UInt8]: UInt32]], to names: NamedAddresses
    ) -> NameDifference {
        var difference = NameDifference()
        for (map, wanted) in names.elements {
            let found = present[map] ?? [:]
            for (key, value) in wanted { difference.change(map, key, from: found[key], to: value) }
            for (key, value) in found where wanted[key] == nil { difference.change(map, key, from: value, to: nil) }
        }
        return difference
    }
}

extension NamedAddresses {
    struct Key: Hashable {
        let policy: PolicyMark
        let address: IPAddress
    }

    /// - Parameter chains: give the bits.
    init(_ all: [NamedAddress], for chains: PolicyChains) {
        for one in all where chains.rulesets[one.policy] != nil && !one.names.isEmpty {
            self[one.policy, one.address] = Entry(
                names: one.names, words: chains.words(of: one.names, for: one.policy))
        }
    }
}

extension IPAddress {
    var family: Family {
        switch self {
        case .v4: .ipv4
        case .v6: .ipv6
        }
    }
}

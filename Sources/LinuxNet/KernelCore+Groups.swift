import Domain
import PolicyCompiler

/// The groups that rules name: a set of devices' addresses each. Those that no rule names cost nothing.
extension KernelCore {
    /// Makes the sets of groups that are named for the first time, with the devices that are there.
    func addGroups(_ groups: Set<GroupNumber>, _ link: Link) throws(DataPlaneError) {
        let new = groups.subtracting(self.groups)
        guard !new.isEmpty else { return }
        let elements = groupElements(of: new)
        try committing(link) { () throws(DataPlaneError) in
            var batch = TableBatch(socket: link.nftables)
            for (number, set) in Self.sets(of: new).enumerated() {
                batch.addSet(set.name, set.family, number: UInt32(number + 1))
            }
            for (set, elements) in elements { batch.add(elements, to: set) }
            try batch.commit()
        }
        self.groups.formUnion(new)
    }

    /// Deletes the sets of groups that neither a rule nor a VPN's limit names any more.
    func removeUnnamedGroups(_ link: Link) throws(DataPlaneError) {
        let named = chains.rulesets.values.reduce(into: chains.limitedGroups) { $0.formUnion($1.namedGroups) }
        try removeGroups(except: named, link)
    }

    private func removeGroups(except named: Set<GroupNumber>, _ link: Link) throws(DataPlaneError) {
        let old = groups.subtracting(named)
        guard !old.isEmpty else { return }
        let elements = groupElements(of: old)
        try committing(link) { () throws(DataPlaneError) in
            var batch = TableBatch(socket: link.nftables)
            for (set, elements) in elements where set.hasPrefix("group_devices") {
                batch.delete(elements, from: set)
            }
            batch.remove(chains: [], maps: Self.sets(of: old).map(\.name))
            try batch.commit()
        }
        groups.formIntersection(named)
    }

    static func sets(of groups: Set<GroupNumber>) -> [(name: String, family: Family)] {
        groups.sorted().flatMap { group in Family.allCases.map { (name: $0.group(group), family: $0) } }
    }

    /// What the kernel is to hold of the devices of these groups, by set.
    func groupElements(of groups: Set<GroupNumber>) -> [String: [TableElement]] {
        var elements: [String: [TableElement]] = [:]
        guard !groups.isEmpty else { return elements }
        for entry in devices.values {
            guard let group = entry.group, groups.contains(group) else { continue }
            for (set, element) in group.elements(entry.address.bits.networkOctets, .ipv4) {
                elements[set, default: []].append(element)
            }
        }
        for entry in devices6.values {
            guard let group = entry.group, groups.contains(group) else { continue }
            for (set, element) in group.elements(entry.prefix.address.bits.networkOctets, .ipv6) {
                elements[set, default: []].append(element)
            }
        }
        return elements
    }

    /// Whether a set is one of a group.
    static func isGroup(_ set: String) -> Bool {
        Family.allCases.contains { set.hasPrefix("group\($0.suffix)_") } && !set.hasPrefix("group_devices")
    }
}

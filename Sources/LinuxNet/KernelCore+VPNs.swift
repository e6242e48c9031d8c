import Domain
import PolicyCompiler

extension KernelCore {
    func setVPNs(_ vpns: [VPNNumber: VPNEntry]) throws(DataPlaneError) {
        var difference: [VPNNumber: VPNEntry?] = vpns.mapValues { $0 }
        for number in chains.vpns.keys where vpns[number] == nil { difference[number] = .some(nil) }
        guard try !changeVPNs(difference).isEmpty, isHostPrepared else { return }
        _ = try ensureRoutes()
    }

    /// In the order in which nothing leads where nothing is: interfaces, the table, routes; what is gone the other way
    /// round.
    /// - Returns: those that were otherwise.
    @discardableResult
    func changeVPNs(_ changes: [VPNNumber: VPNEntry?]) throws(DataPlaneError) -> [VPNNumber: VPNEntry?] {
        let difference = changes.filter { chains.vpns[$0.key] != $0.value }
        guard !difference.isEmpty else { return [:] }
        var before: [VPNNumber: VPNEntry] = [:]
        for number in difference.keys { before[number] = chains.vpns[number] }
        try placeTunnels(difference.compactMapValues { $0 })
        let groups = difference.values.reduce(into: Set<GroupNumber>()) { $0.formUnion($1?.tunnel?.groups ?? []) }
        let change = chains.change(of: difference)
        try linked { link throws(DataPlaneError) in
            try addGroups(groups, link)
            if !change.isEmpty {
                try committing(link) { () throws(DataPlaneError) in try swap(change, link) }
            }
            let old = vpnNumbers
            chains.apply(difference, change)
            for (number, entry) in difference {
                if entry == nil { vpnNumbers.remove(number) } else { vpnNumbers.insert(number) }
            }
            try noteChains(change, link)
            if isHostPrepared { try changeRoutes(difference, before, old, link) }
            if before.values.contains(where: { $0.tunnel?.groups != nil }) { try removeUnnamedGroups(link) }
        }
        try removeTunnels(Set(difference.keys.filter { before[$0]?.tunnel != nil && chains.vpns[$0]?.tunnel == nil }))
        return difference
    }

    private func changeRoutes(
        _ difference: [VPNNumber: VPNEntry?], _ old: [VPNNumber: VPNEntry], _ before: VPNNumberSet, _ link: Link
    ) throws(DataPlaneError) {
        prepare(difference.values.compactMap { $0 })
        var numbers = before
        for (number, entry) in difference.sorted(by: { $0.key < $1.key }) {
            let previous = numbers
            if entry == nil { numbers.remove(number) } else { numbers.insert(number) }
            try namespace.run { () throws(DataPlaneError) in
                try Routing(layout: layout, socket: link.routes).change(
                    number, from: old[number], to: entry, (previous, numbers))
            }
        }
    }

    /// The settings of interfaces, as far as they are there.
    func prepare(_ vpns: some Sequence<VPNEntry>) {
        // Settings that were not made show as packets that do not pass.
        _ = try? namespace.run { () throws(DataPlaneError) in
            for vpn in vpns { Sysctls(layout: layout).apply(to: vpn.interface, isTunnel: vpn.tunnel != nil) }
        }
    }
}

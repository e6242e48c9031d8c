import Domain
import PolicyCompiler

extension KernelCore {
    func reconcile(to state: EnforcementState) throws(DataPlaneError) -> ReconcileReport {
        var rulesets = state.rulesets
        rulesets[.blockAll] = rulesets[.blockAll] ?? .blockAll
        var devices: [IPv4Address: DeviceEntry] = [:]
        for entry in state.devices { devices[entry.address] = entry }
        var devices6: [IPv6Prefix: DeviceEntry6] = [:]
        for entry in state.devices6 { devices6[entry.prefix] = entry }
        let before = try startTunnels(state.vpns)
        try reconcileUsage(to: state)
        let report = try load(
            Contents(
                rulesets: rulesets, devices: devices, devices6: devices6, nas: state.nas, pools: state.pools,
                pools6: state.pools6, vpns: state.vpns, names: state.names))
        if isHostPrepared {
            prepare(state.vpns.values)
            _ = try ensureRoutes()
            _ = try startForwarding()
        }
        try removeTunnels(before)
        return report
    }

    struct Contents {
        let rulesets: [PolicyMark: Ruleset]
        let devices: [IPv4Address: DeviceEntry]
        let devices6: [IPv6Prefix: DeviceEntry6]
        let nas: Set<IPv4Address>
        let pools: Set<IPv4Prefix>
        let pools6: Set<IPv6Prefix>
        let vpns: [VPNNumber: VPNEntry]
        let names: [NamedAddress]
    }

    /// So many devices are read from the kernel and compared; more are replaced.
    static let readable = 1 << 16

    /// Brings the table to these contents, whatever it holds now. What is right stays: policies' chains that do what
    /// they should, devices with the right policy. The rest comes in transactions that each leave the table safe: the
    /// structure, which takes the place of the old while packets are being judged; missing chains; what leads to
    /// policies' chains; devices.
    func load(_ contents: Contents) throws(DataPlaneError) -> ReconcileReport {
        var first: ReconcileReport?
        // A foreign commit between ours and the reading of the result would be taken for ours: then it is done again.
        for _ in 0..<3 {
            let (report, isUndisturbed) = try loadOnce(contents)
            first = first ?? report
            if isUndisturbed { break }
            generation = nil
        }
        return first ?? ReconcileReport(devicesAdded: 0, devicesRemoved: 0, devicesKept: 0)
    }

    private func loadOnce(
        _ contents: Contents
    ) throws(DataPlaneError) -> (report: ReconcileReport, isUndisturbed: Bool) {
        try linked { link throws(DataPlaneError) in
            let reader = link.reader
            var found = try reader.snapshot()
            var policies: [UInt32: [UInt8]] = [:]
            var bindings: [UInt32: [UInt8]] = [:]
            let isThere = found.parts[.set("device_policy")] != nil
            let existing = isThere ? try reader.count(of: "device_policy") : nil
            let isLarge = max(contents.devices.count, existing ?? 0) > Self.readable
            if !isLarge {
                if isThere { policies = try reader.settledElements(of: "device_policy") }
                if found.parts[.set("device_nat")] != nil {
                    bindings = try reader.settledElements(of: "device_nat")
                }
            }
            var forms = try reader.policyForms(found.chains)
            var sets = found.hasTable ? Set(try reader.setNames()) : []
            var leads = PresentLeads(try reader.leads(sets))
            var words = try presentWords(sets, link)
            if sets.contains(Leads.decisionsName) {
                let count = try reader.count(of: Leads.decisionsName) ?? 0
                if count > Self.readable {
                    leads.areDecisionsKnown = false
                } else {
                    leads.leads.decisions = try reader.decisions()
                }
            }
            let structure =
                text.rules + text.elements(nas: contents.nas) + text.elements(pools: contents.pools)
                + text.elements(pools: contents.pools6)
            let present = try presentInterfaces()
            // Before others lead there.
            try loadUsage(link)
            let before = try reader.generation()
            do throws(DataPlaneError) {
                try run(text.definitions + clearing(found) + structure, operation: "loading the table")
            } catch {
                guard found.hasTable, error.code == .refused else { throw error }
                // Something of another kind has one of our names. Nothing that is not ours may stay there.
                try run("delete table inet cordon\n", operation: "removing the table")
                try loadUsage(link)
                try run(text.definitions + structure, operation: "replacing the table")
                (found, policies, bindings, forms, sets) = (TableSnapshot(), [:], [:], [:], [])
                leads = PresentLeads(Leads())
                words = [:]
            }
            var commits: UInt32 = 1
            (self.devices, devices6) = (contents.devices, contents.devices6)
            groups = contents.rulesets.values.reduce(into: []) { $0.formUnion($1.namedGroups) }
            for vpn in contents.vpns.values { groups.formUnion(vpn.tunnel?.groups ?? []) }
            commits += try loadGroups(present: sets, link)
            let first = layout.firstChain ?? UInt32.random(in: PolicyChains.firstNumbers)
            var chains = PolicyChains(
                withIPv6: layout.hasIPv6, after: self.chains.last ?? first &- 1,
                taken: Set((found.chains + sets).compactMap(ChainPlace.serial)), adopting: forms,
                ledTo: leads.policyChains)
            _ = chains.change(vpns: contents.vpns)
            let change = chains.change(to: contents.rulesets, removing: [])
            chains.stopAdopting()
            chains.keepRates(leads.leads.rates.keys)
            try add(change.additions, link) { body throws(DataPlaneError) in
                try body()
                commits += 1
            }
            let names = NamedAddresses(contents.names, for: chains)
            try usage.programs?.set(rates: chains.leads.rates, isAll: true)
            if try lead(from: leads, to: chains, (words, names), found: found.chains, sets: sets, link) { commits += 1 }
            commits += try loadDevices6(link)
            if isLarge {
                try DeviceDifference.replaceAll(with: contents.devices, over: link.nftables)
                commits += 2
            } else {
                var difference = DeviceDifference()
                difference.change(policies: policies, bindings: bindings, to: contents.devices)
                if try difference.commit(over: link.nftables) { commits += 1 }
            }

            interfaces = present
            (self.chains, self.names) = (chains, names)
            vpnNumbers = VPNNumberSet(contents.vpns.keys)
            flowNumbers.loseTrack()
            (nas, pools, pools6) = (contents.nas, contents.pools, contents.pools6)
            let after = try reader.generation()
            snapshot = try reader.snapshot()
            generation = try reader.generation()
            let kept = policies.keys.count { contents.devices[IPv4Address(bits: $0)] != nil }
            let removed = isLarge ? existing ?? 0 : policies.count - kept
            let report = ReconcileReport(
                devicesAdded: contents.devices.count - kept, devicesRemoved: removed, devicesKept: kept)
            return (report, after == before &+ commits && generation == after)
        }
    }

    /// What the kernel has of this before a load.
    private struct PresentLeads {
        var leads: Leads
        /// Not when there are more than can be read.
        var areDecisionsKnown = true

        init(_ leads: Leads) { self.leads = leads }

        /// The IPv4 chain of each policy.
        var policyChains: [UInt32: String] {
            leads.chains.reduce(into: [:]) { all, lead in
                guard lead.key.map == .policy(.ipv4), lead.key.key.count == 4 else { return }
                all[lead.key.key.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }] = lead.value
            }
        }
    }

    /// Leads policies to their chains, and deletes the chains and maps that are not in use: old policies' and foreign
    /// ones. - Returns: whether anything had to change.
    private func lead(
        from present: PresentLeads, to chains: PolicyChains,
        _ names: (present: [String: [[UInt8]: UInt32]?], wanted: NamedAddresses), found: [String], sets: Set<String>,
        _ link: Link
    ) throws(DataPlaneError) -> Bool {
        let limits = chains.limitChains
        let inUse = chains.chainNames.union(limits.map(\.name))
        let serials = chains.serialsInUse
        var batch = TableBatch(socket: link.nftables)
        if !present.areDecisionsKnown { batch.flush(Leads.decisionsName) }
        for (map, words) in names.present where words == nil { batch.flush(map) }
        try Self.difference(from: names.present.compactMapValues { $0 }, to: names.wanted).put(in: &batch)
        try batch.set(limits)
        batch.delete(present.leads.subtracting(chains.leads))
        batch.add(chains.leads.subtracting(present.leads))
        let unused = found.filter { !TableText.chains.contains($0) && !inUse.contains($0) }
        let groupSets = Set(Self.sets(of: groups).map(\.name))
        batch.remove(
            chains: unused.sorted(),
            maps: sets.filter { name in
                if Self.isGroup(name) { return !groupSets.contains(name) }
                return ChainPlace.serial(in: name).map { !serials.contains($0) } ?? false
            }.sorted())
        return try batch.commit()
    }

    /// What the maps of names have; `nil` for one that has more than can be read.
    private func presentWords(
        _ sets: Set<String>, _ link: Link
    ) throws(DataPlaneError) -> [String: [[UInt8]: UInt32]?] {
        var words: [String: [[UInt8]: UInt32]?] = [:]
        for map in Named.maps where sets.contains(map) {
            let isReadable = try link.reader.count(of: map).map { $0 <= Self.readable } ?? true
            words[map] = isReadable ? .some(try link.reader.words(of: map)) : .some(nil)
        }
        return words
    }

    /// The sets of groups, with their devices, in one transaction.
    /// - Returns: how many transactions there were.
    private func loadGroups(present sets: Set<String>, _ link: Link) throws(DataPlaneError) -> UInt32 {
        var batch = TableBatch(socket: link.nftables)
        for family in Family.allCases {
            let set = "group_devices\(family.suffix)"
            if try link.reader.hasElements(set) { batch.flush(set) }
        }
        for (number, set) in Self.sets(of: groups).enumerated() {
            if !sets.contains(set.name) {
                batch.addSet(set.name, set.family, number: UInt32(number + 1))
            } else if try link.reader.hasElements(set.name) {
                batch.flush(set.name)
            }
        }
        for (set, elements) in groupElements(of: groups) { batch.add(elements, to: set) }
        return try batch.commit() ? 1 : 0
    }

    /// Replaces the devices of IPv6: a packet meets the old ones or the new.
    /// - Returns: how many transactions there were.
    private func loadDevices6(_ link: Link) throws(DataPlaneError) -> UInt32 {
        var batch = TableBatch(socket: link.nftables)
        if try link.reader.hasElements("device_policy6") { batch.flush("device_policy6") }
        batch.add(
            devices6.values.map {
                TableElement(key: $0.prefix.address.bits.networkOctets, value: .data($0.policy.rawValue.nativeOctets))
            }, to: "device_policy6")
        return try batch.commit() ? 1 : 0
    }

    /// Commands that empty what is there, but for the devices and what leads to policies.
    private func clearing(_ found: TableSnapshot) -> String {
        guard found.hasTable else { return "" }
        // Foreign chains are emptied too, so that nothing hangs on another.
        let names = Set(found.chains.filter { ChainPlace(chain: $0) == nil && !VPNLimits.isLimit($0) })
            .union(TableText.chains).subtracting(UsageChain.names).sorted()
        return names.map { "flush chain inet cordon \($0)\n" }.joined()
            + "flush set inet cordon nas\nflush set inet cordon pools\n"
            + (found.parts[.set("pools6")] == nil ? "" : "flush set inet cordon pools6\n")
            + TableText.meters.filter { found.parts[.set($0)] != nil }.map { "flush set inet cordon \($0)\n" }.joined()
    }
}

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
    private func load(_ contents: Contents) throws(DataPlaneError) -> ReconcileReport {
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

    // MARK: Verifying

    func verify() throws(DataPlaneError) -> RepairReport? {
        guard snapshot != nil else { return nil }
        var findings: [String] = []
        do throws(DataPlaneError) {
            if try linked(probe) != generation { findings += try check() ?? [] }
            findings += try checkUnverified()
        } catch {
            guard error.code == .connectionLost else { throw error }
            findings += try check() ?? []
        }
        findings += try takeUpInterfaces()
        findings += try verifyTunnels()
        if hasLostSockets {
            hasLostSockets = false
            findings.insert("the netlink socket was lost; a new one is open", at: 0)
        }
        if isHostPrepared {
            findings += try ensureRoutes()
            if try startForwarding() { findings.append("forwarding was turned off") }
        }
        return findings.isEmpty ? nil : RepairReport(findings: findings)
    }

    /// Loads the table for interfaces that were made anew.
    private func takeUpInterfaces() throws(DataPlaneError) -> [String] {
        let present = try presentInterfaces()
        guard present != interfaces else { return [] }
        let names = [layout.sgiInterface, layout.wanInterface]
        if let missing = zip(names, present).first(where: { $0.1 == 0 }) {
            throw DataPlaneError(
                code: .refused, operation: "looking for the interface \(missing.0)", detail: "it is not there")
        }
        let findings = zip(names, zip(present, interfaces)).filter { $0.1.0 != $0.1.1 }
            .map { "the interface \($0.0) was made anew" }
        try reload()
        if isHostPrepared {
            _ = try namespace.run { () throws(DataPlaneError) in Sysctls(layout: layout).apply() }
        }
        return findings
    }

    /// The generation, once each socket has given an answer.
    private func probe(_ link: Link) throws(DataPlaneError) -> UInt32 {
        try Routing(layout: layout, socket: link.routes).checkSocket()
        _ = try Conntrack(socket: link.conntrack).failedInsertions()
        return try link.reader.generation()
    }

    /// Compares the kernel with the mirror, and loads everything again when they differ.
    /// - Parameter isRefused: the kernel has refused a change that fits the mirror, so they do differ.
    /// - Returns: what was wrong, `nil` when nothing was.
    func check(isRefused: Bool = false) throws(DataPlaneError) -> [String]? {
        guard let snapshot else { return nil }
        let (findings, seen) = try linked { link throws(DataPlaneError) in
            let reader = link.reader
            let seen = try reader.generation()
            let found = try reader.snapshot()
            var findings = found.findings(expected: snapshot)
            if found.hasTable {
                findings +=
                    try devices.count > Self.readable ? countFindings(found, reader) : deviceFindings(found, reader)
                findings += try leadFindings(found, reader) + otherFindings(found, reader)
            }
            return (findings, seen)
        }
        guard !findings.isEmpty || isRefused && !unverified.isEmpty else {
            generation = seen
            return nil
        }
        try reload()
        return findings
    }

    /// What is wrong with what leads to policies' chains and VPNs.
    private func leadFindings(
        _ found: TableSnapshot, _ reader: TableReader
    ) throws(DataPlaneError) -> [String] {
        var findings: [String] = []
        let present = try reader.leads(Set(TableText.sets.filter { found.parts[.set($0)] != nil }))
        for map in Leads.ChainMap.allCases where found.parts[.set(map.name)] != nil {
            let ours = { (leads: Leads) in leads.chains.filter { $0.key.map == map } }
            if ours(present) != ours(chains.leads) { findings.append("elements of \(map.name) had been changed") }
        }
        let parts = [
            (Leads.vpnsName, present.vpns == chains.leads.vpns),
            (Leads.interfacesName, present.interfaces == chains.leads.interfaces),
            (Leads.refusalsName, present.refusals == chains.leads.refusals),
            (Leads.marksName, present.marks == chains.leads.marks),
            (Leads.limitsName, present.limits == chains.leads.limits),
            (Leads.timeServerName, present.toTimeServer == chains.leads.toTimeServer),
            (Leads.ratesName, Set(present.rates.keys) == Set(chains.leads.rates.keys)),
        ]
        for (name, isRight) in parts where found.parts[.set(name)] != nil && !isRight {
            findings.append("elements of \(name) had been changed")
        }
        if found.parts[.set(Leads.decisionsName)] != nil, try !reader.holds(chains.leads.decisions) {
            findings.append("elements of \(Leads.decisionsName) had been changed")
        }
        return findings
    }

    /// What is wrong with the devices of IPv6 and those of groups. Of many, only their number is looked at.
    private func otherFindings(
        _ found: TableSnapshot, _ reader: TableReader
    ) throws(DataPlaneError) -> [String] {
        var wanted = groupElements(of: groups).mapValues { Set($0.map(\.key)) }
        wanted["device_policy6"] = Set(devices6.keys.map { $0.address.bits.networkOctets })
        for family in Family.allCases { wanted["group_devices\(family.suffix)", default: []].formUnion([]) }
        for set in Self.sets(of: groups) { wanted[set.name, default: []].formUnion([]) }
        let words = names.elements
        for (map, elements) in words { wanted[map] = Set(elements.keys) }
        let present = Set(try reader.setNames())
        var findings: [String] = []
        for (set, keys) in wanted.sorted(by: { $0.key < $1.key }) {
            guard present.contains(set) else {
                if Self.isGroup(set) { findings.append("the set \(set) was gone") }
                continue
            }
            let count = try reader.count(of: set)
            if let count, count != keys.count {
                findings.append("\(set) had \(count) elements instead of \(keys.count)")
            } else if keys.count <= Self.readable {
                let isRight =
                    if let numbers = words[set] { try reader.words(of: set) == numbers } else {
                        try reader.keys(of: set) == keys
                    }
                if !isRight { findings.append("elements of \(set) had been changed") }
            }
        }
        return findings
    }

    private func deviceFindings(
        _ found: TableSnapshot, _ reader: TableReader
    ) throws(DataPlaneError) -> [String] {
        let once = try deviceFindings(found) { map throws(DataPlaneError) in try reader.elements(of: map) }
        if once.isEmpty { return [] }
        return try deviceFindings(found) { map throws(DataPlaneError) in try reader.settledElements(of: map) }
    }

    /// What is wrong with the elements of the devices, as `read` sees them.
    private func deviceFindings(
        _ found: TableSnapshot, _ read: (String) throws(DataPlaneError) -> [UInt32: [UInt8]]
    ) throws(DataPlaneError) -> [String] {
        var difference = DeviceDifference()
        difference.change(
            policies: found.parts[.set("device_policy")] == nil ? [:] : try read("device_policy"),
            bindings: found.parts[.set("device_nat")] == nil ? [:] : try read("device_nat"), to: devices)
        return difference.findings
    }

    /// Of maps that are too large to be read at once: whether they have as many elements as they should. If so, each
    /// device is looked up by the calls of ``verify()`` that follow, some at a time; together the two find whatever
    /// was changed. (A kernel that does not count does not tell elements too many.)
    private func countFindings(
        _ found: TableSnapshot, _ reader: TableReader
    ) throws(DataPlaneError) -> [String] {
        let expected = [
            ("device_policy", devices.count), ("device_nat", devices.values.count { $0.nat != nil }),
        ]
        var findings: [String] = []
        // One that is gone has been found already.
        for (map, expected) in expected where found.parts[.set(map)] != nil {
            guard let count = try reader.count(of: map), count != expected else { continue }
            findings.append("\(map) had \(count) elements instead of \(expected)")
        }
        unverified = findings.isEmpty ? Array(devices.keys) : []
        return findings
    }

    /// Looks some of the devices up that are still to be verified.
    func checkUnverified() throws(DataPlaneError) -> [String] {
        guard !unverified.isEmpty else { return [] }
        let addresses = unverified.suffix(Self.verifiedAtOnce).filter { devices[$0] != nil }
        unverified.removeLast(min(Self.verifiedAtOnce, unverified.count))
        let isRight = try linked { link throws(DataPlaneError) in
            let bound = addresses.filter { devices[$0]?.nat != nil }
            let policies = try link.reader.elements(of: "device_policy", at: addresses.map(\.octets))
            let bindings = try link.reader.elements(of: "device_nat", at: bound.map(\.octets))
            return addresses.allSatisfy { policies[$0.octets] == devices[$0]?.policyData }
                && bound.allSatisfy { bindings[$0.octets] == devices[$0]?.nat?.elementData }
        }
        guard !isRight else { return [] }
        try reload()
        return ["elements of devices were missing or wrong"]
    }

    private static let verifiedAtOnce = 8192

    /// Loads everything again as it was given.
    private func reload() throws(DataPlaneError) {
        unverified = []
        _ = try load(
            Contents(
                rulesets: chains.rulesets, devices: devices, devices6: devices6, nas: nas, pools: pools,
                pools6: pools6, vpns: chains.vpns, names: names.all))
    }
}

extension IPv4Address {
    fileprivate var octets: [UInt8] { bits.networkOctets }
}

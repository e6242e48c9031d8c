import Domain
import PolicyCompiler

extension KernelCore {
    func reconcile(to state: EnforcementState) throws(DataPlaneError) -> ReconcileReport {
        var rulesets = state.rulesets
        rulesets[.blockAll] = rulesets[.blockAll] ?? .blockAll
        var devices: [IPv4Address: DeviceEntry] = [:]
        for entry in state.devices { devices[entry.address] = entry }
        let report = try load(Contents(rulesets: rulesets, devices: devices, nas: state.nas, pools: state.pools))
        if isHostPrepared {
            _ = try ensureRoutes()
            _ = try startForwarding()
        }
        return report
    }

    struct Contents {
        let rulesets: [PolicyMark: Ruleset]
        let devices: [IPv4Address: DeviceEntry]
        let nas: Set<IPv4Address>
        let pools: Set<IPv4Prefix>
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
            var leads = Leads()
            if found.parts[.set("policy_chain")] != nil { leads.chains = try reader.policyChains() }
            if found.parts[.set("in_force")] != nil {
                let count = try reader.count(of: "in_force") ?? 0
                leads.decisions = count > Self.readable ? nil : try reader.decisions()
            }
            var sets = found.hasTable ? try reader.setNames() : []
            let structure = text.rules + text.elements(nas: contents.nas) + text.elements(pools: contents.pools)
            let present = try presentInterfaces()
            let before = try reader.generation()
            do throws(DataPlaneError) {
                try run(text.definitions + clearing(found) + structure, operation: "loading the table")
            } catch {
                guard found.hasTable, error.code == .refused else { throw error }
                // Something of another kind has one of our names. Nothing that is not ours may stay there.
                try run(
                    "delete table inet cordon\n" + text.definitions + structure, operation: "replacing the table")
                (found, policies, bindings, forms, leads, sets) = (TableSnapshot(), [:], [:], [:], Leads(), [])
            }
            var commits: UInt32 = 1
            let first = layout.firstChain ?? UInt32.random(in: PolicyChains.firstNumbers)
            var chains = PolicyChains(
                after: self.chains.last ?? first &- 1,
                taken: Set((found.chains + sets).compactMap(PolicyChains.serial)), adopting: forms,
                ledTo: leads.chains)
            let change = chains.change(to: contents.rulesets, removing: [])
            chains.stopAdopting()
            try add(change.additions, link) { body throws(DataPlaneError) in
                try body()
                commits += 1
            }
            if try lead(from: leads, to: chains, found: found.chains, sets: sets, link) { commits += 1 }
            if isLarge {
                try DeviceDifference.replaceAll(with: contents.devices, over: link.nftables)
                commits += 2
            } else {
                var difference = DeviceDifference()
                difference.change(policies: policies, bindings: bindings, to: contents.devices)
                if try difference.commit(over: link.nftables) { commits += 1 }
            }

            interfaces = present
            self.chains = chains
            flowNumbers.loseTrack()
            (devices, nas, pools) = (contents.devices, contents.nas, contents.pools)
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

    /// What leads to policies' chains, and on from there.
    private struct Leads {
        var chains: [UInt32: String] = [:]
        /// `nil` for more than can be read.
        var decisions: PolicyDecisions? = PolicyDecisions()
    }

    /// Leads policies to their chains, and deletes the chains and maps that are not in use: old policies' and foreign
    /// ones. - Returns: whether anything had to change.
    private func lead(
        from present: Leads, to chains: PolicyChains, found: [String], sets: [String], _ link: Link
    ) throws(DataPlaneError) -> Bool {
        let wanted = chains.chainsByMark
        let inUse = chains.inUse
        var batch = TableBatch(socket: link.nftables)
        try batch.delete(
            present.chains.filter { wanted[$0.key] != $0.value }.map { TableElement(key: $0.key.nativeOctets) },
            from: "policy_chain")
        if let decisions = present.decisions {
            try batch.delete(decisions.subtracting(chains.decisions))
        } else {
            try batch.flush("in_force")
        }
        try batch.add(
            wanted.filter { present.chains[$0.key] != $0.value }
                .map { TableElement(key: $0.key.nativeOctets, value: .jump(chain: $0.value)) },
            to: "policy_chain")
        try batch.add(chains.decisions.subtracting(present.decisions ?? PolicyDecisions()))
        let unused = found.filter { !TableText.chains.contains($0) && !inUse.contains($0) }
        try batch.remove(
            chains: unused.sorted(),
            maps: sets.filter { name in
                guard let serial = PolicyChains.serial(of: name) else { return false }
                return !inUse.contains("\(PolicyChains.prefix)\(serial)")
            })
        return try batch.commit()
    }

    /// Commands that empty what is there, but for the devices and what leads to policies.
    private func clearing(_ found: TableSnapshot) -> String {
        guard found.hasTable else { return "" }
        // Foreign chains are emptied too, so that nothing hangs on another.
        let names = Set(found.chains.filter { PolicyChains.serial(of: $0) == nil }).union(TableText.chains).sorted()
        return names.map { "flush chain inet cordon \($0)\n" }.joined()
            + "flush set inet cordon nas\nflush set inet cordon pools\n"
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
                if found.parts[.set("in_force")] != nil, try !reader.holds(chains.decisions) {
                    findings.append("elements of in_force had been changed")
                }
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
        _ = try load(Contents(rulesets: chains.rulesets, devices: devices, nas: nas, pools: pools))
    }
}

extension IPv4Address {
    fileprivate var octets: [UInt8] { bits.networkOctets }
}

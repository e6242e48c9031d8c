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

    /// Brings the table to these contents, whatever it holds now. Structure and policies go in one transaction, which
    /// takes the place of the old while packets are being judged; then the devices that differ go in another.
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
            let found = try reader.snapshot()
            var policies: [UInt32: [UInt8]] = [:]
            var bindings: [UInt32: [UInt8]] = [:]
            if found.parts[.set("device_policy")] != nil {
                policies = try reader.settledElements(of: "device_policy")
            }
            if found.parts[.set("device_nat")] != nil { bindings = try reader.settledElements(of: "device_nat") }

            var chains = PolicyChains(after: found.chains.compactMap(PolicyChains.serial).max() ?? 0)
            let change = chains.change(to: contents.rulesets, removing: [])
            let filling =
                text.rules + change.swap + text.elements(nas: contents.nas) + text.elements(pools: contents.pools)
            let before = try reader.generation()
            do throws(DataPlaneError) {
                try run(text.definitions + change.additions, operation: "adding policies' chains")
                try run(clearing(found) + filling + removal(found), operation: "loading the table")
            } catch {
                guard found.hasTable, error.code == .refused else { throw error }
                // Something of another kind has one of our names. Nothing that is not ours may stay there.
                try run(
                    "delete table inet cordon\n" + text.definitions + change.additions + filling,
                    operation: "replacing the table")
                (policies, bindings) = ([:], [:])
            }
            var difference = DeviceDifference()
            difference.change(policies: policies, bindings: bindings, to: contents.devices)
            try difference.commit(over: link.nftables)

            self.chains = chains
            (devices, nas, pools) = (contents.devices, contents.nas, contents.pools)
            let after = try reader.generation()
            snapshot = try reader.snapshot()
            generation = try reader.generation()
            let kept = policies.keys.count { contents.devices[IPv4Address(bits: $0)] != nil }
            let report = ReconcileReport(
                devicesAdded: contents.devices.count - kept, devicesRemoved: policies.count - kept, devicesKept: kept)
            let commits: UInt32 = difference.isEmpty ? 2 : 3
            return (report, after == before &+ commits && generation == after)
        }
    }

    /// Commands that empty what is there, but for the devices.
    private func clearing(_ found: TableSnapshot) -> String {
        guard found.hasTable else { return "" }
        let names = Set(found.chains).union(TableText.chains).sorted()
        return names.map { "flush chain inet cordon \($0)\n" }.joined()
            + "flush map inet cordon policy_chain\nflush set inet cordon nas\nflush set inet cordon pools\n"
    }

    /// Commands that delete the chains which nothing leads to any more: old policies' and foreign ones.
    private func removal(_ found: TableSnapshot) -> String {
        found.chains.sorted().filter { !TableText.chains.contains($0) }
            .map { "delete chain inet cordon \($0)\n" }.joined()
    }

    // MARK: Verifying

    func verify() throws(DataPlaneError) -> RepairReport? {
        guard snapshot != nil else { return nil }
        var findings: [String] = []
        do throws(DataPlaneError) {
            if try linked(probe) != generation { findings += try check() ?? [] }
        } catch {
            guard error.code == .connectionLost else { throw error }
            findings += try check() ?? []
        }
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

    /// The generation, once each socket has given an answer.
    private func probe(_ link: Link) throws(DataPlaneError) -> UInt32 {
        try Routing(layout: layout, socket: link.routes).checkSocket()
        _ = try Conntrack(socket: link.conntrack).failedInsertions()
        return try link.reader.generation()
    }

    /// Compares the kernel with the mirror, and loads everything again when they differ.
    /// - Returns: what was wrong, `nil` when nothing was.
    func check() throws(DataPlaneError) -> [String]? {
        guard let snapshot else { return nil }
        let (findings, seen) = try linked { link throws(DataPlaneError) in
            let reader = link.reader
            let seen = try reader.generation()
            let found = try reader.snapshot()
            var findings = found.findings(expected: snapshot)
            if found.hasTable {
                var devices = try deviceFindings(found) { map throws(DataPlaneError) in try reader.elements(of: map) }
                if !devices.isEmpty {
                    devices = try deviceFindings(found) { map throws(DataPlaneError) in
                        try reader.settledElements(of: map)
                    }
                }
                findings += devices
            }
            return (findings, seen)
        }
        guard !findings.isEmpty else {
            generation = seen
            return nil
        }
        let contents = Contents(rulesets: chains.rulesets, devices: devices, nas: nas, pools: pools)
        _ = try load(contents)
        return findings
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
}

import Domain
import PolicyCompiler

/// Whether the kernel still has what it was given.
extension KernelCore {
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

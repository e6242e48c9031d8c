import Domain
import Glibc
import PolicyCompiler

/// What counts and limits, as this process has loaded it.
struct Usage {
    var programs: UsagePrograms?
    /// Why there are none.
    var problem: DataPlaneError?
}

extension KernelCore {
    /// Loads the programs, or takes up what an earlier process has counted.
    func startUsage() throws(DataPlaneError) {
        guard usage.programs == nil, usage.problem == nil else { return }
        let earlier = try linked { link throws(DataPlaneError) in
            try link.reader.usageProgram()
        }
        do throws(DataPlaneError) {
            try linked { link throws(DataPlaneError) in try link.reader.loadMatch() }
            usage.programs = try UsagePrograms(
                after: earlier, capacity: layout.usageCapacity,
                start: UInt64(clamping: time(nil)) << UsagePrograms.countersASecond)
        } catch {
            usage.problem = error
        }
    }

    /// Loads programs and rules before anything leads there. - Returns: one sentence for what the kernel lacks.
    func probeUsage() throws(DataPlaneError) -> [String] {
        try startUsage()
        // Rules of an earlier process show that the kernel has what they need. Where somebody else's table is in the way,
        // the first state replaces it.
        do throws(DataPlaneError) {
            try linked { link throws(DataPlaneError) in
                if try link.reader.usageProgram() == nil { try loadUsage(link) }
            }
        } catch {}
        return usage.problem.map { ["usage is not counted and nothing is limited: \($0)"] } ?? []
    }

    /// The rules that count and limit. Where the kernel has no such rules, all passes.
    func loadUsage(_ link: Link) throws(DataPlaneError) {
        var batch = TableBatch(socket: link.nftables)
        try batch.setUsage(usage.programs)
        do throws(DataPlaneError) {
            try batch.commit()
        } catch {
            guard usage.programs != nil, error.code != .connectionLost else { throw error }
            var open = TableBatch(socket: link.nftables)
            try open.setUsage(nil)
            try open.commit()
            (usage.programs, usage.problem) = (nil, error)
        }
    }

    private func loadedUsage() throws(DataPlaneError) -> UsagePrograms {
        if let programs = usage.programs { return programs }
        throw usage.problem
            ?? DataPlaneError(code: .refused, operation: "counting usage", detail: "no state has been loaded yet")
    }

    /// Brings sessions and limits to this state, before devices are led there.
    func reconcileUsage(to state: EnforcementState) throws(DataPlaneError) {
        try startUsage()
        guard let programs = usage.programs else {
            if state.limits.isEmpty && state.quotas.isEmpty { return }
            _ = try loadedUsage()
            return
        }
        try programs.set(state.quotas.mapValues(Optional.some))
        try programs.set(state.limits.mapValues(Optional.some))
        try programs.apply(
            state.devices.map { .init(key: $0.address.usageKey, session: $0.session, limit: $0.limit) }
                + state.devices6.map { .init(key: $0.prefix.usageKey, session: $0.session, limit: $0.limit) })
        let present = try programs.numbers()
        for number in present.limits {
            if let number = LimitNumber(number), state.limits[number] == nil { try programs.set([number: nil]) }
        }
        for number in present.quotas {
            if let number = QuotaNumber(number), state.quotas[number] == nil { try programs.set([number: nil]) }
        }
    }

    /// Those of devices that come, before they do.
    func applyUsage(_ changes: [DeviceChange]) throws(DataPlaneError) {
        guard let programs = usage.programs else {
            // Before the first state nothing is loaded, and nothing passes.
            guard usage.problem != nil else { return }
            for change in changes {
                switch change {
                case .set(let entry) where entry.limit != nil: _ = try loadedUsage()
                case .set6(let entry) where entry.limit != nil: _ = try loadedUsage()
                default: break
                }
            }
            return
        }
        try programs.apply(
            changes.compactMap { change in
                switch change {
                case .set(let entry):
                    .init(key: entry.address.usageKey, session: entry.session, limit: entry.limit)
                case .set6(let entry):
                    .init(key: entry.prefix.usageKey, session: entry.session, limit: entry.limit)
                case .remove, .remove6: nil
                }
            })
    }

    /// What counts of a session that has ended, which no packet comes to any more: of a device that is gone, or that has
    /// another counter now.
    func forgetUsage(_ readings: [UsageReading]) throws(DataPlaneError) -> [UsageReading] {
        let programs = try loadedUsage()
        var gone: [UsageReading] = []
        for reading in readings {
            let isPresent =
                switch reading.device {
                case .v4(let address): devices[address] != nil
                case .v6(let address): devices6[IPv6Prefix(containing: address, length: 64)] != nil
                }
            if isPresent, try programs.counter(of: reading.device) == reading.counter { continue }
            if try programs.forget(reading) { gone.append(reading) }
        }
        return gone
    }

    /// What counts of rules that nothing leads to any more.
    func forgetRuleUsage(_ readings: [RuleUsageReading]) throws(DataPlaneError) -> [RuleUsageReading] {
        let programs = try loadedUsage()
        let inUse = chains.leads.countedRules
        var gone: [RuleUsageReading] = []
        for reading in readings where !reading.isInUse && !inUse.contains(reading.rule) {
            if try programs.forget(reading) { gone.append(reading) }
        }
        return gone
    }

    func setLimits(_ changes: [LimitNumber: DeviceLimit?]) throws(DataPlaneError) {
        guard !changes.isEmpty else { return }
        try loadedUsage().set(changes)
    }

    func setQuotas(_ changes: [QuotaNumber: Quota?]) throws(DataPlaneError) {
        guard !changes.isEmpty else { return }
        try loadedUsage().set(changes)
    }

    func usageCounters() throws(DataPlaneError) -> [DataPlaneCounter] {
        guard let programs = usage.programs else { return [] }
        return [try programs.uncounted()]
    }
}

extension IPv4Address {
    var usageKey: [UInt8] { IPAddress.v4(self).usageKey }
}

extension IPv6Prefix {
    var usageKey: [UInt8] { IPAddress.v6(address).usageKey }
}

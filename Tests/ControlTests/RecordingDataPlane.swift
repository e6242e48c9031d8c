import Domain
import PolicyCompiler
import Synchronization

/// A data plane that remembers what it was given. It can be told to refuse, as a kernel does.
final class RecordingDataPlane: DataPlane {
    struct State {
        var devices: [IPv4Address: DeviceEntry] = [:]
        var devices6: [IPv6Prefix: DeviceEntry6] = [:]
        var rulesets: [PolicyMark: Ruleset] = [:]
        var nas: Set<IPv4Address> = []
        var pools: Set<IPv4Prefix> = []
        var pools6: Set<IPv6Prefix> = []
        var flows: [Flow] = []
        var hits: [PolicyMark: [RuleHits]] = [:]
        var observations: [Observation] = []
        var batches = 0
        /// Waited for before a batch is taken.
        var gate: (@Sendable () -> Void)?
        /// Every entry that came in a batch, in order.
        var entries: [DeviceEntry] = []
        var refusals = 0
        var sweepRefusals = 0
        var sweeps = 0
        var vpnRefusals = 0

        var vpns: [VPNNumber: VPNEntry] = [:]
        var path = TunnelPath.userSpace
        var names: [PolicyMark: [IPAddress: [DomainName]]] = [:]
        var nameRefusals = 0
        var isBusy = false
        var nameBatches = 0
        var upInterfaces: Set<InterfaceName> = []
        var limits: [LimitNumber: DeviceLimit] = [:]
        var quotas: [QuotaNumber: Quota] = [:]
        /// By quota; where there is none, it is as it was set.
        var quotaReadings: [QuotaNumber: QuotaReading] = [:]
        var quotaNotices: [QuotaNotice] = []
        var usage: [UsageReading] = []
        /// The counters of rules.
        var ruleUsage: [CountedRule.ID: (counter: UInt64, counts: UsageCounts)] = [:]
        /// Whether it enforces limits.
        var isLimiting = false
        /// What the programs of the kernel hold.
        var counted: [QuotaNumber: QuotaReading] = [:]

        /// Whether something may still be counted there.
        func isActive(_ reading: UsageReading) -> Bool {
            guard case .v4(let address) = reading.device, let entry = devices[address] else { return false }
            return entry.session == reading.session
        }

        func denied(_ selection: FlowSelection, _ judge: (TrackedFlow) -> FlowJudgement) -> [TrackedFlow] {
            flows.compactMap { flow in
                guard case .v4(let source) = flow.source else { return nil }
                let policy = devices[source]?.policy
                let isSelected =
                    switch selection {
                    case .all: true
                    case .ofDevices(let devices): devices.contains(.v4(source))
                    case .ofPolicies(let policies): policy.map(policies.contains) ?? false
                    }
                let tracked = TrackedFlow(flow: flow, policy: policy, isToDevice: false, group: nil, way: nil)
                return isSelected && judge(tracked) == .denied ? tracked : nil
            }
        }
    }

    private let state = Mutex(State())

    var now: State { state.withLock { $0 } }
    func change(_ body: (inout sending State) -> Void) { state.withLock { body(&$0) } }

    private func refuseIfTold(_ state: inout State) throws(DataPlaneError) {
        guard state.refusals > 0 else { return }
        state.refusals -= 1
        throw DataPlaneError(code: .refused, operation: "test", detail: "told to refuse")
    }

    func reconcile(to wanted: EnforcementState) throws(DataPlaneError) -> ReconcileReport {
        try state.withLock { state throws(DataPlaneError) in
            try refuseIfTold(&state)
            state.devices = Dictionary(uniqueKeysWithValues: wanted.devices.map { ($0.address, $0) })
            state.devices6 = Dictionary(uniqueKeysWithValues: wanted.devices6.map { ($0.prefix, $0) })
            state.rulesets = wanted.rulesets
            state.nas = wanted.nas
            state.pools = wanted.pools
            state.pools6 = wanted.pools6
            state.vpns = wanted.vpns
            state.limits = wanted.limits
            state.quotas = wanted.quotas
            for number in Array(state.counted.keys) where wanted.quotas[number] == nil { state.counted[number] = nil }
            for (number, quota) in wanted.quotas { state.set(quota, number) }
            state.names = [:]
            for one in wanted.names { state.names[one.policy, default: [:]][one.address] = one.names }
            return ReconcileReport(devicesAdded: wanted.devices.count, devicesRemoved: 0, devicesKept: 0)
        }
    }

    func apply(_ changes: [DeviceChange]) throws(DataPlaneError) {
        now.gate?()
        try state.withLock { state throws(DataPlaneError) in
            try refuseIfTold(&state)
            state.batches += 1
            for change in changes {
                switch change {
                case .set(let entry):
                    state.devices[entry.address] = entry
                    state.entries.append(entry)
                case .remove(let address): state.devices[address] = nil
                case .set6(let entry): state.devices6[entry.prefix] = entry
                case .remove6(let prefix): state.devices6[prefix] = nil
                }
            }
        }
    }

    func install(_ rulesets: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>) throws(DataPlaneError) {
        try state.withLock { state throws(DataPlaneError) in
            try refuseIfTold(&state)
            state.rulesets.merge(rulesets) { _, new in new }
            for mark in removed { state.rulesets[mark] = nil }
        }
    }

    func setNames(_ changes: [NamedAddress]) throws(DataPlaneError) {
        try state.withLock { state throws(DataPlaneError) in
            guard state.nameRefusals == 0 else {
                state.nameRefusals -= 1
                throw DataPlaneError(code: .refused, operation: "test", detail: "told to refuse")
            }
            state.nameBatches += 1
            for one in changes where state.rulesets[one.policy] != nil {
                state.names[one.policy, default: [:]][one.address] = one.names.isEmpty ? nil : one.names
            }
        }
    }

    func setNamesAtOnce(_ changes: [NamedAddress]) throws(DataPlaneError) -> Bool {
        guard !now.isBusy else { return false }
        try setNames(changes)
        return true
    }

    func routeMark(of vpn: VPNNumber) -> UInt32 { 1 << 31 | vpn.rawValue }

    func setNAS(_ addresses: Set<IPv4Address>) throws(DataPlaneError) { state.withLock { $0.nas = addresses } }
    func setPools(_ prefixes: Set<IPv4Prefix>) throws(DataPlaneError) { state.withLock { $0.pools = prefixes } }
    func setPools(_ prefixes: Set<IPv6Prefix>) throws(DataPlaneError) { state.withLock { $0.pools6 = prefixes } }
    func changeVPNs(_ changes: [VPNNumber: VPNEntry?]) throws(DataPlaneError) {
        try setVPNs(
            state.withLock { state in
                changes.reduce(into: state.vpns) { $0[$1.key] = $1.value }
            })
    }

    func tunnelPath() throws(DataPlaneError) -> TunnelPath { now.path }
    func attachTunnels(to interface: InterfaceName) throws(DataPlaneError) {}
    func tunnelCounters(of vpns: Set<VPNNumber>?) throws(DataPlaneError) -> [VPNNumber: TunnelCounters] { [:] }

    func setVPNs(_ vpns: [VPNNumber: VPNEntry]) throws(DataPlaneError) {
        try state.withLock { state throws(DataPlaneError) in
            guard state.vpnRefusals == 0 else {
                state.vpnRefusals -= 1
                throw DataPlaneError(code: .refused, operation: "test", detail: "told to refuse")
            }
            state.vpns = vpns
        }
    }
    func upInterfaces(_ interfaces: Set<InterfaceName>) throws(DataPlaneError) -> Set<InterfaceName> {
        now.upInterfaces.intersection(interfaces)
    }

    func deleteFlows(
        _ selection: FlowSelection, judging judge: (TrackedFlow) -> FlowJudgement
    ) throws(DataPlaneError) -> Int {
        try state.withLock { state throws(DataPlaneError) in
            state.sweeps += 1
            guard state.sweepRefusals > 0 else { return }
            state.sweepRefusals -= 1
            throw DataPlaneError(code: .refused, operation: "test", detail: "told to refuse")
        }
        let denied = now.denied(selection, judge)
        state.withLock { state in state.flows.removeAll { flow in denied.contains { $0.flow == flow } } }
        return denied.count
    }

    func flows(
        _ selection: FlowSelection, listing limit: Int, judging judge: (TrackedFlow) -> FlowJudgement
    ) throws(DataPlaneError) -> (count: Int, listed: [TrackedFlow]) {
        let denied = now.denied(selection, judge)
        return (denied.count, Array(denied.prefix(limit)))
    }

    var enforcedLimits: Set<SessionPolicy.Section> { now.isLimiting ? [.dataLimit, .bandwidth] : [] }
    func hits(of policy: PolicyMark) throws(DataPlaneError) -> [RuleHits] { now.hits[policy] ?? [] }
    func observations() throws(DataPlaneError) -> [Observation] { now.observations }
    func verify() throws(DataPlaneError) -> RepairReport? { nil }
    func counters() throws(DataPlaneError) -> [DataPlaneCounter] { [] }

    /// In parts, of which each has all readings of a counter, or two have them.
    func usage(after cursor: UsageCursor?) throws(DataPlaneError) -> UsagePart {
        let place = cursor?.place ?? 0
        let readings = now.usage.filter { ($0.counter &+ $0.counts.packetsDown) % 4 == UInt64(place) }
        return UsagePart(readings: readings, next: place == 3 ? nil : UsageCursor(table: 0, place: place + 1))
    }

    /// What a counter says is the most that is said of it.
    func forgetUsage(_ readings: [UsageReading]) throws(DataPlaneError) -> [UsageReading] {
        state.withLock { state in
            let gone = readings.filter { reading in
                let all = state.usage.filter { $0.counter == reading.counter && $0.way == reading.way }
                return !state.isActive(reading)
                    && all.allSatisfy { $0.counts.exceeding(reading.counts) == UsageCounts() }
            }
            state.usage.removeAll { one in gone.contains { $0.counter == one.counter && $0.way == one.way } }
            return gone
        }
    }
    func setLimits(_ changes: [LimitNumber: DeviceLimit?]) throws(DataPlaneError) {
        try state.withLock { state throws(DataPlaneError) in
            try refuseIfTold(&state)
            for (number, limit) in changes { state.limits[number] = limit }
        }
    }
    func setQuotas(_ changes: [QuotaNumber: Quota?]) throws(DataPlaneError) {
        try state.withLock { state throws(DataPlaneError) in
            try refuseIfTold(&state)
            for (number, quota) in changes {
                state.quotas[number] = quota
                state.set(quota, number)
            }
        }
    }
    func quotas(_ numbers: [QuotaNumber]) throws(DataPlaneError) -> [QuotaReading?] {
        state.withLock { state in numbers.map { state.quotaReadings[$0] ?? state.counted[$0] } }
    }
    func quotas() throws(DataPlaneError) -> [QuotaNumber: QuotaReading] {
        state.withLock { state in state.quotaReadings.merging(state.counted) { first, _ in first } }
    }
    func takeQuotaNotices() throws(DataPlaneError) -> [QuotaNotice] {
        state.withLock { state in
            defer { state.quotaNotices = [] }
            return state.quotaNotices
        }
    }
}

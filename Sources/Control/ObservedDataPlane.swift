import Domain
import PolicyCompiler
import Synchronization

/// Which devices the kernel knows, for those who ask by address at every question of a device.
final class DeviceTable: Sendable {
    struct Device: Hashable, Sendable {
        let policy: PolicyMark
        let group: GroupNumber?
    }

    private struct Tables {
        var devices: [IPv4Address: Device] = [:]
        var prefixes: [IPv6Prefix: Device] = [:]
    }

    private let tables = Mutex(Tables())

    subscript(address: IPAddress) -> Device? {
        tables.withLock { tables in
            switch address {
            case .v4(let address): tables.devices[address]
            // A device has a /64.
            case .v6(let address): tables.prefixes[IPv6Prefix(containing: address, length: 64)]
            }
        }
    }

    func replaceAll(_ devices: [DeviceEntry], _ devices6: [DeviceEntry6]) {
        var new = Tables()
        for entry in devices { new.devices[entry.address] = Device(policy: entry.policy, group: entry.group) }
        for entry in devices6 { new.prefixes[entry.prefix] = Device(policy: entry.policy, group: entry.group) }
        let whole = new
        tables.withLock { $0 = whole }
    }

    func apply(_ changes: [DeviceChange]) {
        tables.withLock { tables in
            for change in changes {
                switch change {
                case .set(let entry):
                    tables.devices[entry.address] = Device(policy: entry.policy, group: entry.group)
                case .remove(let address): tables.devices[address] = nil
                case .set6(let entry):
                    tables.prefixes[entry.prefix] = Device(policy: entry.policy, group: entry.group)
                case .remove6(let prefix): tables.prefixes[prefix.widened(to: min(prefix.length, 64))] = nil
                }
            }
        }
    }
}

/// The data plane, with a table of the devices that it was given: it changes when the kernel has.
struct ObservedDataPlane: DataPlane {
    let base: any DataPlane
    let devices: DeviceTable

    func reconcile(to state: EnforcementState) throws(DataPlaneError) -> ReconcileReport {
        let report = try base.reconcile(to: state)
        devices.replaceAll(state.devices, state.devices6)
        return report
    }

    func apply(_ changes: [DeviceChange]) throws(DataPlaneError) {
        try base.apply(changes)
        devices.apply(changes)
    }

    func install(
        _ rulesets: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>
    ) throws(DataPlaneError) {
        try base.install(rulesets, removing: removed)
    }

    func setNames(_ changes: [NamedAddress]) throws(DataPlaneError) { try base.setNames(changes) }
    func setNamesAtOnce(_ changes: [NamedAddress]) throws(DataPlaneError) -> Bool { try base.setNamesAtOnce(changes) }
    func setNAS(_ addresses: Set<IPv4Address>) throws(DataPlaneError) { try base.setNAS(addresses) }
    func setPools(_ prefixes: Set<IPv4Prefix>) throws(DataPlaneError) { try base.setPools(prefixes) }
    func setPools(_ prefixes: Set<IPv6Prefix>) throws(DataPlaneError) { try base.setPools(prefixes) }
    func setVPNs(_ vpns: [VPNNumber: VPNEntry]) throws(DataPlaneError) { try base.setVPNs(vpns) }
    func changeVPNs(_ changes: [VPNNumber: VPNEntry?]) throws(DataPlaneError) { try base.changeVPNs(changes) }
    func tunnelPath() throws(DataPlaneError) -> TunnelPath { try base.tunnelPath() }
    func attachTunnels(to interface: InterfaceName) throws(DataPlaneError) { try base.attachTunnels(to: interface) }
    func tunnelCounters(of vpns: Set<VPNNumber>?) throws(DataPlaneError) -> [VPNNumber: TunnelCounters] {
        try base.tunnelCounters(of: vpns)
    }

    func upInterfaces(_ interfaces: Set<InterfaceName>) throws(DataPlaneError) -> Set<InterfaceName> {
        try base.upInterfaces(interfaces)
    }

    func deleteFlows(
        _ selection: FlowSelection, judging judge: (TrackedFlow) -> FlowJudgement
    ) throws(DataPlaneError) -> Int {
        try base.deleteFlows(selection, judging: judge)
    }

    func flows(
        _ selection: FlowSelection, listing limit: Int, judging judge: (TrackedFlow) -> FlowJudgement
    ) throws(DataPlaneError) -> (count: Int, listed: [TrackedFlow]) {
        try base.flows(selection, listing: limit, judging: judge)
    }

    func routeMark(of vpn: VPNNumber) -> UInt32 { base.routeMark(of: vpn) }
    func verify() throws(DataPlaneError) -> RepairReport? { try base.verify() }
    var enforcedLimits: Set<SessionPolicy.Section> { base.enforcedLimits }
    func hits(of policy: PolicyMark) throws(DataPlaneError) -> [RuleHits] { try base.hits(of: policy) }
    func observations() throws(DataPlaneError) -> [Observation] { try base.observations() }
    func counters() throws(DataPlaneError) -> [DataPlaneCounter] { try base.counters() }
    func usage(after cursor: UsageCursor?) throws(DataPlaneError) -> UsagePart { try base.usage(after: cursor) }
    func forgetUsage(_ readings: [UsageReading]) throws(DataPlaneError) -> [UsageReading] {
        try base.forgetUsage(readings)
    }
    func ruleUsage() throws(DataPlaneError) -> [RuleUsageReading] { try base.ruleUsage() }
    func forgetRuleUsage(_ readings: [RuleUsageReading]) throws(DataPlaneError) -> [RuleUsageReading] {
        try base.forgetRuleUsage(readings)
    }
    func setLimits(_ changes: [LimitNumber: DeviceLimit?]) throws(DataPlaneError) { try base.setLimits(changes) }
    func setQuotas(_ changes: [QuotaNumber: Quota?]) throws(DataPlaneError) { try base.setQuotas(changes) }
    func quotas(_ numbers: [QuotaNumber]) throws(DataPlaneError) -> [QuotaReading?] {
        try base.quotas(numbers)
    }
    func quotas() throws(DataPlaneError) -> [QuotaNumber: QuotaReading] { try base.quotas() }
    func takeQuotaNotices() throws(DataPlaneError) -> [QuotaNotice] { try base.takeQuotaNotices() }
}

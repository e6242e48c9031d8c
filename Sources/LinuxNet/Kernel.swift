public import Domain
public import PolicyCompiler
import Synchronization

/// The data plane of a gateway: the Linux kernel's nftables, conntrack and routing in one network namespace.
///
/// Nothing is removed when it goes away: the last state stays in force without the process. Only ``tearDown()`` removes.
public final class Kernel: DataPlane {
    let core: Mutex<KernelCore>
    let sweeper: Mutex<FlowSweep>
    /// Locked before ``core`` where both are.
    let tracer: Mutex<PacketTracer>

    /// Opens the sockets; changes nothing yet.
    /// - Parameter namespace: where the gateway is; `nil` is the calling thread's.
    public init(layout: GatewayLayout, namespace: NetworkNamespace? = nil) throws(DataPlaneError) {
        let place: NetworkNamespace
        if let namespace { place = namespace } else { place = try NetworkNamespace() }
        core = Mutex(try KernelCore(layout: layout, namespace: place))
        sweeper = Mutex(FlowSweep(namespace: place))
        tracer = Mutex(PacketTracer(sgiInterface: layout.sgiInterface, namespace: place))
    }

    /// Makes routes, routing rules and kernel settings. May be repeated. Forwarding itself is turned on by the first
    /// ``reconcile(to:)`` that comes with it.
    /// - Returns: settings that could not be made, one sentence each.
    /// - Throws: ``DataPlaneError`` when a route or a rule cannot be made.
    public func prepareHost() throws(DataPlaneError) -> [String] {
        try core.withLock { core throws(DataPlaneError) in try core.prepareHost() }
    }

    /// Stops forwarding and removes the table, the routes and the routing rules, not the other kernel settings.
    public func tearDown() throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.tearDown() }
    }

    public func reconcile(to state: EnforcementState) throws(DataPlaneError) -> ReconcileReport {
        try core.withLock { core throws(DataPlaneError) in try core.reconcile(to: state) }
    }

    public func apply(_ changes: [DeviceChange]) throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.apply(changes) }
    }

    public func install(
        _ rulesets: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>
    ) throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.install(rulesets, removing: removed) }
    }

    public func setNames(_ changes: [NamedAddress]) throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.setNames(changes) }
    }

    public func setNamesAtOnce(_ changes: [NamedAddress]) throws(DataPlaneError) -> Bool {
        try core.withLockIfAvailable { core throws(DataPlaneError) in try core.setNames(changes) } != nil
    }

    public func setNAS(_ addresses: Set<IPv4Address>) throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.setNAS(addresses) }
    }

    public func setPools(_ prefixes: Set<IPv4Prefix>) throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.setPools(prefixes) }
    }

    public func setPools(_ prefixes: Set<IPv6Prefix>) throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.setPools(prefixes) }
    }

    public func setVPNs(_ vpns: [VPNNumber: VPNEntry]) throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.setVPNs(vpns) }
    }

    public func changeVPNs(_ changes: [VPNNumber: VPNEntry?]) throws(DataPlaneError) {
        _ = try core.withLock { core throws(DataPlaneError) in try core.changeVPNs(changes) }
    }

    public func tunnelPath() throws(DataPlaneError) -> TunnelPath {
        try core.withLock { core throws(DataPlaneError) in try core.tunnelPath() }
    }

    public func attachTunnels(to interface: InterfaceName) throws(DataPlaneError) {
        try core.withLock { core throws(DataPlaneError) in try core.attachTunnels(to: interface) }
    }

    public func tunnelCounters(
        of vpns: Set<VPNNumber>?
    ) throws(DataPlaneError) -> [VPNNumber: TunnelCounters] {
        try core.withLock { core throws(DataPlaneError) in try core.tunnelCounters(of: vpns) }
    }

    public func routeMark(of vpn: VPNNumber) -> UInt32 { RouteMark.of(vpn) }

    public func upInterfaces(_ interfaces: Set<InterfaceName>) throws(DataPlaneError) -> Set<InterfaceName> {
        try core.withLock { core throws(DataPlaneError) in try core.upInterfaces(interfaces) }
    }

    public func deleteFlows(
        _ selection: FlowSelection, judging judge: (TrackedFlow) -> FlowJudgement
    ) throws(DataPlaneError) -> Int {
        let (sweep, found) = try read(selection)
        let judgements = found.map { $0.isSelected ? judge($0.tracked) : .notOurs }
        var (denied, left): ([Conntrack.Entry], [KernelCore.SweptFlow]) = ([], [])
        var marked: [(entry: Conntrack.Entry, mark: UInt32)] = []
        core.withLock { core in
            for (flow, judgement) in zip(found, judgements) {
                switch core.fate(of: flow, judgement) {
                case .cut: denied.append(flow.entry)
                case .kept: left.append(flow)
                case .marked(let mark): marked.append((flow.entry, mark))
                }
            }
        }
        let deleted = try sweeper.withLock { sweeper throws(DataPlaneError) in
            let deleted = try sweeper.delete(denied)
            try sweeper.setMarks(marked)
            return deleted
        }
        try core.withLock { core throws(DataPlaneError) in
            try core.note(left, sweep)
            switch selection {
            case .all: try core.forgetRetired(of: Set(core.chains.retired.keys))
            case .ofPolicies(let policies): try core.forgetRetired(of: policies)
            case .ofDevices: break
            }
        }
        return deleted
    }

    public func flows(
        _ selection: FlowSelection, listing limit: Int, judging judge: (TrackedFlow) -> FlowJudgement
    ) throws(DataPlaneError) -> (count: Int, listed: [TrackedFlow]) {
        let found = try read(selection).found.filter(\.isSelected)
        let judgements = found.map { judge($0.tracked) }
        let denied = core.withLock { core in
            zip(found, judgements).filter { flow, judgement in
                if case .cut = core.fate(of: flow, judgement) { true } else { false }
            }
        }
        return (denied.count, denied.prefix(limit).map(\.0.tracked))
    }

    /// Reads flows while changes go on.
    private func read(
        _ selection: FlowSelection
    ) throws(DataPlaneError) -> (sweep: KernelCore.Sweep, found: [KernelCore.SweptFlow]) {
        let sweep = core.withLock { $0.sweep(selection) }
        let entries = try sweeper.withLock { sweeper throws(DataPlaneError) in try sweeper.entries(sweep.question) }
        return (sweep, core.withLock { $0.owned(entries, sweep) })
    }

    public func verify() throws(DataPlaneError) -> RepairReport? {
        try core.withLock { core throws(DataPlaneError) in try core.verify() }
    }

    public func hits(of policy: PolicyMark) throws(DataPlaneError) -> [RuleHits] {
        try core.withLock { core throws(DataPlaneError) in try core.hits(of: policy) }
    }

    public func observations() throws(DataPlaneError) -> [Observation] {
        try core.withLock { core throws(DataPlaneError) in try core.observations() }
    }

    /// The table's own counters, and `nat_ports_exhausted`: packets dropped since the namespace was made because the
    /// connection they would have opened could not be entered, its translated address and port being taken. That is
    /// what happens when a device has as many connections to one destination as its block has ports. (Conntrack's
    /// `insert_failed`: octets are not counted, and the rare clash of two connections without NAT is in it too.) And
    /// `vpn_unassigned` where the IKE daemon encrypts: what came from it, and is for no tenant's device, or from no network
    /// behind its peers.
    public func counters() throws(DataPlaneError) -> [DataPlaneCounter] {
        try core.withLock { core throws(DataPlaneError) in try core.counters() }
    }
}

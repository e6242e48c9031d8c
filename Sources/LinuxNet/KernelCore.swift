import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// The state behind ``Kernel``: the sockets, and a mirror of what the kernel was given.
final class KernelCore {
    let layout: GatewayLayout
    let namespace: NetworkNamespace
    var devices: [IPv4Address: DeviceEntry] = [:]
    var chains = PolicyChains()
    var flowNumbers = FlowNumbers()
    /// The policies of devices that are gone, whose flows conntrack may still have when they come back.
    private var departed: [IPv4Address: PolicyMark] = [:]
    var nas: Set<IPv4Address> = []
    var pools: Set<IPv4Prefix> = []
    /// What the table's parts looked like after our last change; `nil` until the kernel was given a state.
    var snapshot: TableSnapshot?
    /// The ruleset's generation that our own commits explain; `nil` when somebody else has committed in between.
    var generation: UInt32?
    /// Devices that have not been compared with the kernel since somebody else's commit.
    var unverified: [IPv4Address] = []
    /// The numbers of the interfaces that the table was loaded for.
    var interfaces: [UInt32] = []
    var isHostPrepared = false
    /// Set when the sockets were lost, until ``verify()`` has reported it.
    var hasLostSockets = false
    private var openLink: Link?

    /// The sockets, all in the gateway's namespace.
    struct Link {
        let nftables: NetlinkSocket
        let conntrack: NetlinkSocket
        let routes: NetlinkSocket
        var reader: TableReader { TableReader(socket: nftables) }
    }

    init(layout: GatewayLayout, namespace: NetworkNamespace) throws(DataPlaneError) {
        self.layout = layout
        self.namespace = namespace
        openLink = try Self.open(in: namespace)
    }

    var text: TableText { TableText(layout: layout) }

    private static func open(in namespace: NetworkNamespace) throws(DataPlaneError) -> Link {
        try namespace.run { () throws(DataPlaneError) in
            Link(
                nftables: try NetlinkSocket(bus: NETLINK_NETFILTER),
                conntrack: try NetlinkSocket(bus: NETLINK_NETFILTER),
                routes: try NetlinkSocket(bus: NETLINK_ROUTE))
        }
    }

    /// Runs `body` with the sockets; opens new ones first when they were lost.
    func linked<Success>(_ body: (Link) throws(DataPlaneError) -> Success) throws(DataPlaneError) -> Success {
        let link: Link
        if let openLink {
            link = openLink
        } else {
            link = try Self.open(in: namespace)
            openLink = link
        }
        do throws(DataPlaneError) {
            return try body(link)
        } catch {
            if error.code == .connectionLost {
                openLink = nil
                hasLostSockets = true
                // Whether the last change is in force is not known.
                generation = nil
            }
            throw error
        }
    }

    /// Runs `body`, which commits once, and keeps track of the generation.
    func committing(_ link: Link, _ body: () throws(DataPlaneError) -> Void) throws(DataPlaneError) {
        let before = try link.reader.generation()
        if before != generation { generation = nil }
        try body()
        let after = try link.reader.generation()
        generation = generation != nil && after == before &+ 1 ? after : nil
    }

    func run(_ text: String, operation: String) throws(DataPlaneError) {
        try namespace.run { () throws(DataPlaneError) in try NFTables.run(text, operation: operation) }
    }

    // MARK: Changes

    func apply(_ changes: [DeviceChange]) throws(DataPlaneError) {
        do throws(DataPlaneError) {
            try commit(changes)
        } catch {
            // What the kernel holds is not what it was given: somebody else's doing. Mended, the change can be made.
            guard error.code == .refused, snapshot != nil, try check(isRefused: true) != nil else { throw error }
            try commit(changes)
        }
    }

    private func commit(_ changes: [DeviceChange]) throws(DataPlaneError) {
        var wanted: [IPv4Address: DeviceEntry?] = [:]
        for change in changes {
            switch change {
            case .set(let entry): wanted[entry.address] = .some(entry)
            case .remove(let address): wanted[address] = .some(nil)
            }
        }
        var difference = DeviceDifference()
        for (address, entry) in wanted { difference.change(address, from: devices[address], to: entry) }
        guard !difference.isEmpty else { return }
        // From one policy to another; few pairs, however many devices.
        var moved: Set<[PolicyMark]> = []
        try linked { link throws(DataPlaneError) in
            try committing(link) { () throws(DataPlaneError) in try difference.commit(over: link.nftables) }
        }
        for (address, entry) in wanted {
            let old = devices[address]?.policy ?? departed.removeValue(forKey: address)
            if let entry, let old, old != entry.policy { moved.insert([old, entry.policy]) }
            if entry == nil { departed[address] = old }
            devices[address] = entry
        }
        for move in moved {
            flowNumbers.add(numbers(of: move[0]), to: move[1])
        }
    }

    func install(
        _ rulesets: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>
    ) throws(DataPlaneError) {
        do throws(DataPlaneError) {
            try commit(rulesets, removing: removed)
        } catch {
            guard error.code == .refused, snapshot != nil, try check(isRefused: true) != nil else { throw error }
            try commit(rulesets, removing: removed)
        }
    }

    private func commit(
        _ rulesets: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>
    ) throws(DataPlaneError) {
        // The last resort of every device stays.
        let removed = removed.subtracting([.blockAll])
        var chains = chains
        let change = chains.change(to: rulesets, removing: removed)
        guard !change.isEmpty else { return }
        try linked { link throws(DataPlaneError) in
            try add(change.additions, link) { body throws(DataPlaneError) in try committing(link, body) }
            do throws(DataPlaneError) {
                try committing(link) { () throws(DataPlaneError) in try swap(change, link) }
            } catch {
                // The new chains are left without use, which the next full check finds and mends.
                generation = nil
                throw error
            }
            self.chains = chains
            for (mark, chain) in change.unmapped {
                if chains.rulesets[mark] == nil {
                    flowNumbers.forget(mark)
                } else if let number = PolicyChains.number(of: chain) {
                    flowNumbers.add([number], to: mark)
                }
            }
            for name in change.removedChains {
                snapshot?.parts[.chain(name)] = nil
                snapshot?.parts[.rules(name)] = nil
            }
            for (name, _) in change.additions {
                snapshot?.parts[.chain(name)] = TableSnapshot.plainChain
                snapshot?.parts.merge(try link.reader.rules(of: name)) { $1 }
            }
            snapshot?.parts[.elements("policy_chain")] = chains.digest
        }
    }

    /// Adds chains, to which nothing leads yet, in transactions of some size: the kernel goes through what a
    /// transaction has so far again and again.
    func add(
        _ additions: [(chain: String, ruleset: Ruleset)], _ link: Link,
        commit: (() throws(DataPlaneError) -> Void) throws(DataPlaneError) -> Void
    ) throws(DataPlaneError) {
        var rest = additions[...]
        while !rest.isEmpty {
            var batch = TableBatch(socket: link.nftables)
            while let (chain, ruleset) = rest.first, batch.size < 1 << 20 {
                try batch.add(PolicyForm(ruleset), as: chain)
                rest = rest.dropFirst()
            }
            let whole = batch
            try commit { () throws(DataPlaneError) in try whole.commit() }
        }
    }

    private func swap(_ change: PolicyChains.Change, _ link: Link) throws(DataPlaneError) {
        var batch = TableBatch(socket: link.nftables)
        try batch.delete(
            change.unmapped.map { TableElement(key: $0.mark.rawValue.nativeOctets) }, from: "policy_chain")
        try batch.delete(change.decisions.removed)
        try batch.add(
            change.mapped.map { TableElement(key: $0.mark.rawValue.nativeOctets, value: .jump(chain: $0.chain)) },
            to: "policy_chain")
        try batch.add(change.decisions.added)
        try batch.remove(chains: change.removedChains, maps: change.removedMaps)
        try batch.commit()
    }

    func setNAS(_ addresses: Set<IPv4Address>) throws(DataPlaneError) {
        guard addresses != nas else { return }
        try fill("nas", text.elements(nas: addresses), operation: "setting the NAS addresses")
        nas = addresses
    }

    func setPools(_ prefixes: Set<IPv4Prefix>) throws(DataPlaneError) {
        guard prefixes != pools else { return }
        try fill("pools", text.elements(pools: prefixes), operation: "setting the pools")
        pools = prefixes
        if isHostPrepared { _ = try ensureRoutes() }
    }

    private func fill(_ set: String, _ elements: String, operation: String) throws(DataPlaneError) {
        try linked { link throws(DataPlaneError) in
            try committing(link) { () throws(DataPlaneError) in
                try run("flush set inet cordon \(set)\n" + elements, operation: operation)
            }
            snapshot?.parts[.elements(set)] = try link.reader.elementDigest(of: set)
        }
    }

    // MARK: The host

    func prepareHost() throws(DataPlaneError) -> [String] {
        // The question makes a modular kernel load conntrack, whose settings would not be there otherwise.
        _ = try linked { link throws(DataPlaneError) in try Conntrack(socket: link.conntrack).failedInsertions() }
        let warnings = try namespace.run { () throws(DataPlaneError) in Sysctls(layout: layout).apply() }
        isHostPrepared = true
        _ = try ensureRoutes()
        if snapshot != nil { _ = try startForwarding() }
        return warnings
    }

    /// The interfaces' present numbers, towards devices and towards the internet; zero for one that is not there.
    func presentInterfaces() throws(DataPlaneError) -> [UInt32] {
        try namespace.run { () throws(DataPlaneError) in
            [layout.sgiInterface, layout.wanInterface].map { if_nametoindex($0.description) }
        }
    }

    func ensureRoutes() throws(DataPlaneError) -> [String] {
        // The pools are not known before the first state: routes that an earlier process has made stay until then.
        let pools = snapshot == nil ? nil : pools
        return try linked { link throws(DataPlaneError) in
            try namespace.run { () throws(DataPlaneError) in
                try Routing(layout: layout, socket: link.routes).ensure(pools: pools)
            }
        }
    }

    /// - Returns: whether it was off.
    func startForwarding() throws(DataPlaneError) -> Bool {
        try namespace.run { () throws(DataPlaneError) in try Sysctls(layout: layout).startForwarding() }
    }

    func tearDown() throws(DataPlaneError) {
        try linked { link throws(DataPlaneError) in
            try namespace.run { () throws(DataPlaneError) in
                _ = Sysctls(layout: layout).stopForwarding()
                try NFTables.run(
                    "add table inet cordon\ndelete table inet cordon\n", operation: "removing the table inet cordon")
                try Routing(layout: layout, socket: link.routes).remove()
            }
        }
        (snapshot, generation, isHostPrepared, unverified) = (nil, nil, false, [])
        (devices, chains, flowNumbers, nas, pools) = ([:], PolicyChains(), FlowNumbers(), [], [])
    }

    // MARK: Reading

    func counters() throws(DataPlaneError) -> [DataPlaneCounter] {
        try linked { link throws(DataPlaneError) in
            let failed = try Conntrack(socket: link.conntrack).failedInsertions()
            return try link.reader.counters().sorted { $0.name < $1.name }
                + [DataPlaneCounter(name: "nat_ports_exhausted", packets: failed, octets: 0)]
        }
    }

    /// More numbers than these are looked for among all flows, rather than one after the other.
    private static let numbersApart = 8

    /// What a sweep is to read, and since when what it finds may have changed.
    struct Sweep {
        let question: FlowSweep.Question
        let selection: FlowSelection
        fileprivate let since: FlowNumbers.Time
    }

    /// A flow that was read, its device's policy now, and whether it is one of those selected.
    struct SweptFlow {
        let entry: Conntrack.Entry
        let policy: PolicyMark?
        let isSelected: Bool
    }

    func sweep(_ selection: FlowSelection) -> Sweep {
        let (since, isKnown) = flowNumbers.beginReading()
        let question: FlowSweep.Question
        switch selection {
        case .all: question = .all
        case .ofDevices(let devices): question = .ofDevices(devices)
        case .ofPolicies(let policies):
            let numbers = Set(policies.flatMap(numbers))
            question = isKnown && numbers.count <= Self.numbersApart ? .numbers(numbers.sorted()) : .all
        }
        return Sweep(question: question, selection: selection, since: since)
    }

    func owned(_ entries: [Conntrack.Entry], _ sweep: Sweep) -> [SweptFlow] {
        entries.map { entry in
            let policy = devices[entry.flow.source]?.policy
            guard case .ofPolicies(let wanted) = sweep.selection else {
                return SweptFlow(entry: entry, policy: policy, isSelected: true)
            }
            return SweptFlow(entry: entry, policy: policy, isSelected: policy.map(wanted.contains) ?? false)
        }
    }

    /// After a sweep, with the flows that it has left.
    func note(_ left: [SweptFlow], _ sweep: Sweep) {
        let policies: Set<PolicyMark>?
        switch (sweep.question, sweep.selection) {
        case (.all, _): policies = nil
        case (.numbers, .ofPolicies(let wanted)): policies = wanted
        case (.numbers, _), (.ofDevices, _): return
        }
        var found: [PolicyMark: Set<UInt32>] = [:]
        for flow in left {
            let number = flow.entry.number
            guard let policy = flow.policy ?? departed[flow.entry.flow.source], number != 0,
                number != chainNumber(of: policy)
            else { continue }
            found[policy, default: []].insert(number)
        }
        flowNumbers.note(found, of: policies, since: sweep.since)
    }

    /// What flows of the policy's devices may have.
    private func numbers(of policy: PolicyMark) -> [UInt32] {
        (chainNumber(of: policy).map { [$0] } ?? []) + flowNumbers.numbers(of: policy)
    }

    private func chainNumber(of policy: PolicyMark) -> UInt32? {
        chains.chain(of: policy).flatMap(PolicyChains.number)
    }
}

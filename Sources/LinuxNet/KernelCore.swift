import CNetfilter
import Domain
import Glibc
import PolicyCompiler

/// The state behind ``Kernel``: the sockets, and a mirror of what the kernel was given.
final class KernelCore {
    let layout: GatewayLayout
    let namespace: NetworkNamespace
    var devices: [IPv4Address: DeviceEntry] = [:]
    var devices6: [IPv6Prefix: DeviceEntry6] = [:]
    var chains: PolicyChains
    /// Those that have a set in the kernel: all that rules name.
    var groups: Set<GroupNumber> = []
    var names = NamedAddresses()
    var flowNumbers = FlowNumbers()
    /// The policies of devices that are gone, whose flows conntrack may still have when they come back.
    var departed: [IPv4Address: PolicyMark] = [:]
    var departed6: [IPv6Prefix: PolicyMark] = [:]
    /// What flows with the numbers of earlier versions were given, as long as there may be such flows.
    var earlierWays: [UInt32: [Ruleset.Way]] = [:]
    var nas: Set<IPv4Address> = []
    var pools: Set<IPv4Prefix> = []
    var pools6: Set<IPv6Prefix> = []
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
    var tunnels = Tunnels()
    var usage = Usage()
    /// Of the VPNs that there are.
    var vpnNumbers = VPNNumberSet([])
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
        chains = PolicyChains(withIPv6: layout.hasIPv6)
        openLink = try Self.open(in: namespace)
    }

    var text: TableText { TableText(layout: layout, tunnelPath: tunnels.path) }

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
        var wanted6: [IPv6Prefix: DeviceEntry6?] = [:]
        for change in changes {
            switch change {
            case .set(let entry): wanted[entry.address] = .some(entry)
            case .remove(let address): wanted[address] = .some(nil)
            case .set6(let entry): wanted6[entry.prefix] = .some(entry)
            case .remove6(let prefix): wanted6[prefix.widened(to: min(prefix.length, 64))] = .some(nil)
            }
        }
        var difference = DeviceDifference()
        for (address, entry) in wanted {
            difference.change(address, from: devices[address], to: entry, named: groups)
        }
        for (prefix, entry) in wanted6 { difference.change(prefix, from: devices6[prefix], to: entry, named: groups) }
        try applyUsage(changes)
        if !difference.isEmpty {
            try linked { link throws(DataPlaneError) in
                try committing(link) { () throws(DataPlaneError) in try difference.commit(over: link.nftables) }
            }
        }
        // From one policy to another; few pairs, however many devices.
        var moved: Set<[PolicyMark]> = []
        for (address, entry) in wanted {
            let old = devices[address]?.policy ?? departed.removeValue(forKey: address)
            if let entry, let old, old != entry.policy { moved.insert([old, entry.policy]) }
            if entry == nil { departed[address] = old }
            devices[address] = entry
        }
        for (prefix, entry) in wanted6 {
            let old = devices6[prefix]?.policy ?? departed6.removeValue(forKey: prefix)
            if let entry, let old, old != entry.policy { moved.insert([old, entry.policy]) }
            if entry == nil { departed6[prefix] = old }
            devices6[prefix] = entry
        }
        for move in moved { flowNumbers.add(numbers(of: move[0]), to: move[1]) }
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
        let before = chains
        let change = chains.change(to: rulesets, removing: removed)
        guard !change.isEmpty else { return }
        try linked { link throws(DataPlaneError) in
            let named = Set(rulesets.values.flatMap(\.namedGroups))
            try addGroups(named, link)
            try add(change.additions, link) { body throws(DataPlaneError) in try committing(link, body) }
            let (names, difference) = self.names(with: chains, of: Set(rulesets.keys).union(removed))
            do throws(DataPlaneError) {
                try committing(link) { () throws(DataPlaneError) in try swap(change, link, difference) }
            } catch {
                // The new chains are left without use, which the next full check finds and mends.
                generation = nil
                throw error
            }
            self.chains = chains
            self.names = names
            for (mark, serial) in change.unmapped {
                guard let number = PolicyChains.number(serial) else { continue }
                if chains.rulesets[mark] == nil {
                    flowNumbers.forget(mark)
                } else {
                    flowNumbers.add([number], to: mark)
                    earlierWays[number] = before.rulesets[mark]?.ways
                }
            }
            try noteChains(change, link)
            // Those of other policies are not asked for where no group has lost a rule that names it.
            let lost = Set(change.unmapped.flatMap { before.rulesets[$0.mark]?.namedGroups ?? [] }).subtracting(named)
            guard !lost.isEmpty else { return }
            try removeUnnamedGroups(link)
        }
    }

    /// Takes the new chains for what is ours, and the removed ones not any more.
    func noteChains(_ change: PolicyChains.Change, _ link: Link) throws(DataPlaneError) {
        for name in change.removedChains {
            snapshot?.parts[.chain(name)] = nil
            snapshot?.parts[.rules(name)] = nil
        }
        for addition in change.additions {
            for name in PolicyChains.names(addition.serial, addition.ruleset, withIPv6: layout.hasIPv6).chains {
                try note(name, link)
            }
        }
        for limit in change.limits { try note(limit.name, link) }
    }

    private func note(_ chain: String, _ link: Link) throws(DataPlaneError) {
        snapshot?.parts[.chain(chain)] = TableSnapshot.plainChain
        snapshot?.parts.merge(try link.reader.rules(of: chain)) { $1 }
    }

    /// Adds policies' chains, to which nothing leads yet, in transactions of some size: the kernel goes through what a
    /// transaction has so far again and again.
    func add(
        _ additions: [PolicyChains.Change.Addition], _ link: Link,
        commit: (() throws(DataPlaneError) -> Void) throws(DataPlaneError) -> Void
    ) throws(DataPlaneError) {
        var rest = additions[...]
        while !rest.isEmpty {
            var batch = TableBatch(socket: link.nftables)
            while let next = rest.first, batch.size < 1 << 20 {
                try batch.add(
                    PolicyForm(next.ruleset, bits: next.bits, withIPv6: layout.hasIPv6), serial: next.serial)
                rest = rest.dropFirst()
            }
            let whole = batch
            try commit { () throws(DataPlaneError) in try whole.commit() }
        }
    }

    func swap(
        _ change: PolicyChains.Change, _ link: Link, _ names: NameDifference = NameDifference()
    ) throws(DataPlaneError) {
        if !change.added.rates.isEmpty { try usage.programs?.set(rates: change.added.rates, isAll: false) }
        var batch = TableBatch(socket: link.nftables)
        try names.put(in: &batch)
        try batch.set(change.limits)
        batch.delete(change.removed)
        batch.add(change.added)
        batch.remove(chains: change.removedChains, maps: change.removedMaps)
        try batch.commit()
        if !change.removed.rates.isEmpty { try usage.programs?.removeRates(change.removed.rates.keys) }
    }

    func upInterfaces(_ interfaces: Set<InterfaceName>) throws(DataPlaneError) -> Set<InterfaceName> {
        guard !interfaces.isEmpty else { return [] }
        return try linked { link throws(DataPlaneError) in try Links(socket: link.routes).up(interfaces) }
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

    func setPools(_ prefixes: Set<IPv6Prefix>) throws(DataPlaneError) {
        guard prefixes != pools6 else { return }
        try fill("pools6", text.elements(pools: prefixes), operation: "setting the pools of IPv6")
        pools6 = prefixes
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
        return warnings + (try probeUsage())
    }

    /// The interfaces' present numbers, towards devices and towards the internet; zero for one that is not there.
    func presentInterfaces() throws(DataPlaneError) -> [UInt32] {
        try namespace.run { () throws(DataPlaneError) in
            [layout.sgiInterface, layout.wanInterface].map { if_nametoindex($0.description) }
        }
    }

    func ensureRoutes() throws(DataPlaneError) -> [String] {
        // What leads to pools and VPNs is not known before the first state: what an earlier process has made stays until
        // then.
        let state = snapshot == nil ? nil : (pools: pools, pools6: pools6, vpns: chains.vpns)
        return try linked { link throws(DataPlaneError) in
            try namespace.run { () throws(DataPlaneError) in
                try Routing(layout: layout, socket: link.routes).ensure(state)
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
        try removeTunnels()
        (snapshot, generation, isHostPrepared, unverified) = (nil, nil, false, [])
        (devices, devices6, groups, nas, pools, pools6) = ([:], [:], [], [], [], [])
        (names, vpnNumbers, usage) = (NamedAddresses(), VPNNumberSet([]), Usage())
        (chains, flowNumbers) = (PolicyChains(withIPv6: layout.hasIPv6), FlowNumbers())
    }

    // MARK: Reading

    func counters() throws(DataPlaneError) -> [DataPlaneCounter] {
        try linked { link throws(DataPlaneError) in
            let failed = try Conntrack(socket: link.conntrack).failedInsertions()
            return try link.reader.counters().sorted { $0.name < $1.name }
                + [DataPlaneCounter(name: "nat_ports_exhausted", packets: failed, octets: 0)]
                + tunnels.unassigned() + usageCounters()
        }
    }
}

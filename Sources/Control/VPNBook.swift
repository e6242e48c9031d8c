package import Domain
package import PolicyCompiler
import Synchronization

/// The VPNs and whether each is up. One goes down at once; it comes back when it has been up for a while, so that one
/// that comes and goes does not take the flows with it each time.
package final class VPNBook: Sendable {
    package struct State: Sendable {
        package let vpn: VPN
        /// As the kernel has it.
        package internal(set) var entry: VPNEntry
        var since: Timestamp
        /// Since when one that is down has been well again.
        var wellSince: Timestamp?
        /// What has never been up has taken no flows away yet, and need not show that it lasts.
        var hasBeenUp: Bool

        package var isUp: Bool {
            get { entry.isUp }
            set { entry.isUp = newValue }
        }
    }

    /// How long one must have been well before flows take it again.
    package static let steadyMilliseconds: Int64 = 2000

    package init() {}

    private let states = Mutex<[VPNNumber: State]>([:])

    package func state(of number: VPNNumber) -> State? { states.withLock { $0[number] } }

    /// Those that flows take.
    var numbersUp: Set<VPNNumber> { states.withLock { Set($0.filter { $0.value.isUp }.keys) } }

    /// - Parameter entries: those of all VPNs. A VPN that was not there before is up when it is well.
    package func replaceAll(
        _ entries: [(vpn: VPN, entry: VPNEntry, condition: TunnelBook.Condition)], at time: Timestamp
    ) {
        states.withLock { states in
            let old = states
            states = Dictionary(
                entries.map { ($0.vpn.number, Self.state($0.vpn, $0.entry, old[$0.vpn.number], $0.condition, time)) }
            ) { first, _ in first }
        }
    }

    /// The same for one.
    package func set(_ vpn: VPN, _ entry: VPNEntry, condition: TunnelBook.Condition, at time: Timestamp) {
        states.withLock { $0[vpn.number] = Self.state(vpn, entry, $0[vpn.number], condition, time) }
    }

    package func remove(_ number: VPNNumber) { states.withLock { $0[number] = nil } }

    private static func state(
        _ vpn: VPN, _ entry: VPNEntry, _ known: State?, _ condition: TunnelBook.Condition, _ time: Timestamp
    ) -> State {
        guard let known, known.vpn.id == vpn.id else {
            var entry = entry
            entry.isUp = condition == .well
            return State(vpn: vpn, entry: entry, since: time, hasBeenUp: entry.isUp)
        }
        // With other networks it is the same VPN still, as long as its packets take the same interface.
        var entry = entry
        entry.isUp = known.isUp && vpn.interface == known.vpn.interface
        return State(
            vpn: vpn, entry: entry, since: known.since, wellSince: known.wellSince, hasBeenUp: known.hasBeenUp)
    }

    /// - Returns: those that went down or came up.
    package func note(_ condition: (VPN) -> TunnelBook.Condition, at time: Timestamp) -> [State] {
        // Before the lock is taken: whoever is asked has one of its own.
        let conditions = states.withLock { $0.mapValues(\.vpn) }.mapValues { (vpn: $0.id, condition: condition($0)) }
        return states.withLock { states in
            var changed: [State] = []
            for (number, old) in states {
                // One that came meanwhile is looked at next time.
                guard let now = conditions[number], now.vpn == old.vpn.id else { continue }
                var state = old
                switch (state.isUp, now.condition) {
                case (true, .well): continue
                case (true, .ill): (state.isUp, state.since, state.wellSince) = (false, time, nil)
                case (true, .resting), (false, .resting):
                    if state.isUp { (state.isUp, state.since) = (false, time) }
                    (state.wellSince, state.hasBeenUp) = (nil, false)
                case (false, .ill):
                    if old.wellSince == nil { continue }
                    state.wellSince = nil
                case (false, .well):
                    let since = state.wellSince ?? time
                    state.wellSince = since
                    if !state.hasBeenUp || time.milliseconds - since.milliseconds >= Self.steadyMilliseconds {
                        (state.isUp, state.since, state.wellSince) = (true, time, nil)
                        state.hasBeenUp = true
                    }
                }
                states[number] = state
                if state.isUp != old.isUp { changed.append(state) }
            }
            return changed.sorted { $0.vpn.number < $1.vpn.number }
        }
    }

    /// Leads what comes from a tunnel's networks to its interface, or to that of another of the same networks.
    package func hold(_ number: VPNNumber, _ isHeld: Bool, blocks: [IPv4Prefix]) {
        states.withLock { states in
            guard let state = states[number], let tunnel = state.entry.tunnel else { return }
            let entry = state.entry
            states[number]?.entry = VPNEntry(
                interface: entry.interface, networks: entry.networks, networks6: entry.networks6,
                nextHop: entry.nextHop, nextHop6: entry.nextHop6,
                tunnel: TunnelEntry(
                    blocks: isHeld ? [] : blocks, networks: tunnel.networks, groups: tunnel.groups,
                    destinations: tunnel.destinations, ports: tunnel.ports),
                isUp: entry.isUp)
        }
    }

    var interfacesOfLines: Set<InterfaceName> {
        states.withLock { Set($0.values.compactMap { $0.vpn.line?.interface }) }
    }

    /// As the kernel takes them.
    package var entries: [VPNNumber: VPNEntry] { states.withLock { $0.mapValues(\.entry) } }
}

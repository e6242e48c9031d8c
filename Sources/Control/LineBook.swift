import Domain
import PolicyCompiler
import Synchronization

/// The VPNs and whether each is up. One goes down at once; it comes back when it has been up for a while, so that a
/// line that comes and goes does not take the flows with it each time.
final class LineBook: Sendable {
    struct State: Sendable {
        let vpn: VPN
        var isUp: Bool
        var since: Timestamp
        /// Since when a line that is down has been well again.
        var wellSince: Timestamp?
    }

    /// How long a line must have been well before flows take it again.
    static let steadyMilliseconds: Int64 = 2000

    private let states = Mutex<[VPNNumber: State]>([:])

    func state(of number: VPNNumber) -> State? { states.withLock { $0[number] } }

    /// A VPN that was not there before is up when its interface is.
    func replaceAll(_ vpns: [VPN], up: Set<InterfaceName>, at time: Timestamp) {
        states.withLock { states in
            let old = states
            states = Dictionary(
                vpns.map { vpn in
                    if let known = old[vpn.number], known.vpn == vpn { return (vpn.number, known) }
                    return (vpn.number, State(vpn: vpn, isUp: up.contains(vpn.line.interface), since: time))
                }
            ) { first, _ in first }
        }
    }

    /// - Returns: those that went down or came up.
    func note(up: Set<InterfaceName>, at time: Timestamp) -> [State] {
        states.withLock { states in
            var changed: [State] = []
            for (number, old) in states {
                var state = old
                switch (state.isUp, up.contains(state.vpn.line.interface)) {
                case (true, true): continue
                case (false, false): state.wellSince = nil
                case (true, false): (state.isUp, state.since, state.wellSince) = (false, time, nil)
                case (false, true):
                    let since = state.wellSince ?? time
                    state.wellSince = since
                    if time.milliseconds - since.milliseconds >= Self.steadyMilliseconds {
                        (state.isUp, state.since, state.wellSince) = (true, time, nil)
                    }
                }
                states[number] = state
                if state.isUp != old.isUp { changed.append(state) }
            }
            return changed.sorted { $0.vpn.number < $1.vpn.number }
        }
    }

    var interfaces: Set<InterfaceName> { states.withLock { Set($0.values.map(\.vpn.line.interface)) } }

    /// As the kernel takes them.
    var entries: [VPNNumber: VPNEntry] {
        states.withLock { states in
            states.mapValues { state in
                let line = state.vpn.line
                return VPNEntry(
                    interface: line.interface, networks: Set(line.networks), networks6: Set(line.networks6),
                    nextHop: line.nextHop, nextHop6: line.nextHop6, isUp: state.isUp)
            }
        }
    }
}

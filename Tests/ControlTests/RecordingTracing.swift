import Domain
import PolicyCompiler
import Synchronization

/// A kernel's tracing whose packets the test makes up.
final class RecordingTracing: PacketTracing {
    struct State {
        /// What is traced, after each change.
        var traced: [Set<IPAddress>] = []
        var packets: [TracedPacket] = []
        var counts: [IPAddress: UInt64] = [:]
        var failure: DataPlaneError?
    }

    private let state = Mutex(State())

    var now: State { state.withLock { $0 } }
    var devices: Set<IPAddress> { now.traced.last ?? [] }
    func change(_ body: (inout sending State) -> Void) { state.withLock { body(&$0) } }

    /// The packet comes by. Like the kernel, this notes it when its device is traced, and counts it.
    func pass(_ packets: TracedPacket...) {
        state.withLock { state in
            for packet in packets where state.traced.last?.contains(packet.device) == true {
                state.packets.append(packet)
                state.counts[packet.device, default: 0] += 1
            }
        }
    }

    func trace(_ devices: Set<IPAddress>) throws(DataPlaneError) {
        try state.withLock { state throws(DataPlaneError) in
            if let failure = state.failure { throw failure }
            guard state.traced.last != devices else { return }
            state.traced.append(devices)
            state.counts = state.counts.filter { devices.contains($0.key) }
            for device in devices { state.counts[device, default: 0] += 0 }
        }
    }

    func tracedPackets() -> [TracedPacket] {
        state.withLock { state in
            defer { state.packets = [] }
            return state.packets
        }
    }

    func tracedCounts() -> [IPAddress: UInt64] { now.counts }
}

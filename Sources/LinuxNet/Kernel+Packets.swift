public import Domain
public import PolicyCompiler
import Synchronization

/// By the tracked connections: each packet of one gives it its whole time again, so that what is left of it tells when the
/// last was.
extension Kernel: PacketWatching {
    public func silences(of devices: Set<IPAddress>?) throws(DataPlaneError) -> [IPAddress: Duration] {
        if let devices, devices.isEmpty { return [:] }
        let question: FlowSweep.Question = if let devices { .ofDevices(devices) } else { .all }
        let entries = try sweeper.withLock { sweeper throws(DataPlaneError) in try sweeper.entries(question) }
        return core.withLock { core in
            var silences: [IPAddress: Duration] = [:]
            for entry in entries {
                let silence = Duration.seconds(Int64(entry.silentSeconds))
                for end in [entry.flow.source, entry.flow.destination] {
                    let device = end.device
                    if core.knows(device) { silences[device] = min(silences[device] ?? silence, silence) }
                }
            }
            return silences
        }
    }

    /// The shortest time that a connection is kept: ICMP's.
    public var memory: Duration { .seconds(60) }
}

extension Conntrack {
    /// Seconds since the last packet of a connection with so many left, by the times that ``Sysctls`` sets.
    /// - Parameter tcpState: the kernel's number; 3 is established (linux/netfilter/nf_conntrack_tcp.h).
    static func silence(protocol number: UInt8, tcpState: UInt8?, secondsLeft: UInt32) -> UInt32 {
        let whole: UInt32 =
            switch (number, tcpState) {
            // While something is not acknowledged the kernel keeps it for 300 s only, which is taken for that.
            case (6, 3): secondsLeft > 300 ? 7440 : 300
            case (6, _): 240
            case (17, _): 300
            case (1, _), (58, _): 60
            // nf_conntrack_generic_timeout, as the kernel has it.
            default: 600
            }
        return whole - min(whole, secondsLeft)
    }
}

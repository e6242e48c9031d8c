import Domain
import PolicyCompiler
import Synchronization

/// When devices last had a packet, for those who look at sessions.
final class ActivityBook: Sendable {
    let packets: (any PacketWatching)?
    private let last = Mutex<(at: ContinuousClock.Instant, silences: [IPv4Address: Duration])?>(nil)

    /// A page of sessions is answered from what was read so long ago at most: reading a million connections takes a good
    /// part of a second.
    private static let lifetime = Duration.seconds(10)
    /// Fewer devices than these are looked for alone.
    private static let few = 1

    init(packets: (any PacketWatching)?) { self.packets = packets }

    /// For how long each device has had no packet; none for one of which nothing is known.
    func silences(of devices: Set<IPv4Address>) throws(DataPlaneError) -> [IPv4Address: Duration] {
        guard let packets, !devices.isEmpty else { return [:] }
        guard devices.count > Self.few else { return try packets.silences(of: devices) }
        let now = ContinuousClock.now
        if let last = last.withLock({ $0 }), now - last.at < Self.lifetime {
            let since = now - last.at
            return devices.reduce(into: [:]) { $0[$1] = last.silences[$1].map { $0 + since } }
        }
        let silences = try packets.silences(of: nil)
        last.withLock { $0 = (now, silences) }
        return devices.reduce(into: [:]) { $0[$1] = silences[$1] }
    }
}

import Domain
import PolicyCompiler
import Synchronization

/// When devices last had a packet, for those who look at sessions.
final class ActivityBook: Sendable {
    let packets: (any PacketWatching)?
    private let last = Mutex<(at: ContinuousClock.Instant, silences: [IPAddress: Duration])?>(nil)

    /// A page of sessions is answered from what was read so long ago at most: reading a million connections takes a good
    /// part of a second.
    private static let lifetime = Duration.seconds(10)
    /// What one session may have at most is looked for alone: an IPv4 address, and its networks of IPv6.
    private static let few = (addresses: 1, devices: 18)

    init(packets: (any PacketWatching)?) { self.packets = packets }

    /// For how long each device (``Session/devices``) has had no packet; none for one of which nothing is known.
    func silences(of devices: Set<IPAddress>) throws(DataPlaneError) -> [IPAddress: Duration] {
        guard let packets, !devices.isEmpty else { return [:] }
        let addresses = devices.count { if case .v4 = $0 { true } else { false } }
        guard addresses > Self.few.addresses || devices.count > Self.few.devices else {
            return try packets.silences(of: devices)
        }
        let now = ContinuousClock.now
        if let last = last.withLock({ $0 }), now - last.at < Self.lifetime {
            let since = now - last.at
            return devices.reduce(into: [:]) { $0[$1] = last.silences[$1].map { $0 + since } }
        }
        let silences = try packets.silences(of: nil)
        last.withLock { $0 = (now, silences) }
        return devices.reduce(into: [:]) { $0[$1] = silences[$1] }
    }

    /// For how long no device of a session has had a packet.
    static func silence(of session: Session, _ silences: [IPAddress: Duration]) -> Duration? {
        // Nearly all have one device.
        guard session.prefixes != nil else { return silences[.v4(session.address)] }
        return session.devices.compactMap { silences[$0] }.min()
    }
}

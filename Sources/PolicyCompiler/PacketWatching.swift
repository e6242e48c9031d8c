public import Domain

/// Tells when devices last had a packet. `LinuxNet` implements it.
public protocol PacketWatching: Sendable {
    /// For how long each device has had no packet that passed, in either direction. A device of which nothing is known has
    /// no entry: what tells, forgets after a time, but never within ``memory``.
    /// - Parameter devices: `nil`: all.
    func silences(of devices: Set<IPv4Address>?) throws(DataPlaneError) -> [IPv4Address: Duration]

    /// A device without an entry has had no packet for at least so long.
    var memory: Duration { get }
}

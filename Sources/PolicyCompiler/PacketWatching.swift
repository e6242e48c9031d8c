public import Domain

/// Tells when devices last had a packet. `LinuxNet` implements it.
public protocol PacketWatching: Sendable {
    /// For how long each device has had no packet that passed, in either direction. A device of which nothing is known has
    /// no entry: what tells, forgets after a time, but never within ``memory``.
    /// - Parameter devices: `nil`: all. An address of IPv6 stands for the /64 that it is the first of.
    func silences(of devices: Set<IPAddress>?) throws(DataPlaneError) -> [IPAddress: Duration]

    /// A device without an entry has had no packet for at least so long.
    var memory: Duration { get }
}

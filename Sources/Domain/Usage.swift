/// Which way octets of a device have gone.
public enum UsageWay: Hashable, Sendable {
    case internet
    case vpn(VPNNumber)
    /// To or from other devices, which a rule to a group has opened.
    case group
    /// To or from the gateway itself: names.
    case gateway
}

/// What has passed. Octets are those of IP packets, with their headers.
public struct UsageCounts: Hashable, Sendable {
    /// From the device.
    public var octetsUp: UInt64
    public var packetsUp: UInt64
    /// To the device.
    public var octetsDown: UInt64
    public var packetsDown: UInt64

    public init(octetsUp: UInt64 = 0, packetsUp: UInt64 = 0, octetsDown: UInt64 = 0, packetsDown: UInt64 = 0) {
        self.octetsUp = octetsUp
        self.packetsUp = packetsUp
        self.octetsDown = octetsDown
        self.packetsDown = packetsDown
    }

    public static func + (a: Self, b: Self) -> Self {
        Self(
            octetsUp: a.octetsUp &+ b.octetsUp, packetsUp: a.packetsUp &+ b.packetsUp,
            octetsDown: a.octetsDown &+ b.octetsDown, packetsDown: a.packetsDown &+ b.packetsDown)
    }

    /// What `self` has more than `earlier`, by each number; none where it has less.
    public func exceeding(_ earlier: Self) -> Self {
        let more = { (now: UInt64, before: UInt64) in now > before ? now - before : 0 }
        return Self(
            octetsUp: more(octetsUp, earlier.octetsUp), packetsUp: more(packetsUp, earlier.packetsUp),
            octetsDown: more(octetsDown, earlier.octetsDown), packetsDown: more(packetsDown, earlier.packetsDown))
    }
}

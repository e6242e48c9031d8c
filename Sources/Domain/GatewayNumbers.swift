/// A VPN's place at the gateway, which stands for it on packets and in the routing rules. Small numbers make a short
/// way through those.
public struct VPNNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32

    /// A gateway has so many VPNs at most.
    public static let limit: UInt32 = 4096

    /// `nil` from ``limit`` on.
    public init?(_ rawValue: UInt32) {
        guard rawValue < Self.limit else { return nil }
        self.rawValue = rawValue
    }

    /// The interface of its tunnel: `vpn17`. No line has such a name.
    public var tunnelInterface: InterfaceName { InterfaceName(tunnel: rawValue) }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}

/// The number that stands for a group in the kernel: of the group's row.
public struct GroupNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32

    /// `nil` for zero, and from 2^30 on: it has its place in the marks of packets.
    public init?(_ rawValue: UInt32) {
        guard rawValue >= 1, rawValue < 1 << 30 else { return nil }
        self.rawValue = rawValue
    }

    public init?(group: SIMGroup.ID) {
        guard let number = UInt32(exactly: group.rawValue) else { return nil }
        self.init(number)
    }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}

/// The number that stands in the kernel for what limits a device: its quotas and its rates. All devices that have it share
/// them, as the two families of one session do.
public struct LimitNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32

    /// `nil` for zero.
    public init?(_ rawValue: UInt32) {
        guard rawValue > 0 else { return nil }
        self.rawValue = rawValue
    }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}

/// The number that stands in the kernel for a volume of data: one SIM's, or one that many share.
public struct QuotaNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32

    /// `nil` for zero.
    public init?(_ rawValue: UInt32) {
        guard rawValue > 0 else { return nil }
        self.rawValue = rawValue
    }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}

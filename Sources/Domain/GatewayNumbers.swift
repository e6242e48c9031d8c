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
///
/// One SIM's has the number of the SIM in it, so that nobody has to write down a volume of which nothing is used. Others, from
/// 1 on, are counted.
public struct QuotaNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32

    /// `nil` for zero.
    public init?(_ rawValue: UInt32) {
        guard rawValue > 0 else { return nil }
        self.rawValue = rawValue
    }

    /// The volume that a source gives a SIM; `nil` for a SIM with a number from 2^29 on.
    public init?(_ source: VolumeAccount.Source, of sim: SIM.ID) {
        guard let number = UInt32(exactly: sim.rawValue), number < 1 << 29 else { return nil }
        let place: UInt32 =
            switch source {
            case .ceiling: 0
            case .tenantCeiling: 1
            case .tenant: 2
            }
        rawValue = Self.firstOfSIMs | number << 2 | place
    }

    /// Numbers from here on are SIMs'.
    public static let firstOfSIMs: UInt32 = 1 << 31

    /// Whose volume it is by its number alone; `nil` for those that are counted.
    public var ofSIM: (sim: SIM.ID, source: VolumeAccount.Source)? {
        guard rawValue >= Self.firstOfSIMs else { return nil }
        let source: VolumeAccount.Source
        switch rawValue & 3 {
        case 0: source = .ceiling
        case 1: source = .tenantCeiling
        case 2: source = .tenant
        default: return nil
        }
        return (SIM.ID(Int64((rawValue & ~Self.firstOfSIMs) >> 2)), source)
    }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}

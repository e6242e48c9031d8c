import Domain
import PolicyCompiler

/// The marks of packets that have been judged: where they go. Upper half of the numbers; the lower is for
/// ``PolicyMark``.
///
/// | mark | packets |
/// |---|---|
/// | `0x80000001` | to the internet |
/// | `0x80000002` | answers to devices |
/// | `0x80000004` | to the resolver |
/// | `0x80000006` | from a VPN to devices |
/// | `0xa0000000` and up | to the VPN with the number |
/// | `0xc0000000` | to VPNs that are all down |
/// | `0xc0000001` and up | to the devices of the group with the number |
enum RouteMark {
    static let internet: UInt32 = 0x8000_0001
    static let devices: UInt32 = 0x8000_0002
    static let resolver: UInt32 = 0x8000_0004
    static let access: UInt32 = 0x8000_0006
    static let down: UInt32 = 0xC000_0000

    /// What answers to devices and packets from VPNs have in common, and nothing else.
    static let towardsDevices: (mark: UInt32, mask: UInt32) = (0x8000_0002, 0xE000_0002)
    /// Those to groups, and to VPNs that are down: they stay on the side of the devices.
    static let groups: (mark: UInt32, mask: UInt32) = (0xC000_0000, 0xC000_0000)
    static let vpns: (mark: UInt32, mask: UInt32) = (0xA000_0000, 0xE000_0000)

    static func of(_ vpn: VPNNumber) -> UInt32 { vpns.mark | vpn.rawValue }
    static func of(_ group: GroupNumber) -> UInt32 { groups.mark | group.rawValue }

    /// The mark of a way whose route never changes.
    static func fixed(_ way: Ruleset.Way) -> UInt32? {
        way.route == .internet || way.route == .timeServer ? internet : nil
    }
}

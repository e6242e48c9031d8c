import Domain
import PolicyCompiler

/// The interfaces of tunnels, as this process has made them or taken them up.
struct Tunnels {
    struct Place: Hashable {
        let interface: UInt32
        let addresses: Set<IPv4Address>
    }

    /// Who encrypts; `nil` until somebody has asked.
    var path: TunnelPath?
    var programs: TunnelPrograms?
    var maps = TunnelMaps()
    var places: [VPNNumber: Place] = [:]
    /// The IKE daemon's TUN, once it is known.
    var daemon: (name: InterfaceName, interface: UInt32)?
    /// What its TUN takes, when that is less than the layout says.
    var daemonMTU: UInt32?
    /// Hears of interfaces, addresses and filters that change, so that not all of them are looked at each time.
    var watch: NetlinkSocket?

    /// `vpn_unassigned`, where there is such a thing.
    func unassigned() throws(DataPlaneError) -> [DataPlaneCounter] {
        guard path == .userSpace, let programs else { return [] }
        let count = try programs.counters(of: TunnelMap.unassigned)
        return [
            DataPlaneCounter(name: "vpn_unassigned", packets: count.packetsFromPeer, octets: count.octetsFromPeer)
        ]
    }
}

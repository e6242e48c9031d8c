package import Domain

/// A packet that came out of a tunnel which may not bring it: kernel-libipsec looks for a policy of that tunnel (its
/// reqid) for the packet's addresses, finds none, whatever other tunnels may bring, and says so in the group `ESP` at
/// level 1, once for each packet (libipsec/ipsec_processor.c). It says neither SPI nor IKE_SA, so whose tunnel it was can
/// be told from the addresses only. Where the kernel does ESP nothing is logged; it counts (`XfrmInNoPols`, `XfrmInPolBlock`).
package struct DroppedPacket: Hashable, Sendable {
    package let source: IPAddress
    package let destination: IPAddress
    /// `nil` where the protocol has none.
    package let sourcePort: UInt16?
    package let destinationPort: UInt16?
    /// The IP protocol's number.
    package let transport: UInt8

    private static let pattern = TextPattern("discarding inbound IP packet * == * [*] due to policy")

    package init?(_ line: LogLine) {
        guard line.group == "ESP", let gaps = Self.pattern.match(Array(line.text.utf8)), gaps.count == 3,
            let transport = UInt8(gaps[2]), let source = Self.end(gaps[0]), let destination = Self.end(gaps[1])
        else { return nil }
        (self.source, sourcePort) = source
        (self.destination, destinationPort) = destination
        self.transport = transport
    }

    /// What one VPN's tunnel may bring.
    package struct Reach: Hashable, Sendable {
        package let vpn: VPN.ID
        package let devices: [IPv4Prefix]
        package let networks: [IPv4Prefix]

        package init(vpn: VPN.ID, devices: [IPv4Prefix], networks: [IPv4Prefix]) {
            self.vpn = vpn
            self.devices = devices
            self.networks = networks
        }
    }

    package enum Reason: Hashable, Sendable {
        /// To a device of this VPN's, from an address that is not in its remote networks; or of another tunnel, which
        /// the addresses do not tell.
        case outsideNetworks(of: VPN.ID)
        /// From a network of this VPN's, the only one that has it, to what is not among its devices.
        case outsideDevices(of: VPN.ID)
        /// To a device, from a network that several VPNs have or none.
        case unknown
    }

    /// Why it was dropped, and of which VPN it most likely was.
    package func reason(among all: [Reach]) -> Reason {
        guard case .v4(let from) = source, case .v4(let to) = destination else { return .unknown }
        let receivers = all.filter { reach in reach.devices.contains { $0.contains(to) } }
        let senders = all.filter { reach in reach.networks.contains { $0.contains(from) } }
        if let sender = senders.first, senders.count == 1, !receivers.contains(sender) {
            return .outsideDevices(of: sender.vpn)
        }
        if let receiver = receivers.first, receivers.count == 1, senders.isEmpty {
            return .outsideNetworks(of: receiver.vpn)
        }
        return .unknown
    }

    /// `10.9.0.1[5555]`, or without a port.
    private static func end(_ text: String) -> (IPAddress, UInt16?)? {
        let parts = text.split(separator: "[", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first else { return nil }
        var port: UInt16?
        if parts.count == 2 {
            guard parts[1].hasSuffix("]"), let number = UInt16(parts[1].dropLast()) else { return nil }
            port = number
        }
        do { return (try IPAddress(parsing: first), port) } catch { return nil }
    }
}

public import Domain

/// Lets single devices' packets be seen together with what the kernel does with them. `LinuxNet` implements it. A device is
/// named by its IPv4 address, or by the first address of its /64.
///
/// Calls do not wait for packets; who wants them asks again every few milliseconds.
public protocol PacketTracing: Sendable {
    /// Which devices' packets are noted from now on. None: nothing is left of it in any packet's way, whoever has put it
    /// there.
    func trace(_ devices: Set<IPAddress>) throws(DataPlaneError)

    /// What has become of packets that were noted, in the order in which they came. A packet is told once, when nothing
    /// more happens to it. When there are more packets than can be noted, those beyond are left out, and only counted.
    func tracedPackets() throws(DataPlaneError) -> [TracedPacket]

    /// How many packets each traced device has sent and been sent, noted or not, since its tracing began.
    func tracedCounts() throws(DataPlaneError) -> [IPAddress: UInt64]
}

/// A packet of a device, and what the kernel did with it.
public struct TracedPacket: Hashable, Sendable {
    /// The device's own end of it: with IPv6, any address of its /64.
    public let address: IPAddress
    /// Where the packet goes, or comes from.
    public let remote: IPAddress
    public let direction: Direction
    /// Whether it answers what went the other way before, as the kernel sees it.
    public let isReply: Bool
    /// IP protocol number. With IPv6, that of the first extension header where there is one (RFC 8200 §4).
    public let `protocol`: UInt8
    /// The device's port; `nil` for protocols without ports.
    public let devicePort: UInt16?
    public let remotePort: UInt16?
    /// An ICMP message about another packet, such as "unreachable": it goes the way of the connection that it is about.
    public let isError: Bool
    /// With the IP header.
    public let octets: Int
    public let fate: Fate
    public let judgedBy: Judge
    /// The policy that the device has, when its packet was told of.
    public let policy: PolicyMark?

    /// What the device is traced by.
    public var device: IPAddress {
        switch address {
        case .v4: address
        case .v6(let address): .v6(IPv6Prefix(containing: address, length: 64).address)
        }
    }

    /// Whether ``protocol`` is that of an extension header, behind which the kernel's trace does not say what comes: hop-by-hop
    /// options, routing, fragment, authentication, destination options.
    public var hasExtension: Bool {
        if case .v6 = address { [0, 43, 44, 51, 60].contains(`protocol`) } else { false }
    }

    public enum Direction: Hashable, Sendable { case fromDevice, toDevice }

    public enum Fate: Hashable, Sendable {
        /// Forwarded. The route where the kernel has said so.
        case passed(Route?)
        /// By Cordon's rules, with the name of what counts it: `blocked`, `device_to_device`, `invalid`, ...
        case dropped(by: String)
        /// By rules of the host that are not Cordon's.
        case droppedByHost
        /// Nobody dropped it and it was not forwarded: it had no route, or its time to live has ended.
        case notForwarded
    }

    public enum Judge: Hashable, Sendable {
        /// The policy's rules. With the number of the rule, the default's behind the last, where the kernel tells it.
        case policy(rule: Int?)
        /// What the policy in force has found for an earlier packet of the flow.
        case flow
        /// It was dropped before a policy was asked, or is none that policies judge.
        case nobody
    }

    public init(
        address: IPAddress, remote: IPAddress, direction: Direction, isReply: Bool, protocol: UInt8,
        devicePort: UInt16?, remotePort: UInt16?, isError: Bool, octets: Int, fate: Fate, judgedBy: Judge,
        policy: PolicyMark?
    ) {
        self.address = address
        self.remote = remote
        self.direction = direction
        self.isReply = isReply
        self.protocol = `protocol`
        self.devicePort = devicePort
        self.remotePort = remotePort
        self.isError = isError
        self.octets = octets
        self.fate = fate
        self.judgedBy = judgedBy
        self.policy = policy
    }
}

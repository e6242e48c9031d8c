public import Domain

/// The kernel's side of enforcement, as its users see it. `LinuxNet` implements it with nftables and conntrack.
///
/// Calls block for as long as the kernel takes (a device change: well under a millisecond), so they are made from the
/// one consumer loop that owns ordered work, never from an event loop. When a call returns, the kernel has the change.
public protocol DataPlane: Sendable {
    /// The sections of session policies that are limits and that it can enforce: data limit, bandwidth. A document with
    /// another is refused.
    var enforcedLimits: Set<SessionPolicy.Section> { get }

    /// Brings the kernel to exactly `state`, whatever it holds now. Packets of devices that are in
    /// the kernel and in `state` with the same policy keep passing meanwhile; no conntrack entry is touched.
    func reconcile(to state: EnforcementState) throws(DataPlaneError) -> ReconcileReport

    /// One batch, one commit: sets and removes devices. All or nothing. Removing an absent device is no error.
    func apply(_ changes: [DeviceChange]) throws(DataPlaneError)

    /// The given policies get these rulesets, all in one transaction, and the removed ones are forgotten.
    /// A policy must not be removed while a device has its mark.
    func install(_ rulesets: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>) throws(DataPlaneError)

    /// The names that addresses have for policies' devices, in place of those that they had. Addresses of which no rule of
    /// the policy has a name are remembered, for versions to come. Those of policies that are not there are ignored.
    func setNames(_ changes: [NamedAddress]) throws(DataPlaneError)

    /// The same when nothing else is being changed; it takes some ten microseconds then.
    /// - Returns: `false`, and nothing done, when something is.
    func setNamesAtOnce(_ changes: [NamedAddress]) throws(DataPlaneError) -> Bool

    /// The addresses that RADIUS may come from.
    func setNAS(_ addresses: Set<IPv4Address>) throws(DataPlaneError)

    /// The operator's pools: devices cannot send to these.
    func setPools(_ prefixes: Set<IPv4Prefix>) throws(DataPlaneError)

    /// The same of IPv6.
    func setPools(_ prefixes: Set<IPv6Prefix>) throws(DataPlaneError)

    /// The VPNs that packets may take, all of them. Ways that name others are down. Flows go on by the next that is up,
    /// from their next packet on.
    func setVPNs(_ vpns: [VPNNumber: VPNEntry]) throws(DataPlaneError)

    /// The same for some of them, in time that does not grow with how many there are; `nil` removes one.
    func changeVPNs(_ changes: [VPNNumber: VPNEntry?]) throws(DataPlaneError)

    /// Which the kernel has.
    func tunnelPath() throws(DataPlaneError) -> TunnelPath

    /// Leads the packets of tunnels to the IKE daemon's TUN, which it makes anew each time it starts; only where that is the
    /// path.
    func attachTunnels(to interface: InterfaceName) throws(DataPlaneError)

    /// By tunnel; those that are not there have none.
    /// - Parameter vpns: `nil`: of all. Each costs a question.
    func tunnelCounters(of vpns: Set<VPNNumber>?) throws(DataPlaneError) -> [VPNNumber: TunnelCounters]

    /// What the gateway's own packets must be marked with to be routed through a VPN.
    func routeMark(of vpn: VPNNumber) -> UInt32

    /// Those of the interfaces that are there and have a link.
    func upInterfaces(_ interfaces: Set<InterfaceName>) throws(DataPlaneError) -> Set<InterfaceName>

    /// Deletes those of the selected conntrack entries that are not allowed any more, or that go elsewhere now and cannot
    /// take their place in NAT 1 along.
    /// - Returns: how many entries were deleted.
    func deleteFlows(
        _ selection: FlowSelection, judging judge: (TrackedFlow) -> FlowJudgement
    ) throws(DataPlaneError) -> Int

    /// Those that ``deleteFlows(_:judging:)`` would delete: how many there are, and the first of them.
    func flows(
        _ selection: FlowSelection, listing limit: Int, judging judge: (TrackedFlow) -> FlowJudgement
    ) throws(DataPlaneError) -> (count: Int, listed: [TrackedFlow])

    /// Sees whether the kernel still holds what it was given, and repairs it when not. Cheap when nothing changed.
    /// - Returns: what was found and mended, `nil` when all was well.
    func verify() throws(DataPlaneError) -> RepairReport?

    /// What each rule of a policy has decided on since its version came into force, by the rule's number, the default's
    /// last: the first packets of flows that pass, and every packet that is blocked. Empty for a policy that is not there.
    func hits(of policy: PolicyMark) throws(DataPlaneError) -> [RuleHits]

    /// What rules that are observed have noted (``Ruleset/Action/isObserved``), in no order.
    func observations() throws(DataPlaneError) -> [Observation]

    /// Packet and octet counters by name (`spoofed`, `blocked`, ...).
    func counters() throws(DataPlaneError) -> [DataPlaneCounter]

    /// What devices have had, by session and way: packets that were let pass, forwarded or taken by the gateway. Some
    /// thousand readings from the beginning or from `cursor` on, in some milliseconds that no change waits for. Counters
    /// stay when a device is removed, until they are forgotten.
    func usage(after cursor: UsageCursor?) throws(DataPlaneError) -> UsagePart

    /// Forgets counters whose session has ended, and that still say what was read.
    /// - Returns: those that are gone now.
    func forgetUsage(_ readings: [UsageReading]) throws(DataPlaneError) -> [UsageReading]

    /// What the rules have had whose usage is counted (``Ruleset/RuleRate/counted``), in no order: some milliseconds for
    /// 65,536 of them, which no change waits for. A counter stays when its rule is gone, until it is forgotten.
    func ruleUsage() throws(DataPlaneError) -> [RuleUsageReading]

    /// Forgets counters of rules that no ruleset has any more, that were read after it was so, and that still say what was
    /// read.
    /// - Returns: those that are gone now.
    func forgetRuleUsage(_ readings: [RuleUsageReading]) throws(DataPlaneError) -> [RuleUsageReading]

    /// Sets limits, whatever devices have them, in force for the next packet. `nil` removes one: its devices are limited no
    /// more.
    func setLimits(_ changes: [LimitNumber: DeviceLimit?]) throws(DataPlaneError)

    /// Sets quotas, in one step each: what passes meanwhile is counted.
    func setQuotas(_ changes: [QuotaNumber: Quota?]) throws(DataPlaneError)

    /// In the order of the numbers; `nil` for one that is not there.
    func quotas(_ numbers: [QuotaNumber]) throws(DataPlaneError) -> [QuotaReading?]

    /// All quotas that are there, also before the first state: what an earlier process has set.
    func quotas() throws(DataPlaneError) -> [QuotaNumber: QuotaReading]

    /// What has been told since the last call. It costs a microsecond when there is nothing.
    func takeQuotaNotices() throws(DataPlaneError) -> [QuotaNotice]
}

/// Everything the kernel should hold, apart from what the gateway's own layout fixes.
public struct EnforcementState: Sendable {
    public var rulesets: [PolicyMark: Ruleset]
    public var devices: [DeviceEntry]
    public var devices6: [DeviceEntry6]
    public var nas: Set<IPv4Address>
    public var pools: Set<IPv4Prefix>
    public var pools6: Set<IPv6Prefix>
    public var vpns: [VPNNumber: VPNEntry]
    public var names: [NamedAddress]
    public var limits: [LimitNumber: DeviceLimit]
    public var quotas: [QuotaNumber: Quota]

    public init(
        rulesets: [PolicyMark: Ruleset], devices: [DeviceEntry], devices6: [DeviceEntry6] = [],
        nas: Set<IPv4Address>, pools: Set<IPv4Prefix>, pools6: Set<IPv6Prefix> = [], vpns: [VPNNumber: VPNEntry] = [:],
        names: [NamedAddress] = [], limits: [LimitNumber: DeviceLimit] = [:], quotas: [QuotaNumber: Quota] = [:]
    ) {
        self.pools6 = pools6
        self.limits = limits
        self.quotas = quotas
        self.names = names
        self.rulesets = rulesets
        self.devices = devices
        self.devices6 = devices6
        self.vpns = vpns
        self.nas = nas
        self.pools = pools
    }
}

/// An active session's address, the policy that judges it and its place in NAT 1.
public struct DeviceEntry: Hashable, Sendable {
    public let address: IPv4Address
    public let policy: PolicyMark
    /// `nil` when NAT 1 has no block left: such a device reaches no internet, which is counted.
    public let nat: NATBinding?
    /// Rules of its tenant may be to this group.
    public let group: GroupNumber?
    /// Whose octets are counted; with another session another counter begins.
    public let session: Session.ID?
    public let limit: LimitNumber?

    public init(
        address: IPv4Address, policy: PolicyMark, nat: NATBinding?, group: GroupNumber? = nil,
        session: Session.ID? = nil, limit: LimitNumber? = nil
    ) {
        self.session = session
        self.limit = limit
        self.address = address
        self.policy = policy
        self.nat = nat
        self.group = group
    }
}

/// The same for a session's IPv6 prefix, which is a /64. There is no NAT.
public struct DeviceEntry6: Hashable, Sendable {
    public let prefix: IPv6Prefix
    public let policy: PolicyMark
    public let group: GroupNumber?
    public let session: Session.ID?
    public let limit: LimitNumber?

    public init(
        prefix: IPv6Prefix, policy: PolicyMark, group: GroupNumber? = nil, session: Session.ID? = nil,
        limit: LimitNumber? = nil
    ) {
        self.session = session
        self.limit = limit
        self.prefix = prefix.widened(to: min(prefix.length, 64))
        self.policy = policy
        self.group = group
    }
}

/// A session with both families is two of these.
public enum DeviceChange: Hashable, Sendable {
    case set(DeviceEntry)
    case remove(IPv4Address)
    case set6(DeviceEntry6)
    case remove6(IPv6Prefix)
}

/// The names for which the resolver has given an address to a policy's devices, and still stands by it.
public struct NamedAddress: Hashable, Sendable {
    public let policy: PolicyMark
    public let address: IPAddress
    /// None: it has no name any more.
    public let names: [DomainName]

    public init(policy: PolicyMark, address: IPAddress, names: [DomainName]) {
        self.policy = policy
        self.address = address
        self.names = names
    }
}

/// Where a VPN is: an interface, and the networks behind it.
public struct VPNEntry: Hashable, Sendable {
    public let interface: InterfaceName
    /// Packets of devices leave for these only, and packets to devices come from these only.
    public let networks: Set<IPv4Prefix>
    public let networks6: Set<IPv6Prefix>
    /// `nil` where the interface leads to one peer only.
    public let nextHop: IPv4Address?
    public let nextHop6: IPv6Address?
    /// Whether flows may take it. One that is down has its place, and its routes, all the same.
    public var isUp: Bool
    /// What makes its interface a tunnel's, which is the data plane's own to make and to remove; `nil`: a line of the
    /// operator's.
    public let tunnel: TunnelEntry?

    public init(
        interface: InterfaceName, networks: Set<IPv4Prefix>, networks6: Set<IPv6Prefix> = [],
        nextHop: IPv4Address? = nil, nextHop6: IPv6Address? = nil, tunnel: TunnelEntry? = nil, isUp: Bool
    ) {
        self.tunnel = tunnel
        self.interface = interface
        self.networks = networks
        self.networks6 = networks6
        self.nextHop = nextHop
        self.nextHop6 = nextHop6
        self.isUp = isUp
    }
}

/// Which tracked connections a sweep looks at. Those of a policy cost a fraction of what all of them do.
public enum FlowSelection: Hashable, Sendable {
    case all
    /// Those that have one of these at an end. An address of IPv6 stands for the /64 that it is the first of.
    case ofDevices(Set<IPAddress>)
    /// Those of devices that have one of these policies.
    case ofPolicies(Set<PolicyMark>)
}

/// The original direction of a tracked connection: the packet that opened it.
public struct Flow: Hashable, Sendable {
    public let source: IPAddress
    public let destination: IPAddress
    /// IP protocol number.
    public let `protocol`: UInt8
    /// Zero for protocols without ports (ICMP: zero).
    public let sourcePort: UInt16
    public let destinationPort: UInt16

    public init(
        source: IPAddress, destination: IPAddress, protocol: UInt8, sourcePort: UInt16, destinationPort: UInt16
    ) {
        self.source = source
        self.destination = destination
        self.protocol = `protocol`
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }

    public init(
        source: IPv4Address, destination: IPv4Address, protocol: UInt8, sourcePort: UInt16, destinationPort: UInt16
    ) {
        self.init(
            source: .v4(source), destination: .v4(destination), protocol: `protocol`, sourcePort: sourcePort,
            destinationPort: destinationPort)
    }
}

/// A flow with what is known of its device.
public struct TrackedFlow: Hashable, Sendable {
    public let flow: Flow
    /// Of the device that it is judged by; `nil` when neither end is one.
    public let policy: PolicyMark?
    /// Whether the device is the destination and not the source.
    public let isToDevice: Bool
    /// Of the device that is the destination, when rules name its group.
    public let group: GroupNumber?
    /// What it was given; `nil` when that is not known, as of flows from before a start.
    public let way: Ruleset.Way?

    public init(flow: Flow, policy: PolicyMark?, isToDevice: Bool, group: GroupNumber?, way: Ruleset.Way?) {
        self.flow = flow
        self.policy = policy
        self.isToDevice = isToDevice
        self.group = group
        self.way = way
    }
}

/// What is said of a flow by what is in force, or would be.
public enum FlowJudgement: Hashable, Sendable {
    case denied
    case way(Ruleset.Way)
    /// Not of a device.
    case notOurs
}

public import Domain

/// The kernel's side of enforcement, as its users see it. `LinuxNet` implements it with nftables and conntrack.
///
/// Calls block for as long as the kernel takes (a device change: well under a millisecond), so they are made from the
/// one consumer loop that owns ordered work, never from an event loop. When a call returns, the kernel has the change.
public protocol DataPlane: Sendable {
    /// Brings the kernel to exactly `state`, whatever it holds now. Packets of devices that are in
    /// the kernel and in `state` with the same policy keep passing meanwhile; no conntrack entry is touched.
    func reconcile(to state: EnforcementState) throws(DataPlaneError) -> ReconcileReport

    /// One batch, one commit: sets and removes devices. All or nothing. Removing an absent device is no error.
    func apply(_ changes: [DeviceChange]) throws(DataPlaneError)

    /// The given policies get these rulesets, all in one transaction, and the removed ones are forgotten.
    /// A policy must not be removed while a device has its mark.
    func install(_ rulesets: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>) throws(DataPlaneError)

    /// The addresses that RADIUS may come from.
    func setNAS(_ addresses: Set<IPv4Address>) throws(DataPlaneError)

    /// The operator's pools: devices cannot send to these.
    func setPools(_ prefixes: Set<IPv4Prefix>) throws(DataPlaneError)

    /// Deletes those of the selected conntrack entries for which `isDenied` holds. The mark is the device's present one,
    /// `nil` when it has none.
    /// - Returns: how many entries were deleted.
    func deleteFlows(
        _ selection: FlowSelection, where isDenied: (Flow, PolicyMark?) -> Bool
    ) throws(DataPlaneError) -> Int

    /// Those that ``deleteFlows(_:where:)`` would delete: how many there are, and the first of them.
    func flows(
        _ selection: FlowSelection, listing limit: Int, where isDenied: (Flow, PolicyMark?) -> Bool
    ) throws(DataPlaneError) -> (count: Int, listed: [Flow])

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
}

/// Everything the kernel should hold, apart from what the gateway's own layout fixes.
public struct EnforcementState: Sendable {
    public var rulesets: [PolicyMark: Ruleset]
    public var devices: [DeviceEntry]
    public var nas: Set<IPv4Address>
    public var pools: Set<IPv4Prefix>

    public init(
        rulesets: [PolicyMark: Ruleset], devices: [DeviceEntry], nas: Set<IPv4Address>, pools: Set<IPv4Prefix>
    ) {
        self.rulesets = rulesets
        self.devices = devices
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

    public init(address: IPv4Address, policy: PolicyMark, nat: NATBinding?) {
        self.address = address
        self.policy = policy
        self.nat = nat
    }
}

public enum DeviceChange: Hashable, Sendable {
    case set(DeviceEntry)
    case remove(IPv4Address)
}

/// Which tracked connections a sweep looks at. Those of a policy cost a fraction of what all of them do.
public enum FlowSelection: Hashable, Sendable {
    case all
    /// By their original source.
    case ofDevices(Set<IPv4Address>)
    /// Those of devices that have one of these policies.
    case ofPolicies(Set<PolicyMark>)
}

/// The original direction of a tracked connection: the packet that opened it.
public struct Flow: Hashable, Sendable {
    public let source: IPv4Address
    public let destination: IPv4Address
    /// IP protocol number.
    public let `protocol`: UInt8
    /// Zero for protocols without ports (ICMP: zero).
    public let sourcePort: UInt16
    public let destinationPort: UInt16

    public init(
        source: IPv4Address, destination: IPv4Address, protocol: UInt8, sourcePort: UInt16, destinationPort: UInt16
    ) {
        self.source = source
        self.destination = destination
        self.protocol = `protocol`
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }
}

public struct ReconcileReport: Hashable, Sendable {
    public let devicesAdded: Int
    public let devicesRemoved: Int
    public let devicesKept: Int
    public init(devicesAdded: Int, devicesRemoved: Int, devicesKept: Int) {
        self.devicesAdded = devicesAdded
        self.devicesRemoved = devicesRemoved
        self.devicesKept = devicesKept
    }
}

/// What was wrong in the kernel and has been mended, one sentence each.
public struct RepairReport: Hashable, Sendable {
    public let findings: [String]
    public init(findings: [String]) { self.findings = findings }
}

public struct DataPlaneCounter: Hashable, Sendable {
    public let name: String
    public let packets: UInt64
    public let octets: UInt64
    public init(name: String, packets: UInt64, octets: UInt64) {
        self.name = name
        self.packets = packets
        self.octets = octets
    }
}

public struct RuleHits: Hashable, Sendable {
    public var packets: UInt64
    public var octets: UInt64

    public init(packets: UInt64, octets: UInt64) {
        self.packets = packets
        self.octets = octets
    }

    public static func += (sum: inout Self, other: Self) {
        sum.packets &+= other.packets
        sum.octets &+= other.octets
    }
}

/// Where a device has sent packets that an observed rule has decided on.
public struct Observation: Hashable, Sendable {
    public let device: IPv4Address
    public let destination: IPv4Address
    /// IP protocol number.
    public let `protocol`: UInt8
    /// `nil` for protocols without ports.
    public let port: UInt16?
    public let policy: PolicyMark
    /// The rule's number; that behind the last rule's is the default's.
    public let rule: Int
    public let hits: RuleHits

    public init(
        device: IPv4Address, destination: IPv4Address, protocol: UInt8, port: UInt16?, policy: PolicyMark, rule: Int,
        hits: RuleHits
    ) {
        self.device = device
        self.destination = destination
        self.protocol = `protocol`
        self.port = port
        self.policy = policy
        self.rule = rule
        self.hits = hits
    }
}

/// The kernel refused or could not be reached.
public struct DataPlaneError: Error, CustomStringConvertible {
    public let code: Code
    /// What was being done, as a sentence without a full stop.
    public let operation: String
    /// What the kernel or the library said.
    public let detail: String

    public enum Code: Hashable, Sendable {
        /// CAP_NET_ADMIN is missing.
        case notPermitted
        /// The kernel lacks what is needed.
        case unsupported
        /// The netlink socket is lost or overrun; `verify()` opens a new one.
        case connectionLost
        /// The kernel refused the change; nothing of it is in force.
        case refused
    }

    public init(code: Code, operation: String, detail: String) {
        self.code = code
        self.operation = operation
        self.detail = detail
    }

    public var description: String { "\(operation): \(detail)" }
}

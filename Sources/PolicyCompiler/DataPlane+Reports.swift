public import Domain

// What a data plane says: what it has done, counted and seen, and why it could not.

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
    public let device: IPAddress
    public let destination: IPAddress
    /// IP protocol number.
    public let `protocol`: UInt8
    /// `nil` for protocols without ports.
    public let port: UInt16?
    public let policy: PolicyMark
    /// The rule's number; that behind the last rule's is the default's.
    public let rule: Int
    public let hits: RuleHits

    public init(
        device: IPAddress, destination: IPAddress, protocol: UInt8, port: UInt16?, policy: PolicyMark, rule: Int,
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

public import DNS
public import Domain

/// What the resolver asks of the rest of Cordon, beside what stands in messages. Calls may come from any thread, and all
/// but ``giveLessons()`` are quick.
public protocol NameService: Sendable {
    /// Who has the address; `nil`: nobody with a session.
    func client(at address: IPAddress) -> NameClient?

    /// What a device is about to be told: the addresses are in the kernel when `then` is called, once, on any thread. Calls
    /// `then` before it returns where nothing has to be done, which is the common case. Otherwise the kernel gets them with
    /// the next ``giveLessons()``.
    func learn(_ lesson: NameLesson, then: @escaping @Sendable (NameLessonResult) -> Void)

    /// Gives the kernel what has been learned: in one transaction, by whoever calls where the kernel is free.
    func giveLessons()

    /// Notes what became of a question, for counters and the query log.
    func note(_ record: QueryRecord)
}

/// A device, as the resolver sees it.
public struct NameClient: Sendable {
    public let tenant: Tenant.ID
    public let policy: PolicyMark
    public let group: GroupNumber?
    public let filter: NameFilter
    /// What a device gets for a name that it may not look up.
    public let blockAnswer: BlockAnswer
    /// The tenant's own upstreams; empty: the gateway's.
    public let upstreams: [Upstream]

    public init(
        tenant: Tenant.ID, policy: PolicyMark, group: GroupNumber?, filter: NameFilter, blockAnswer: BlockAnswer,
        upstreams: [Upstream] = []
    ) {
        self.tenant = tenant
        self.policy = policy
        self.group = group
        self.filter = filter
        self.blockAnswer = blockAnswer
        self.upstreams = upstreams
    }

    public enum BlockAnswer: Hashable, Sendable {
        case nxdomain, nodata, refused
        case address(IPAddress)
    }
}

/// Where questions are passed on to.
public struct Upstream: Hashable, Sendable {
    public let address: IPAddress
    public let port: UInt16
    /// The mark that routes packets there, when it is behind a VPN.
    public let routeMark: UInt32?
    /// Whether it may answer with private addresses: an enterprise's own.
    public let isPrivate: Bool

    public init(address: IPAddress, port: UInt16 = 53, routeMark: UInt32? = nil, isPrivate: Bool = false) {
        self.address = address
        self.port = port
        self.routeMark = routeMark
        self.isPrivate = isPrivate
    }
}

/// Addresses that an answer gives to a device of the policy.
public struct NameLesson: Sendable {
    public let policy: PolicyMark
    /// The name that was asked for first, then the names that it is an alias of, in their order: all of them have the
    /// addresses.
    public let names: [DomainName]
    public let addresses: [IPAddress]
    /// The least time to live of the records that led there, in seconds.
    public let timeToLive: UInt32
    public let device: IPAddress

    public init(
        policy: PolicyMark, names: [DomainName], addresses: [IPAddress], timeToLive: UInt32, device: IPAddress
    ) {
        self.policy = policy
        self.names = names
        self.addresses = addresses
        self.timeToLive = timeToLive
        self.device = device
    }
}

public enum NameLessonResult: Hashable, Sendable {
    case inForce
    /// The kernel took too long, or refused. The answer leaves all the same, and the device's first packet may be lost.
    case late
}

/// What became of one question.
public struct QueryRecord: Sendable {
    public let device: IPAddress
    public let tenant: Tenant.ID
    public let policy: PolicyMark
    public let group: GroupNumber?
    public let name: WireName
    public let type: UInt16
    public let outcome: Outcome
    /// The response code of the answer (RFC 1035 §4.1.1).
    public let responseCode: UInt8
    public let microseconds: UInt32

    public enum Outcome: Hashable, Sendable {
        /// From the cache, or from an upstream.
        case answered, resolved
        /// Refused by the filter: the name asked for, or one that its answer led to.
        case refused(NameFilter.Reason)
        case refusedAlias(WireName, NameFilter.Reason)
        /// An address that no answer from the internet may have.
        case rebinding(IPAddress)
        /// No upstream answered.
        case failed
        case limited
    }

    public init(
        device: IPAddress, tenant: Tenant.ID, policy: PolicyMark, group: GroupNumber?, name: WireName, type: UInt16,
        outcome: Outcome, responseCode: UInt8, microseconds: UInt32
    ) {
        self.device = device
        self.tenant = tenant
        self.policy = policy
        self.group = group
        self.name = name
        self.type = type
        self.outcome = outcome
        self.responseCode = responseCode
        self.microseconds = microseconds
    }
}

public import Domain

/// A plan of NAT 1, and since when it is in force.
public struct NATPlanRecord: Hashable, Sendable {
    public let id: Int64
    public let plan: NATPlan
    public let beganAt: Timestamp
    /// The last session and the last end under the plan before.
    public let lastSession: Session.ID
    public let lastEnd: Int64
    public init(id: Int64, plan: NATPlan, beganAt: Timestamp, lastSession: Session.ID, lastEnd: Int64) {
        self.id = id
        self.plan = plan
        self.beganAt = beganAt
        self.lastSession = lastSession
        self.lastEnd = lastEnd
    }
}

/// What the log of NAT 1 needs to know of a session.
public struct SessionLease: Hashable, Sendable {
    public let session: Session.ID
    public let address: IPv4Address
    public let natIndex: Int64
    public let startedAt: Timestamp
    /// One without IPv4 has no place in NAT 1.
    public let hasIPv4: Bool
    public init(
        session: Session.ID, address: IPv4Address, natIndex: Int64, startedAt: Timestamp, hasIPv4: Bool = true
    ) {
        self.hasIPv4 = hasIPv4
        self.session = session
        self.address = address
        self.natIndex = natIndex
        self.startedAt = startedAt
    }
}

/// The end of a session, numbered in the order in which they were stored.
public struct SessionEnd: Hashable, Sendable {
    public let number: Int64
    public let lease: SessionLease
    public let endedAt: Timestamp
    /// The last session that had begun by then.
    public let lastSession: Session.ID
    public init(number: Int64, lease: SessionLease, endedAt: Timestamp, lastSession: Session.ID) {
        self.number = number
        self.lease = lease
        self.endedAt = endedAt
        self.lastSession = lastSession
    }
}

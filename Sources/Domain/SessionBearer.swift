/// One bearer of a session (PDP context, EPS bearer or QoS flow): a NAS counts and reports each by itself, under an
/// Acct-Session-Id of its own, with the session's address (3GPP TS 29.061 §16.4.3).
public struct SessionBearer: Hashable, Sendable {
    public let key: Key
    public let startedAt: Timestamp
    public var updatedAt: Timestamp
    public var endedAt: Timestamp?
    /// As the NAS last reported them for this bearer.
    public var usage: SessionUsage

    /// What tells a bearer from the session's others. An NSAPI is given to another bearer once it is free, with counters
    /// that begin anew; the Acct-Session-Id is another then.
    public struct Key: Hashable, Sendable {
        public let accountingSessionID: String?
        /// NSAPI or EPS bearer identity.
        public let nsapi: UInt8?

        public init(accountingSessionID: String?, nsapi: UInt8?) {
            self.accountingSessionID = accountingSessionID
            self.nsapi = nsapi
        }

        /// Whether a report with `other` can be about this bearer: what either leaves out tells nothing apart.
        public func matches(_ other: Key) -> Bool {
            let isSameID =
                accountingSessionID == nil || other.accountingSessionID == nil
                || accountingSessionID == other.accountingSessionID
            return isSameID && (nsapi == nil || other.nsapi == nil || nsapi == other.nsapi)
        }
    }

    public init(key: Key, startedAt: Timestamp, updatedAt: Timestamp, endedAt: Timestamp?, usage: SessionUsage) {
        self.key = key
        self.startedAt = startedAt
        self.updatedAt = updatedAt
        self.endedAt = endedAt
        self.usage = usage
    }

    /// How many bearers of a session are remembered. When there are more, those that ended longest ago are forgotten; what
    /// they carried stays in the session's sum.
    public static let maximumCount = 64
}

/// In which equipment and where a session was from a time on.
public struct SessionPlace: Hashable, Sendable {
    public let since: Timestamp
    public let imei: IMEI?
    public let rat: RATType?
    public let visitedNetwork: PLMN?
    public let location: UserLocation?

    public init(since: Timestamp, imei: IMEI?, rat: RATType?, visitedNetwork: PLMN?, location: UserLocation?) {
        self.since = since
        self.imei = imei
        self.rat = rat
        self.visitedNetwork = visitedNetwork
        self.location = location
    }

    public init(_ equipment: Equipment, since: Timestamp) {
        self.init(
            since: since, imei: equipment.imei, rat: equipment.rat, visitedNetwork: equipment.visitedNetwork,
            location: equipment.location)
    }

    /// Whether it is the same equipment in the same place.
    public func isSame(as other: SessionPlace) -> Bool {
        imei == other.imei && rat == other.rat && visitedNetwork == other.visitedNetwork && location == other.location
    }

    /// How many of a session are kept: the newest.
    public static let maximumCount = 100
}

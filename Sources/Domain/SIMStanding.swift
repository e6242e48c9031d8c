/// What is remembered of a SIM beyond a session: what it has learned, what somebody has decided.
public struct SIMStanding: Hashable, Sendable {
    /// The first IMEI that was seen since there was something to learn it.
    public var firstIMEI: Seen<IMEI>?
    /// The last that was seen, and how often it was another than before.
    public var lastIMEI: Seen<IMEI>?
    public var imeiChanges: Int64 = 0
    /// Where it was last.
    public var location: Seen<Location>?
    /// On which side of each location lock it is.
    public var crossings: [SessionPolicyLevel: Crossing] = [:]
    /// The first report of a place since there was a fence to learn.
    public var fenceSince: Timestamp?
    public var quarantine: Quarantine?
    /// Violations are only reported until then.
    public var toleratedUntil: Timestamp?
    public var approval: Approval?
    public var hookAnswer: Seen<Bool>?

    public init() {}

    public struct Seen<Value: Hashable & Sendable>: Hashable, Sendable {
        public var value: Value
        public var at: Timestamp

        public init(_ value: Value, at: Timestamp) {
            self.value = value
            self.at = at
        }
    }

    /// Two of a report's fields, each absent when it was not sent.
    public struct Location: Hashable, Sendable {
        public var location: UserLocation?
        public var visitedNetwork: PLMN?

        public init(location: UserLocation?, visitedNetwork: PLMN?) {
            self.location = location
            self.visitedNetwork = visitedNetwork
        }
    }

    public struct Crossing: Hashable, Sendable {
        public var isOutside: Bool
        /// Reports from the other side, one after the other.
        public var contraryReports: Int
        public var contrarySince: Timestamp?

        public init(isOutside: Bool = false, contraryReports: Int = 0, contrarySince: Timestamp? = nil) {
            self.isOutside = isOutside
            self.contraryReports = contraryReports
            self.contrarySince = contrarySince
        }
    }

    /// By hand.
    public struct Quarantine: Hashable, Sendable {
        public var since: Timestamp
        public var until: Timestamp?
        public var reason: String
        public var by: String

        public init(since: Timestamp, until: Timestamp?, reason: String, by: String) {
            self.since = since
            self.until = until
            self.reason = reason
            self.by = by
        }
    }

    public struct Approval: Hashable, Sendable {
        public var at: Timestamp
        public var by: String

        public init(at: Timestamp, by: String) {
            self.at = at
            self.by = by
        }
    }
}

/// A cell or an area in which a SIM was while its fence was learned.
public struct FencePlace: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    public init(_ cell: Cell) { text = "cell \(cell)" }
    public init(_ area: TrackingArea) { text = "area \(area)" }
    /// As it was stored.
    public init(stored text: String) { self.text = text }

    public var description: String { text }
}

extension DevicePlace {
    public var fencePlaces: [FencePlace] { [cell.map(FencePlace.init), area.map(FencePlace.init)].compactMap { $0 } }
}

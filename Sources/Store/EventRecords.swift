public import Domain

/// Which events are asked for.
public struct EventFilter: Hashable, Sendable {
    public var scope: Scope
    /// `nil`: every one.
    public var codes: Set<Event.Code>?
    public var imsi: IMSI?
    /// Not before this time, by the clock that the event was written with.
    public var since: Timestamp?
    /// Before this time.
    public var until: Timestamp?

    public enum Scope: Hashable, Sendable {
        case all
        case tenant(Tenant.ID)
        /// The operator's own, which are of no tenant.
        case `operator`
    }

    public init(
        _ scope: Scope, codes: Set<Event.Code>? = nil, imsi: IMSI? = nil, since: Timestamp? = nil,
        until: Timestamp? = nil
    ) {
        self.scope = scope
        self.codes = codes
        self.imsi = imsi
        self.since = since
        self.until = until
    }
}

/// Some of the events that were asked for. A reading looks at so many events at most; where it has found fewer than were
/// asked for, there may still be more.
public struct EventPage: Hashable, Sendable {
    public let events: [Event]
    /// The number of the last event that was looked at: where the next reading goes on.
    public let position: Event.Number
    /// Whether there is something beyond the position.
    public let hasMore: Bool

    public init(events: [Event], position: Event.Number, hasMore: Bool) {
        self.events = events
        self.position = position
        self.hasMore = hasMore
    }
}

/// What a ``StoreReader`` reads of events.
public protocol EventReader {
    /// Oldest first, from the one after `number`.
    func events(_ filter: EventFilter, after number: Event.Number, limit: Int) throws(StoreError) -> EventPage
    /// Newest first, from the one before `number`; `nil`: from the newest.
    func events(_ filter: EventFilter, before number: Event.Number?, limit: Int) throws(StoreError) -> EventPage
    /// The number of the newest; 0 when there was none yet.
    func lastEvent() throws(StoreError) -> Event.Number
    /// The highest number of an event within the scope that retention has removed; 0 when there is none. Whoever goes on
    /// from a lower number has missed something.
    func forgottenEvents(_ scope: EventFilter.Scope) throws(StoreError) -> Event.Number
    /// How many events with numbers above this one there are of each tenant; `nil` is the operator.
    func eventCounts(after number: Event.Number) throws(StoreError) -> [Tenant.ID?: Int]
}

/// What a ``StoreTransaction`` writes of events.
public protocol EventTransaction: EventReader {
    /// Gives the event the next number.
    @discardableResult
    func appendEvent(_ news: Event.News) throws(StoreError) -> Event.Number
    /// Removes those of the first `limit` events after `number` that are older than `time`. The newest of all events stays,
    /// so that its number does not come back.
    /// - Returns: how many of each tenant, and the last number that was looked at; `nil` at the end.
    func forgetEvents(
        before time: Timestamp, after number: Event.Number, limit: Int
    ) throws(StoreError) -> (removed: [Tenant.ID?: Int], position: Event.Number?)
    /// Removes the oldest events within the scope, so many at most. The newest of all events stays.
    /// - Returns: how many of each tenant.
    func forgetOldestEvents(_ scope: EventFilter.Scope, limit: Int) throws(StoreError) -> [Tenant.ID?: Int]
}

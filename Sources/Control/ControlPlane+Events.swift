public import Domain
import ServiceLifecycle
import Store

/// What has happened: in pages, and as it happens. A tenant sees its own, the operator everything.
extension ControlPlane {
    /// Which events are asked for.
    public struct EventQuestion: Hashable, Sendable {
        /// `nil`: all that who asks may see.
        public var tenant: Name?
        /// `nil`: every one.
        public var codes: Set<Event.Code>?
        public var imsi: IMSI?
        /// Not before this time.
        public var since: Timestamp?
        /// Before this time.
        public var until: Timestamp?

        public init(
            tenant: Name? = nil, codes: Set<Event.Code>? = nil, imsi: IMSI? = nil, since: Timestamp? = nil,
            until: Timestamp? = nil
        ) {
            self.tenant = tenant
            self.codes = codes
            self.imsi = imsi
            self.since = since
            self.until = until
        }
    }

    /// An event with its tenant's name; `nil` for the operator's, and of a tenant that has been deleted.
    public struct EventView: Hashable, Sendable {
        public let event: Event
        public let tenant: Name?
    }

    public struct EventList: Hashable, Sendable {
        public let events: [EventView]
        /// Where the next page begins, and where following goes on.
        public let position: Event.Number
        public let hasMore: Bool
    }

    /// In which order, and from where on.
    public enum EventOrder: Hashable, Sendable {
        /// `after` 0: from the oldest that there is.
        case oldestFirst(after: Event.Number)
        /// `before` `nil`: from the newest.
        case newestFirst(before: Event.Number?)
    }

    /// - Throws: `.gone` when events after the number have been removed: whoever read up to it has missed some.
    public func events(
        _ question: EventQuestion, _ order: EventOrder, limit: Int, by principal: Principal
    ) async throws(ControlError) -> EventList {
        let limit = min(max(limit, 1), 1000)
        return try await read { store in
            let filter = try store.filter(question, for: principal)
            switch order {
            case .oldestFirst(let number):
                let forgotten = try store.forgottenEvents(filter.scope)
                guard number == 0 || number >= forgotten else {
                    throw ControlError(
                        .gone,
                        "events up to number \(forgotten) are not kept any more, and some of them came after \(number): "
                            + "go on from \(forgotten)")
                }
                return try store.list(try store.events(filter, after: number, limit: limit))
            case .newestFirst(let number):
                return try store.list(try store.events(filter, before: number, limit: limit))
            }
        }
    }

    /// Begins to follow events.
    /// - Parameter number: from the one after this on; `nil`: from now on.
    /// - Throws: `.tooMany` when as many follow as may.
    public func followEvents(
        _ question: EventQuestion, after number: Event.Number?, by principal: Principal
    ) async throws(ControlError) -> EventFollowing {
        let (filter, last) = try await read { store in
            (try store.filter(question, for: principal), try store.lastEvent())
        }
        // One from another store, or invented: what comes would be numbered below it.
        guard number ?? 0 <= last else {
            throw ControlError(.invalid, "after: there is no event \(number ?? 0) yet; the newest is \(last)")
        }
        // What comes between this and the first look is seen by that.
        return EventFollowing(
            control: self, membership: try events.join(principal), filter: filter, start: number ?? last)
    }

    /// How many follow events now.
    public var eventFollowers: Int { events.count }
}

/// Events as they happen. It ends when its reader goes away, when its token is deleted, with the daemon, or when this is
/// forgotten.
public struct EventFollowing: Sendable {
    let control: ControlPlane
    let membership: EventHub.Membership
    let filter: EventFilter
    let start: Event.Number

    public enum Step: Sendable {
        case event(ControlPlane.EventView)
        /// Events after the first number and up to the second were removed before they could be told.
        case gap(after: Event.Number, upTo: Event.Number)
        /// Nothing new; all up to this number has been looked at.
        case alive(Event.Number)
    }

    private static let page = 200
    /// Between two looks at the store: what comes meanwhile is told together.
    private static let pause = Duration.milliseconds(50)
    private static let silence = Duration.seconds(10)

    /// Tells everything until the end. To be called once; what `tell` waits for, this waits for.
    public func run(_ tell: (Step) async throws -> Void) async throws {
        defer { control.events.leave(membership) }
        var position = start
        var told = ContinuousClock.now
        try await tell(.alive(position))
        // What is there already; then whenever there is something.
        try await tellAll(from: &position, &told, tell)
        for await _ in membership.signals.cancelOnGracefulShutdown() {
            try await tellAll(from: &position, &told, tell)
            if ContinuousClock.now - told >= Self.silence {
                try await tell(.alive(position))
                told = .now
            }
            try await Task.sleep(for: Self.pause)
        }
    }

    private func tellAll(
        from position: inout Event.Number, _ told: inout ContinuousClock.Instant, _ tell: (Step) async throws -> Void
    ) async throws {
        while !Task.isShuttingDownGracefully {
            let (filter, after) = (filter, position)
            let (list, forgotten) = try await control.store.read { store in
                let page = try store.events(filter, after: after, limit: Self.page)
                return (try store.list(page), try store.forgottenEvents(filter.scope))
            }
            if position > 0, forgotten > position {
                try await tell(.gap(after: position, upTo: forgotten))
                position = forgotten
                told = .now
            }
            for event in list.events {
                try await tell(.event(event))
                told = .now
            }
            position = max(position, list.position)
            guard list.hasMore else { return }
        }
    }
}

extension StoreReader {
    fileprivate func filter(
        _ question: ControlPlane.EventQuestion, for principal: Principal
    ) throws -> EventFilter {
        let scope: EventFilter.Scope =
            switch (question.tenant, principal.role) {
            case (let name?, _): .tenant(try visibleTenant(name, to: principal).id)
            case (nil, .tenant(let own)): .tenant(own)
            case (nil, .operator): .all
            }
        return EventFilter(
            scope, codes: question.codes, imsi: question.imsi, since: question.since, until: question.until)
    }

    /// With tenants' names, each looked up once.
    fileprivate func list(_ page: EventPage) throws(StoreError) -> ControlPlane.EventList {
        var names: [Tenant.ID: Name?] = [:]
        var views: [ControlPlane.EventView] = []
        for event in page.events {
            var name: Name?
            if let tenant = event.news.tenant {
                if let known = names[tenant] {
                    name = known
                } else {
                    name = try self.tenant(tenant)?.name
                    names[tenant] = .some(name)
                }
            }
            views.append(ControlPlane.EventView(event: event, tenant: name))
        }
        return ControlPlane.EventList(events: views, position: page.position, hasMore: page.hasMore)
    }
}

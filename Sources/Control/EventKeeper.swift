import Domain
import Logging
import Metrics
import ServiceLifecycle
import Store

/// Tells refusals that have come together, removes events whose time is over or that are too many, and keeps those who
/// follow awake.
struct EventKeeper: Service {
    let control: ControlPlane
    private let forgotten = Counter(label: "cordon_events_forgotten_total")
    private let stored = Gauge(label: "cordon_events_stored")
    private static let interval = Duration.seconds(1)
    /// Turns between two beats, and between two looks at what is to go.
    private static let beatingTurns = 5
    private static let forgettingTurns = 30

    init(control: ControlPlane) { self.control = control }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var forgetting = EventForgetting()
            var turn = 0
            while !Task.isCancelled {
                // Cancelled at shutdown: the loop's condition ends it.
                try? await Task.sleep(for: Self.interval)
                turn &+= 1
                do {
                    try await control.tellRefusals()
                    if turn % Self.beatingTurns == 0 { try await control.beat() }
                    guard turn % Self.forgettingTurns == 0 else { continue }
                    forgotten.increment(by: try await control.forgetEvents(&forgetting))
                    stored.record(forgetting.count)
                } catch {
                    if Task.isCancelled { break }
                    control.logger.error("events could not be kept; it is tried again", metadata: ["error": "\(error)"])
                }
            }
        }
        control.events.close()
        await control.tellAllRefusals()
    }
}

/// What is known of the events that there are, so that not all of them are counted each time.
package struct EventForgetting {
    /// `nil`: not counted yet.
    fileprivate var counts: [Tenant.ID?: Int]?
    fileprivate var counted: Event.Number = 0

    package init() {}

    package var count: Int { counts?.values.reduce(0, +) ?? 0 }

    fileprivate mutating func note(removed: [Tenant.ID?: Int]) -> Int {
        for (tenant, count) in removed { counts?[tenant, default: 0] -= count }
        return removed.values.reduce(0, +)
    }
}

extension ControlPlane {
    /// Events that one transaction removes: some milliseconds, after which others have as long.
    private static let forgottenAtOnce = 500
    /// Parts without an old event after which no older are looked for: times follow numbers but for clocks that were set.
    private static let youngParts = 4
    private static let repeatsAtOnce = 200

    /// - Parameter inAll: `nil`: as many as the settings say are kept.
    /// - Returns: how many were removed.
    package func forgetEvents(_ forgetting: inout EventForgetting, keeping inAll: Int? = nil) async throws -> Int {
        let retention = settings.eventRetention
        let counted = forgetting.counts == nil ? 0 : forgetting.counted
        let (new, last) = try await store.read { store in
            (try store.eventCounts(after: counted), try store.lastEvent())
        }
        forgetting.counts = (forgetting.counts ?? [:]).merging(new, uniquingKeysWith: +)
        forgetting.counted = last
        var count = 0

        let horizon = Timestamp(milliseconds: now().milliseconds - Int64(retention.days) * 86_400_000)
        var place: Event.Number? = 0
        var young = 0
        while let after = place, young < Self.youngParts {
            let part = try await step { store in
                try store.forgetEvents(before: horizon, after: after, limit: Self.forgottenAtOnce)
            }
            young = part.removed.isEmpty ? young + 1 : 0
            count += forgetting.note(removed: part.removed)
            place = part.position
        }
        for tenant in Array((forgetting.counts ?? [:]).keys) {
            count += try await shorten(
                tenant.map { .tenant($0) } ?? .operator, &forgetting, to: retention.perTenant
            ) { $0[tenant] ?? 0 }
        }
        count += try await shorten(.all, &forgetting, to: inAll ?? retention.inAll) { $0.values.reduce(0, +) }
        forgetting.counts = forgetting.counts?.filter { $0.value > 0 }
        return count
    }

    private func shorten(
        _ scope: EventFilter.Scope, _ forgetting: inout EventForgetting, to limit: Int,
        _ count: ([Tenant.ID?: Int]) -> Int
    ) async throws -> Int {
        var all = 0
        while true {
            let excess = count(forgetting.counts ?? [:]) - limit
            guard excess > 0 else { return all }
            let removed = try await step { store in
                try store.forgetOldestEvents(scope, limit: min(excess, Self.forgottenAtOnce))
            }
            let some = forgetting.note(removed: removed)
            guard some > 0 else { return all }
            all += some
        }
    }

    /// A part of what is to be removed, and then as long for others.
    private func step<Value: Sendable>(
        _ body: @escaping @Sendable (any StoreTransaction) throws -> Value
    ) async throws -> Value {
        let started = ContinuousClock.now
        let value = try await store.write(body)
        try await Task.sleep(for: max(.milliseconds(2), ContinuousClock.now - started))
        return value
    }

    // MARK: Refusals

    /// Tells refusals whose window is over.
    package func tellRefusals() async throws {
        while !Task.isCancelled {
            let time = now()
            let due = refusals.due(at: time, limit: Self.repeatsAtOnce)
            guard !due.isEmpty else { return }
            do {
                try await store.write { store in try store.tell(due, at: time) }
            } catch {
                refusals.giveBack(due)
                throw error
            }
        }
    }

    /// When the daemon stops.
    func tellAllRefusals() async {
        let (all, time) = (refusals.takeAll(), now())
        guard !all.isEmpty else { return }
        do {
            try await store.write { store in try store.tell(all, at: time) }
        } catch {
            logger.error(
                "refused attaches could not be recorded as events",
                metadata: ["error": "\(error)", "events": "\(all.count)"])
        }
    }

    // MARK: Followers

    /// Lets those who follow show that they are there, and ends the streams of tokens that are not there any more.
    package func beat() async throws {
        guard events.count > 0 else { return }
        let tokens = try await store.read { store in try store.tokens() }
        let known = Set(tokens.map { Principal(name: "\($0.name)", role: $0.role) })
        events.keep { $0 == .system || known.contains($0) }
        events.beat()
    }
}

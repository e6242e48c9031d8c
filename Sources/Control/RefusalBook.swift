package import Domain
import Store
import Synchronization

/// Refused attaches, folded into events: a device that is refused asks again at once, for ever, and would fill the store.
/// The first refusal of a SIM for a reason is an event at once, in the transaction that decides it. What is repeated is
/// counted here, and is one event with the count when ``window`` is over. A SIM that was not refused again within a window
/// is forgotten.
package final class RefusalBook: Sendable {
    /// Minutes: as often as a SIM that goes on asking is told of.
    package static let window: Int64 = 10 * 60_000

    package struct Limits: Sendable {
        /// SIMs and reasons that are counted by themselves, at some 250 octets each. Beyond, NAS and reason are.
        package var capacity = 262_144
        /// Of these, SIMs that are nobody's: what a NAS asks for may be any number.
        package var unknown = 10_000

        package init() {}
    }

    package struct Refusal: Hashable, Sendable {
        package let imsi: IMSI?
        package let reason: AttachRejection
        /// `nil` of a SIM that is nobody's.
        package let tenant: Tenant.ID?
        package let nas: NAS.ID
        package let apn: APN?

        package init(_ request: AttachRequest, _ reason: AttachRejection, of tenant: Tenant.ID?) {
            imsi = request.imsi
            self.reason = reason
            self.tenant = tenant
            nas = request.nas
            apn = request.apn
        }
    }

    /// What is one event.
    package struct Key: Hashable, Sendable {
        /// `nil`: of all SIMs of a NAS.
        package let imsi: IMSI?
        package let nas: NAS.ID?
        package let reason: AttachRejection
    }

    /// One that is an event.
    package struct First: Sendable {
        package let key: Key
        package let refusal: Refusal
    }

    /// What has come together in a window.
    package struct Repeats: Sendable {
        package let key: Key
        package let refusal: Refusal
        package let count: Int
        package let since: Timestamp
    }

    private struct Entry {
        var refusal: Refusal
        /// Not told yet.
        var count: Int
        var since: Timestamp
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        /// Entries of SIMs that are nobody's.
        var unknown = 0
        /// Keys by the end of their windows, which are equally long: oldest first, from `first` on.
        var ends: [(key: Key, time: Timestamp)] = []
        var first = 0
        var restarts: [NAS.ID: Timestamp] = [:]
    }

    private let state = Mutex(State())
    private let limits: Limits

    package init(limits: Limits = Limits()) { self.limits = limits }

    package var count: Int { state.withLock { $0.entries.count } }

    // MARK: In a transaction

    /// Of refusals, in their order, which are events now. Nothing is remembered: the transaction may not be stored.
    package func first(among refusals: [Refusal]) -> [First] {
        guard !refusals.isEmpty else { return [] }
        return state.withLock { state in
            var seen: Set<Key> = []
            return refusals.compactMap { refusal in
                let key = key(of: refusal, state)
                guard state.entries[key] == nil, seen.insert(key).inserted else { return nil }
                return First(key: key, refusal: refusal)
            }
        }
    }

    /// Remembers refusals when they are stored.
    /// - Parameter told: those of them that are events.
    package func note(_ refusals: [Refusal], told: [First], at time: Timestamp) {
        guard !refusals.isEmpty else { return }
        state.withLock { state in
            for one in told { open(one.key, one.refusal, isTold: true, at: time, &state) }
            var waiting = told.reduce(into: [:]) { $0[$1.refusal, default: 0] += 1 }
            for refusal in refusals {
                if let count = waiting[refusal], count > 0 {
                    waiting[refusal] = count - 1
                    continue
                }
                let key = key(of: refusal, state)
                if state.entries[key] == nil {
                    open(key, refusal, isTold: false, at: time, &state)
                } else {
                    state.entries[key]?.count += 1
                }
            }
        }
    }

    private func open(_ key: Key, _ refusal: Refusal, isTold: Bool, at time: Timestamp, _ state: inout State) {
        guard state.entries[key] == nil else { return }
        state.entries[key] = Entry(refusal: refusal, count: isTold ? 0 : 1, since: time)
        if refusal.tenant == nil { state.unknown += 1 }
        state.ends.append((key, Timestamp(milliseconds: time.milliseconds + Self.window)))
    }

    private func key(of refusal: Refusal, _ state: State) -> Key {
        let own = Key(imsi: refusal.imsi, nas: nil, reason: refusal.reason)
        if refusal.imsi != nil {
            if state.entries[own] != nil { return own }
            let hasRoom =
                state.entries.count < limits.capacity && (refusal.tenant != nil || state.unknown < limits.unknown)
            if hasRoom { return own }
        }
        return Key(imsi: nil, nas: refusal.nas, reason: refusal.reason)
    }

    // MARK: From memory

    /// One that was answered without being decided again.
    package func noteRepeated(_ request: AttachRequest, _ reason: AttachRejection) {
        state.withLock { state in
            let own = Key(imsi: request.imsi, nas: nil, reason: reason)
            let key = state.entries[own] == nil ? Key(imsi: nil, nas: request.nas, reason: reason) : own
            // What was decided half a minute ago is still here, or there was no room for it.
            state.entries[key]?.count += 1
        }
    }

    // MARK: Windows

    /// What is to be told, since its window is over: so many at most. They begin a new window.
    package func due(at time: Timestamp, limit: Int) -> [Repeats] {
        state.withLock { state in
            var due: [Repeats] = []
            while state.first < state.ends.count, state.ends[state.first].time <= time, due.count < limit {
                let key = state.ends[state.first].key
                state.first += 1
                guard let entry = state.entries[key] else { continue }
                guard entry.count > 0 else {
                    state.entries[key] = nil
                    if entry.refusal.tenant == nil { state.unknown -= 1 }
                    continue
                }
                due.append(Repeats(key: key, refusal: entry.refusal, count: entry.count, since: entry.since))
                state.entries[key]?.count = 0
                state.entries[key]?.since = time
                state.ends.append((key, Timestamp(milliseconds: time.milliseconds + Self.window)))
            }
            if state.first > 4096, state.first > state.ends.count / 2 {
                state.ends.removeFirst(state.first)
                state.first = 0
            }
            return due
        }
    }

    /// Everything that is not told yet, when the daemon stops.
    package func takeAll() -> [Repeats] {
        state.withLock { state in
            let all = state.entries.filter { $0.value.count > 0 }.map {
                Repeats(key: $0.key, refusal: $0.value.refusal, count: $0.value.count, since: $0.value.since)
            }
            state = State()
            return all
        }
    }

    /// What could not be stored is told with the next.
    package func giveBack(_ repeats: [Repeats]) {
        state.withLock { state in
            for one in repeats {
                state.entries[one.key]?.count += one.count
                state.entries[one.key]?.since = one.since
            }
        }
    }

    // MARK: NAS

    /// Whether a NAS's restart is to be told: a NAS repeats its message until it is answered, and one that is out of order
    /// without end.
    func isFirst(restartOf nas: NAS.ID, at time: Timestamp) -> Bool {
        state.withLock { state in
            defer { state.restarts[nas] = time }
            return state.restarts[nas].map { abs(time.milliseconds - $0.milliseconds) > 60_000 } ?? true
        }
    }
}

extension RefusalBook.Refusal {
    /// - Parameters:
    ///   - nas: the NAS's name, where it is told.
    ///   - repeats: what has come together; `nil`: the first.
    fileprivate func news(
        _ key: RefusalBook.Key, nas: Name?, repeats: (count: Int, since: Timestamp)?, at time: Timestamp
    ) -> Event.News {
        let imsi = key.imsi
        var details: [Event.Detail] = []
        if let apn, imsi != nil { details.append(Event.Detail("apn", apn)) }
        if let nas { details.append(Event.Detail("nas", nas)) }
        var words = "refused: \(reason.words)"
        if let repeats {
            details += [Event.Detail("count", repeats.count), Event.Detail("since", repeats.since)]
            words = "refused \(repeats.count) more time(s) since \(repeats.since): \(reason.words)"
        }
        return Event.News(
            Event.Code(reason), of: imsi == nil ? nil : tenant,
            about: imsi.map { Event.Subject(.sim, $0) } ?? Event.Subject(.nas, nas.map { "\($0)" } ?? "unknown"),
            at: time, imsi: imsi, words: words, details: details)
    }
}

extension StoreTransaction {
    func tell(_ first: [RefusalBook.First], at time: Timestamp) throws(StoreError) {
        for one in first { try tell(one.refusal, one.key, nil, at: time) }
    }

    func tell(_ repeats: [RefusalBook.Repeats], at time: Timestamp) throws(StoreError) {
        for one in repeats { try tell(one.refusal, one.key, (one.count, one.since), at: time) }
    }

    private func tell(
        _ refusal: RefusalBook.Refusal, _ key: RefusalBook.Key, _ repeats: (count: Int, since: Timestamp)?,
        at time: Timestamp
    ) throws(StoreError) {
        // Which nodes the operator has is not its tenants' business.
        let name = refusal.tenant == nil || key.imsi == nil ? try nas(refusal.nas)?.name : nil
        try appendEvent(refusal.news(key, nas: name, repeats: repeats, at: time))
    }
}

extension AttachRejection {
    fileprivate var words: String {
        switch self {
        case .imsiMissing: "the request names no IMSI"
        case .apnMissing: "the request names no APN"
        case .apnNotAllowed: "the APN is another tenant's"
        case .simUnknown: "no tenant has this SIM"
        case .simSuspended: "the SIM is suspended"
        case .simTerminated: "the SIM is terminated"
        case .simTestOver: "the SIM's test is over; activate it"
        case .addressPoolExhausted: "the address pools have no block left for this tenant"
        case .pdnTypeNotServed: "the PDN type is not served: there is IPv4, and IPv6 where the gateway forwards it"
        case .imeiNotAllowed: "the session policy does not allow the equipment"
        case .locationNotAllowed: "the session policy does not allow the place"
        case .outsideHours: "outside the hours of the session policy"
        case .notApproved: "the SIM is not approved for service"
        case .dataLimitReached: "the data limit is reached"
        }
    }
}

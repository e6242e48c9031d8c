import Domain
import Logging
import Store
import Synchronization

/// Sessions whose NAS has reported other octets than were counted here, folded into events. A tenant's first is an event at
/// once; those of the next ``window`` are one event together, with their number: a NAS that counts otherwise does so for
/// all of its sessions. What is counted and not told yet is in memory.
final class DifferenceBook: Sendable {
    /// Milliseconds.
    static let window: Int64 = 10 * 60_000

    /// Of one tenant, since its last event.
    struct Repeats: Hashable, Sendable {
        var since: Timestamp
        var sessions = 0
        /// Octets, both ways.
        var counted: UInt64 = 0
        var reported: UInt64 = 0
    }

    struct Difference: Sendable {
        let session: Session
        let usage: EndedUsage
    }

    /// What is to be told.
    struct Told: Sendable {
        var firsts: [Difference] = []
        var repeats: [(tenant: Tenant.ID, repeats: Repeats)] = []
    }

    /// Of each tenant of whom something was told in its window.
    typealias State = [Tenant.ID: Repeats]

    private let state = Mutex(State())

    /// - Parameter isLast: nobody asks again, so that windows end early.
    /// - Returns: what is to be told, and what to keep once that is stored; until then nothing is changed.
    func told(of differences: [Difference], at time: Timestamp, isLast: Bool = false) -> (Told, next: State) {
        var (told, next) = (Told(), state.withLock { $0 })
        for (tenant, repeats) in next.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            // A clock that was set back ends a window too.
            let isOpen = (0..<Self.window).contains(time.milliseconds - repeats.since.milliseconds)
            guard !isOpen || isLast else { continue }
            if repeats.sessions > 0 { told.repeats.append((tenant, repeats)) }
            next[tenant] = repeats.sessions > 0 ? Repeats(since: time) : nil
        }
        for one in differences {
            guard var repeats = next[one.session.tenant] else {
                told.firsts.append(one)
                next[one.session.tenant] = Repeats(since: time)
                continue
            }
            repeats.sessions += 1
            repeats.counted &+= one.usage.counted.octets
            repeats.reported &+= one.usage.reported.octets
            next[one.session.tenant] = repeats
        }
        return (told, next)
    }

    func keep(_ next: State) { state.withLock { $0 = next } }
}

extension StoreTransaction {
    /// Tells of sessions that have ended and whose NAS counts otherwise.
    /// - Returns: what the book is to keep when this is stored.
    func tellDifferences(
        _ ended: [Session.ID: EndedUsage], _ book: DifferenceBook, at time: Timestamp, isLast: Bool = false
    ) throws -> DifferenceBook.State {
        var differences: [DifferenceBook.Difference] = []
        for (id, usage) in ended.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where usage.isDiffering {
            // One that has been removed is nobody's to look into.
            guard let session = try session(id) else { continue }
            differences.append(.init(session: session, usage: usage))
        }
        let (told, next) = book.told(of: differences, at: time, isLast: isLast)
        for one in told.firsts { try appendEvent(.differs(one.session, one.usage, at: time)) }
        for (id, repeats) in told.repeats {
            guard let tenant = try tenant(id) else { continue }
            try appendEvent(.differ(tenant, repeats, at: time))
        }
        return next
    }
}

extension ControlPlane {
    /// At the end of the process: what has come together since the last event.
    func tellAllDifferences() async {
        let (book, now) = (differences, now())
        do {
            book.keep(try await store.write { try $0.tellDifferences([:], book, at: now, isLast: true) })
        } catch {
            logger.error("differences of usage could not be recorded as events", metadata: ["error": "\(error)"])
        }
    }
}

extension Event.News {
    fileprivate static func differs(_ session: Session, _ usage: EndedUsage, at time: Timestamp) -> Self {
        let (here, there) = (usage.counted, usage.reported)
        return Self(
            .usageDiffers, of: session.tenant, about: Event.Subject(.sim, session.imsi), at: time, imsi: session.imsi,
            session: session.id,
            words: "of session \(session.id), which has ended, the network reports \(there.octets) octets, and "
                + "\(here.octets) were counted here",
            details: [
                Event.Detail("counted_up", here.octetsUp), Event.Detail("counted_down", here.octetsDown),
                Event.Detail("reported_up", there.octetsUp), Event.Detail("reported_down", there.octetsDown),
            ])
    }

    fileprivate static func differ(_ tenant: Tenant, _ repeats: DifferenceBook.Repeats, at time: Timestamp) -> Self {
        Self(
            .usageDiffers, of: tenant.id, about: Event.Subject(.tenant, tenant.name), at: time,
            words:
                "of \(repeats.sessions) more sessions, which have ended, the network reports \(repeats.reported) octets, "
                + "and \(repeats.counted) were counted here",
            details: [
                Event.Detail("count", repeats.sessions), Event.Detail("since", repeats.since),
                Event.Detail("counted", repeats.counted), Event.Detail("reported", repeats.reported),
            ])
    }
}

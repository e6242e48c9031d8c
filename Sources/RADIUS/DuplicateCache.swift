public import Domain

/// Requests that were taken and what they were answered, so that a retransmission gets the same octets and is not
/// worked on twice (RFC 5080 §2.2.2). One per socket. It has no timer: old entries go when new ones come.
public struct DuplicateCache: Sendable {
    /// A retransmission has the same source, identifier and authenticator.
    public struct Key: Hashable, Sendable {
        let authenticator: UInt128
        let address: IPv4Address
        let port: UInt16
        let identifier: UInt8

        public init(address: IPv4Address, port: UInt16, header: Header) {
            self.address = address
            self.port = port
            identifier = header.identifier
            authenticator = header.authenticator
        }
    }

    public enum Finding: Hashable, Sendable {
        /// Not seen in the last 30 s; it is entered as in progress.
        case new
        case inProgress
        case answered([UInt8])
    }

    private struct Entry {
        /// `nil` while it is worked on.
        var answer: [UInt8]?
        let deadline: ContinuousClock.Instant
    }

    private var entries: [Key: Entry] = [:]
    /// Keys in the order of their deadlines; those before `head` are gone.
    private var order: [(key: Key, deadline: ContinuousClock.Instant)] = []
    private var head = 0
    private let capacity: Int
    private let lifetime: Duration

    /// - Parameter capacity: entries; beyond it the oldest goes. At 200 octets per answer 131,072 are 40 MB.
    public init(capacity: Int = 131_072, lifetime: Duration = .seconds(30)) {
        self.capacity = max(1, capacity)
        self.lifetime = lifetime
    }

    public var count: Int { entries.count }

    public mutating func look(for key: Key, at now: ContinuousClock.Instant) -> Finding {
        expire(at: now)
        if let entry = entries[key] { return entry.answer.map(Finding.answered) ?? .inProgress }
        // Forgotten entries leave their place in the order behind, hence the second bound.
        while entries.count >= capacity || order.count - head >= 2 * capacity { removeOldest() }
        let deadline = now + lifetime
        entries[key] = Entry(answer: nil, deadline: deadline)
        order.append((key, deadline))
        return .new
    }

    /// Keeps the answer for what is left of the entry's 30 s.
    public mutating func answer(_ key: Key, with octets: [UInt8]) { entries[key]?.answer = octets }

    /// The request got no answer: asked again, it is new.
    public mutating func forget(_ key: Key) { entries[key] = nil }

    private mutating func expire(at now: ContinuousClock.Instant) {
        while head < order.count, order[head].deadline <= now { removeOldest() }
    }

    private mutating func removeOldest() {
        guard head < order.count else { return }
        let (key, deadline) = order[head]
        head += 1
        // A key that was forgotten and came again has a later deadline and its own place in the order.
        if entries[key]?.deadline == deadline { entries[key] = nil }
        guard head > 1024, head > order.count / 2 else { return }
        order.removeFirst(head)
        head = 0
    }
}

public import Domain

/// What an end proves itself with, and what comes after it: an authority, a certificate or a pre-shared key.
///
/// From one to the next both are taken, so that the two ends need not change in the same second. Of pre-shared keys
/// charon 5.9.8 takes both, but shows the one that was loaded last, and a peer with the other one goes away: see 0020.
/// ```
///            begin           offered                 old is taken until
/// current ─────┼── both taken ──┼── both taken, next offered ──┼─── next is current
/// ```
public struct Rotation<Value: Hashable & Sendable>: Hashable, Sendable {
    /// A value and its life. A pre-shared key may have no end: it is renewed when somebody wants it.
    public struct Term: Hashable, Sendable {
        public let value: Value
        public let from: Timestamp
        public let until: Timestamp?

        public init(_ value: Value, from: Timestamp, until: Timestamp?) {
            self.value = value
            self.from = from
            self.until = until
        }

        /// When the next is to be made: after two thirds of its life; a third is left for whoever has to be told.
        public var renewal: Timestamp? {
            until.map { Timestamp(milliseconds: $0.milliseconds - max(0, $0.milliseconds - from.milliseconds) / 3) }
        }
    }

    /// What comes next, and how.
    public struct Change: Hashable, Sendable {
        public let next: Term
        /// From then on this end shows the next one; before, it only takes it.
        public let offered: Timestamp
        /// Until then the current one is taken as well.
        public let oldTakenUntil: Timestamp

        /// `nil` unless the next one is valid when it is first shown, and the old one is taken at least as long.
        public init?(next: Term, offered: Timestamp, oldTakenUntil: Timestamp) {
            guard next.from <= offered, next.until.map({ oldTakenUntil < $0 }) ?? true, offered <= oldTakenUntil else {
                return nil
            }
            self.next = next
            self.offered = offered
            self.oldTakenUntil = oldTakenUntil
        }
    }

    public enum State: Hashable, Sendable {
        case steady
        /// Both are taken, the current one is shown.
        case announced
        /// Both are taken, the next one is shown.
        case overlapping
    }

    public enum Refusal: Error, Hashable, CustomStringConvertible {
        case nothingPlanned
        case shownAlready

        public var description: String {
            switch self {
            case .nothingPlanned: "nothing is planned to come next"
            case .shownAlready: "the next one is in use already: finish the change first"
            }
        }
    }

    public private(set) var current: Term
    public private(set) var change: Change?

    public init(_ current: Term, change: Change? = nil) {
        self.current = current
        self.change = change
    }

    /// Whether it is time to make the next one.
    public func isDue(at now: Timestamp) -> Bool {
        guard state(at: now) == .steady else { return false }
        return (change?.next ?? current).renewal.map { $0 <= now } ?? false
    }

    public func state(at now: Timestamp) -> State {
        guard let change, now < change.oldTakenUntil else { return .steady }
        return now < offered(change) ? .announced : .overlapping
    }

    /// What this end shows.
    public func offered(at now: Timestamp) -> Value {
        guard let change, now >= offered(change) else { return current.value }
        return change.next.value
    }

    /// What this end takes, the one that it shows first. One whose life is over is not among them unless it is all
    /// there is: then it is the connection's to say that it has expired.
    public func taken(at now: Timestamp) -> [Value] {
        guard let change else { return [current.value] }
        switch state(at: now) {
        case .steady: return [change.next.value]
        case .announced: return [current.value, change.next.value]
        case .overlapping:
            let isOver = current.until.map { $0 < now } ?? false
            return isOver ? [change.next.value] : [change.next.value, current.value]
        }
    }

    /// When the answers above, or whether it is due, change next; `nil` when they never do by themselves.
    public func nextChange(after now: Timestamp) -> Timestamp? {
        guard let change, state(at: now) != .steady else {
            return (change?.next ?? current).renewal.flatMap { now < $0 ? $0 : nil }
        }
        // A life's last moment is still in it.
        let end = current.until.map { Timestamp(milliseconds: $0.milliseconds + 1) }
        return [offered(change), end, change.oldTakenUntil].compactMap { $0 }
            .filter { now < $0 && $0 <= change.oldTakenUntil }.min()
    }

    /// Plans the change; one planned before that has not been shown yet is forgotten.
    /// - Throws: while a next one is shown already: there would be two old ones.
    public mutating func begin(_ change: Change, at now: Timestamp) throws(Refusal) {
        advance(to: now)
        guard state(at: now) != .overlapping else { throw .shownAlready }
        self.change = change
        advance(to: now)
    }

    /// Forgets a change whose next one has not been shown yet.
    public mutating func cancel(at now: Timestamp) throws(Refusal) {
        switch state(at: now) {
        case .steady: throw .nothingPlanned
        case .announced: change = nil
        case .overlapping: throw .shownAlready
        }
    }

    /// The next one is current from now on and the old one is not taken any more: for keys that others know.
    public mutating func finish() {
        guard let change else { return }
        current = change.next
        self.change = nil
    }

    /// Makes the next one current when its time has come. Nothing that is asked at `now` or later has another answer
    /// after this.
    public mutating func advance(to now: Timestamp) {
        if let change, change.oldTakenUntil <= now { finish() }
    }

    /// The next one is shown at the latest when the current one's life is over.
    private func offered(_ change: Change) -> Timestamp {
        guard let end = current.until else { return change.offered }
        return max(change.next.from, min(change.offered, Timestamp(milliseconds: end.milliseconds + 1)))
    }
}

extension Rotation where Value == Credential {
    public init(_ current: Credential) { self.init(Term(current)) }
}

extension Rotation<Credential>.Term {
    /// As long as the certificate is valid.
    public init(_ credential: Credential) {
        self.init(credential, from: credential.certificate.notBefore, until: credential.certificate.notAfter)
    }
}

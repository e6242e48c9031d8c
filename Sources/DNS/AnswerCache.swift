/// Answers of upstreams, for as long as they are good. Bounded by octets: the next to go is one that nobody has asked for
/// since it was last looked at (CLOCK). It knows no clock; seconds are the caller's, and never go back.
public struct AnswerCache {
    /// An answer, and how many seconds ago it came.
    public struct Hit: Sendable {
        public let answer: UpstreamAnswer
        public let age: UInt32
    }

    /// Which upstreams were asked: what one tenant's say is never another's answer.
    public typealias Scope = UInt32

    private struct Slot {
        let answer: UpstreamAnswer
        let scope: Scope
        let hash: Int
        let storedAt: Int64
        var isUsed: Bool
    }

    private var slots: [Slot?] = []
    private var free: [Int] = []
    /// Where an answer is, by its question's hash. Two questions of one hash take turns.
    private var index: [Int: Int] = [:]
    private var hand = 0
    private let capacity: Int
    public private(set) var octets = 0

    /// - Parameter capacity: octets that answers may take together, about.
    public init(capacity: Int) { self.capacity = capacity }

    public var count: Int { index.count }

    public mutating func answer(to question: Question, scope: Scope, at now: Int64) -> Hit? {
        let hash = Self.hash(question, scope)
        guard let place = index[hash], let slot = slots[place], slot.scope == scope, slot.answer.question == question
        else { return nil }
        let age = now - slot.storedAt
        guard age < Int64(slot.answer.lifetime) else {
            remove(place)
            return nil
        }
        slots[place]?.isUsed = true
        return Hit(answer: slot.answer, age: UInt32(truncatingIfNeeded: max(0, age)))
    }

    /// Keeps an answer whose lifetime is not zero.
    public mutating func insert(_ answer: UpstreamAnswer, scope: Scope, at now: Int64) {
        // One answer does not turn out the half of all others.
        guard answer.lifetime > 0, answer.cost <= capacity / 2 else { return }
        let hash = Self.hash(answer.question, scope)
        if let place = index[hash] { remove(place) }
        while octets + answer.cost > capacity { evict(at: now) }
        let slot = Slot(answer: answer, scope: scope, hash: hash, storedAt: now, isUsed: false)
        let place: Int
        if let reused = free.popLast() {
            place = reused
            slots[place] = slot
        } else {
            place = slots.count
            slots.append(slot)
        }
        index[hash] = place
        octets += answer.cost
    }

    /// Forgets everything.
    public mutating func removeAll() {
        slots = []
        free = []
        index = [:]
        hand = 0
        octets = 0
    }

    /// Takes one answer out. There is one: what there is costs more than nothing.
    private mutating func evict(at now: Int64) {
        while true {
            if hand >= slots.count { hand = 0 }
            defer { hand += 1 }
            guard let slot = slots[hand] else { continue }
            if slot.isUsed, now - slot.storedAt < Int64(slot.answer.lifetime) {
                slots[hand]?.isUsed = false
            } else {
                return remove(hand)
            }
        }
    }

    private mutating func remove(_ place: Int) {
        guard let slot = slots[place] else { return }
        slots[place] = nil
        free.append(place)
        index[slot.hash] = nil
        octets -= slot.answer.cost
    }

    /// With the process's own seed: nobody chooses names that meet.
    private static func hash(_ question: Question, _ scope: Scope) -> Int {
        var hasher = Hasher()
        hasher.combine(question)
        hasher.combine(scope)
        return hasher.finalize()
    }
}

import Domain
import PolicyCompiler
import Synchronization

/// How long, and how much, the resolver's answers are stood by.
public struct NameLimits: Sendable {
    /// A name stays at least so long after the last answer: devices keep addresses longer than they may (RFC 9726 §4).
    public var leastSeconds: Int64 = 300
    /// And at most so long, unless a flow uses it.
    public var mostSeconds: Int64 = 86_400
    /// Addresses of one name, for one policy's devices.
    public var addressesPerName = 256
    /// Names times their addresses, for one policy's devices.
    public var factsPerPolicy = 16_384

    public init() {}
}

/// The addresses that names have for the devices of each policy: what the resolver has told one of them, and stands by.
///
/// The kernel is given them in batches: a fact that it does not have yet waits for the next, and whoever waits for it is
/// told. What it has already costs a look into this table.
final class NameBook: Sendable {
    /// That an address has a name.
    struct Fact: Hashable, Sendable {
        /// In the store; grows with each.
        let number: Int64
        let policy: PolicyMark
        let address: IPAddress
        let name: DomainName
        /// The device that was told first; `nil` after a start.
        let device: IPAddress?
        /// Seconds of this book's clock.
        var until: Int64
    }

    /// What the kernel is to be given, and who waits for that.
    struct Batch {
        var changes: [NamedAddress] = []
        fileprivate(set) var waiting: [@Sendable (NameLessonResult) -> Void] = []

        /// Under no lock: what is called is others'.
        func tell(_ result: NameLessonResult) { for waiter in waiting { waiter(result) } }
    }

    fileprivate struct Entry {
        var facts: [Known]
        var standing = Standing.due
    }

    /// Whether the kernel has all names of an address, and no others.
    fileprivate enum Standing {
        case due, given, current
    }

    fileprivate struct Known {
        let number: Int64
        let name: DomainName
        let device: IPAddress?
        var until: Int64
    }

    fileprivate struct Names {
        var addresses: [IPAddress: Entry] = [:]
        var counts: [DomainName: Int] = [:]
        var facts = 0
    }

    private struct State {
        var policies: [PolicyMark: Names] = [:]
        /// Whose names the kernel does not have as they are.
        var due: Set<Key> = []
        var waiting: [@Sendable (NameLessonResult) -> Void] = []
        var lastNumber: Int64 = 0
        /// Facts that the store does not have, and the numbers of those that it is to forget.
        var unsaved: [FactKey] = []
        var gone: [Int64] = []
        var alarms: [Alarm] = []

        mutating func setDue(_ change: NamedAddress) {
            policies[change.policy]?.addresses[change.address]?.standing = .due
            due.insert(Key(policy: change.policy, address: change.address))
        }
    }

    fileprivate struct Key: Hashable {
        let policy: PolicyMark
        let address: IPAddress
    }

    struct FactKey: Hashable, Sendable {
        let policy: PolicyMark
        let address: IPAddress
        let name: DomainName
    }

    /// A name, or a policy, that has more addresses than it may.
    struct Alarm: Hashable, Sendable {
        let policy: PolicyMark
        /// `nil`: all names of the policy together.
        let name: DomainName?
    }

    private let limits: NameLimits
    private let state = Mutex(State())

    init(limits: NameLimits) { self.limits = limits }

    /// Calls `then` before it returns when there is nothing for the kernel.
    func learn(_ lesson: NameLesson, at time: Int64, then: @escaping @Sendable (NameLessonResult) -> Void) {
        let life = min(max(Int64(lesson.timeToLive), limits.leastSeconds), limits.mostSeconds)
        let isMissing = state.withLock { state in
            var isMissing = false
            for address in lesson.addresses {
                let key = Key(policy: lesson.policy, address: address)
                for name in lesson.names {
                    let fact = Known(
                        number: state.lastNumber + 1, name: name, device: lesson.device, until: time + life)
                    guard state.policies[lesson.policy, default: Names()].note(fact, at: address) else { continue }
                    state.lastNumber += 1
                    state.unsaved.append(FactKey(policy: lesson.policy, address: address, name: name))
                    enforceLimits(lesson.policy, name, &state)
                }
                guard let entry = state.policies[lesson.policy]?.addresses[address], entry.standing != .current else {
                    continue
                }
                // One that is being given is waited for with the next batch, which comes after that.
                isMissing = true
                if entry.standing == .due { state.due.insert(key) }
            }
            if isMissing { state.waiting.append(then) }
            return isMissing
        }
        if !isMissing { then(.inForce) }
    }

    /// Drops the oldest facts of a name or a policy that has too many: a tenth of them, so that this is not done for each.
    private func enforceLimits(_ policy: PolicyMark, _ name: DomainName, _ state: inout State) {
        guard let names = state.policies[policy] else { return }
        let isNameFull = names.counts[name] ?? 0 > limits.addressesPerName
        guard isNameFull || names.facts > limits.factsPerPolicy else { return }
        state.alarms.append(Alarm(policy: policy, name: isNameFull ? name : nil))
        let facts = names.addresses.flatMap { address, entry in
            entry.facts.filter { !isNameFull || $0.name == name }.map { (address: address, fact: $0) }
        }.sorted { ($0.fact.until, $0.fact.number) < ($1.fact.until, $1.fact.number) }
        let limit = isNameFull ? limits.addressesPerName : limits.factsPerPolicy
        for (address, fact) in facts.prefix(facts.count - limit + limit / 10) {
            forget(FactKey(policy: policy, address: address, name: fact.name), &state)
        }
    }

    private func forget(_ key: FactKey, _ state: inout State) {
        guard let number = state.policies[key.policy]?.forget(key.name, at: key.address) else { return }
        state.due.insert(Key(policy: key.policy, address: key.address))
        state.gone.append(number)
        if state.policies[key.policy]?.facts == 0 { state.policies[key.policy] = nil }
    }

    // MARK: The kernel

    /// What the kernel does not have yet; `nil` when there is nothing. The next is taken when this one is finished.
    func takeBatch() -> Batch? {
        state.withLock { state in
            guard !state.due.isEmpty || !state.waiting.isEmpty else { return nil }
            var batch = Batch()
            for key in state.due {
                state.policies[key.policy]?.addresses[key.address]?.standing = .given
                let names = state.policies[key.policy]?.addresses[key.address]?.facts.map(\.name) ?? []
                batch.changes.append(NamedAddress(policy: key.policy, address: key.address, names: names))
            }
            batch.waiting = state.waiting
            (state.due, state.waiting) = ([], [])
            return batch
        }
    }

    /// The batch was not given; it is part of the next.
    func putBack(_ batch: Batch) {
        state.withLock { state in
            for change in batch.changes { state.setDue(change) }
            state.waiting += batch.waiting
        }
    }

    var isWork: Bool { state.withLock { !$0.due.isEmpty || !$0.waiting.isEmpty } }

    /// Whoever waits is still to be told.
    /// - Parameter isTaken: whether the kernel has the batch. When not, it is given again.
    func finish(_ batch: Batch, isTaken: Bool) {
        state.withLock { state in
            for change in batch.changes {
                let key = Key(policy: change.policy, address: change.address)
                // One that has another name by now is due again already.
                guard isTaken else {
                    state.setDue(change)
                    continue
                }
                if state.policies[key.policy]?.addresses[key.address]?.standing == .given {
                    state.policies[key.policy]?.addresses[key.address]?.standing = .current
                }
            }
        }
    }

    /// All that is known, as the kernel is given it at a start.
    func all() -> [NamedAddress] {
        state.withLock { state in
            state.due = []
            for policy in Array(state.policies.keys) { state.policies[policy]?.markCurrent() }
            return state.policies.flatMap { policy, names in
                names.addresses.map { NamedAddress(policy: policy, address: $0.key, names: $0.value.facts.map(\.name)) }
            }
        }
    }

    // MARK: The end of facts

    /// Facts whose time is over.
    func over(at time: Int64) -> [FactKey] {
        let policies = state.withLock { Array($0.policies.keys) }
        // One policy at a time: questions are answered in between.
        return policies.flatMap { policy in
            state.withLock { state in
                (state.policies[policy]?.addresses ?? [:]).flatMap { address, entry in
                    entry.facts.filter { $0.until <= time }.map {
                        FactKey(policy: policy, address: address, name: $0.name)
                    }
                }
            }
        }
    }

    /// - Parameter isInUse: whether a flow of the policy's devices goes there.
    func end(_ over: [FactKey], at time: Int64, isInUse: (PolicyMark, IPAddress) -> Bool) {
        state.withLock { state in
            for key in over {
                // Somebody may have been told again meanwhile.
                guard let until = state.policies[key.policy]?.fact(of: key.name, at: key.address)?.until, until <= time
                else {
                    continue
                }
                if isInUse(key.policy, key.address) {
                    state.policies[key.policy]?.extend(key.name, at: key.address, until: time + limits.leastSeconds / 5)
                } else {
                    forget(key, &state)
                }
            }
        }
    }

    /// Of policies that are gone. The kernel has forgotten them with those.
    func forget(_ policies: some Sequence<PolicyMark>) {
        state.withLock { state in
            let gone = Set(policies)
            for policy in gone {
                guard let names = state.policies.removeValue(forKey: policy) else { continue }
                for entry in names.addresses.values { state.gone += entry.facts.map(\.number) }
            }
            state.due = state.due.filter { !gone.contains($0.policy) }
            state.unsaved = state.unsaved.filter { !gone.contains($0.policy) }
        }
    }

    // MARK: The store

    /// Facts that the store does not have, and the numbers of those that it is to forget: those first.
    /// - Parameter limit: how many at most.
    func takeUnsaved(limit: Int) -> (new: [Fact], gone: [Int64]) {
        state.withLock { state in
            let gone = Array(state.gone.suffix(limit))
            state.gone.removeLast(gone.count)
            let keys = state.unsaved.suffix(limit - gone.count)
            // One that has been forgotten since is nothing new.
            let new = keys.compactMap { key in
                state.policies[key.policy]?.fact(of: key.name, at: key.address).map { fact in
                    Fact(
                        number: fact.number, policy: key.policy, address: key.address, name: key.name, device: nil,
                        until: fact.until)
                }
            }
            state.unsaved.removeLast(keys.count)
            return (new, gone)
        }
    }

    func putBack(_ new: [Fact], _ gone: [Int64]) {
        state.withLock { state in
            state.unsaved += new.map { FactKey(policy: $0.policy, address: $0.address, name: $0.name) }
            state.gone += gone
        }
    }

    /// At a start: facts that the store has. Those of other policies than these, and those that are there twice, it is to
    /// forget.
    func restore(_ facts: some Sequence<Fact>, of policies: Set<PolicyMark>) {
        state.withLock { state in
            for fact in facts {
                state.lastNumber = max(state.lastNumber, fact.number)
                let known = Known(number: fact.number, name: fact.name, device: fact.device, until: fact.until)
                guard policies.contains(fact.policy) else {
                    state.gone.append(fact.number)
                    continue
                }
                let there = state.policies[fact.policy]?.fact(of: fact.name, at: fact.address)?.number
                _ = state.policies[fact.policy, default: Names()].note(known, at: fact.address)
                if let there, there != fact.number { state.gone.append(fact.number) }
            }
        }
    }

    // MARK: Questions

    func names(of address: IPAddress, for policy: PolicyMark) -> [DomainName] {
        state.withLock { $0.policies[policy]?.addresses[address]?.facts.map(\.name) ?? [] }
    }

    func facts(of policy: PolicyMark) -> [Fact] {
        state.withLock { state in
            (state.policies[policy]?.addresses ?? [:]).flatMap { address, entry in
                entry.facts.map {
                    Fact(
                        number: $0.number, policy: policy, address: address, name: $0.name, device: $0.device,
                        until: $0.until)
                }
            }
        }
    }

    func takeAlarms() -> [Alarm] {
        state.withLock { state in
            defer { state.alarms = [] }
            return state.alarms
        }
    }

    var count: Int { state.withLock { $0.policies.values.reduce(0) { $0 + $1.facts } } }
}

extension NameBook.Names {
    /// - Returns: whether that is new.
    fileprivate mutating func note(_ fact: NameBook.Known, at address: IPAddress) -> Bool {
        if let place = addresses[address]?.facts.firstIndex(where: { $0.name == fact.name }) {
            // Later answers do not shorten what earlier ones promised.
            addresses[address]?.facts[place].extend(to: fact.until)
            return false
        }
        addresses[address, default: .init(facts: [])].facts.append(fact)
        addresses[address]?.standing = .due
        counts[fact.name, default: 0] += 1
        facts += 1
        return true
    }

    /// - Returns: its number; `nil` when it was not there.
    fileprivate mutating func forget(_ name: DomainName, at address: IPAddress) -> Int64? {
        guard let place = addresses[address]?.facts.firstIndex(where: { $0.name == name }) else { return nil }
        let number = addresses[address]?.facts.remove(at: place).number
        addresses[address]?.standing = .due
        if addresses[address]?.facts.isEmpty == true { addresses[address] = nil }
        counts[name] = counts[name].flatMap { $0 > 1 ? $0 - 1 : nil }
        facts -= 1
        return number
    }

    fileprivate mutating func markCurrent() {
        for address in Array(addresses.keys) { addresses[address]?.standing = .current }
    }

    fileprivate func fact(of name: DomainName, at address: IPAddress) -> NameBook.Known? {
        addresses[address]?.facts.first { $0.name == name }
    }

    fileprivate mutating func extend(_ name: DomainName, at address: IPAddress, until: Int64) {
        guard let place = addresses[address]?.facts.firstIndex(where: { $0.name == name }) else { return }
        addresses[address]?.facts[place].extend(to: until)
    }
}

extension NameBook.Known {
    fileprivate mutating func extend(to time: Int64) { until = max(until, time) }
}

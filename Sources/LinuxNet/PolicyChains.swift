import Domain
import PolicyCompiler

/// Which chain of the kernel belongs to which policy. Each has one of its own, with counters, also where two of them do
/// the same: what one tenant's devices do is not another's to see.
struct PolicyChains {
    private var names: [PolicyMark: String] = [:]
    private(set) var rulesets: [PolicyMark: Ruleset] = [:]
    private var serial: UInt32
    /// Numbers of what an earlier process has left, which a new chain cannot have.
    private var taken: Set<UInt32>
    /// Chains that are in the kernel already, with what they do, and the policies that they were led to from.
    private var adoptable: [PolicyMark: (name: String, form: PolicyForm)] = [:]
    /// Of the map `policy_chain`, as ``digest(_:)`` has it.
    private(set) var digest = 0
    /// What the map `in_force` holds.
    private(set) var decisions = PolicyDecisions()

    /// - Parameters:
    ///   - serial: names are made from numbers above. A number must not come back while a flow may still have it, so a
    ///     process that does not know what the one before it has used begins at random.
    ///   - taken: numbers that are in use in the kernel.
    ///   - found: whole chains that are in the kernel, and may be used.
    ///   - leads: which of them the kernel leads each policy to.
    init(
        after serial: UInt32 = 0, taken: Set<UInt32> = [], adopting found: [String: PolicyForm] = [:],
        ledTo leads: [UInt32: String] = [:]
    ) {
        self.serial = serial
        self.taken = taken
        for (mark, name) in leads {
            if let mark = PolicyMark(rawValue: mark), let form = found[name] { adoptable[mark] = (name, form) }
        }
    }

    static let prefix = "policy_"

    /// The number in the name of a policy's chain, or of one of its maps; `nil` for other names.
    static func serial(of name: String) -> UInt32? {
        name.hasPrefix(prefix) ? name.dropFirst(prefix.count).split(separator: "_").first.flatMap { UInt32($0) } : nil
    }

    /// What the chain writes on flows: the number of its first way.
    static func number(of name: String) -> UInt32? {
        serial(of: name).flatMap { $0 >> (32 - Ruleset.numberBits) == 0 ? $0 << Ruleset.numberBits : nil }
    }

    /// The part of a flow's mark that is its chain's number; the rest is the way.
    static let numberMask: UInt32 = .max << Ruleset.numberBits

    /// Names begin anew above a number that was drawn from these.
    static let firstNumbers: Range<UInt32> = 1..<1 << (30 - Ruleset.numberBits)

    /// Two transactions, and why not one: a packet reads rules of the generation that it met first, but elements of
    /// the newest. Under way during a commit it may be led to a chain that has no rules yet in its own generation, and
    /// be lost. So chains are complete before anything leads to them.
    struct Change {
        /// Chains to be added, to which nothing leads.
        var additions: [(chain: String, ruleset: Ruleset)] = []
        /// Policies that lose their chain.
        var unmapped: [(mark: PolicyMark, chain: String)] = []
        /// Policies that get a chain.
        var mapped: [(mark: PolicyMark, chain: String)] = []
        var decisions = PolicyDecisions.Change()
        /// Chains to which nothing leads after that, and their maps.
        var removedChains: [String] = []
        var removedMaps: [String] = []

        var isEmpty: Bool { unmapped.isEmpty && mapped.isEmpty }
    }

    /// Gives the policies these rulesets and forgets the removed ones.
    mutating func change(to new: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>) -> Change {
        var change = Change()
        for (mark, ruleset) in new.sorted(by: { $0.key < $1.key }) where rulesets[mark] != ruleset {
            remove(mark, &change)
            let name = newName(of: mark, for: ruleset, &change)
            names[mark] = name
            rulesets[mark] = ruleset
            change.mapped.append((mark, name))
            change.decisions.add(ruleset, of: mark, chain: name)
            digest &+= Self.digest(mark.rawValue, name)
        }
        for mark in removed.sorted() where new[mark] == nil { remove(mark, &change) }
        decisions.make(change.decisions)
        return change
    }

    private mutating func newName(of mark: PolicyMark, for ruleset: Ruleset, _ change: inout Change) -> String {
        if let found = adoptable.removeValue(forKey: mark), found.form == PolicyForm(ruleset) { return found.name }
        repeat { serial = serial &+ 1 & .max >> Ruleset.numberBits } while serial == 0 || taken.contains(serial)
        let name = "\(Self.prefix)\(serial)"
        change.additions.append((name, ruleset))
        return name
    }

    private mutating func remove(_ mark: PolicyMark, _ change: inout Change) {
        guard let old = rulesets.removeValue(forKey: mark), let name = names.removeValue(forKey: mark) else { return }
        change.unmapped.append((mark, name))
        change.decisions.remove(old, of: mark, chain: name)
        digest &-= Self.digest(mark.rawValue, name)
        change.removedChains.append(name)
        guard case .maps(let maps) = old.form else { return }
        change.removedMaps += maps.indices.map { PolicyForm.map(of: name, layer: $0) }
    }

    // MARK: What is there

    /// The chain of each policy.
    var chainsByMark: [UInt32: String] {
        var result: [UInt32: String] = [:]
        for (mark, name) in names { result[mark.rawValue] = name }
        return result
    }

    func chain(of mark: PolicyMark) -> String? { names[mark] }

    /// The highest number that a chain has had; `nil` when there was none.
    var last: UInt32? { rulesets.isEmpty ? nil : serial }

    var inUse: Set<String> { Set(names.values) }

    /// Nothing that is left over from an earlier process is taken up after the start.
    mutating func stopAdopting() { adoptable = [:] }

    /// Of a map from policies to chains; the order of its elements means nothing.
    static func digest(_ chainsByMark: [UInt32: String]) -> Int {
        chainsByMark.reduce(0) { $0 &+ digest($1.key, $1.value) }
    }

    private static func digest(_ key: some Hashable, _ value: some Hashable) -> Int {
        var hasher = Hasher()
        hasher.combine(key)
        hasher.combine(value)
        return hasher.finalize()
    }
}

/// The ways that hold: where the flows go that have the number of one, by policy. They leave with their policy's
/// version, and with that the numbers on flows lose their meaning.
struct PolicyDecisions: Hashable {
    private(set) var routes: [PolicyPair: UInt32] = [:]

    init(routes: [PolicyPair: UInt32] = [:]) { self.routes = routes }

    struct Change {
        var removed = PolicyDecisions()
        var added = PolicyDecisions()

        mutating func add(_ ruleset: Ruleset, of policy: PolicyMark, chain: String) {
            added.insert(ruleset, policy, chain)
        }

        mutating func remove(_ ruleset: Ruleset, of policy: PolicyMark, chain: String) {
            removed.insert(ruleset, policy, chain)
        }
    }

    mutating func make(_ change: Change) {
        for pair in change.removed.routes.keys { routes[pair] = nil }
        routes.merge(change.added.routes) { $1 }
    }

    /// Those that `other` has not, or has otherwise.
    func subtracting(_ other: Self) -> Self { Self(routes: routes.filter { other.routes[$0.key] != $0.value }) }

    private mutating func insert(_ ruleset: Ruleset, _ policy: PolicyMark, _ chain: String) {
        guard let number = PolicyChains.number(of: chain) else { return }
        for (index, way) in ruleset.ways.enumerated() {
            let pair = PolicyPair(policy: policy.rawValue, way: number &+ UInt32(truncatingIfNeeded: index))
            routes[pair] = RouteMark.fixed(way)
        }
    }
}

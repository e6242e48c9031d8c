import Domain
import PolicyCompiler

/// Which chain of the kernel belongs to which policy. Equal rulesets share one: chains are dear, and many policies of
/// small tenants are the same.
struct PolicyChains {
    private var names: [Ruleset: String] = [:]
    private var users: [Ruleset: Int] = [:]
    private(set) var rulesets: [PolicyMark: Ruleset] = [:]
    private var serial: UInt32
    /// Numbers of what an earlier process has left, which a new chain cannot have.
    private var taken: Set<UInt32>
    /// Chains that are in the kernel already, by what they do.
    private var adoptable: [PolicyForm: String] = [:]
    /// Of the map `policy_chain`, as ``digest(_:)`` has it.
    private(set) var digest = 0
    /// Of the map `in_force`, as ``digest(ofPairs:)`` has it.
    private(set) var pairDigest = 0

    /// - Parameters:
    ///   - serial: names are made from numbers above. A number must not come back while a flow may still have it, so a
    ///     process that does not know what the one before it has used begins at random.
    ///   - taken: numbers that are in use in the kernel.
    ///   - found: whole chains that are in the kernel, and may be used.
    init(after serial: UInt32 = 0, taken: Set<UInt32> = [], adopting found: [String: PolicyForm] = [:]) {
        self.serial = serial
        self.taken = taken
        for (name, form) in found { adoptable[form] = name }
    }

    static let prefix = "policy_"

    /// The number in the name of a policy's chain, or of one of its maps; `nil` for other names.
    static func serial(of name: String) -> UInt32? {
        name.hasPrefix(prefix) ? name.dropFirst(prefix.count).split(separator: "_").first.flatMap { UInt32($0) } : nil
    }

    /// What a chain writes on a flow that it blocks; no chain has this number.
    static let blocking = UInt32.max
    /// Numbers begin anew above one that was drawn from these.
    static let firstNumbers: Range<UInt32> = 1..<1 << 30

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
        /// Chains to which nothing leads after that, and their maps.
        var removedChains: [String] = []
        var removedMaps: [String] = []

        var isEmpty: Bool { unmapped.isEmpty && mapped.isEmpty }
    }

    /// Gives the policies these rulesets and forgets the removed ones.
    mutating func change(to new: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>) -> Change {
        var change = Change()
        var released: [Ruleset] = []
        for (mark, ruleset) in new.sorted(by: { $0.key < $1.key }) where rulesets[mark] != ruleset {
            if let old = rulesets[mark] {
                unmap(mark, from: old, &change)
                released.append(old)
            }
            let name = names[ruleset] ?? newName(for: ruleset, &change)
            users[ruleset, default: 0] += 1
            rulesets[mark] = ruleset
            change.mapped.append((mark, name))
            digest &+= Self.digest(mark.rawValue, name)
            pairDigest &+= Self.digest(Self.pair(mark.rawValue, name), RouteMark.internet)
        }
        for mark in removed.sorted() where new[mark] == nil {
            guard let old = rulesets.removeValue(forKey: mark) else { continue }
            unmap(mark, from: old, &change)
            released.append(old)
        }
        for ruleset in released {
            let left = (users[ruleset] ?? 1) - 1
            users[ruleset] = left
            guard left == 0, let name = names.removeValue(forKey: ruleset) else { continue }
            users[ruleset] = nil
            change.removedChains.append(name)
            change.removedMaps += ruleset.layers.indices.map { PolicyForm.map(of: name, layer: $0) }
        }
        return change
    }

    private mutating func newName(for ruleset: Ruleset, _ change: inout Change) -> String {
        let name: String
        if !adoptable.isEmpty, let found = adoptable.removeValue(forKey: PolicyForm(ruleset)) {
            name = found
        } else {
            repeat { serial &+= 1 } while taken.contains(serial)
            name = "\(Self.prefix)\(serial)"
            change.additions.append((name, ruleset))
        }
        names[ruleset] = name
        return name
    }

    private mutating func unmap(_ mark: PolicyMark, from old: Ruleset, _ change: inout Change) {
        let name = names[old] ?? ""
        change.unmapped.append((mark, name))
        digest &-= Self.digest(mark.rawValue, name)
        pairDigest &-= Self.digest(Self.pair(mark.rawValue, name), RouteMark.internet)
    }

    // MARK: What is there

    /// The chain of each policy.
    var chainsByMark: [UInt32: String] {
        var result: [UInt32: String] = [:]
        for (mark, ruleset) in rulesets { result[mark.rawValue] = names[ruleset] }
        return result
    }

    /// Where the flows go that a chain in force has let pass.
    var routesByPair: [PolicyPair: UInt32] {
        var result: [PolicyPair: UInt32] = [:]
        for (mark, chain) in chainsByMark { result[Self.pair(mark, chain)] = RouteMark.internet }
        return result
    }

    static func pair(_ mark: UInt32, _ chain: String) -> PolicyPair {
        PolicyPair(policy: mark, chain: serial(of: chain) ?? blocking)
    }

    /// The highest number that a chain has had; `nil` when there was none.
    var last: UInt32? { rulesets.isEmpty ? nil : serial }

    var inUse: Set<String> { Set(names.values) }

    /// Nothing that is left over from an earlier process is taken up after the start.
    mutating func stopAdopting() { adoptable = [:] }

    /// Of a map from policies to chains; the order of its elements means nothing.
    static func digest(_ chainsByMark: [UInt32: String]) -> Int {
        chainsByMark.reduce(0) { $0 &+ digest($1.key, $1.value) }
    }

    static func digest(ofPairs routes: [PolicyPair: UInt32]) -> Int {
        routes.reduce(0) { $0 &+ digest($1.key, $1.value) }
    }

    private static func digest(_ key: some Hashable, _ value: some Hashable) -> Int {
        var hasher = Hasher()
        hasher.combine(key)
        hasher.combine(value)
        return hasher.finalize()
    }
}

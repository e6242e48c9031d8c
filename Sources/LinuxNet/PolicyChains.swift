import Domain
import PolicyCompiler

/// Which chain of the kernel belongs to which policy. Equal rulesets share one: chains are dear, and many policies of
/// small tenants are the same.
struct PolicyChains {
    private var names: [Ruleset: String] = [:]
    private var users: [Ruleset: Int] = [:]
    private(set) var rulesets: [PolicyMark: Ruleset] = [:]
    private var serial: UInt64
    /// Chains that are in the kernel already, by what they do.
    private var adoptable: [PolicyForm: String] = [:]
    /// Of the map from policies to chains, as ``digest(_:)`` has it.
    private(set) var digest = 0

    /// - Parameters:
    ///   - serial: names are made from numbers above.
    ///   - found: whole chains that are in the kernel, and may be used.
    init(after serial: UInt64 = 0, adopting found: [String: PolicyForm] = [:]) {
        self.serial = serial
        for (name, form) in found { adoptable[form] = name }
    }

    static let prefix = "policy_"

    /// The number in the name of a policy's chain, or of one of its maps; `nil` for other names.
    static func serial(of name: String) -> UInt64? {
        name.hasPrefix(prefix) ? name.dropFirst(prefix.count).split(separator: "_").first.flatMap { UInt64($0) } : nil
    }

    /// Two transactions, and why not one: a packet reads rules of the generation that it met first, but elements of
    /// the newest. Under way during a commit it may be led to a chain that has no rules yet in its own generation, and
    /// be lost. So chains are complete before anything leads to them.
    struct Change {
        /// Chains to be added, to which nothing leads.
        var additions: [(chain: String, ruleset: Ruleset)] = []
        /// Policies that lose their chain.
        var unmapped: [PolicyMark] = []
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
            serial += 1
            name = "\(Self.prefix)\(serial)"
            change.additions.append((name, ruleset))
        }
        names[ruleset] = name
        return name
    }

    private mutating func unmap(_ mark: PolicyMark, from old: Ruleset, _ change: inout Change) {
        change.unmapped.append(mark)
        digest &-= Self.digest(mark.rawValue, names[old] ?? "")
    }

    // MARK: What is there

    /// The chain of each policy.
    var chainsByMark: [UInt32: String] {
        var result: [UInt32: String] = [:]
        for (mark, ruleset) in rulesets { result[mark.rawValue] = names[ruleset] }
        return result
    }

    var inUse: Set<String> { Set(names.values) }

    /// Nothing that is left over from an earlier process is taken up after the start.
    mutating func stopAdopting() { adoptable = [:] }

    /// Of a map from policies to chains; the order of its elements means nothing.
    static func digest(_ chainsByMark: [UInt32: String]) -> Int {
        chainsByMark.reduce(0) { $0 &+ digest($1.key, $1.value) }
    }

    private static func digest(_ mark: UInt32, _ chain: String) -> Int {
        var hasher = Hasher()
        hasher.combine(mark)
        hasher.combine(chain)
        return hasher.finalize()
    }
}

import Domain
import PolicyCompiler

/// Which chain of the kernel belongs to which policy. Equal rulesets share one: chains are dear, and many policies of
/// small tenants are the same.
struct PolicyChains {
    private var names: [Ruleset: String] = [:]
    private var users: [Ruleset: Int] = [:]
    private(set) var rulesets: [PolicyMark: Ruleset] = [:]
    private var serial: UInt64

    /// - Parameter serial: names are made from numbers above.
    init(after serial: UInt64) { self.serial = serial }

    static let prefix = "policy_"

    /// The number in a chain's name, `nil` for chains that are not a policy's.
    static func serial(of name: String) -> UInt64? {
        name.hasPrefix(prefix) && name != "policy_chain" ? UInt64(name.dropFirst(prefix.count)) : nil
    }

    /// Two transactions, and why not one: a packet reads rules of the generation that it met first, but elements of
    /// the newest. Under way during a commit it may be led to a chain that has no rules yet in its own generation, and
    /// be lost. So chains are complete before anything leads to them.
    struct Change {
        /// Commands that add chains to which nothing leads.
        var additions = ""
        /// Commands that lead there, and delete the chains to which nothing leads any more.
        var swap = ""
        var added: [String] = []
        var removed: [String] = []
    }

    /// Gives the policies these rulesets and forgets the removed ones.
    mutating func change(to new: [PolicyMark: Ruleset], removing removed: Set<PolicyMark>) -> Change {
        var change = Change()
        var swaps = ""
        var released: [Ruleset] = []
        for (mark, ruleset) in new.sorted(by: { $0.key < $1.key }) where rulesets[mark] != ruleset {
            if let old = rulesets[mark] {
                swaps += "delete element inet cordon policy_chain { \(element(mark, old)) }\n"
                released.append(old)
            }
            if names[ruleset] == nil {
                serial += 1
                let name = "\(Self.prefix)\(serial)"
                names[ruleset] = name
                change.added.append(name)
                change.additions += ruleset.nftCommands(chain: name)
            }
            users[ruleset, default: 0] += 1
            rulesets[mark] = ruleset
            swaps += "add element inet cordon policy_chain { \(element(mark, ruleset)) }\n"
        }
        for mark in removed.sorted() where new[mark] == nil {
            guard let old = rulesets.removeValue(forKey: mark) else { continue }
            swaps += "delete element inet cordon policy_chain { \(element(mark, old)) }\n"
            released.append(old)
        }
        change.swap += swaps
        for ruleset in released {
            let left = (users[ruleset] ?? 1) - 1
            users[ruleset] = left
            guard left == 0, let name = names.removeValue(forKey: ruleset) else { continue }
            users[ruleset] = nil
            change.removed.append(name)
            change.swap += "delete chain inet cordon \(name)\n"
        }
        return change
    }

    private func element(_ mark: PolicyMark, _ ruleset: Ruleset) -> String {
        "\(TableText.number(mark.rawValue)) : goto \(names[ruleset] ?? "blocked")"
    }
}

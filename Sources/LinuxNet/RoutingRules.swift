import Domain

/// The routing rules of a gateway, the same for both families, in the order in which the kernel asks them.
///
/// Those that lead to VPNs are a tree, asked from its root: each node's rule looks at one bit of the mark, and goes to the
/// half where it is set, or on to the rule behind it. So a packet meets as many rules as the number of the last VPN has
/// bits, and not as many as there are VPNs. Places in the tree are fixed; rules are there only where a VPN is.
struct RoutingRules {
    let layout: GatewayLayout

    struct Rule: Hashable {
        let preference: UInt32
        let action: Action
        var mark: UInt32?
        var mask: UInt32 = .max
        var interface: String?

        enum Action: Hashable {
            case table(UInt32)
            case goTo(UInt32)
            /// Only a place to go to.
            case nothing
            /// Drops without an answer.
            case blackhole
        }
    }

    /// From the first on.
    private static let treeOffset: UInt32 = 10
    private static let depth = 12

    /// The numbers that our rules have, and nobody else's.
    var preferences: ClosedRange<UInt32> {
        let first = layout.firstRulePreference
        return first...first + Self.treeOffset + Self.size(Self.depth) + 2
    }

    /// Of a subtree with two to the power of `level` VPNs.
    private static func size(_ level: Int) -> UInt32 { 3 << UInt32(level) - 1 }

    func rules(vpns: some Sequence<VPNNumber>) -> Set<Rule> {
        let first = layout.firstRulePreference
        var rules: Set<Rule> = [
            Rule(preference: first, action: .table(layout.internetTable), mark: RouteMark.internet),
            // Whatever the address, so that the forward chain sees and counts what nobody has asked for.
            Rule(
                preference: first + 1, action: .table(layout.answersTable), mark: RouteMark.towardsDevices.mark,
                mask: RouteMark.towardsDevices.mask),
            Rule(
                preference: first + 2, action: .table(layout.answersTable), mark: RouteMark.groups.mark,
                mask: RouteMark.groups.mask),
        ]
        let numbers = vpns.sorted()
        if !numbers.isEmpty { add(numbers[...], level: Self.depth, at: first + Self.treeOffset, to: &rules) }
        let last = preferences.upperBound
        // What the gateway itself says to a device (ICMP errors) must not take the default route. Behind the VPNs: the
        // table's look-ups of sources come as if from there.
        rules.insert(Rule(preference: last - 2, action: .table(layout.devicesTable), interface: "lo"))
        let ends = [layout.sgiInterface, layout.wanInterface].enumerated()
        for (offset, interface) in ends {
            rules.insert(Rule(preference: last - UInt32(offset), action: .blackhole, interface: "\(interface)"))
        }
        return rules
    }

    /// - Parameter numbers: in ascending order, not none, alike in the bits above the level.
    private func add(_ numbers: ArraySlice<VPNNumber>, level: Int, at place: UInt32, to rules: inout Set<Rule>) {
        guard level > 0 else {
            guard let number = numbers.first else { return }
            let mark = RouteMark.of(number)
            rules.insert(Rule(preference: place, action: .table(layout.table(of: number)), mark: mark))
            // What has no route there goes nowhere.
            rules.insert(Rule(preference: place + 1, action: .blackhole, mark: mark))
            return
        }
        let bit = UInt32(1) << UInt32(level - 1)
        let lower = numbers.prefix { $0.rawValue & bit == 0 }
        let upper = numbers.dropFirst(lower.count)
        let second = place + 1 + Self.size(level - 1)
        if !lower.isEmpty { add(lower, level: level - 1, at: place + 1, to: &rules) }
        guard !upper.isEmpty else { return }
        // Of the packets that come here only those to VPNs have the bits, or of others none has.
        rules.insert(
            Rule(
                preference: place, action: .goTo(second), mark: RouteMark.vpns.mark | bit,
                mask: RouteMark.vpns.mask | bit))
        add(upper, level: level - 1, at: second, to: &rules)
        if !rules.contains(where: { $0.preference == second }) {
            rules.insert(Rule(preference: second, action: .nothing))
        }
    }
}

extension GatewayLayout {
    func table(of vpn: VPNNumber) -> UInt32 { firstVPNTable + vpn.rawValue }
}

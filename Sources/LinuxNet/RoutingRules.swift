import Domain

/// The routing rules of a gateway, the same for both families, in the order in which the kernel asks them.
///
/// Those that lead to VPNs are a tree, asked from its root: each node's rule looks at one bit of the mark, and goes to the
/// half where it is set, or on to the rule behind it. So a packet meets some more rules than the number of the last VPN has
/// bits, and not as many as there are VPNs. Packets that go to no VPN, those of the IKE daemon among them, would meet them
/// all: a rule before the root leads them past the tree. At its ends are groups of four VPNs, a rule each. Places in the tree
/// are fixed; rules are there only where a VPN is: the kernel goes through all of them whenever a rule or an interface comes
/// or goes.
struct RoutingRules {
    let layout: GatewayLayout

    struct Rule: Hashable {
        let preference: UInt32
        let action: Action
        var mark: UInt32?
        var mask: UInt32 = .max
        /// For what does not have the mark.
        var isInverted = false
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
    /// Of the ends of the tree.
    private static let groupLevel = 2

    /// The numbers that our rules have, and nobody else's.
    var preferences: ClosedRange<UInt32> {
        let first = layout.firstRulePreference
        return first...first + Self.treeOffset + Self.places + 2
    }

    /// More than the tree has; no place of another rule may be another in the next version.
    private static let places: UInt32 = 3 << UInt32(depth) - 1

    /// How many places a subtree has with two to the power of `level` VPNs. A group has one for each, and one behind them.
    private static func size(_ level: Int) -> UInt32 { 6 << UInt32(level - groupLevel) - 1 }

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
        let numbers = VPNNumberSet(vpns)
        for number in numbers.numbers { rules.formUnion(path(to: number, among: numbers)) }
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

    /// The rules of the tree that are at the nodes between its root and the number's place: all that can be otherwise when
    /// a number comes or goes.
    /// - Parameter numbers: those of the VPNs that there are, with this one or without.
    func path(to number: VPNNumber, among numbers: VPNNumberSet) -> Set<Rule> {
        var rules: Set<Rule> = []
        if !numbers.isEmpty {
            rules.insert(
                Rule(
                    preference: layout.firstRulePreference + Self.treeOffset - 1,
                    action: .goTo(preferences.upperBound - 2), mark: RouteMark.vpns.mark, mask: RouteMark.vpns.mask,
                    isInverted: true))
        }
        var place = layout.firstRulePreference + Self.treeOffset
        // The first number of the subtree.
        var base: UInt32 = 0
        for level in stride(from: Self.depth, to: Self.groupLevel, by: -1) {
            let half = UInt32(1) << UInt32(level - 1)
            let second = place + 1 + Self.size(level - 1)
            if numbers.hasAny(in: base + half..<base + 2 * half) {
                // Of the packets that come here only those to VPNs have the bits, or of others none has.
                rules.insert(
                    Rule(
                        preference: place, action: .goTo(second), mark: RouteMark.vpns.mark | half,
                        mask: RouteMark.vpns.mask | half))
                // Where the way goes on without a rule, there must be something to go to.
                let first =
                    level - 1 > Self.groupLevel
                    ? base + half + half / 2..<base + 2 * half : base + half..<base + half + 1
                if !numbers.hasAny(in: first) { rules.insert(Rule(preference: second, action: .nothing)) }
            }
            if number.rawValue & half == 0 {
                place += 1
            } else {
                (place, base) = (second, base + half)
            }
        }
        let count = UInt32(1) << UInt32(Self.groupLevel)
        for member in base..<base + count where numbers.hasAny(in: member..<member + 1) {
            // What has no route there goes nowhere.
            rules.insert(
                Rule(
                    preference: place + count, action: .blackhole, mark: RouteMark.vpns.mark | base,
                    mask: .max << UInt32(Self.groupLevel)))
            guard member == number.rawValue else { continue }
            let mark = RouteMark.of(number)
            rules.insert(
                Rule(preference: place + member - base, action: .table(layout.table(of: number)), mark: mark))
        }
        return rules
    }
}

/// Numbers of VPNs, a bit for each.
struct VPNNumberSet {
    private var words = [UInt64](repeating: 0, count: Int(VPNNumber.limit) / 64)

    init(_ numbers: some Sequence<VPNNumber>) { for number in numbers { insert(number) } }

    mutating func insert(_ number: VPNNumber) { words[Int(number.rawValue) / 64] |= 1 << UInt64(number.rawValue % 64) }
    mutating func remove(_ number: VPNNumber) {
        words[Int(number.rawValue) / 64] &= ~(1 << UInt64(number.rawValue % 64))
    }

    var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// Of a range whose size is a power of two, and whose beginning is a multiple of that.
    func hasAny(in range: Range<UInt32>) -> Bool {
        guard range.count < 64 else {
            return words[Int(range.lowerBound) / 64..<Int(range.upperBound) / 64].contains { $0 != 0 }
        }
        let bits = (UInt64(1) << UInt64(range.count) - 1) << UInt64(range.lowerBound % 64)
        return words[Int(range.lowerBound) / 64] & bits != 0
    }

    var numbers: [VPNNumber] {
        (0..<VPNNumber.limit).filter { hasAny(in: $0..<$0 + 1) }.compactMap { VPNNumber($0) }
    }
}

extension GatewayLayout {
    func table(of vpn: VPNNumber) -> UInt32 { firstVPNTable + vpn.rawValue }
}

public import Domain

/// A compiled policy: layers of disjoint boxes in the space destination × protocol × port, and what comes of each.
///
/// The first layer that has a box around a packet decides, and the default when none has. A rule's box lies in the layer
/// after the last one that holds an overlapping box of an earlier rule. So the boxes of a layer never overlap (the
/// kernel's interval sets require that), and the first layer that matches is the first rule that matches. Rules to groups,
/// to host names and to devices have boxes of their own, which are asked in the order of the rules.
public struct Ruleset: Hashable, Sendable {
    public typealias Entry = BoxEntry<IPv4Prefix>
    public typealias Entry6 = BoxEntry<IPv6Prefix>

    /// Of packets from devices to IPv4 addresses.
    public let layers: [[Entry]]
    /// The same for IPv6.
    public let layers6: [[Entry6]]
    /// Of packets from devices to devices, of either family, in the order of the rules.
    public let groups: [GroupEntry]
    /// The host names of rules, each set once, in the order of the rules.
    public let hostSets: [[HostPattern]]
    /// Of packets from devices to addresses that names have, of either family, in the order of the rules.
    public let hosts: [HostEntry]
    /// Of packets to devices, by the VPN that they come through, in the order of those.
    public let access: [Access]
    /// What comes of a packet, by the number of the rule that decides; the last one is the default's.
    public let actions: [Action]
    /// The ways of packets that pass, each once, in the order of the rules. What a flow has been given is known by its
    /// place here.
    public let ways: [Way]

    /// - Parameters:
    ///   - actions: one for each rule.
    ///   - default: what comes of a packet that no rule matches.
    public init(
        layers: [[Entry]], layers6: [[Entry6]] = [], groups: [GroupEntry] = [],
        hostSets: [[HostPattern]] = [], hosts: [HostEntry] = [], access: [Access] = [], actions: [Action],
        default last: Action = Action(nil)
    ) {
        self.layers = layers
        self.layers6 = layers6
        self.groups = groups
        self.hostSets = hostSets
        self.hosts = hosts
        self.access = access
        self.actions = actions + [last]
        var ways: [Way] = []
        let add = { (way: Way) in if !ways.contains(way) { ways.append(way) } }
        for action in self.actions { if let way = action.way { add(way) } }
        for entry in groups where entry.isAllowed { add(.group(entry.group)) }
        self.ways = ways
    }

    public init(layers: [[Entry]], ways: [Way?]) {
        self.init(layers: layers, actions: ways.map { Action($0) })
    }

    /// Where packets go that pass.
    public enum Way: Hashable, Sendable {
        /// Behind NAT 1 and NAT 2; of IPv6, as they are.
        case internet
        /// The same, but to the operator's time server, wherever they are addressed.
        case timeServer
        /// Through the first of these that is up; blocked when none is.
        case vpns([VPNNumber])
        /// To a device that is in the group at the moment.
        case group(GroupNumber)
        /// From a VPN to a device. Its answers go back there.
        case access(VPNNumber)
        /// The way of a rule with a rate or a counter of its own: to the internet, the time server or VPNs, or from a VPN.
        indirect case limited(Way, RuleRate)

        /// Where the packets go, whatever their rate.
        public var route: Way { if case .limited(let way, _) = self { way } else { self } }
        public var rate: RuleRate? { if case .limited(_, let rate) = self { rate } else { nil } }
    }

    /// What each device may send and receive by the flows of one rule, and where they are counted.
    public struct RuleRate: Hashable, Sendable {
        /// The rule's number. Rules with the same rate do not share it.
        public let rule: Int
        public let up: RateLimit?
        public let down: RateLimit?
        /// Where what all devices send and receive is counted; `nil`: it is not.
        public let counted: CountedRule.ID?

        public init(rule: Int, up: RateLimit?, down: RateLimit?, counted: CountedRule.ID? = nil) {
            self.rule = rule
            self.up = up
            self.down = down
            self.counted = counted
        }
    }

    /// What a rule does with a packet.
    public struct Action: Hashable, Sendable {
        /// `nil` blocks; rules to groups have a way for each of those.
        public let way: Way?
        /// Whether it is noted which devices send such packets, and where to.
        public let isObserved: Bool

        public init(_ way: Way?, isObserved: Bool = false) {
            self.way = way
            self.isObserved = isObserved
        }
    }

    /// Packets to the devices of a group.
    public struct GroupEntry: Hashable, Sendable {
        public let group: GroupNumber
        public let shape: BoxShape
        public let rule: Int
        public let isAllowed: Bool

        public init(group: GroupNumber, shape: BoxShape, rule: Int, isAllowed: Bool) {
            self.group = group
            self.shape = shape
            self.rule = rule
            self.isAllowed = isAllowed
        }
    }

    /// Packets to the addresses that names have for the policy's devices.
    public struct HostEntry: Hashable, Sendable {
        /// The place in ``Ruleset/hostSets``.
        public let set: Int
        public let shape: BoxShape
        public let rule: Int

        public init(set: Int, shape: BoxShape, rule: Int) {
            self.set = set
            self.shape = shape
            self.rule = rule
        }
    }

    /// What may come to the policy's devices through a VPN: the first box around a packet decides, and none blocks.
    public struct Access: Hashable, Sendable {
        public let vpn: VPNNumber
        public let entries: [AccessEntry<IPv4Prefix>]
        public let entries6: [AccessEntry<IPv6Prefix>]

        public init(vpn: VPNNumber, entries: [AccessEntry<IPv4Prefix>], entries6: [AccessEntry<IPv6Prefix>] = []) {
            self.vpn = vpn
            self.entries = entries
            self.entries6 = entries6
        }
    }

    public struct AccessEntry<Prefix: AddressPrefix>: Hashable, Sendable {
        public let source: Prefix
        /// `nil`: to all devices of the policy.
        public let group: GroupNumber?
        public let shape: BoxShape
        public let rule: Int
        public let isAllowed: Bool

        public init(source: Prefix, group: GroupNumber?, shape: BoxShape, rule: Int, isAllowed: Bool) {
            self.source = source
            self.group = group
            self.shape = shape
            self.rule = rule
            self.isAllowed = isAllowed
        }
    }

    /// Blocks everything: what a device without a policy gets.
    public static let blockAll = Ruleset(layers: [], ways: [])

    /// A chain has as many numbers for its ways, and for its rules, as fit into so many bits.
    public static let numberBits: UInt32 = 9

    /// The number of the default.
    public var `default`: Int { actions.count - 1 }

    /// The place in ``ways`` where the rule's packets go, `nil` when it blocks them.
    public func way(of rule: Int) -> Int? { actions[rule].way.flatMap(ways.firstIndex) }

    /// Whether flows of it stay good by an earlier version's numbers until a sweep: those that the other side has begun, and
    /// those to other devices.
    public var needsSweep: Bool {
        ways.contains { way in
            switch way.route {
            case .internet, .timeServer, .vpns, .limited: false
            case .group, .access: true
            }
        }
    }

    /// The VPNs that packets to or from the policy's devices may take.
    public var vpns: Set<VPNNumber> {
        var vpns: Set<VPNNumber> = []
        for way in ways {
            switch way.route {
            case .vpns(let numbers): vpns.formUnion(numbers)
            case .access(let number): vpns.insert(number)
            case .internet, .timeServer, .group, .limited: break
            }
        }
        return vpns
    }

    /// The groups whose devices the kernel must know.
    public var namedGroups: Set<GroupNumber> {
        Set(groups.map(\.group)).union(access.flatMap { $0.entries.compactMap(\.group) })
            .union(access.flatMap { $0.entries6.compactMap(\.group) })
    }
}

/// One box and the rule that decides on the packets in it.
public struct BoxEntry<Prefix: AddressPrefix>: Hashable, Sendable {
    public let destination: Prefix
    /// IP protocol numbers.
    public let protocols: ClosedRange<UInt8>
    /// Destination ports; 0...65535 for protocols without ports.
    public let ports: ClosedRange<UInt16>
    /// The rule's number, from 0.
    public let rule: Int

    public init(
        destination: Prefix, protocols: ClosedRange<UInt8>, ports: ClosedRange<UInt16>, rule: Int
    ) {
        self.destination = destination
        self.protocols = protocols
        self.ports = ports
        self.rule = rule
    }
}

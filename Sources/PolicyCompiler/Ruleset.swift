public import Domain

/// A compiled policy: layers of disjoint boxes in the space destination × protocol × port, and what comes of each.
///
/// The first layer that has a box around a packet decides, and the default when none has. A rule's box lies in the layer
/// after the last one that holds an overlapping box of an earlier rule. So the boxes of a layer never overlap (the
/// kernel's interval sets require that), and the first layer that matches is the first rule that matches.
public struct Ruleset: Hashable, Sendable {
    public let layers: [[Entry]]
    /// What comes of a packet, by the number of the rule that decides; the last one is the default's.
    public let actions: [Action]
    /// The verdicts that let packets pass, each once, in the order of the rules. What a flow has been given is known by
    /// its place here.
    public let ways: [RuleAction]

    /// - Parameters:
    ///   - actions: one for each rule.
    ///   - default: what comes of a packet that no rule matches.
    public init(layers: [[Entry]], actions: [Action], default last: Action = Action(.block)) {
        self.layers = layers
        self.actions = actions + [last]
        var ways: [RuleAction] = []
        for action in self.actions where action.verdict != .block && !ways.contains(action.verdict) {
            ways.append(action.verdict)
        }
        self.ways = ways
    }

    public init(layers: [[Entry]], verdicts: [RuleAction]) {
        self.init(layers: layers, actions: verdicts.map { Action($0) })
    }

    /// What a rule does with a packet.
    public struct Action: Hashable, Sendable {
        public let verdict: RuleAction
        /// Whether it is noted which devices send such packets, and where to.
        public let isObserved: Bool

        public init(_ verdict: RuleAction, isObserved: Bool = false) {
            self.verdict = verdict
            self.isObserved = isObserved
        }
    }

    /// Blocks everything: what a device without a policy gets.
    public static let blockAll = Ruleset(layers: [], verdicts: [])

    /// A chain has as many numbers for its ways, and for its rules, as fit into so many bits.
    public static let numberBits: UInt32 = 9

    /// The number of the default.
    public var `default`: Int { actions.count - 1 }

    /// The place in ``ways`` where the rule's packets go, `nil` when it blocks them.
    public func way(of rule: Int) -> Int? { ways.firstIndex(of: actions[rule].verdict) }

    /// One box and the rule that decides on the packets in it.
    public struct Entry: Hashable, Sendable {
        public let destination: IPv4Prefix
        /// IP protocol numbers.
        public let protocols: ClosedRange<UInt8>
        /// Destination ports; 0...65535 for protocols without ports.
        public let ports: ClosedRange<UInt16>
        /// The rule's number, from 0.
        public let rule: Int

        public init(
            destination: IPv4Prefix, protocols: ClosedRange<UInt8>, ports: ClosedRange<UInt16>, rule: Int
        ) {
            self.destination = destination
            self.protocols = protocols
            self.ports = ports
            self.rule = rule
        }
    }
}

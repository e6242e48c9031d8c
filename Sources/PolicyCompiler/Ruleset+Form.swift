public import Domain

extension Ruleset {
    /// How the kernel finds the box around a packet from a device.
    public enum Form<Prefix: AddressPrefix>: Hashable, Sendable {
        /// A rule for each box, in the order of the policy's rules. They lie side by side in memory: few of them cost a packet
        /// less than one look-up in a map that is not in the processor's cache.
        case rules([Box<Prefix>])
        /// A map for each layer, in which the time grows with the number of boxes little or not at all.
        case maps([Lookup<Prefix>])
    }

    /// A box that is compared with packets, and what comes of those in it.
    public struct Box<Prefix: AddressPrefix>: Hashable, Sendable {
        public let destination: Destination
        public let shape: BoxShape
        public let rule: Int
        /// The place of their way, `nil` when they are blocked.
        public let way: Int?

        public enum Destination: Hashable, Sendable {
            case prefix(Prefix)
            case group(GroupNumber)
        }
    }

    /// Up to so many boxes are rules.
    public static let maximumRules = 16
    /// Of a policy that has something observed, which maps cannot do. Of larger ones nothing is observed.
    public static let maximumObserved = 1024
    /// Of a policy with rules to groups, which maps cannot do; what is validated has no more.
    public static let maximumBesideGroups = 1024

    public var form: Form<IPv4Prefix> { form(of: layers) }
    /// `nil` when everything is blocked.
    public var form6: Form<IPv6Prefix>? {
        hasForm6 ? form(of: layers6) : nil
    }

    public var hasForm6: Bool { !layers6.isEmpty || !groups.isEmpty || actions[`default`].way != nil }

    private func form<Prefix>(of layers: [[BoxEntry<Prefix>]]) -> Form<Prefix> {
        let count = layers.reduce(0) { $0 + $1.count }
        let isObserved = actions.contains(where: \.isObserved)
        guard !groups.isEmpty || count <= (isObserved ? Self.maximumObserved : Self.maximumRules) else {
            return .maps(lookups(of: layers))
        }
        let entries = layers.flatMap { $0 }.sorted {
            $0.rule != $1.rule ? $0.rule < $1.rule : BoxEntry.isOrdered($0, $1)
        }
        var boxes = entries.map { entry in
            Box(
                destination: .prefix(entry.destination), shape: entry.shape, rule: entry.rule,
                way: way(of: entry.rule))
        }
        boxes += groups.map { entry in
            Box(
                destination: .group(entry.group), shape: entry.shape, rule: entry.rule,
                way: entry.isAllowed ? ways.firstIndex(of: .group(entry.group)) : nil)
        }
        // Stable: a rule has either prefixes or groups.
        return .rules(
            groups.isEmpty
                ? boxes
                : boxes.enumerated().sorted {
                    ($0.element.rule, $0.offset) < ($1.element.rule, $1.offset)
                }.map(\.element))
    }

    /// What the kernel looks up for one layer: a map whose key has only the parts that its boxes need, and all
    /// that the layers before it needed. The second is for packets too short to have a port: the kernel skips a rule
    /// that looks for one, so a layer behind such a rule must skip them too, or it would let out what an earlier layer
    /// may have blocked. They are left to the default.
    public struct Lookup<Prefix: AddressPrefix>: Hashable, Sendable {
        public let key: LookupKey
        public let entries: [BoxEntry<Prefix>]
    }

    public enum LookupKey: Int, Comparable, Sendable {
        /// Destination and protocol.
        case `protocol`
        /// Destination, protocol and destination port.
        case port

        public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    /// In the order of the layers.
    private func lookups<Prefix>(of layers: [[BoxEntry<Prefix>]]) -> [Lookup<Prefix>] {
        var key = LookupKey.protocol
        return layers.map { layer in
            if layer.contains(where: { $0.ports != 0...65_535 }) { key = .port }
            return Lookup(key: key, entries: layer)
        }
    }
}

extension BoxEntry {
    public var shape: BoxShape { BoxShape(protocols: protocols, ports: ports) }
}

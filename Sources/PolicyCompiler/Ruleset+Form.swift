import Domain

extension Ruleset {
    /// How the kernel finds the box around a packet.
    public enum Form: Hashable, Sendable {
        /// A rule for each box, in the order of the policy's rules. They lie side by side in memory: few of them cost a packet
        /// less than one look-up in a map that is not in the processor's cache.
        case rules([Entry])
        /// A map for each layer, in which the time grows with the number of boxes little or not at all.
        case maps([Lookup])
    }

    /// Up to so many boxes are rules.
    public static let maximumRules = 16
    /// Of a policy that has something observed, which maps cannot do. Of larger ones nothing is observed.
    public static let maximumObserved = 1024

    public var form: Form {
        let count = layers.reduce(0) { $0 + $1.count }
        let isObserved = actions.contains(where: \.isObserved)
        guard count <= (isObserved ? Self.maximumObserved : Self.maximumRules) else { return .maps(lookups) }
        return .rules(layers.flatMap { $0 }.sorted { $0.rule != $1.rule ? $0.rule < $1.rule : Entry.isOrdered($0, $1) })
    }

    /// What the kernel looks up for one layer: a map whose key has only the parts that its boxes need, and all
    /// that the layers before it needed. The second is for packets too short to have a port: the kernel skips a rule
    /// that looks for one, so a layer behind such a rule must skip them too, or it would let out what an earlier layer
    /// may have blocked. They are left to the default.
    public struct Lookup: Hashable, Sendable {
        public enum Key: Int, Comparable, Sendable {
            /// Destination and protocol.
            case `protocol`
            /// Destination, protocol and destination port.
            case port

            public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
        }

        public let key: Key
        public let entries: [Entry]
    }

    /// In the order of the layers.
    private var lookups: [Lookup] {
        var key = Lookup.Key.protocol
        return layers.map { layer in
            if layer.contains(where: { $0.ports != 0...65_535 }) { key = .port }
            return Lookup(key: key, entries: layer)
        }
    }
}

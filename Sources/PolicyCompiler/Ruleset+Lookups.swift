import Domain

extension Ruleset {
    /// What the kernel looks up for one layer: a map whose key has only the parts that its boxes need, and all
    /// that the layers before it needed. The second is for packets too short to have a port: the kernel skips a rule
    /// that looks for one, so a layer behind such a rule must skip them too, or it would let out what an earlier layer
    /// may have blocked. They are blocked at the end.
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
    public var lookups: [Lookup] {
        var key = Lookup.Key.protocol
        return layers.map { layer in
            if layer.contains(where: { $0.ports != 0...65_535 }) { key = .port }
            return Lookup(key: key, entries: layer)
        }
    }
}

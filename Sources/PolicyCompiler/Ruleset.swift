public import Domain

/// A compiled policy: layers of disjoint boxes in the space destination × protocol × port.
///
/// A packet's verdict is that of the first layer that has a box around it, and ``Verdict/block`` when none has. A
/// rule's box lies in the layer after the last one that holds an overlapping box of an earlier rule. So the boxes of a
/// layer never overlap (the kernel's interval sets require that), and the first layer that matches is the first rule
/// that matches. Two policies with equal rulesets share one chain in the kernel.
public struct Ruleset: Hashable, Sendable {
    public let layers: [[Entry]]

    public init(layers: [[Entry]]) { self.layers = layers }

    /// Blocks everything: what a device without a policy gets.
    public static let blockAll = Ruleset(layers: [])

    /// One box and what happens to the packets in it.
    public struct Entry: Hashable, Sendable {
        public let destination: IPv4Prefix
        /// IP protocol numbers.
        public let protocols: ClosedRange<UInt8>
        /// Destination ports; 0...65535 for protocols without ports.
        public let ports: ClosedRange<UInt16>
        public let verdict: Verdict

        public init(
            destination: IPv4Prefix, protocols: ClosedRange<UInt8>, ports: ClosedRange<UInt16>, verdict: Verdict
        ) {
            self.destination = destination
            self.protocols = protocols
            self.ports = ports
            self.verdict = verdict
        }
    }
}

/// What happens to a packet that a device sends.
public enum Verdict: Hashable, Sendable {
    case block
    /// To the internet behind NAT 1 and NAT 2.
    case internet
}

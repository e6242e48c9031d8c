import Domain

/// Which packets of a destination: a protocol or all, a range of ports or all.
public struct BoxShape: Hashable, Sendable {
    public let protocols: ClosedRange<UInt8>
    public let ports: ClosedRange<UInt16>

    public init(protocols: ClosedRange<UInt8>, ports: ClosedRange<UInt16>) {
        self.protocols = protocols
        self.ports = ports
    }

    func overlaps(_ other: Self) -> Bool { protocols.overlaps(other.protocols) && ports.overlaps(other.ports) }
    func contains(_ other: Self) -> Bool {
        protocols.lowerBound <= other.protocols.lowerBound && protocols.upperBound >= other.protocols.upperBound
            && ports.lowerBound <= other.ports.lowerBound && ports.upperBound >= other.ports.upperBound
    }
}

/// One box of one rule.
struct Box<Prefix: AddressPrefix>: Sendable {
    let rule: Int
    let destination: Prefix
    let shape: BoxShape
}

/// A rule in its simplest form: the same packets in as few boxes as merging neighbours gives, none overlapping another.
/// What the rule's lists repeat or in which order they stand is not seen any more.
struct RuleBoxes<Prefix: AddressPrefix>: Sendable {
    let destinations: [Prefix]
    let shapes: [BoxShape]

    /// The rule's destinations of one family, of packets from devices.
    init(_ rule: ValidatedPolicy.Rule, _ prefixes: (ValidatedPolicy.Rule) -> [Prefix]) {
        destinations = rule.direction == .fromDevice ? prefixes(rule).merged() : []
        shapes = rule.shapes
    }

    func boxes(rule: Int) -> [Box<Prefix>] {
        destinations.flatMap { destination in
            shapes.map { Box(rule: rule, destination: destination, shape: $0) }
        }
    }
}

extension ValidatedPolicy.Rule {
    var shapes: [BoxShape] {
        matches.flatMap { match in
            let protocols = match.protocol.map { $0...$0 } ?? 0...255
            let ports = match.ports.isEmpty ? [0...65_535] : match.ports.merged()
            return ports.map { BoxShape(protocols: protocols, ports: $0) }
        }
    }
}

import Domain

/// Which packets of a destination: a protocol or all, a range of ports or all.
struct BoxShape: Hashable, Sendable {
    let protocols: ClosedRange<UInt8>
    let ports: ClosedRange<UInt16>

    func overlaps(_ other: Self) -> Bool { protocols.overlaps(other.protocols) && ports.overlaps(other.ports) }
    func contains(_ other: Self) -> Bool {
        protocols.lowerBound <= other.protocols.lowerBound && protocols.upperBound >= other.protocols.upperBound
            && ports.lowerBound <= other.ports.lowerBound && ports.upperBound >= other.ports.upperBound
    }
}

/// One box of one rule.
struct Box: Sendable {
    let rule: Int
    let destination: IPv4Prefix
    let shape: BoxShape
}

/// A rule in its simplest form: the same packets in as few boxes as merging neighbours gives, none overlapping another.
/// What the rule's lists repeat or in which order they stand is not seen any more.
struct RuleBoxes: Sendable {
    let destinations: [IPv4Prefix]
    let shapes: [BoxShape]

    /// The rule's IPv4 destinations, which are what a chain has boxes for. A rule to devices has none.
    init(_ rule: ValidatedPolicy.Rule) {
        destinations = rule.direction == .fromDevice ? rule.ipv4.merged() : []
        shapes = rule.matches.flatMap { match in
            let protocols = match.protocol.map { $0...$0 } ?? 0...255
            let ports = match.ports.isEmpty ? [0...65_535] : match.ports.merged()
            return ports.map { BoxShape(protocols: protocols, ports: $0) }
        }
    }

    func boxes(rule: Int) -> [Box] {
        destinations.flatMap { destination in
            shapes.map { Box(rule: rule, destination: destination, shape: $0) }
        }
    }
}

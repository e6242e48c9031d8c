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

    init(_ rule: ValidatedPolicy.Rule) {
        destinations = Self.merged(rule.destinations)
        let protocols = rule.protocol.map { $0...$0 } ?? 0...255
        let ports = rule.ports.isEmpty ? [0...65_535] : Self.merged(rule.ports)
        shapes = ports.map { BoxShape(protocols: protocols, ports: $0) }
    }

    var count: Int { destinations.count * shapes.count }

    func boxes(rule: Int) -> [Box] {
        destinations.flatMap { destination in
            shapes.map { Box(rule: rule, destination: destination, shape: $0) }
        }
    }

    /// Prefixes inside others go, and two halves become their whole.
    private static func merged(_ prefixes: [IPv4Prefix]) -> [IPv4Prefix] {
        var result: [IPv4Prefix] = []
        for prefix in prefixes.sorted() {
            if let last = result.last, last.contains(prefix) { continue }
            var whole = prefix
            while let last = result.last, last.length == whole.length, whole.length > 0 {
                let parent = IPv4Prefix(containing: whole.address, length: whole.length - 1)
                guard parent.contains(last) else { break }
                result.removeLast()
                whole = parent
            }
            result.append(whole)
        }
        return result
    }

    private static func merged(_ ranges: [ClosedRange<UInt16>]) -> [ClosedRange<UInt16>] {
        var result: [ClosedRange<UInt16>] = []
        for range in ranges.sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }) {
            if let last = result.last, UInt32(range.lowerBound) <= UInt32(last.upperBound) + 1 {
                result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}

import Domain

/// Turns a policy into layers of disjoint boxes (``Ruleset`` says what that means).
///
/// Total: a validated policy always compiles. Deterministic, and blind to names and to the order inside a rule's lists.
/// Boxes inside one box of an earlier rule decide nothing, and are left out. Those that block stay, even where the default would block too: their rule has
/// a counter of its own.
public func compile(_ policy: ValidatedPolicy) -> Ruleset {
    let boxes = withoutShadowed(allBoxes(policy.rules))
    var index = BoxIndex(for: boxes)
    var layers: [[Ruleset.Entry]] = []
    for box in boxes {
        // Boxes of one rule do not overlap, so those inserted before this one are of earlier rules where it matters.
        let layer = index.highestLayer(overlapping: box).map { $0 + 1 } ?? 0
        index.insert(box, layer: layer)
        if layer == layers.count { layers.append([]) }
        layers[layer].append(
            Ruleset.Entry(
                destination: box.destination, protocols: box.shape.protocols, ports: box.shape.ports, rule: box.rule))
    }
    return Ruleset(
        layers: layers.map { $0.sorted(by: Ruleset.Entry.isOrdered) }, verdicts: policy.rules.map(\.verdict))
}

/// The indexes of rules that can never match, because each of their boxes lies in one box of an earlier rule.
func shadowedRules(_ rules: [ValidatedPolicy.Rule]) -> [Int] {
    let alive = Set(withoutShadowed(allBoxes(rules)).map(\.rule))
    return rules.indices.filter { !alive.contains($0) }
}

private func allBoxes(_ rules: [ValidatedPolicy.Rule]) -> [Box] {
    rules.enumerated().flatMap { RuleBoxes($0.element).boxes(rule: $0.offset) }
}

private func withoutShadowed(_ boxes: [Box]) -> [Box] {
    var index = BoxIndex(for: boxes)
    return boxes.filter { box in
        guard !index.contains(box) else { return false }
        index.insert(box, layer: 0)
        return true
    }
}

extension Ruleset.Entry {
    /// The order inside a layer: by destination, protocol, port.
    static func isOrdered(_ a: Self, _ b: Self) -> Bool {
        if a.destination != b.destination { return a.destination < b.destination }
        return (a.protocols.lowerBound, a.protocols.upperBound, a.ports.lowerBound, a.ports.upperBound)
            < (b.protocols.lowerBound, b.protocols.upperBound, b.ports.lowerBound, b.ports.upperBound)
    }
}

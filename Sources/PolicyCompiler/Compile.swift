public import Domain

/// Turns a policy into layers of disjoint boxes (``Ruleset`` says what that means).
///
/// Total: a validated policy always compiles. Deterministic, and blind to names and to the order inside a rule's lists.
/// Boxes inside one box of an earlier rule decide nothing, and are left out. Those that block stay, even where the
/// default would block too: their rule has a counter of its own.
///
/// - Parameter isOpen: whether the time of a rule is now. A rule whose time is not known does not match.
public func compile(_ policy: ValidatedPolicy, isOpen: (Schedule) -> Bool = { _ in false }) -> Ruleset {
    let boxes = withoutShadowed(allBoxes(policy.rules, isOpen))
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
        layers: layers.map { $0.sorted(by: Ruleset.Entry.isOrdered) },
        actions: policy.rules.map { action($0.action, in: policy.mode, isLogged: $0.log) },
        default: action(.block, in: policy.mode, isLogged: false))
}

private func allBoxes(_ rules: [ValidatedPolicy.Rule], _ isOpen: (Schedule) -> Bool) -> [Box] {
    rules.enumerated().flatMap { index, rule in
        rule.schedule.map(isOpen) ?? true ? RuleBoxes(rule).boxes(rule: index) : []
    }
}

/// In monitor mode what would be blocked passes, and is noted.
private func action(_ action: RuleAction, in mode: ValidatedPolicy.Mode, isLogged: Bool) -> Ruleset.Action {
    mode == .monitor && action == .block
        ? Ruleset.Action(.internet, isObserved: true) : Ruleset.Action(action, isObserved: isLogged)
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

public import Domain

/// Turns a policy into layers of disjoint boxes (``Ruleset`` says what that means).
///
/// Total: a validated policy always compiles. Deterministic, and blind to names and to the order inside a rule's lists.
/// Boxes inside one box of an earlier rule decide nothing, and are left out. Those that block stay, even where the
/// default would block too: their rule has a counter of its own.
///
/// - Parameter isOpen: whether the time of a rule is now. A rule whose time is not known does not match.
public func compile(_ policy: ValidatedPolicy, isOpen: (Schedule) -> Bool = { _ in false }) -> Ruleset {
    let rules = policy.rules.enumerated().filter { $0.element.schedule.map(isOpen) ?? true }.map {
        (number: $0.offset, rule: $0.element)
    }
    let (hostSets, hosts) = hostEntries(rules)
    return Ruleset(
        layers: layers(rules.flatMap { RuleBoxes($0.rule, \.ipv4).boxes(rule: $0.number) }),
        layers6: layers(rules.flatMap { RuleBoxes($0.rule, \.ipv6).boxes(rule: $0.number) }),
        groups: rules.flatMap { groupEntries($0.rule, number: $0.number, of: policy) },
        hostSets: hostSets, hosts: hosts,
        access: access(rules, of: policy),
        actions: policy.rules.enumerated().map {
            limited(action($0.element, of: policy), $0.element, number: $0.offset, of: policy)
        },
        default: policy.mode == .monitor ? .monitored : Ruleset.Action(nil))
}

/// Boxes inside one box of an earlier rule are left out.
private func layers<Prefix>(_ boxes: [Box<Prefix>]) -> [[BoxEntry<Prefix>]] {
    var index = BoxIndex(for: boxes)
    var layers: [[BoxEntry<Prefix>]] = []
    for (box, node) in zip(boxes, index.nodes) where !index.contains(box.shape, at: node) {
        // Boxes of one rule do not overlap, so those inserted before this one are of earlier rules where it matters.
        let layer = index.highestLayer(overlapping: box.shape, at: node).map { $0 + 1 } ?? 0
        index.insert(box.shape, at: node, layer: layer)
        if layer == layers.count { layers.append([]) }
        layers[layer].append(
            BoxEntry(
                destination: box.destination, protocols: box.shape.protocols, ports: box.shape.ports, rule: box.rule))
    }
    return layers.map { $0.sorted(by: BoxEntry.isOrdered) }
}

private func groupEntries(
    _ rule: ValidatedPolicy.Rule, number: Int, of policy: ValidatedPolicy
) -> [Ruleset.GroupEntry] {
    guard rule.direction == .fromDevice else { return [] }
    return rule.groups.compactMap { policy.groups[$0] }.sorted().flatMap { group in
        rule.shapes.map { Ruleset.GroupEntry(group: group, shape: $0, rule: number, isAllowed: rule.action == .allow) }
    }
}

private func hostEntries(
    _ rules: [(number: Int, rule: ValidatedPolicy.Rule)]
) -> (sets: [[HostPattern]], entries: [Ruleset.HostEntry]) {
    var sets: [[HostPattern]] = []
    var places: [[HostPattern]: Int] = [:]
    var entries: [Ruleset.HostEntry] = []
    for (number, rule) in rules where !rule.hosts.isEmpty && rule.direction == .fromDevice {
        let hosts = rule.hosts.sorted()
        let place = places[hosts] ?? sets.count
        if place == sets.count {
            places[hosts] = place
            sets.append(hosts)
        }
        entries += rule.shapes.map { Ruleset.HostEntry(set: place, shape: $0, rule: number) }
    }
    return (sets, entries)
}

/// What comes through each VPN that a rule names.
private func access(
    _ rules: [(number: Int, rule: ValidatedPolicy.Rule)], of policy: ValidatedPolicy
) -> [Ruleset.Access] {
    var entries: [VPNNumber: (ipv4: [Ruleset.AccessEntry<IPv4Prefix>], ipv6: [Ruleset.AccessEntry<IPv6Prefix>])] = [:]
    for (number, rule) in rules {
        guard case .toDevice(let via, let sources) = rule.direction, let vpn = policy.vpns[via] else { continue }
        let named = rule.groups.compactMap { policy.groups[$0] }.sorted()
        for group: GroupNumber? in rule.groups.isEmpty ? [nil] : named.map(Optional.some) {
            for shape in rule.shapes {
                let isAllowed = rule.action == .allow
                entries[vpn, default: ([], [])].ipv4 += sources.ipv4.merged().map {
                    Ruleset.AccessEntry(source: $0, group: group, shape: shape, rule: number, isAllowed: isAllowed)
                }
                entries[vpn, default: ([], [])].ipv6 += sources.ipv6.merged().map {
                    Ruleset.AccessEntry(source: $0, group: group, shape: shape, rule: number, isAllowed: isAllowed)
                }
            }
        }
    }
    return entries.keys.sorted().map { vpn in
        Ruleset.Access(vpn: vpn, entries: entries[vpn]?.ipv4 ?? [], entries6: entries[vpn]?.ipv6 ?? [])
    }
}

private func action(_ rule: ValidatedPolicy.Rule, of policy: ValidatedPolicy) -> Ruleset.Action {
    switch (rule.action, rule.direction) {
    case (.block, .fromDevice) where policy.mode == .monitor && rule.groups.isEmpty: .monitored
    case (.block, _): Ruleset.Action(nil, isObserved: rule.log)
    case (.route([.internet]), _): Ruleset.Action(.internet, isObserved: rule.log)
    case (.route([.timeServer]), _): Ruleset.Action(.timeServer, isObserved: rule.log)
    // One that is not known any more is down.
    case (.route(let routes), _):
        Ruleset.Action(.vpns(routes.compactMap { policy.vpns[$0] }), isObserved: rule.log)
    case (.allow, .toDevice(let via, _)):
        Ruleset.Action(policy.vpns[via].map { .access($0) }, isObserved: rule.log)
    case (.allow, .fromDevice): Ruleset.Action(nil, isObserved: rule.log)
    }
}

/// With the rule's rate and counter.
private func limited(
    _ action: Ruleset.Action, _ rule: ValidatedPolicy.Rule, number: Int, of policy: ValidatedPolicy
) -> Ruleset.Action {
    guard rule.bandwidth != nil || rule.isUsageCounted, let way = action.way else { return action }
    let rate = { (rate: BitRate?) in rate.map { RateLimit($0, burst: rule.bandwidth?.burst ?? 0) } }
    return Ruleset.Action(
        .limited(
            way,
            Ruleset.RuleRate(
                rule: number, up: rate(rule.bandwidth?.up), down: rate(rule.bandwidth?.down),
                counted: policy.countedRules[rule.name])),
        isObserved: action.isObserved)
}

extension Ruleset.Action {
    /// In monitor mode what would be blocked passes, and is noted.
    fileprivate static let monitored = Ruleset.Action(.internet, isObserved: true)
}

extension [Name: VPNNumber] {
    /// `nil` for the internet.
    fileprivate subscript(_ route: Route) -> VPNNumber? {
        if case .vpn(let name) = route { self[name] } else { nil }
    }
}

extension BoxEntry {
    /// The order inside a layer: by destination, protocol, port.
    static func isOrdered(_ a: Self, _ b: Self) -> Bool {
        if a.destination != b.destination { return a.destination < b.destination }
        return (a.protocols.lowerBound, a.protocols.upperBound, a.ports.lowerBound, a.ports.upperBound)
            < (b.protocols.lowerBound, b.protocols.upperBound, b.ports.lowerBound, b.ports.upperBound)
    }
}

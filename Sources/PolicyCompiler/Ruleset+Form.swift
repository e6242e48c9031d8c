public import Domain

extension Ruleset {
    /// How the kernel finds the box around a packet from a device: what it asks, one after the other.
    public struct Form<Prefix: AddressPrefix>: Hashable, Sendable {
        public let steps: [Step]

        public enum Step: Hashable, Sendable {
            /// A rule for one box. They lie side by side in memory: few of them cost a packet less than one look-up in a map
            /// that is not in the processor's cache.
            case box(Box<Prefix>)
            /// A map for boxes that do not overlap, in which the time grows with their number little or not at all.
            case lookup(Lookup<Prefix>)
        }

        public var lookups: [Lookup<Prefix>] {
            steps.compactMap { if case .lookup(let lookup) = $0 { lookup } else { nil } }
        }
    }

    /// A box that is compared with packets, and what comes of those in it.
    public struct Box<Prefix: AddressPrefix>: Hashable, Sendable {
        public let destination: Destination
        public let shape: BoxShape
        public let rule: Int
        /// The place of their way, `nil` when they are blocked.
        public let way: Int?
        /// Whether it is behind a look-up of packets with a port, and not for others either.
        public var needsPort = false

        public enum Destination: Hashable, Sendable {
            case prefix(Prefix)
            case group(GroupNumber)
            /// The addresses of names, by the place in ``Ruleset/hostSets``.
            case hosts(Int)
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

    public var hasForm6: Bool { !layers6.isEmpty || !groups.isEmpty || !hosts.isEmpty || actions[`default`].way != nil }

    private func form<Prefix>(of layers: [[BoxEntry<Prefix>]]) -> Form<Prefix> {
        let count = layers.reduce(0) { $0 + $1.count }
        let isObserved = actions.contains(where: \.isObserved)
        guard !groups.isEmpty || count <= (isObserved ? Self.maximumObserved : Self.maximumRules) else {
            return Form(steps: segments(of: layers))
        }
        // Stable: a rule has either groups or other destinations.
        let boxes = (boxes(of: layers.flatMap { $0 }) + hostBoxes(of: hosts[...]) + groupBoxes()).enumerated().sorted {
            ($0.element.rule, $0.offset) < ($1.element.rule, $1.offset)
        }
        return Form(steps: boxes.map { .box($0.element) })
    }

    private func boxes<Prefix>(of entries: [BoxEntry<Prefix>]) -> [Box<Prefix>] {
        entries.sorted {
            $0.rule != $1.rule ? $0.rule < $1.rule : BoxEntry.isOrdered($0, $1)
        }.map { entry in
            Box(destination: .prefix(entry.destination), shape: entry.shape, rule: entry.rule, way: way(of: entry.rule))
        }
    }

    private func hostBoxes<Prefix>(of entries: ArraySlice<HostEntry>) -> [Box<Prefix>] {
        entries.map { Box(destination: .hosts($0.set), shape: $0.shape, rule: $0.rule, way: way(of: $0.rule)) }
    }

    private func groupBoxes<Prefix>() -> [Box<Prefix>] {
        groups.map { entry in
            Box(
                destination: .group(entry.group), shape: entry.shape, rule: entry.rule,
                way: entry.isAllowed ? ways.firstIndex(of: .group(entry.group)) : nil)
        }
    }

    /// Of many boxes: rules to names where they stand, and between them maps, or again rules where those are few.
    private func segments<Prefix>(of layers: [[BoxEntry<Prefix>]]) -> [Form<Prefix>.Step] {
        var steps: [Form<Prefix>.Step] = []
        var key = LookupKey.protocol
        let add = { (boxes: [Box<Prefix>], steps: inout [Form<Prefix>.Step]) in
            steps += boxes.map { box in
                var box = box
                box.needsPort = key == .port
                return .box(box)
            }
        }
        var rest = hosts[...]
        for parts in between(hosts.map(\.rule), layers) {
            if parts.reduce(0, { $0 + $1.count }) <= Self.maximumRules {
                add(boxes(of: parts.flatMap { $0 }), &steps)
            } else {
                for layer in parts {
                    if layer.contains(where: { $0.ports != 0...65_535 }) { key = .port }
                    steps.append(.lookup(Lookup(key: key, entries: layer)))
                }
            }
            guard let next = rest.first?.rule else { break }
            let ofRule = rest.prefix { $0.rule == next }
            add(hostBoxes(of: ofRule), &steps)
            rest = rest.dropFirst(ofRule.count)
        }
        return steps
    }

    /// The layers in front of the first of these rules, those between it and the next, and so on: its own boxes are behind
    /// a rule's names. Each entry is looked at once, however many the rules are.
    /// - Parameter rules: ascending; the same several times counts once.
    private func between<Prefix>(_ rules: [Int], _ layers: [[BoxEntry<Prefix>]]) -> [[[BoxEntry<Prefix>]]] {
        guard !rules.isEmpty else { return [layers] }
        var segment = 0
        let bounds = Set(rules)
        let segments = actions.indices.map { rule in
            if bounds.contains(rule) { segment += 1 }
            return segment
        }
        var parts = Array(repeating: [[BoxEntry<Prefix>]](), count: segment + 1)
        var last = Array(repeating: -1, count: segment + 1)
        for (number, layer) in layers.enumerated() {
            for entry in layer {
                let segment = segments[entry.rule]
                if last[segment] != number {
                    last[segment] = number
                    parts[segment].append([])
                }
                parts[segment][parts[segment].count - 1].append(entry)
            }
        }
        return parts
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
}

extension BoxEntry {
    public var shape: BoxShape { BoxShape(protocols: protocols, ports: ports) }
}

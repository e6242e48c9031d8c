import Domain

/// Patterns of some kinds, asked about a name at a cost that does not grow with their number.
struct PatternTable: Sendable {
    private var table = NameTable()
    /// Of each pattern's name two octets, and then the name; the first octet is nobody's. In the one are the kinds that
    /// have the name itself, in the other those that have all below it.
    private var octets: [UInt8] = [0]
    private var lengths = Lengths()
    private var lengthsOfBelow = Lengths()

    /// How long names are. Most names and names above them are ruled out by that alone, and the line of memory that it takes
    /// is asked for anyway; a place in a table of ten thousand policies is in nobody's cache.
    private struct Lengths {
        private var bits = InlineArray<4, UInt64>(repeating: 0)

        mutating func insert(_ length: Int) { bits[length >> 6 & 3] |= 1 << UInt64(length & 63) }
        func contains(_ length: Int) -> Bool { bits[length >> 6 & 3] & 1 << UInt64(length & 63) != 0 }
    }

    /// - Parameter kind: one bit.
    mutating func insert(_ pattern: HostPattern, kind: UInt8) {
        let (name, place) =
            switch pattern {
            case .exact(let name): (WireName(name), 2)
            case .below(let name): (WireName(name), 1)
            }
        if place == 2 { lengths.insert(name.octets.count) } else { lengthsOfBelow.insert(name.octets.count) }
        let hash = NameStep.with(of: name.octets) { $0[0].hash }
        if let position = table.position(hash: hash, name.octets, from: 0, among: octets) {
            octets[Int(position) - place] |= kind
        } else {
            octets += [0, 0]
            octets[octets.count - place] = kind
            table.insert(hash: hash, at: UInt32(octets.count))
            octets += name.octets
        }
    }

    /// Which kinds have a pattern for the name.
    func kinds(of name: [UInt8], _ steps: Span<NameStep>) -> UInt8 {
        guard table.count > 0 else { return 0 }
        var kinds: UInt8 = 0
        if lengths.contains(name.count), let position = table.position(of: steps[0], in: name, among: octets) {
            kinds = octets[Int(position) - 2]
        }
        // No pattern is the root.
        for index in 1..<max(1, steps.count - 1) where lengthsOfBelow.contains(name.count - steps[index].start) {
            guard let position = table.position(of: steps[index], in: name, among: octets) else { continue }
            kinds |= octets[Int(position) - 1]
        }
        return kinds
    }
}

import Domain

/// Boxes, with a layer each, that can be asked what overlaps another box.
///
/// The prefixes of a policy form a forest, by containment: a box overlaps only those on its own tree's path to the root
/// and those below it. Each prefix keeps the shapes of its own boxes and those of all boxes at or below it, one layer
/// (the highest) for each shape. Policies have few shapes on many prefixes or many on few, so the scans stay short.
struct BoxIndex<Prefix: AddressPrefix> {
    /// The place of the destination of each box that the index was made for.
    let nodes: [Int]
    /// The node of the closest prefix around each node's.
    private let parents: [Int?]
    private var own: [ShapeLayers]
    private var below: [ShapeLayers]

    /// - Parameter boxes: every box that will be inserted or asked about.
    init(for boxes: [Box<Prefix>]) {
        var nodes = Array(repeating: 0, count: boxes.count)
        var parents: [Int?] = []
        var path: [(prefix: Prefix, node: Int)] = []
        // Sorted, a prefix comes directly before the prefixes that it contains.
        for (place, prefix) in boxes.map(\.destination).enumerated().sorted(by: { $0.element < $1.element }) {
            while let last = path.last, !last.prefix.contains(prefix) { path.removeLast() }
            if path.last?.prefix != prefix {
                path.append((prefix, parents.count))
                parents.append(path.dropLast().last?.node)
            }
            nodes[place] = parents.count - 1
        }
        self.nodes = nodes
        self.parents = parents
        own = Array(repeating: ShapeLayers(), count: parents.count)
        below = own
    }

    mutating func insert(_ shape: BoxShape, at node: Int, layer: Int) {
        own[node].raise(shape, to: layer)
        var next: Int? = node
        while let current = next {
            below[current].raise(shape, to: layer)
            next = parents[current]
        }
    }

    /// Whether one inserted box contains a box of this shape.
    func contains(_ shape: BoxShape, at node: Int) -> Bool {
        var next: Int? = node
        while let current = next {
            if own[current].entries.contains(where: { $0.shape.contains(shape) }) { return true }
            next = parents[current]
        }
        return false
    }

    /// The highest layer of an inserted box that overlaps one of this shape, `nil` when none does.
    func highestLayer(overlapping shape: BoxShape, at node: Int) -> Int? {
        var highest = below[node].highest(overlapping: shape)
        var next = parents[node]
        while let current = next {
            if let layer = own[current].highest(overlapping: shape) { highest = max(highest ?? layer, layer) }
            next = parents[current]
        }
        return highest
    }
}

/// The highest layer of each shape.
private struct ShapeLayers {
    private(set) var entries: [(shape: BoxShape, layer: Int)] = []
    /// Of the entries, once there are many: few are sooner looked through than hashed.
    private var positions: [BoxShape: Int] = [:]
    private static let few = 16

    mutating func raise(_ shape: BoxShape, to layer: Int) {
        if let position = position(of: shape) {
            entries[position].layer = max(entries[position].layer, layer)
            return
        }
        entries.append((shape, layer))
        if entries.count == Self.few + 1 {
            positions = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($0.element.shape, $0.offset) })
        } else if entries.count > Self.few {
            positions[shape] = entries.count - 1
        }
    }

    private func position(of shape: BoxShape) -> Int? {
        entries.count <= Self.few ? entries.firstIndex { $0.shape == shape } : positions[shape]
    }

    func highest(overlapping shape: BoxShape) -> Int? {
        var highest = -1
        for entry in entries where entry.layer > highest && entry.shape.overlaps(shape) { highest = entry.layer }
        return highest < 0 ? nil : highest
    }
}

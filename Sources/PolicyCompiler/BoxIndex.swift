import Domain

/// Boxes, with a layer each, that can be asked what overlaps another box.
///
/// The prefixes of a policy form a forest, by containment: a box overlaps only those on its own tree's path to the root
/// and those below it. Each prefix keeps the shapes of its own boxes and those of all boxes at or below it, one layer
/// (the highest) for each shape. Policies have few shapes on many prefixes or many on few, so the scans stay short.
struct BoxIndex<Prefix: AddressPrefix> {
    private let nodes: [Prefix: Int]
    /// The node of the closest prefix around each node's.
    private let parents: [Int?]
    private var own: [ShapeLayers]
    private var below: [ShapeLayers]

    /// - Parameter boxes: every box that will be inserted or asked about.
    init(for boxes: [Box<Prefix>]) {
        var nodes: [Prefix: Int] = [:]
        var parents: [Int?] = []
        var path: [(prefix: Prefix, node: Int)] = []
        // Sorted, a prefix comes directly before the prefixes that it contains.
        for prefix in Set(boxes.map(\.destination)).sorted() {
            while let last = path.last, !last.prefix.contains(prefix) { path.removeLast() }
            let node = parents.count
            nodes[prefix] = node
            parents.append(path.last?.node)
            path.append((prefix, node))
        }
        self.nodes = nodes
        self.parents = parents
        own = Array(repeating: ShapeLayers(), count: parents.count)
        below = own
    }

    mutating func insert(_ box: Box<Prefix>, layer: Int) {
        guard let node = nodes[box.destination] else { preconditionFailure("a box that the index was not made for") }
        own[node].raise(box.shape, to: layer)
        var next: Int? = node
        while let current = next {
            below[current].raise(box.shape, to: layer)
            next = parents[current]
        }
    }

    /// Whether one inserted box contains `box`.
    func contains(_ box: Box<Prefix>) -> Bool {
        var next = nodes[box.destination]
        while let current = next {
            if own[current].entries.contains(where: { $0.shape.contains(box.shape) }) { return true }
            next = parents[current]
        }
        return false
    }

    /// The highest layer of an inserted box that overlaps `box`, `nil` when none does.
    func highestLayer(overlapping box: Box<Prefix>) -> Int? {
        guard let node = nodes[box.destination] else { return nil }
        var highest = below[node].highest(overlapping: box.shape)
        var next = parents[node]
        while let current = next {
            if let layer = own[current].highest(overlapping: box.shape) { highest = max(highest ?? layer, layer) }
            next = parents[current]
        }
        return highest
    }
}

/// The highest layer of each shape.
private struct ShapeLayers {
    private(set) var entries: [(shape: BoxShape, layer: Int)] = []
    private var positions: [BoxShape: Int] = [:]

    mutating func raise(_ shape: BoxShape, to layer: Int) {
        if let position = positions[shape] {
            entries[position].layer = max(entries[position].layer, layer)
        } else {
            positions[shape] = entries.count
            entries.append((shape, layer))
        }
    }

    func highest(overlapping shape: BoxShape) -> Int? {
        var highest = -1
        for entry in entries where entry.layer > highest && entry.shape.overlaps(shape) { highest = entry.layer }
        return highest < 0 ? nil : highest
    }
}

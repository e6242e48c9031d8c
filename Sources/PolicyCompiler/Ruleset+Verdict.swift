import Domain

extension Ruleset {
    /// What the kernel does with a packet, given this ruleset: the first layer with a box around it decides.
    ///
    /// For the sweep of tracked flows. Takes well under a microsecond for policies of ordinary size, and grows with the
    /// number of layers and the logarithm of their size.
    public func verdict(for packet: PacketQuery) -> RuleAction {
        guard packet.direction == .fromDevice, case .v4(let destination) = packet.destination else { return .block }
        for layer in layers {
            if let entry = Self.entry(in: layer, around: packet, to: destination) { return actions[entry.rule].verdict }
        }
        return actions[`default`].verdict
    }

    /// Up to here, looking at each entry is quicker than searching.
    private static let scanLimit = 64

    private static func entry(in layer: [Entry], around packet: PacketQuery, to destination: IPv4Address) -> Entry? {
        guard layer.count > scanLimit else {
            return layer.first { $0.destination.contains(destination) && $0.matchesBeyondAddress(packet) }
        }
        // A layer is sorted by destination. Its boxes around the packet's address are those of one prefix of each length.
        for length in UInt8(0)...32 {
            let prefix = IPv4Prefix(containing: destination, length: length)
            var index = layer.partitioningIndex { $0.destination >= prefix }
            while index < layer.endIndex, layer[index].destination == prefix {
                if layer[index].matchesBeyondAddress(packet) { return layer[index] }
                index += 1
            }
        }
        return nil
    }
}

extension Ruleset.Entry {
    fileprivate func matchesBeyondAddress(_ packet: PacketQuery) -> Bool {
        guard protocols.contains(packet.protocol) else { return false }
        return packet.port.map(ports.contains) ?? (ports == 0...65_535)
    }
}

extension Array {
    /// The first index whose element has `isAfter`; all before it have not.
    fileprivate func partitioningIndex(where isAfter: (Element) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if isAfter(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

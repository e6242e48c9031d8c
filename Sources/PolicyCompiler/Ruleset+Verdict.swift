public import Domain

/// What the kernel does with a packet, given this ruleset. For the sweep of tracked flows.
extension Ruleset {
    /// The way of a packet from a device; `nil` when it is blocked.
    ///
    /// Takes well under a microsecond for policies of ordinary size without rules to groups and names, and grows with the
    /// number of layers and the logarithm of their size.
    /// - Parameters:
    ///   - group: of the device that has the destination, when one has.
    ///   - names: that the destination has for the policy's devices.
    public func way(
        to destination: IPAddress, protocol: UInt8, port: UInt16?, group: GroupNumber? = nil,
        names: [DomainName] = []
    ) -> Way? {
        let packet = PacketShape(protocol: `protocol`, port: port)
        var rule =
            switch destination {
            case .v4(let address): self.rule(in: layers, around: packet, to: address)
            case .v6(let address): self.rule(in: layers6, around: packet, to: address)
            }
        if !names.isEmpty, !hosts.isEmpty {
            let sets = sets(of: names)
            if let entry = hosts.first(where: { sets.contains($0.set) && packet.isIn($0.shape) }) {
                rule = min(rule, entry.rule)
            }
        }
        if let group, let entry = groups.first(where: { $0.group == group && packet.isIn($0.shape) }),
            entry.rule < rule
        {
            return entry.isAllowed ? .group(group) : nil
        }
        return actions[rule].way
    }

    /// Those of ``hostSets`` that have one of the names.
    public func sets(of names: [DomainName]) -> [Int] {
        hostSets.indices.filter { set in
            hostSets[set].contains { pattern in names.contains { pattern.matches($0) } }
        }
    }

    /// The way of a packet that came through a VPN; `nil` when it is blocked.
    /// - Parameter group: of the device that it goes to.
    public func way(
        from source: IPAddress, through vpn: VPNNumber, protocol: UInt8, port: UInt16?, group: GroupNumber?
    ) -> Way? {
        guard let access = access.first(where: { $0.vpn == vpn }) else { return nil }
        let packet = PacketShape(protocol: `protocol`, port: port)
        let rule =
            switch source {
            case .v4(let address): Self.rule(access.entries, address, group, packet)
            case .v6(let address): Self.rule(access.entries6, address, group, packet)
            }
        return rule.flatMap { actions[$0].way }
    }

    /// The number of the rule that lets it pass.
    private static func rule<Prefix>(
        _ entries: [AccessEntry<Prefix>], _ source: Prefix.Address, _ group: GroupNumber?, _ packet: PacketShape
    ) -> Int? {
        entries.first {
            $0.source.contains(source) && ($0.group == nil || $0.group == group) && packet.isIn($0.shape)
        }.flatMap { $0.isAllowed ? $0.rule : nil }
    }

    /// The way of a flow by this ruleset, which is that of its device; `nil` when it is denied.
    /// - Parameter names: that its destination has for the policy's devices.
    public func way(of flow: TrackedFlow, names: [DomainName] = []) -> Way? {
        let (flow, group, way) = (flow.flow, flow.group, flow.isToDevice ? flow.way : nil)
        let port = flow.destinationPort
        guard case .access(let vpn) = way?.route else {
            return self.way(
                to: flow.destination, protocol: flow.protocol, port: port, group: group, names: names)
        }
        return self.way(from: flow.source, through: vpn, protocol: flow.protocol, port: port, group: group)
    }

    /// The number of the rule that decides, the default's when none does.
    private func rule<Prefix>(
        in layers: [[BoxEntry<Prefix>]], around packet: PacketShape, to destination: Prefix.Address
    ) -> Int {
        for layer in layers {
            if let entry = Self.entry(in: layer, around: packet, to: destination) { return entry.rule }
        }
        return `default`
    }

    /// Up to here, looking at each entry is quicker than searching.
    private static var scanLimit: Int { 64 }

    private static func entry<Prefix>(
        in layer: [BoxEntry<Prefix>], around packet: PacketShape, to destination: Prefix.Address
    ) -> BoxEntry<Prefix>? {
        guard layer.count > scanLimit else {
            return layer.first { $0.destination.contains(destination) && packet.isIn($0.protocols, $0.ports) }
        }
        // A layer is sorted by destination. Its boxes around the packet's address are those of one prefix of each length.
        for length in 0...Prefix.bits {
            let prefix = Prefix(containing: destination, length: length)
            var index = layer.partitioningIndex { $0.destination >= prefix }
            while index < layer.endIndex, layer[index].destination == prefix {
                if packet.isIn(layer[index].protocols, layer[index].ports) { return layer[index] }
                index += 1
            }
        }
        return nil
    }
}

/// What boxes compare beyond addresses.
private struct PacketShape {
    let `protocol`: UInt8
    let port: UInt16?

    func isIn(_ shape: BoxShape) -> Bool { isIn(shape.protocols, shape.ports) }

    func isIn(_ protocols: ClosedRange<UInt8>, _ ports: ClosedRange<UInt16>) -> Bool {
        guard protocols.contains(`protocol`) else { return false }
        return port.map(ports.contains) ?? (ports == 0...65_535)
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

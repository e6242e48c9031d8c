import Domain
import PolicyCompiler

/// An element of one of the programs' maps.
struct TunnelElement: Hashable {
    let map: TunnelMap
    let key: [UInt8]
}

/// What is to be done in the maps, in this order: what leads somewhere comes after what it leads to.
struct TunnelChange {
    var set: [(element: TunnelElement, value: [UInt8])] = []
    var removed: [TunnelElement] = []
}

/// What the maps hold, and which VPNs it is for.
///
/// A packet from the IKE daemon's TUN does not say which tunnel it came through. Its destination is in a block, a block
/// is one tenant's, and leads to a *set*: a number for the tenant's VPNs, told by the blocks that they have in common.
/// The set and the packet's source lead to the VPN. When two of a tenant's have the same network, that is the first of
/// them that is up: its daemon, too, has only one way for such packets.
struct TunnelMaps {
    struct Place: Hashable {
        /// The number of its interface.
        let interface: UInt32
        let entry: TunnelEntry
        let isUp: Bool

        var isTranslated: Bool { entry.networks.contains { $0.isTranslated } }
    }

    private struct Source: Hashable {
        let set: UInt32
        let network: IPv4Prefix
    }

    private var places: [VPNNumber: (place: Place, set: UInt32)] = [:]
    private var blocks: [IPv4Prefix: (set: UInt32, vpns: Set<VPNNumber>)] = [:]
    private var sources: [Source: Set<VPNNumber>] = [:]
    private var lastSet: UInt32 = 0

    var numbers: some Collection<VPNNumber> { places.keys }

    /// Puts a VPN in its place, or with `nil` removes it. Takes time for its own networks and blocks only.
    mutating func change(_ number: VPNNumber, to new: Place?) -> TunnelChange {
        var change = TunnelChange()
        var moved: Set<VPNNumber> = []
        move(number, to: new, &change, &moved)
        // Others whose blocks turn out to belong to the same tenant.
        while let next = moved.popFirst() {
            guard let place = places[next]?.place else { continue }
            move(next, to: place, &change, &moved)
        }
        return change
    }

    private mutating func move(
        _ number: VPNNumber, to new: Place?, _ change: inout TunnelChange, _ moved: inout Set<VPNNumber>
    ) {
        let old = places[number]
        let set = new.map { self.set(of: $0.entry.blocks) } ?? 0
        let (was, own) = (Self.own(number, old?.place), Self.own(number, new))
        for (element, value) in own where was[element] != value { change.set.append((element, value)) }

        let before =
            old.map { old in Set(old.place.entry.networks.map { Source(set: old.set, network: $0.network) }) } ?? []
        let after = new.map { Set($0.entry.networks.map { Source(set: set, network: $0.network) }) } ?? []
        places[number] = new.map { ($0, set) }
        for source in after.subtracting(before) { sources[source, default: []].insert(number) }
        for source in before.subtracting(after) {
            sources[source]?.remove(number)
            if sources[source]?.isEmpty == true { sources[source] = nil }
        }
        for source in before.union(after) {
            let element = TunnelElement(map: .sources, key: Self.key(source.set, source.network))
            if let value = value(of: source) {
                change.set.append((element, value))
            } else {
                change.removed.append(element)
            }
        }

        let oldBlocks = Set(old?.place.entry.blocks ?? [])
        let newBlocks = Set(new?.entry.blocks ?? [])
        for block in newBlocks {
            let known = blocks[block]
            blocks[block] = (set, (known?.vpns ?? []).union([number]))
            guard known?.set != set else { continue }
            change.set.append((Self.element(block), set.nativeOctets))
            moved.formUnion((known?.vpns ?? []).subtracting([number]))
        }
        for block in oldBlocks.subtracting(newBlocks) {
            blocks[block]?.vpns.remove(number)
            guard blocks[block]?.vpns.isEmpty == true else { continue }
            blocks[block] = nil
            change.removed.append(Self.element(block))
        }
        change.removed += was.keys.filter { own[$0] == nil }
    }

    private mutating func set(of blocks: [IPv4Prefix]) -> UInt32 {
        if let known = blocks.compactMap({ self.blocks[$0]?.set }).min() { return known }
        lastSet &+= 1
        return lastSet
    }

    /// Elements that are the VPN's alone.
    private static func own(_ number: VPNNumber, _ place: Place?) -> [TunnelElement: [UInt8]] {
        guard let place else { return [:] }
        let flag: UInt32 = place.isTranslated ? 1 : 0
        let link = TunnelElement(map: .links, key: place.interface.nativeOctets)
        var own = [link: number.rawValue.nativeOctets + flag.nativeOctets]
        guard place.isTranslated else { return own }
        // All of its networks: one that is not translated may lie in one that is.
        for network in place.entry.networks {
            let outward = TunnelElement(map: .outward, key: key(number.rawValue, network.seenAs))
            own[outward] = translation(to: network.network)
            let inward = TunnelElement(map: .inward, key: key(number.rawValue, network.network))
            own[inward] = translation(to: network.seenAs)
        }
        return own
    }

    private func value(of source: Source) -> [UInt8]? {
        let vpns = (sources[source] ?? []).compactMap { number in places[number].map { (number, $0.place) } }
        guard let (number, place) = vpns.min(by: { ($0.1.isUp ? 0 : 1, $0.0) < ($1.1.isUp ? 0 : 1, $1.0) }) else {
            return nil
        }
        let flag: UInt32 = place.isTranslated ? 1 : 0
        return number.rawValue.nativeOctets + place.interface.nativeOctets + flag.nativeOctets
    }

    private static func key(_ owner: UInt32, _ prefix: IPv4Prefix) -> [UInt8] {
        UInt32(32 + prefix.length).nativeOctets + owner.nativeOctets + prefix.first.bits.networkOctets
    }

    private static func translation(to prefix: IPv4Prefix) -> [UInt8] {
        let mask: UInt32 = prefix.length == 0 ? 0 : .max << UInt32(32 - prefix.length)
        return prefix.first.bits.networkOctets + mask.networkOctets
    }

    private static func element(_ block: IPv4Prefix) -> TunnelElement {
        TunnelElement(map: .blocks, key: UInt32(block.length).nativeOctets + block.first.bits.networkOctets)
    }
}

import Domain

/// The packets that rules take, to find rules behind them that can never match.
///
/// A rule is covered when each of its pieces (one place, one protocol, one range of ports) lies in one piece of one
/// rule before it. Pieces are found by the prefixes, names and groups around them, so the cost of a rule does not grow
/// with the number of rules before it.
struct Coverage {
    private var taken: [Key: TakenPorts] = [:]
    private var ipv4Lengths: Set<UInt8> = []
    private var ipv6Lengths: Set<UInt8> = []

    private struct Key: Hashable {
        let way: Way
        let place: Place
        /// A rule that does not always hold covers only those that hold at the same times.
        let schedule: Schedule?
    }

    private enum Way: Hashable {
        case fromDevice
        /// To the devices of a group, or of the policy; the place is where the packets come from.
        case toDevice(via: Name, group: Name?)
    }

    private enum Place: Hashable {
        case ipv4(IPv4Prefix)
        case ipv6(IPv6Prefix)
        case host(HostPattern)
        case group(Name)
    }

    /// Adds what the rule takes.
    /// - Returns: whether rules before it take all of that already.
    mutating func add(_ rule: ValidatedPolicy.Rule) -> Bool {
        let (places, pieces) = (Self.places(of: rule), Self.pieces(of: rule))
        let schedules = rule.schedule.map { [nil, $0] } ?? [nil]
        let isCovered = places.allSatisfy { way, place in
            let ways = Self.ways(around: way)
            return pieces.allSatisfy { number, ports in
                schedules.contains { schedule in
                    ways.contains { isTaken($0, place, schedule, number, ports) }
                }
            }
        }
        // A rule that takes nothing new has nothing to add.
        guard !isCovered else { return true }
        let own = TakenPorts(pieces)
        for (way, place) in places {
            switch place {
            case .ipv4(let prefix): ipv4Lengths.insert(prefix.length)
            case .ipv6(let prefix): ipv6Lengths.insert(prefix.length)
            case .host, .group: break
            }
            let key = Key(way: way, place: place, schedule: rule.schedule)
            if let known = taken.index(forKey: key) {
                taken.values[known].add(pieces)
            } else {
                // Places that no rule has taken before share one.
                taken[key] = own
            }
        }
        return false
    }

    // MARK: Around a piece

    private func isTaken(
        _ way: Way, _ place: Place, _ schedule: Schedule?, _ number: UInt8?, _ ports: ClosedRange<UInt16>
    ) -> Bool {
        let holds = { (place: Place) in
            taken[Key(way: way, place: place, schedule: schedule)]?.contains(number, ports) ?? false
        }
        // Whatever addresses a name or a group has, they are some.
        let isEverywhere = { holds(.ipv4(.any)) && holds(.ipv6(.any)) }
        switch place {
        case .ipv4(let prefix):
            return ipv4Lengths.contains { $0 <= prefix.length && holds(.ipv4(prefix.widened(to: $0))) }
        case .ipv6(let prefix):
            return ipv6Lengths.contains { $0 <= prefix.length && holds(.ipv6(prefix.widened(to: $0))) }
        case .group: return holds(place) || isEverywhere()
        case .host(let pattern):
            return pattern.around.contains { holds(.host($0)) } || isEverywhere()
        }
    }

    /// What is to a group's devices is also to those of the policy.
    private static func ways(around way: Way) -> [Way] {
        switch way {
        case .fromDevice, .toDevice(_, nil): [way]
        case .toDevice(let via, .some): [way, .toDevice(via: via, group: nil)]
        }
    }

    // MARK: Pieces

    private static func places(of rule: ValidatedPolicy.Rule) -> [(Way, Place)] {
        let prefixes = { (ipv4: [IPv4Prefix], ipv6: [IPv6Prefix]) in
            ipv4.merged().map(Place.ipv4) + ipv6.merged().map(Place.ipv6)
        }
        switch rule.direction {
        case .fromDevice:
            let places = prefixes(rule.ipv4, rule.ipv6) + rule.hosts.map(Place.host) + rule.groups.map(Place.group)
            return places.map { (.fromDevice, $0) }
        case .toDevice(let via, let sources):
            let groups: [Name?] = rule.groups.isEmpty ? [nil] : rule.groups
            let places = prefixes(sources.ipv4, sources.ipv6)
            return groups.flatMap { group in places.map { (.toDevice(via: via, group: group), $0) } }
        }
    }

    private static func pieces(of rule: ValidatedPolicy.Rule) -> [(UInt8?, ClosedRange<UInt16>)] {
        rule.matches.flatMap { match in
            match.ports.isEmpty
                ? [(match.protocol, 0...65_535)] : match.ports.merged().map { (match.protocol, $0) }
        }
    }
}

/// The ports that are taken at one place, of each protocol.
private struct TakenPorts {
    private var isAll = false
    /// Few protocols: they are sooner looked through than hashed.
    private var protocols: [(number: UInt8, ranges: [ClosedRange<UInt16>])] = []

    init(_ pieces: [(UInt8?, ClosedRange<UInt16>)]) { add(pieces) }

    mutating func add(_ pieces: [(UInt8?, ClosedRange<UInt16>)]) {
        for (number, ports) in pieces {
            if let number { add(number, ports) } else { isAll = true }
        }
    }

    private mutating func add(_ number: UInt8, _ ports: ClosedRange<UInt16>) {
        guard let place = protocols.firstIndex(where: { $0.number == number }) else {
            protocols.append((number, [ports]))
            return
        }
        guard !contains(number, ports) else { return }
        // None lies inside another, so both ends ascend.
        protocols[place].ranges.removeAll { ports.contains($0) }
        let next = protocols[place].ranges.firstIndex { $0.lowerBound > ports.lowerBound }
        protocols[place].ranges.insert(ports, at: next ?? protocols[place].ranges.endIndex)
    }

    func contains(_ number: UInt8?, _ ports: ClosedRange<UInt16>) -> Bool {
        if isAll { return true }
        guard let number, let known = protocols.first(where: { $0.number == number })?.ranges else { return false }
        // The last that begins in time ends last.
        var (low, high) = (0, known.count)
        while low < high {
            let middle = (low + high) / 2
            if known[middle].lowerBound <= ports.lowerBound { low = middle + 1 } else { high = middle }
        }
        return low > 0 && known[low - 1].upperBound >= ports.upperBound
    }
}

extension ClosedRange {
    fileprivate func contains(_ other: Self) -> Bool {
        lowerBound <= other.lowerBound && upperBound >= other.upperBound
    }
}

extension HostPattern {
    /// This and every pattern that covers it.
    fileprivate var around: [HostPattern] {
        var result = [self]
        var name: DomainName? =
            switch self {
            case .exact(let name), .below(let name): name.parent
            }
        while let current = name {
            result.append(.below(current))
            name = current.parent
        }
        return result
    }
}

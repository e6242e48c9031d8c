import CNetfilter
import Domain
import PolicyCompiler

/// A policy as the kernel holds it: chains whose rules compare a packet with the policy's boxes, or look it up in the
/// chain's maps. A flow that passes gets the number of its way (conntrack's mark), counted from the policy's own number;
/// what is blocked returns, with zero from a map. Maps are constant: while a rule uses them, nobody can change their
/// elements.
struct PolicyForm: Hashable {
    var chains: [ChainPlace: ChainForm]

    init(chains: [ChainPlace: ChainForm]) { self.chains = chains }

    /// - Parameter bits: of the ruleset's sets of names.
    init(_ ruleset: Ruleset, bits: [Int], withIPv6: Bool) {
        chains = [.outward(.ipv4): ChainForm(ruleset, ruleset.form, bits)]
        if withIPv6, let form = ruleset.form6 { chains[.outward(.ipv6)] = ChainForm(ruleset, form, bits) }
        for access in ruleset.access {
            chains[.access(access.vpn, .ipv4)] = ChainForm(ruleset, access.vpn, access.entries)
            guard withIPv6, !access.entries6.isEmpty else { continue }
            chains[.access(access.vpn, .ipv6)] = ChainForm(ruleset, access.vpn, access.entries6)
        }
    }

    /// The places of a ruleset's chains.
    static func places(of ruleset: Ruleset, withIPv6: Bool) -> [ChainPlace] {
        var places: [ChainPlace] = [.outward(.ipv4)]
        if withIPv6, ruleset.hasForm6 { places.append(.outward(.ipv6)) }
        for access in ruleset.access {
            places.append(.access(access.vpn, .ipv4))
            if withIPv6, !access.entries6.isEmpty { places.append(.access(access.vpn, .ipv6)) }
        }
        return places
    }

    /// How many maps each of the places has.
    static func mapCount(of ruleset: Ruleset, at place: ChainPlace) -> Int {
        switch place {
        case .outward(.ipv4): ruleset.form.mapCount
        case .outward(.ipv6): ruleset.form6?.mapCount ?? 0
        case .access: 0
        }
    }
}

extension Ruleset.Form {
    fileprivate var mapCount: Int { lookups.count }
}

/// Which packets of a policy's devices a chain judges.
enum ChainPlace: Hashable {
    /// From devices.
    case outward(Family)
    /// To devices, through a VPN.
    case access(VPNNumber, Family)

    var family: Family {
        switch self {
        case .outward(let family), .access(_, let family): family
        }
    }

    /// `policy_7`, `policy6_7`, `access_7_2`, `access6_7_2`: the chain at this place of the policy with the number.
    func name(serial: UInt32) -> String {
        switch self {
        case .outward(let family): "\(Self.outward)\(family.suffix)_\(serial)"
        case .access(let vpn, let family): "\(Self.access)\(family.suffix)_\(serial)_\(vpn)"
        }
    }

    private static let outward = "policy"
    private static let access = "access"

    /// `nil` for a name that no chain of a policy has.
    init?(chain name: String) {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        for family in Family.allCases {
            if parts.count == 2, parts[0] == Self.outward + family.suffix {
                self = .outward(family)
                return
            }
            if parts.count == 3, parts[0] == Self.access + family.suffix,
                let vpn = UInt32(parts[2]).flatMap({ VPNNumber($0) })
            {
                self = .access(vpn, family)
                return
            }
        }
        return nil
    }

    /// The number in the name of a chain of a policy, or of one of its maps; `nil` for other names.
    static func serial(in name: String) -> UInt32? {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        let prefixes = Family.allCases.flatMap { [Self.outward + $0.suffix, Self.access + $0.suffix] }
        guard parts.count >= 2, prefixes.contains(String(parts[0])) else { return nil }
        return UInt32(parts[1])
    }
}

/// IPv4 or IPv6, as the kernel keeps and nft names their parts.
enum Family: CaseIterable {
    case ipv4, ipv6

    /// Behind the names of chains and sets.
    var suffix: String { self == .ipv4 ? "" : "6" }
    var addressLength: UInt8 { self == .ipv4 ? 4 : 16 }
    /// nft's number for ipv4_addr, ipv6_addr.
    var addressType: UInt32 { self == .ipv4 ? 7 : 8 }
    /// The registers of four octets that an address takes.
    var registers: UInt32 { UInt32(addressLength) / 4 }
    var observed: String { Observed.name + suffix }
    func group(_ group: GroupNumber) -> String { "group\(suffix)_\(group)" }
}

/// One chain of a policy.
struct ChainForm: Hashable {
    var rules: [[RuleExpression]]
    var maps: [Map] = []

    struct Map: Hashable {
        var key: Ruleset.LookupKey
        var elements: Set<Element>
    }

    struct Element: Hashable {
        let key: [UInt8]
        let keyEnd: [UInt8]
        /// `nil` blocks.
        let way: UInt32?
    }

    init(rules: [[RuleExpression]], maps: [Map]) {
        self.rules = rules
        self.maps = maps
    }

    init<Prefix: KernelPrefix>(_ ruleset: Ruleset, _ form: Ruleset.Form<Prefix>, _ bits: [Int]) {
        let family = Prefix.family
        rules = []
        maps = []
        var word: Int?
        for step in form.steps {
            switch step {
            case .box(let box):
                var comparisons = box.destination.comparisons
                if case .hosts(let set) = box.destination {
                    guard set < bits.count, let bit = Ruleset.HostBit(bits[set]) else { continue }
                    if bit.word != word { rules += Named.load(word: bit.word, family) }
                    word = bit.word
                    comparisons = Named.comparisons(bit)
                }
                comparisons += box.comparisons
                let noted = Self.observations(ruleset, box.rule, box.shape.protocols, family)
                rules += noted.map { comparisons + $0 }
                rules.append(comparisons + Self.decision(ruleset, way: box.way))
            case .lookup(let lookup):
                let elements = lookup.entries.map { entry in
                    Element(entry, key: lookup.key, way: ruleset.way(of: entry.rule))
                }
                rules.append(lookup.key.rule(layer: maps.count, family))
                maps.append(Map(key: lookup.key, elements: Set(elements)))
            }
        }
        rules += Self.observations(ruleset, ruleset.default, 0...255, family)
        rules.append(Self.decision(ruleset, way: ruleset.way(of: ruleset.default)))
    }

    init<Prefix: KernelPrefix>(_ ruleset: Ruleset, _ vpn: VPNNumber, _ entries: [Ruleset.AccessEntry<Prefix>]) {
        let source = RuleExpression.source(Prefix.family, to: NFT_REG_1.rawValue)
        rules = entries.map { entry in
            var rule = entry.source.comparisons(source)
            if let group = entry.group { rule += Ruleset.Box<Prefix>.Destination.group(group).comparisons }
            rule += entry.shape.comparisons
            return rule + Self.decision(ruleset, way: entry.isAllowed ? ruleset.way(of: entry.rule) : nil)
        }
    }

    private static func decision(_ ruleset: Ruleset, way: Int?) -> [RuleExpression] {
        let register = NFT_REG_1.rawValue
        guard let way else {
            // What names have put there is nobody's number.
            return ruleset.hosts.isEmpty
                ? [.counter, .return] : [.counter, .zero(to: register), .setConntrackMark(from: register), .return]
        }
        let number: [RuleExpression] = [
            .counter, .number(UInt32(truncatingIfNeeded: way), to: register), .setConntrackMark(from: register),
        ]
        // A route that never changes is known here; what would look it up is spared.
        guard let mark = RouteMark.fixed(ruleset.ways[way]) else { return number + [.return] }
        return number + [.mark(mark, to: register), .setMark(from: register), .accept]
    }

    /// Rules of their own, because an update of a full set ends its rule. One for each kind of packet: only TCP and UDP
    /// have a port.
    private static func observations(
        _ ruleset: Ruleset, _ rule: Int, _ protocols: ClosedRange<UInt8>, _ family: Family
    ) -> [[RuleExpression]] {
        guard ruleset.actions[rule].isObserved else { return [] }
        let number = UInt32(truncatingIfNeeded: rule)
        let register = NFT_REG_1.rawValue
        let withPorts = [UInt8(IPPROTO_TCP), UInt8(IPPROTO_UDP)]
        let load = RuleExpression.meta(key: NFT_META_L4PROTO.rawValue, to: register)
        var rules = withPorts.filter(protocols.contains).map { number in
            [load, RuleExpression.equal(register, [number])]
        }
        .map { $0 + Observed.update(rule: number, hasPort: true, family) }
        if protocols.count > 1 || !withPorts.contains(protocols.lowerBound) {
            let others = withPorts.filter(protocols.contains).map { RuleExpression.notEqual(register, [$0]) }
            rules.append([load] + others + Observed.update(rule: number, hasPort: false, family))
        }
        return rules
    }

    /// The map of a layer. The names of maps and of chains are apart.
    static func map(of chain: String, layer: Int) -> String { "\(chain)_\(layer)" }
}

/// What the kernel compares of an address.
protocol KernelPrefix: AddressPrefix {
    static var family: Family { get }
    /// In network order.
    static func octets(_ address: Address) -> [UInt8]
    /// Ones where the bits count.
    var maskOctets: Octets { get }
}

extension IPv4Prefix: KernelPrefix {
    static var family: Family { .ipv4 }
    static func octets(_ address: IPv4Address) -> [UInt8] { address.bits.networkOctets }
    var maskOctets: Octets { Octets(network: ~(last.bits ^ first.bits)) }
}

extension IPv6Prefix: KernelPrefix {
    static var family: Family { .ipv6 }
    static func octets(_ address: IPv6Address) -> [UInt8] { address.bits.networkOctets }
    var maskOctets: Octets { Octets(network: ~(last.bits ^ first.bits)) }
}

extension KernelPrefix {
    /// Whether the address that is loaded by `load` is in the prefix.
    fileprivate func comparisons(_ load: RuleExpression) -> [RuleExpression] {
        guard self != .any else { return [] }
        let register = NFT_REG_1.rawValue
        var all = [load]
        // All octets and a mask, even where fewer octets would do: that is what the kernel loads quickly.
        if length < Self.bits { all.append(.mask(register, maskOctets)) }
        return all + [.equal(register, Octets(Self.octets(address)))]
    }
}

extension Ruleset.Box.Destination where Prefix: KernelPrefix {
    /// As nft compiles `ip daddr …`, but for a look at the packet's family: one alone comes to a chain.
    fileprivate var comparisons: [RuleExpression] {
        let register = NFT_REG_1.rawValue
        let load = RuleExpression.destination(Prefix.family, to: register)
        switch self {
        case .prefix(let prefix): return prefix.comparisons(load)
        case .group(let group):
            let network = Prefix.family == .ipv4 ? [] : [RuleExpression.mask(register, Family.deviceMask)]
            return [load] + network + [.member(of: .group(group, Prefix.family), from: register)]
        case .hosts: return []
        }
    }
}

/// The maps `named_0` and on, `named6_0` and on: policy and address, and which of the policy's sets of names have the
/// address (``Ruleset/HostBit``).
enum Named {
    static func map(_ word: Int, _ family: Family) -> String { "named\(family.suffix)_\(word)" }

    static let maps = Family.allCases.flatMap { family in (0..<Ruleset.HostBit.words).map { map($0, family) } }

    static func key(_ policy: PolicyMark, _ address: IPAddress) -> [UInt8] {
        switch address {
        case .v4(let address): policy.rawValue.nativeOctets + address.bits.networkOctets
        case .v6(let address): policy.rawValue.nativeOctets + address.bits.networkOctets
        }
    }

    /// What a word of bits is in the map: no flow has such a number.
    static let mark: UInt32 = 1 << 31

    /// Puts a word of the destination's bits where the flow's number will be; zero when it has none.
    static func load(word: Int, _ family: Family) -> [[RuleExpression]] {
        let register = NFT_REG_1.rawValue
        return [
            [.zero(to: register), .setConntrackMark(from: register)],
            [
                .meta(key: NFT_META_MARK.rawValue, to: register),
                .destination(family, to: RuleExpression.register(1)),
                .find(in: .named(word: word, family), from: register, to: register), .setConntrackMark(from: register),
            ],
        ]
    }

    static func comparisons(_ bit: Ruleset.HostBit) -> [RuleExpression] {
        let (register, octets) = (NFT_REG_1.rawValue, Octets(native: bit.mask))
        return [.conntrackMark(to: register), .mask(register, octets), .equal(register, octets)]
    }
}

extension Family {
    /// A device has a /64.
    static let deviceMask = Octets(network: ~UInt128(UInt64.max))
}

extension Ruleset.Box {
    fileprivate var comparisons: [RuleExpression] {
        guard needsPort, shape.ports == 0...65_535 else { return shape.comparisons }
        let register = NFT_REG_1.rawValue
        return shape.comparisons + [.destinationPort(to: register), .range(register, [0, 0], [255, 255])]
    }
}

extension BoxShape {
    /// As nft compiles `meta l4proto … th dport …`.
    fileprivate var comparisons: [RuleExpression] {
        let register = NFT_REG_1.rawValue
        var all: [RuleExpression] = []
        if protocols != 0...255 {
            all.append(.meta(key: NFT_META_L4PROTO.rawValue, to: register))
            all.append(.compare(register, [protocols.lowerBound], [protocols.upperBound]))
        }
        if ports != 0...65_535 {
            all.append(.destinationPort(to: register))
            all.append(.compare(register, Octets(network: ports.lowerBound), Octets(network: ports.upperBound)))
        }
        return all
    }
}

extension ChainForm.Element {
    /// Destination, protocol and port, each in registers of four octets.
    init<Prefix: KernelPrefix>(_ entry: BoxEntry<Prefix>, key: Ruleset.LookupKey, way: Int?) {
        let octets = { (address: Prefix.Address, number: UInt8, port: UInt16) in
            Prefix.octets(address) + [number, 0, 0, 0] + (key == .port ? port.networkOctets + [0, 0] : [])
        }
        self.init(
            key: octets(entry.destination.first, entry.protocols.lowerBound, entry.ports.lowerBound),
            keyEnd: octets(entry.destination.last, entry.protocols.upperBound, entry.ports.upperBound),
            way: way.map { UInt32(truncatingIfNeeded: $0) })
    }
}

extension Ruleset.LookupKey {
    /// The lengths of the parts in octets.
    func fields(_ family: Family) -> [UInt8] {
        switch self {
        case .protocol: [family.addressLength, 1]
        case .port: [family.addressLength, 1, 2]
        }
    }

    /// In octets, each part in registers of four.
    func length(_ family: Family) -> UInt32 { UInt32(family.addressLength) + (self == .port ? 8 : 4) }

    /// nft's numbers for an address, inet_proto and inet_service, six bits each, by which it lists the map.
    func type(_ family: Family) -> UInt32 {
        let (number, port): (UInt32, UInt32) = (12, 13)
        return switch self {
        case .protocol: family.addressType << 6 | number
        case .port: family.addressType << 12 | number << 6 | port
        }
    }

    /// Looks the packet up as nft compiles `ip daddr . meta l4proto . th dport`, and writes what the map has for it on
    /// the flow.
    func rule(layer: Int, _ family: Family) -> [RuleExpression] {
        let register = NFT_REG_1.rawValue
        let parts: [RuleExpression] = [
            .destination(family, to: register),
            .meta(key: NFT_META_L4PROTO.rawValue, to: RuleExpression.register(family.registers)),
            .destinationPort(to: RuleExpression.register(family.registers + 1)),
        ]
        return parts.prefix(fields(family).count)
            + [.lookup(layer: layer, from: register, to: register), .setConntrackMark(from: register), .return]
    }

    /// nft's number for a mark.
    static let dataType: UInt32 = 19
    static let setFlags =
        NFT_SET_MAP.rawValue | NFT_SET_INTERVAL.rawValue | NFT_SET_CONCAT.rawValue | NFT_SET_CONSTANT.rawValue
}

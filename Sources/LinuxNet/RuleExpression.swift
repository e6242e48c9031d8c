import CNetfilter
import Domain

/// The expressions that policies' rules are made of. Nothing in them is on the heap: a policy has thousands.
enum RuleExpression: Hashable {
    case payload(base: UInt32, offset: UInt32, length: UInt32, to: UInt32)
    case meta(key: UInt32, to: UInt32)
    case mask(UInt32, Octets)
    case equal(UInt32, Octets)
    case notEqual(UInt32, Octets)
    case range(UInt32, Octets, Octets)
    /// In the chain's map of a layer.
    case lookup(layer: Int, from: UInt32, to: UInt32)
    case member(of: TableSet, from: UInt32)
    case find(in: TableSet, from: UInt32, to: UInt32)
    case conntrackMark(to: UInt32)
    /// Of the packet that began the flow.
    case conntrack(key: UInt32, to: UInt32)
    /// A way's number.
    case number(UInt32, to: UInt32)
    case setConntrackMark(from: UInt32)
    case zero(to: UInt32)
    /// A route's mark.
    case mark(UInt32, to: UInt32)
    case setMark(from: UInt32)
    case counter
    /// Of an element that is in the registers from one on.
    case update(TableSet, from: UInt32)
    case goTo(VPNLimits.Place)
    case `return`
    case accept
    /// None of these.
    case other

    static func source(_ family: Family, to register: UInt32) -> Self {
        .payload(
            base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: family == .ipv4 ? 12 : 8,
            length: UInt32(family.addressLength), to: register)
    }

    static func destination(_ family: Family, to register: UInt32) -> Self {
        .payload(
            base: NFT_PAYLOAD_NETWORK_HEADER.rawValue, offset: family == .ipv4 ? 16 : 24,
            length: UInt32(family.addressLength), to: register)
    }

    static func destinationPort(to register: UInt32) -> Self {
        .payload(base: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue, offset: 2, length: 2, to: register)
    }

    /// The register of four octets at a place, with the number by which the kernel tells it: that of one of sixteen octets
    /// where such a one begins.
    static func register(_ place: UInt32) -> UInt32 {
        place % 4 == 0 ? NFT_REG_1.rawValue + place / 4 : NFT_REG32_00.rawValue + place
    }

    static func compare(_ register: UInt32, _ first: Octets, _ last: Octets) -> Self {
        first == last ? .equal(register, first) : .range(register, first, last)
    }
}

/// A set or a map of the table that policies' rules look into.
enum TableSet: Hashable {
    /// Addresses that names have, for one word of bits (``Named``).
    case named(word: Int, Family)
    /// The addresses of a group's devices.
    case group(GroupNumber, Family)
    case observed(Family)

    var name: String {
        switch self {
        case .named(let word, let family): Named.map(word, family)
        case .group(let group, let family): family.group(group)
        case .observed(let family): family.observed
        }
    }

    /// `nil` for the name of anything else.
    init?(name: String) {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        let number = parts.count == 2 ? UInt32(parts[1]) : nil
        for family in Family.allCases {
            var sets: [TableSet] = [.observed(family)]
            if let number {
                sets.append(.named(word: Int(number), family))
                if let group = GroupNumber(number) { sets.append(.group(group, family)) }
            }
            guard let found = sets.first(where: { $0.name == name }) else { continue }
            self = found
            return
        }
        return nil
    }
}

/// The sets `observed` and `observed6`: device, destination, protocol, port (zero where there is none) and the number of a
/// rule, counted as ways are, with a counter.
enum Observed {
    static let name = "observed"

    static func update(rule: UInt32, hasPort: Bool, _ family: Family) -> [RuleExpression] {
        let register = RuleExpression.register
        let next = 2 * family.registers
        return [
            .source(family, to: register(0)), .destination(family, to: register(family.registers)),
            .meta(key: NFT_META_L4PROTO.rawValue, to: register(next)),
            hasPort ? .destinationPort(to: register(next + 1)) : .zero(to: register(next + 1)),
            .number(rule, to: register(next + 2)), .update(.observed(family), from: register(0)),
        ]
    }
}

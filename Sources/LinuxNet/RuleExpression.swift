import CNetfilter
import Domain

/// The expressions that policies' rules are made of.
enum RuleExpression: Hashable {
    case payload(base: UInt32, offset: UInt32, length: UInt32, to: UInt32)
    case meta(key: UInt32, to: UInt32)
    case mask(UInt32, [UInt8])
    case equal(UInt32, [UInt8])
    case notEqual(UInt32, [UInt8])
    case range(UInt32, [UInt8], [UInt8])
    /// In the chain's map of a layer.
    case lookup(layer: Int, from: UInt32, to: UInt32)
    /// Of a set of the table.
    case member(of: String, from: UInt32)
    /// In a map of the table.
    case find(in: String, from: UInt32, to: UInt32)
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
    case update(set: String, from: UInt32)
    case goTo(String)
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

    static func compare(_ register: UInt32, _ first: [UInt8], _ last: [UInt8]) -> Self {
        first == last ? .equal(register, first) : .range(register, first, last)
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
            .number(rule, to: register(next + 2)), .update(set: family.observed, from: register(0)),
        ]
    }
}

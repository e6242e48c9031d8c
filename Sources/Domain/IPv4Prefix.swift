/// An IPv4 prefix (RFC 4632 CIDR notation): an address and how many of its leading bits count.
/// Host bits are always zero; a single address is a /32.
public struct IPv4Prefix: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let address: IPv4Address
    /// 0...32.
    public let length: UInt8

    /// Every IPv4 address.
    public static let any = IPv4Prefix(bits: 0, length: 0)

    /// The prefix of `length` bits that contains `address`; `length` above 32 is taken as 32.
    public init(containing address: IPv4Address, length: UInt8) {
        self.init(bits: address.bits, length: min(length, 32))
    }

    private init(bits: UInt32, length: UInt8) {
        self.length = length
        self.address = IPv4Address(bits: bits & Self.mask(length))
    }

    /// Parses `a.b.c.d/n`, or `a.b.c.d` as a /32. Host bits that are set are an error: they hide typing mistakes.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let octets = Array(text.utf8)
        let end = octets.firstIndex(of: UInt8(ascii: "/")) ?? octets.endIndex
        let address = try IPv4Address(utf8: octets[..<end])
        guard end < octets.endIndex else {
            self.init(bits: address.bits, length: 32)
            return
        }
        let written = octets[(end + 1)...]
        guard let digits = Digits(written, count: 1...2), digits.count == 1 || written.first != UInt8(ascii: "0"),
            let length = UInt8(exactly: digits.value), length <= 32
        else {
            throw ParseError(
                kind: "an IPv4 prefix", text: text, expected: "the length after the slash is a number from 0 to 32")
        }
        self.init(bits: address.bits, length: length)
        guard self.address == address else {
            throw ParseError(
                kind: "an IPv4 prefix", text: text,
                expected: "bits after the first \(length) must be zero; write \(self)")
        }
    }

    public var first: IPv4Address { address }
    public var last: IPv4Address { IPv4Address(bits: address.bits | ~Self.mask(length)) }
    /// How many addresses the prefix holds, 1...2^32.
    public var count: UInt64 { 1 << UInt64(32 - length) }

    public func contains(_ other: IPv4Address) -> Bool { other.bits & Self.mask(length) == address.bits }
    public func contains(_ other: IPv4Prefix) -> Bool { length <= other.length && contains(other.address) }
    public func overlaps(_ other: IPv4Prefix) -> Bool { contains(other) || other.contains(self) }

    public static func < (a: Self, b: Self) -> Bool { (a.address.bits, a.length) < (b.address.bits, b.length) }

    public var description: String { length == 32 ? "\(address)" : "\(address)/\(length)" }

    private static func mask(_ length: UInt8) -> UInt32 { length == 0 ? 0 : ~0 << UInt32(32 - length) }
}

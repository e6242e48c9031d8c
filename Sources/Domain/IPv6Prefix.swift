/// An IPv6 prefix (RFC 4291 §2.3): an address and how many of its leading bits count.
/// Host bits are always zero; a single address is a /128.
public struct IPv6Prefix: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let address: IPv6Address
    /// 0...128.
    public let length: UInt8

    /// Every IPv6 address.
    public static let any = IPv6Prefix(bits: 0, length: 0)

    /// The prefix of `length` bits that contains `address`; `length` above 128 is taken as 128.
    public init(containing address: IPv6Address, length: UInt8) {
        self.init(bits: address.bits, length: min(length, 128))
    }

    private init(bits: UInt128, length: UInt8) {
        self.length = length
        self.address = IPv6Address(bits: bits & Self.mask(length))
    }

    /// Parses `address/n`, or an address alone as a /128. Host bits that are set are an error: they hide typing
    /// mistakes.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        let octets = Array(text.utf8)
        let end = octets.firstIndex(of: UInt8(ascii: "/")) ?? octets.endIndex
        let address = try IPv6Address(utf8: octets[..<end])
        guard end < octets.endIndex else {
            self.init(bits: address.bits, length: 128)
            return
        }
        let written = octets[(end + 1)...]
        guard let digits = Digits(written, count: 1...3), digits.count == 1 || written.first != UInt8(ascii: "0"),
            let length = UInt8(exactly: digits.value), length <= 128
        else {
            throw ParseError(
                kind: "an IPv6 prefix", text: text, expected: "the length after the slash is a number from 0 to 128")
        }
        self.init(bits: address.bits, length: length)
        guard self.address == address else {
            throw ParseError(
                kind: "an IPv6 prefix", text: text,
                expected: "bits after the first \(length) must be zero; write \(self)")
        }
    }

    public var first: IPv6Address { address }
    public var last: IPv6Address { IPv6Address(bits: address.bits | ~Self.mask(length)) }

    public func contains(_ other: IPv6Address) -> Bool { other.bits & Self.mask(length) == address.bits }
    public func contains(_ other: IPv6Prefix) -> Bool { length <= other.length && contains(other.address) }
    public func overlaps(_ other: IPv6Prefix) -> Bool { contains(other) || other.contains(self) }

    public static func < (a: Self, b: Self) -> Bool { (a.address.bits, a.length) < (b.address.bits, b.length) }

    public var description: String { length == 128 ? "\(address)" : "\(address)/\(length)" }

    private static func mask(_ length: UInt8) -> UInt128 { length == 0 ? 0 : ~0 << UInt128(128 - length) }
}

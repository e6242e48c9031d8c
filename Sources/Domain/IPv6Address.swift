/// An IPv6 address, as the number that its sixteen octets make, the first octet highest.
public struct IPv6Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The address in host byte order.
    public let bits: UInt128

    public init(bits: UInt128) { self.bits = bits }

    /// Parses the text forms of RFC 4291 §2.2, IPv4 at the end among them. A zone (`%eth0`, RFC 4007) means something on
    /// one machine only and is refused.
    public init(parsing text: some StringProtocol) throws(ParseError) {
        try self.init(utf8: Array(text.utf8)[...])
    }

    init(utf8 octets: ArraySlice<UInt8>) throws(ParseError) {
        guard let bits = Self.parse(octets) else {
            throw ParseError(
                kind: "an IPv6 address", text: String(decoding: octets, as: UTF8.self),
                expected: "write eight groups of up to four hex digits with colons between them, "
                    + "and :: once for groups of zeros")
        }
        self.bits = bits
    }

    public static func < (a: Self, b: Self) -> Bool { a.bits < b.bits }

    /// Whether this is an IPv4 address in the clothes of IPv6, `::ffff:0:0/96` (RFC 4291 §2.5.5.2).
    public var isIPv4Mapped: Bool { bits >> 32 == 0xffff }

    /// RFC 5952: lower case, no leading zeros, `::` for the first of the longest runs of two or more zero groups.
    public var description: String {
        if isIPv4Mapped { return "::ffff:\(IPv4Address(bits: UInt32(truncatingIfNeeded: bits)))" }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: bits >> UInt128(112 - 16 * $0)) }
        let text = { (groups: ArraySlice<UInt16>) in
            groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard let gap = Self.longestRunOfZeros(groups) else { return text(groups[...]) }
        return "\(text(groups[..<gap.lowerBound]))::\(text(groups[gap.upperBound...]))"
    }

    private static func longestRunOfZeros(_ groups: [UInt16]) -> Range<Int>? {
        var longest = 0..<1
        var start = 0
        for (index, group) in groups.enumerated() {
            if group != 0 {
                start = index + 1
            } else if index + 1 - start > longest.count {
                longest = start..<index + 1
            }
        }
        return longest.count > 1 ? longest : nil
    }

    private static func parse(_ text: ArraySlice<UInt8>) -> UInt128? {
        // The longest form has 45 octets: six groups and an IPv4 address.
        let bytes = Array(text.prefix(46))
        guard bytes.count <= 45 else { return nil }
        let colon = UInt8(ascii: ":")
        var groups: [UInt16] = []
        /// How many groups stand before `::`.
        var gap: Int?
        var index = 0
        if bytes.starts(with: [colon, colon]) { (gap, index) = (0, 2) }
        while index < bytes.count {
            guard groups.count < 8 else { return nil }
            let start = index
            var group: UInt32 = 0
            while index < bytes.count, index - start < 5, let digit = hexDigit(bytes[index]) {
                group = group << 4 | digit
                index += 1
            }
            if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
                guard let tail = IPv4Address.parse(bytes[start...]) else { return nil }
                groups += [UInt16(tail >> 16), UInt16(truncatingIfNeeded: tail)]
                break
            }
            guard (1...4).contains(index - start) else { return nil }
            groups.append(UInt16(group))
            guard index < bytes.count else { break }
            // A colon, and something behind it.
            guard bytes[index] == colon, index + 1 < bytes.count else { return nil }
            index += 1
            if bytes[index] == colon {
                guard gap == nil else { return nil }
                gap = groups.count
                index += 1
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: Array(repeating: 0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        return groups.reduce(0) { $0 << 16 | UInt128($1) }
    }

    private static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x41) + 10
        case 0x61...0x66: UInt32(byte - 0x61) + 10
        default: nil
        }
    }
}

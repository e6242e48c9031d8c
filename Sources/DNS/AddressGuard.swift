public import Domain

/// Which addresses an answer may give to a device. A name on the internet that has an address inside would let its owner
/// reach there with the help of whoever asks for it (DNS rebinding).
public struct AddressGuard: Sendable {
    private let devices: Prefixes
    private let inside: Prefixes

    /// - Parameters:
    ///   - devices: no answer has an address of these, whoever gives it.
    ///   - protected: the operator's own networks, beside those that are nobody's on the internet.
    public init(
        devices: [IPv4Prefix], devicesIPv6: [IPv6Prefix] = [], protected: [IPv4Prefix] = [],
        protectedIPv6: [IPv6Prefix] = []
    ) {
        self.devices = Prefixes(v4: devices, v6: devicesIPv6)
        inside = Prefixes(v4: Self.special + protected, v6: Self.specialIPv6 + protectedIPv6)
    }

    /// - Parameter isPrivate: whether who gives the address is an enterprise's own resolver, and speaks of its network.
    public func permits(_ address: IPAddress, isPrivate: Bool) -> Bool {
        guard !devices.contain(address) else { return false }
        let embedded = Self.embedded(in: address)
        if let embedded, devices.contain(embedded) { return false }
        return isPrivate || !(inside.contain(address) || embedded.map(inside.contain) ?? false)
    }

    /// The first that is not permitted.
    public func firstRefused(of addresses: [IPAddress], isPrivate: Bool) -> IPAddress? {
        addresses.first { !permits($0, isPrivate: isPrivate) }
    }

    private struct Prefixes: Sendable {
        let v4: [IPv4Prefix]
        let v6: [IPv6Prefix]

        func contain(_ address: IPAddress) -> Bool {
            switch address {
            case .v4(let address): v4.contains { $0.contains(address) }
            case .v6(let address): v6.contains { $0.contains(address) }
            }
        }
    }

    /// The IPv4 address that a translator or tunnel makes of an IPv6 address: IPv4-mapped and -compatible (RFC 4291
    /// §2.5.5), NAT64 (RFC 6052 §2.1), 6to4 (RFC 3056 §2), Teredo (RFC 4380 §4, bits reversed).
    private static func embedded(in address: IPAddress) -> IPAddress? {
        guard case .v6(let address) = address else { return nil }
        let bits = address.bits
        let low = UInt32(truncatingIfNeeded: bits)
        if bits >> 32 == 0 || bits >> 32 == 0xffff || bits >> 32 == 0x0064_ff9b << 64 {
            return .v4(IPv4Address(bits: low))
        }
        if bits >> 112 == 0x2002 { return .v4(IPv4Address(bits: UInt32(truncatingIfNeeded: bits >> 80))) }
        if bits >> 96 == 0x2001_0000 { return .v4(IPv4Address(bits: ~low)) }
        return nil
    }

    private static func v4(_ a: UInt32, _ b: UInt32, _ length: UInt8, _ c: UInt32 = 0) -> IPv4Prefix {
        IPv4Prefix(containing: IPv4Address(bits: a << 24 | b << 16 | c << 8), length: length)
    }

    private static func v6(_ high: UInt128, _ length: UInt8) -> IPv6Prefix {
        IPv6Prefix(containing: IPv6Address(bits: high << 96), length: length)
    }

    /// What the registry of RFC 6890 has as not global, and multicast. Without the networks for documentation: they lead
    /// nowhere, and so to no place inside either.
    public static let special: [IPv4Prefix] = [
        v4(0, 0, 8), v4(10, 0, 8), v4(100, 64, 10), v4(127, 0, 8), v4(169, 254, 16), v4(172, 16, 12), v4(192, 0, 24),
        v4(192, 168, 16), v4(198, 18, 15), v4(224, 0, 4), v4(240, 0, 4),
    ]

    public static let specialIPv6: [IPv6Prefix] = [
        // Unspecified, loopback, IPv4-compatible.
        v6(0, 96),
        // IPv4-mapped: no address of a message, whatever is in it.
        IPv6Prefix(containing: IPv6Address(bits: 0xffff << 32), length: 96),
        // NAT64 of local use (RFC 8215), discard-only (RFC 6666), the IETF's protocols (RFC 2928), segments (RFC 9602).
        IPv6Prefix(containing: IPv6Address(bits: 0x0064_ff9b_0001 << 80), length: 48),
        v6(0x0100_0000, 64), v6(0x2001_0000, 23), v6(0x5f00_0000, 16),
        // Unique local, link-local and what was site-local, multicast.
        v6(0xfc00_0000, 7), v6(0xfe80_0000, 10), v6(0xfec0_0000, 10), v6(0xff00_0000, 8),
    ]
}

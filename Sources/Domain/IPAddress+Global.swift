extension IPAddress {
    /// Whether it is one that everybody on the internet could have. Not so: private, shared, loopback, link-local,
    /// multicast and reserved addresses, those of documentation, and IPv6 addresses that an IPv4 address stands in
    /// (IANA's special-purpose registries, RFC 6890).
    public var isGlobal: Bool {
        switch self {
        case .v4(let address): !Self.special.contains { address.bits & $0.mask == $0.bits }
        case .v6(let address):
            // 2000::/3 is all there is.
            address.bits >> 125 == 1
                // Teredo and the other protocols' 2001::/23, documentation, 6to4, documentation again.
                && address.bits >> 105 != 0x2001_0000 >> 9 && address.bits >> 96 != 0x2001_0db8
                && address.bits >> 112 != 0x2002 && address.bits >> 108 != 0x3fff0
        }
    }

    private static let special: [(bits: UInt32, mask: UInt32)] = [
        (0x0000_0000, 8), (0x0a00_0000, 8), (0x6440_0000, 10), (0x7f00_0000, 8), (0xa9fe_0000, 16),
        (0xac10_0000, 12), (0xc000_0000, 24), (0xc000_0200, 24), (0xc058_6300, 24), (0xc0a8_0000, 16),
        (0xc612_0000, 15), (0xc633_6400, 24), (0xcb00_7100, 24), (0xe000_0000, 4), (0xf000_0000, 4),
    ].map { (bits: $0.0, mask: ~0 << UInt32(32 - $0.1)) }
}

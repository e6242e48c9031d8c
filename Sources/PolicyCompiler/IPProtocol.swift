/// Numbers of the protocols that policies know by name (IANA "Protocol Numbers").
enum IPProtocol {
    static let icmp: UInt8 = 1
    static let tcp: UInt8 = 6
    static let udp: UInt8 = 17
    static let icmpv6: UInt8 = 58

    /// In the order in which messages name them; `nil` is any protocol.
    static let named: [(name: String, number: UInt8?)] = [
        ("any", nil), ("tcp", tcp), ("udp", udp), ("icmp", icmp), ("icmpv6", icmpv6),
    ]

    /// Those that people may well name, but documents give by number.
    static let others: [String: UInt8] = ["igmp": 2, "gre": 47, "esp": 50, "ah": 51, "sctp": 132]

    /// The name that a document uses, or the number.
    static func name(_ number: UInt8) -> String {
        named.first { $0.number == number }?.name ?? "\(number)"
    }

    static func hasPorts(_ number: UInt8?) -> Bool { number == tcp || number == udp }
}
